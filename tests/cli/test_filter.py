import json

import numpy as np

from detcnn.stages import filter as stage


def test_every_number_is_printed(detcnn, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "write_figure", lambda *_: None)
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


def test_lines_of_many_numbers_are_left_to_the_file(detcnn, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "write_figure", lambda *_: None)
    np.savez(tmp_path / "wide.npz", one=np.ones((1, 1, 3, 14)), two=np.zeros((1, 1, 3, 14)))
    arguments = "--numbers", "-f", "row=1 1", "-f", "long=1 1 1", "-o", tmp_path / "out"
    said = detcnn("filter", tmp_path / "wide.npz", *arguments).stdout
    place = tmp_path / "out" / "numbers.npz"
    assert (
        "one, event 0, channel_0: row, feature map\n"
        f"3x13 numbers, too many to print in a line: map/row[0, 0] in {place}\n"
    ) in said
    # The name leads to the numbers.
    with np.load(place) as arrays:
        assert arrays["map/row"][0, 0].shape == (3, 13)
    assert "filter row\n1  1\n" in said
    assert "long, feature map\n3  3  3  3  3  3  3  3  3  3  3  3\n" in said


def test_a_wrong_split_is_named(detcnn, tmp_path):
    result = detcnn("filter", tmp_path, "--split", "tset")
    assert result.exit_code == 2
    assert "--split tset: expected one of train, validation, test" in result.stderr
