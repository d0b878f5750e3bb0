"""Several input files for one source, on the command line and in a study."""

import json
import os

import pytest

from detcnn.cli.studies import open_study
from detcnn.errors import ConfigError


def paths(study, inputs):
    opened = open_study(study, ["train.epochs=1"], work=None, inputs=inputs)
    return [source.path for source in opened.study.preprocess.sources]


def test_inputs_are_those_of_the_shell(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    here = str(folder.path)
    assert paths(folder.study, None) == ["jets.h5"]
    assert paths(folder.study, ["a.h5"]) == [(f"{here}/a.h5",)]
    assert paths(folder.study, ["a.h5", "/b/*.h5"]) == [(f"{here}/a.h5", "/b/*.h5")]
    assert paths(folder.study, ["@list.txt"]) == [(f"@{here}/list.txt",)]


def test_an_input_for_each_source(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    study = json.loads(folder.study.read_text())
    study["preprocess"]["sources"] = [{"path": "a.h5"}, {"path": ["b.h5", "c_*.h5"]}]
    folder.study.write_text(json.dumps(study))
    here = str(folder.path)
    assert paths(folder.study, None) == ["a.h5", ("b.h5", "c_*.h5")]
    assert paths(folder.study, ["x.h5", "@y"]) == [f"{here}/x.h5", f"@{here}/y"]
    for inputs in (["x.h5"], ["x.h5"] * 3):
        with pytest.raises(ConfigError, match=rf"{len(inputs)} files for the 2 sources"):
            paths(folder.study, inputs)


def test_images_of_files_read_one_after_the_other(folder, toy_jets, detcnn, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    whole = toy_jets(300)
    middle = whole["jets/offsets"][120]
    for name, first, last, inside in (
        ("part_1.h5", 0, 120, slice(0, middle)),
        ("part_2.h5", 120, 300, slice(middle, None)),
    ):
        offsets = whole["jets/offsets"][first : last + 1]
        part = {n: values[inside] for n, values in whole.items() if n.startswith("const")}
        part |= {n: values[first:last] for n, values in whole.items() if n.startswith("jets")}
        folder.write({**part, "jets/offsets": offsets - offsets[0]}, name)
    digests = []
    for number, given in enumerate((["jets.h5"], ["part_[12].h5"], ["part_1.h5", "part_2.h5"])):
        options = [word for name in given for word in ("--input", folder.path / name)]
        output = folder.path / f"images_{number}"
        done = detcnn("preprocess", folder.study, *options, "--output", output, "-j", 1)
        assert done.exit_code == 0, done.stderr
        manifest = json.loads((output / "manifest.json").read_text())
        files = {file["path"]: file["sha256"] for file in manifest["payload"]}
        digests.append((files, [entry["role"] for entry in manifest["inputs"]]))
    assert digests[0][1] == ["source 0"]
    assert digests[1][1] == digests[2][1] == ["source 0, file 0", "source 0, file 1"]
    assert digests[0][0] == digests[1][0] == digests[2][0]


def test_a_pattern_that_finds_nothing_is_one_line(folder, detcnn):
    done = detcnn("preprocess", folder.study, "--input", folder.path / "nope_*.h5")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"detcnn: {folder.path}/nope_*.h5: no file is called like this"
    ]
