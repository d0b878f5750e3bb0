"""Faulty new files for a model: one line that names the file, its exit code, and nothing left."""

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app

N, SIDE = 60, 8
STUDY = """
name: spots
preprocess:
  sources:
    - path: known.h5
      images: {images: ''}
      columns: {label: label, energy: energy}
      event_id: [number]
      pixels: {mask: {column: truth/mask, classes: [nothing, spot]}}
      points: {spots: places}
  classes: [dim, bright]
  split: {train: 0.5, validation: 0.25, test: 0.25}
train:
  task: {name: segmentation}
  network: {name: unet, options: {depth: 1, width: 0.125}}
  epochs: 1
  batch_size: 20
  early_stopping: null
"""


def arrays(n=N):
    rng = np.random.default_rng(n)
    images = rng.random((n, 1, SIDE, SIDE)).astype(np.float32)
    return {
        "images": images,
        "number": np.arange(n),
        "label": rng.integers(0, 2, n),
        "energy": rng.random(n),
        "truth/mask": (images > 0.7).astype(np.uint8),
        "places": rng.uniform(0, SIDE - 1, (n, 2, 2)),
    }


def write(path, given):
    with h5py.File(path, "w") as file:
        for name, values in given.items():
            file[name] = values


def called(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots")
    (folder / "study.yaml").write_text(STUDY)
    write(folder / "known.h5", arrays())
    for stage in ("preprocess", "train"):
        done = called(stage, folder / "study.yaml", "--work", folder / "work")
        assert done.exit_code == 0, done.stderr
    (found,) = (folder / "work").rglob("model/manifest.json")
    return folder / "study.yaml", found.parent


@pytest.fixture
def predicted(spots, tmp_path):
    """Predict files of a folder; the result of the command."""

    def predicted(*names):
        study, model = spots
        given = [word for name in names for word in ("--input", tmp_path / name)]
        output = tmp_path / "new"
        return called("predict", study, "--model", model, *given, "--output", output)

    return predicted


def changed(column, change):
    def damage(path):
        given = arrays(24)
        given[column] = change(given[column])
        write(path, given)

    return damage


def without(*columns):
    return lambda path: write(
        path, {name: values for name, values in arrays(24).items() if name not in columns}
    )


def put(place, value):
    def change(values):
        values = values.astype(float)
        values[place] = value
        return values

    return change


def cut_short(path):
    write(path, arrays(24))
    path.write_bytes(path.read_bytes()[:3000])


FAULTS = {
    "no file": (lambda path: None, 65, "no such file"),
    "empty file": (lambda path: path.write_bytes(b""), 65, "not a format that detcnn reads"),
    "text": (lambda path: path.write_text("spots"), 65, "not a format that detcnn reads"),
    "cut short": (cut_short, 65, "damaged or cut short"),
    "no images": (without("images"), 2, "no dataset 'images'"),
    "no events": (lambda path: write(path, arrays(0)), 65, "holds no events"),
    "larger images": (changed("images", lambda a: np.repeat(a, 2, axis=3)), 2, "truth/mask"),
    "channels": (changed("images", lambda a: np.repeat(a, 2, axis=1)), 65, "image shape [2, 8, 8]"),
    "a pixel of nothing": (changed("images", put((5, 0, 1, 2), np.nan)), 65, "event 5: a pixel"),
    "a pixel without end": (changed("images", put((5, 0, 1, 2), 1e300)), 65, "event 5: a pixel"),
    "half a class": (changed("truth/mask", put((7, 0, 1, 2), 0.5)), 65, "'truth/mask', event 7"),
    "masks turned": (changed("truth/mask", lambda a: a[..., :-1]), 2, "'truth/mask' has shape"),
    "masks missing": (changed("truth/mask", lambda a: a[1:]), 2, "'truth/mask' has shape"),
    "half a point": (changed("places", put((7, 1, 0), np.nan)), 65, "'places', event 7, point 1"),
    "points missing": (changed("places", lambda a: a[1:]), 2, "'places' has shape"),
    "ids missing": (changed("number", lambda a: a[1:]), 65, "'number' has shape"),
    "half an id": (changed("number", put(3, 0.5)), 65, "'number', event 3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_files_are_named(predicted, tmp_path, fault):
    damage, code, message = FAULTS[fault]
    damage(tmp_path / "bad.h5")
    result = predicted("bad.h5")
    assert result.exit_code == code, result.stderr
    (told,) = [line for line in result.stderr.splitlines() if line.startswith("detcnn: ")]
    assert result.stderr.rstrip().endswith(told)
    assert "bad.h5" in told
    assert message in told
    assert [path.name for path in tmp_path.iterdir()] == (
        ["bad.h5"] if (tmp_path / "bad.h5").exists() else []
    )


def test_a_faulty_file_among_good_ones(predicted, tmp_path):
    write(tmp_path / "a.h5", arrays(20))
    changed("images", put((5, 0, 1, 2), np.nan))(tmp_path / "b.h5")
    result = predicted("a.h5", "b.h5")
    assert result.exit_code == 65
    assert "b.h5: dataset 'images', event 5" in " ".join(result.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_files_of_other_sizes(predicted, tmp_path):
    write(tmp_path / "a.h5", arrays(20))
    without("truth/mask", "places")(tmp_path / "b.h5")
    result = predicted("a.h5", "b.h5")
    assert result.exit_code == 2
    assert "files of one source must be alike" in " ".join(result.stderr.split())
    write(tmp_path / "b.h5", {"images": np.ones((4, 1, 9, 9)), "number": np.arange(4)})
    result = predicted("a.h5", "b.h5")
    assert result.exit_code == 2
    assert "image shape" in " ".join(result.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_files_without_truth_are_good(predicted, tmp_path):
    without("truth/mask", "places", "label", "energy")(tmp_path / "new.h5")
    result = predicted("new.h5")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "new" / "masks.h5").exists()
