import json

import pytest

from detcnn.models.catalogue import NETWORKS


def test_the_exercise_of_the_lecture(detcnn):
    text = "conv(k=3,s=2,p=1) maxpool(k=4,s=1)"
    result = detcnn("models", "arithmetic", text, "--input", "1x256x256")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[1] for line in lines[1:]] == ["1x256x256", "1x128x128", "1x125x125"]
    assert "floor((128 + 2·0 − 1·(4 − 1) − 1)/1) + 1 = 125" in result.stdout
    found = json.loads(detcnn("models", "arithmetic", text, "--json").stdout)
    assert [layer["output_shape"] for layer in found["layers"]] == [[1, 128, 128], [1, 125, 125]]
    assert found["layers"][1]["receptive_field"] == [9, 9]
    assert found["layers"][1]["stride"] == [2, 2]
    assert detcnn("models", "arithmetic", text, "-v").stdout.splitlines()[0].endswith("mult-adds")


def test_an_impossible_layer_is_one_line(detcnn):
    result = detcnn("models", "arithmetic", "conv(k=3) conv(k=9)", "-i", "1x8x8")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "detcnn: layer 2, conv(k=9): a kernel that reaches over 9 pixels does not fit the 6 pixels "
        "of axis 1: expected a padding of at least 2, or a kernel of at most 6\n"
    )


@pytest.mark.parametrize("shape", ["3", "3x", "3x0x3", "axb", "1x2x3x4x5"])
def test_a_shape_that_is_none(detcnn, shape):
    result = detcnn("models", "summary", "plain_cnn", "--input", shape)
    assert result.exit_code == 2
    assert f"--input {shape}: expected channels and one to three sides" in result.stderr


def test_the_list_has_every_network(detcnn, monkeypatch):
    some = ("cvn", "dense", "komiske2017", "plain_cnn")
    monkeypatch.setattr("detcnn.models.catalogue.NETWORKS", {name: NETWORKS[name] for name in some})
    result = detcnn("models", "list")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == list(some)
    assert "152,130" in result.stdout
    entries = json.loads(detcnn("models", "list", "--json").stdout)["networks"]
    cvn, _, komiske, _ = entries
    assert cvn["parameters"] is None
    assert "views" in cvn["why_not"]
    assert komiske["parameters"] == 152_130
    assert "views" in detcnn("models", "list", "-v").stdout


def test_what_a_network_is(detcnn):
    text = detcnn("models", "show", "komiske2017").stdout
    assert "arXiv:1612.01551" in text
    assert "33x33" in text
    shown = json.loads(detcnn("models", "show", "plain_cnn", "--json").stdout)
    assert shown["options"]["dense"] == [128]
    assert shown["parameters"] == 187_778
    assert "Parameters\n----" in detcnn("models", "show", "plain_cnn", "-v").stdout
    small = detcnn("models", "show", "komiske2017", "--input", "1x9x9")
    assert "smallest for" in small.stdout
    unknown = detcnn("models", "show", "komiske")
    assert unknown.exit_code == 2
    assert "unknown network 'komiske': expected one of" in unknown.stderr


def test_a_summary_layer_by_layer(detcnn):
    arguments = ("models", "summary", "komiske2017", "--input", "3x33x33")
    text = detcnn(*arguments).stdout
    first, *_, last = text.splitlines()[1:]
    assert first.split()[:6] == [
        "block1.convolution",
        "64x26x26",
        "8x8",
        "1x1",
        "12,352",
        "8,306,688",
    ]
    assert last.split()[:2] == ["total", "152,130"]
    assert "Conv2d" in detcnn(*arguments, "-v").stdout
    found = json.loads(detcnn(*arguments, "--json").stdout)
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"]) == 152_130
    assert found["layers"][-1]["output_shape"] == [2]
    assert detcnn(*arguments, "-q").stdout == ""


def test_options_of_the_network_are_set(detcnn):
    found = json.loads(
        detcnn(
            "models", "summary", "plain_cnn", "-i", "1x6x6", "--outputs", "3", "--json",
            "-s", "blocks=[{filters: 2}]", "-s", "dense=[]",
        ).stdout
    )  # fmt: skip
    assert found["options"]["blocks"][0]["filters"] == 2
    assert found["parameters"] == 20 + 2 * 4 * 3 + 3
    wrong = detcnn("models", "summary", "plain_cnn", "-s", "blcks=3")
    assert wrong.exit_code == 2
    assert "unknown option 'blcks'" in wrong.stderr


def test_a_trained_model_is_summarised(detcnn, make_folder):
    folder = make_folder()
    work = folder.path / "work"
    detcnn("preprocess", folder.study, "-q", "-j1", "--work", work)
    detcnn("train", folder.study, "-q", "--work", work)
    found = json.loads(detcnn("models", "summary", work / "model", "--json").stdout)
    assert found["input"] == [2, 9, 9]
    assert found["layers"][0]["output_shape"] == [4, 9, 9]
    assert found["outputs"] == 2
