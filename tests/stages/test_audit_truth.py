"""What an audit, and inspect, say of the truth of pixels and of points."""

import json

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.stages import audit, inspect, preprocess

N_EVENTS, SIDE = 40, 24

STUDY = """
name: blobs
preprocess:
  sources:
    - path: blobs.h5
      images: {images: events}
      pixels: {mask: {column: mask, classes: [background, blob]}, charge: {column: charge}}
      points: {places: places}
  split: {train: 0.5, validation: 0.25, test: 0.25}
train:
  task: {name: segmentation}
  network: {name: unet, options: {depth: 1, width: 0.125}}
"""


@pytest.fixture
def folder(tmp_path):
    """A file of one bright square in each empty image, with its pixels and its place."""
    rng = np.random.default_rng(5)
    images = np.zeros((N_EVENTS, SIDE, SIDE), np.float32)
    places = np.full((N_EVENTS, 3, 2), np.nan, np.float32)
    for event in range(N_EVENTS):
        row, column = places[event, 0] = rng.integers(1, SIDE - 1, 2)
        images[event, row - 1 : row + 2, column - 1 : column + 2] = rng.uniform(1, 2)
    with h5py.File(tmp_path / "blobs.h5", "w") as file:
        file["images"], file["mask"] = images, (images > 0).astype(np.uint8)
        file["charge"], file["places"] = images, places
        file["charge"].attrs["units"] = "pe"
        file["event_id"] = np.arange(N_EVENTS)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def change(folder, name, by):
    with h5py.File(folder / "blobs.h5", "a") as file:
        values = by(file[name][:])
        del file[name]
        file[name] = values


def looked_at(folder, *overrides, of_images=False):
    """Return check, severity and count of what is said of truth and classes."""
    study = load_study(folder / "study.yaml", overrides)
    if of_images:
        output = folder / "images"
        preprocess.run(study.preprocess, base=folder, output=output, overwrite=True)
        found = audit.run(output)
    else:
        found = audit.run(folder / "study.yaml", study=study)
    return {
        (f.check, f.severity, f.count)
        for f in found.findings
        if f.check.startswith("truth-") or f.check == "class-balance"
    }


SOUND = {
    ("truth-pixels", "fine", 0),
    ("truth-empty", "fine", 0),
    ("truth-beside", "fine", 0),
    ("truth-points", "fine", 0),
    ("class-balance", "fine", N_EVENTS),
}


@pytest.mark.parametrize(
    "overrides", [(), ("preprocess.tiles={pixels: 16, overlap: 8}",)], ids=["whole", "tiles"]
)
@pytest.mark.parametrize("of_images", [False, True])
def test_sound_truth(folder, of_images, overrides):
    assert looked_at(folder, *overrides, of_images=of_images) == SOUND


@pytest.mark.parametrize("of_images", [False, True])
def test_faults_of_truth(folder, of_images):
    def spoil(mask):
        mask[3][mask[3] > 0] = 9
        return np.concatenate([mask[:5], mask[5:].transpose(0, 2, 1)])

    def displace(places):
        places[7, 0] = (SIDE, 3)
        places[8, 1:] = -1
        return places

    change(folder, "mask", spoil)
    change(folder, "places", displace)
    found = looked_at(folder, of_images=of_images)
    with h5py.File(folder / "blobs.h5") as file:
        mask, images = file["mask"][:], file["images"][:]
    n_beside = np.count_nonzero((mask == 1) & (images == 0))
    assert n_beside > 0.5 * np.count_nonzero(mask == 1)
    assert {
        ("truth-pixels", "warning", 9),
        ("truth-empty", "fine", 1),
        ("truth-points", "trouble", 2),
        ("truth-points", "warning", 3),
    } <= found
    assert ("truth-beside", n_beside) in {(check, count) for check, _, count in found}


@pytest.mark.parametrize(
    ("task", "severity"),
    [
        ("{name: segmentation}", "fine"),
        ("{name: regression, targets: [e]}", "fine"),
        ("{name: classification}", "warning"),
        (
            (
                "{name: multi-task, heads: {a: {task: classification}, "
                "b: {task: {name: regression, targets: [e]}}}}"
            ),
            "warning",
        ),
    ],
)
def test_one_class_is_too_few_once_and_only_where_classes_are_learned(folder, task, severity):
    found = looked_at(folder, f"train.task={task}")
    assert [entry for entry in found if entry[0] == "class-balance"] == [
        ("class-balance", severity, N_EVENTS)
    ]


def test_truth_is_described(folder):
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    for found in (
        inspect.run(folder / "study.yaml", study=study),
        inspect.run(folder / "images"),
    ):
        facts = found.facts
        mask, charge = facts["truth_of_pixels"]["mask"], facts["truth_of_pixels"]["charge"]
        n_marked = 9 * N_EVENTS
        assert mask["pixels"] == {"background": N_EVENTS * SIDE**2 - n_marked, "blob": n_marked}
        assert (mask["min"], mask["max"], mask["of_no_class"]) == (0, 1, 0)
        assert charge["min"] == 0
        assert 1 < charge["max"] < 2
        assert facts["points"]["places"].items() >= {
            "points": N_EVENTS, "outside": 0, "events_without": 0,
        }.items()  # fmt: skip
        json.dumps(facts, allow_nan=False)
    assert charge["unit"] == "pe"


def test_what_is_told_of_a_long_store_is_of_its_beginning(folder, monkeypatch):
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    monkeypatch.setattr(inspect, "_LOOKED_AT", 4)
    facts = inspect.run(folder / "images").facts
    assert facts["truth_of_pixels_of"] == "12 events, the first of each split"
    assert facts["truth_of_pixels"]["mask"]["pixels"]["blob"] == 12 * 9
    assert facts["points"]["places"]["points"] == N_EVENTS
