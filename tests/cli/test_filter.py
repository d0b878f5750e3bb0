import json

import numpy as np


def test_every_number_is_printed(detcnn, tmp_path):
    image = np.eye(4, dtype=np.float32)[None, None]
    np.savez(tmp_path / "lines.npz", down=image, up=image[..., ::-1])
    arguments = ("filter", tmp_path / "lines.npz", "-f", "0 1 / 1 0", "--bias", "-1")
    result = detcnn(*arguments, "--numbers", "--rectify", "--pool", "3", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "filter filter_1\n0  1\n1  0\n" in result.stdout
    assert (
        "up, event 1, channel_0: filter_1, feature map\n−1  −1   1\n−1   1  −1\n" in result.stdout
    )
    assert "up, event 1, channel_0: filter_1, pooled\n1\n" in result.stdout
    again = detcnn(*arguments, "-o", tmp_path / "out")
    assert again.exit_code == 73
    told = json.loads(
        detcnn(*arguments, "-o", tmp_path / "out", "--overwrite", "--json", "--numbers").stdout
    )
    assert told["events"] == ["down, event 0", "up, event 1"]
    assert told["numbers"]["filter_1"]["map"][1][0] == [[-1, -1, 1], [-1, 1, -1], [1, -1, -1]]


def test_a_wrong_split_is_named(detcnn, tmp_path):
    result = detcnn("filter", tmp_path, "--split", "tset")
    assert result.exit_code == 2
    assert "--split tset: expected one of train, validation, test" in result.stderr
