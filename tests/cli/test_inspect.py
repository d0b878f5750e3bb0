"""What inspect prints of a file that it cannot decide about, and of what plays no part."""

import json

import numpy as np
import yaml

from detcnn.config.preprocess import PreprocessConfig


def test_a_file_that_cannot_be_decided_is_listed_with_a_study(folder, detcnn):
    pictures = np.random.default_rng(0).random((6, 20, 30))
    # A name is whatever somebody wrote there.
    datasets = {
        "adc": pictures[:, None].repeat(2, axis=1),
        "mask": (pictures > 0.5) * 1,
        "wo\x1b[31mrd": [b"a", b"b"] * 3,
    }
    path = folder.write(datasets, "own.h5")
    done = detcnn("inspect", path)
    assert done.exit_code == 0, done.stderr
    assert "All that is in it" in done.stdout
    assert "\x1b" not in done.stdout
    _, _, told = done.stdout.partition("what was guessed wrong:\n")
    study = yaml.safe_load(told)["preprocess"]
    config = PreprocessConfig.model_validate_json(json.dumps(study))
    assert config.sources[0].images == {"adc": ""}
    assert config.sources[0].pixels["mask"].classes == ("class_0", "class_1")
    assert "warning: " in done.stderr
    found = json.loads(detcnn("inspect", path, "--json").stdout)
    assert [entry["dataset"] for entry in found["datasets"]] == sorted(datasets)
    assert found["suggestion"][0] == "preprocess:"


def test_what_plays_no_part_is_told_up_to_a_screenful(folder, toy_jets, detcnn):
    few = folder.write(toy_jets(20) | {"notes": [b"x"] * 4}, "few.h5")
    text = detcnn("inspect", few).stdout
    assert "Beside these there are" in text
    assert "notes" in text
    many = {f"note_{i:02}": [b"x"] * 4 for i in range(45)}
    text = detcnn("inspect", folder.write(toy_jets(20) | many, "many.h5")).stdout
    assert "note_39" in text
    assert "note_40" not in text
    assert "… and 5 more" in text
