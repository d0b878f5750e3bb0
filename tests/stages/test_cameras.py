"""A camera of hexagonal pixels from its files to the store, and to a model that is shown others."""

import csv
import json

import numpy as np
import pytest

from detcnn.artifacts.opening import open_artifact
from detcnn.config.loading import load_study
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import as_dense
from detcnn.stages import evaluate, preprocess, train, unseen
from detcnn.stages.judging import segmentation
from detcnn.storage.reader import open_store

N_EVENTS, N_PIXELS, N_CLASSES = 60, 7, 2
# One pixel and its six neighbours, in the order of the images.
CENTRES = [(0.0, 0.0), *((np.cos(k * np.pi / 3), np.sin(k * np.pi / 3)) for k in range(6))]

STUDY = """
name: camera
preprocess:
  sources:
    - path: events.jsonl
      class: shower
      axes: [pixel]
      channels: {light: photons, time: arrival_time}
      pixels:
        mask: {column: signal, above: 0, classes: [sky, shower]}
        signal: {column: signal}
      event_id: [number]
  hexagonal: {geometry: pixels.csv, number: id, unit: cm, pixels: 8, means: {time: light}}
  split: {train: 0.5, validation: 0.25, test: 0.25}
train:
  task: {name: segmentation}
  network: {name: unet, options: {depth: 1, width: 0.125}}
  epochs: 1
  early_stopping: null
evaluate: {replicas: 20, displays: 1, formats: [png]}
"""


def write_geometry(path, centres=CENTRES, *, numbers=None, names=("id", "x", "y")):
    numbers = range(len(centres)) if numbers is None else numbers
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        # Not in the order of the images.
        writer.writerows([n, *centre] for n, centre in [*zip(numbers, centres, strict=True)][::-1])


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """A folder of a study, and the photons and signal of each event by its number."""
    folder = tmp_path_factory.mktemp("camera")
    rng = np.random.default_rng(5)
    events, lines = {}, []
    for number in range(N_EVENTS):
        signal = rng.poisson(0.7, N_PIXELS)
        photons = rng.poisson(2, N_PIXELS) + signal
        arrivals = [rng.integers(0, 100, n).tolist() for n in photons]
        events[number] = (photons, signal)
        lines.append(
            {"number": number, "signal": signal.tolist(), "PhotonArrivals_500ps": arrivals}
        )
    (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_geometry(folder / "pixels.csv")
    (folder / "study.yaml").write_text(STUDY)
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    return folder, events


def test_the_store_has_the_charge_of_the_camera(camera):
    folder, events = camera
    store = open_store(folder / "images" / "images.zarr")
    rows, columns = store.schema.grid.axes
    assert [(a.name, a.n_pixels, a.unit) for a in (rows, columns)] == [
        ("x", 8, "cm"),
        ("y", 8, "cm"),
    ]
    # Along x, where the camera is larger, the outermost sides are half a pitch from the centres.
    assert rows.high == pytest.approx(1.5)
    assert columns.pixel_width == pytest.approx(rows.pixel_width)
    assert [channel.name for channel in store.schema.channels] == ["light", "time"]
    n_seen = 0
    for split in store.splits.values():
        n = split.n_events
        light, time = as_dense(split.images(0, n)).values.transpose(1, 0, 2, 3)
        mask, signal = (
            as_dense(split.truth(name, 0, n)).values[:, 0] for name in ("mask", "signal")
        )
        for i, number in enumerate(split.column("event_id").tolist()):
            photons, true = events[number]
            assert light[i].sum() == pytest.approx(photons.sum(), rel=1e-5)
            assert signal[i].sum() == pytest.approx(true.sum(), rel=1e-5, abs=1e-6)
            assert 0 <= time[i].min() <= time[i].max() < 50
            # At the centre of a pixel, the truth is its own; that of no. 1 is at high rows.
            for (x, y), value in zip(CENTRES, true, strict=True):
                row = int((x - rows.low) / rows.pixel_width + 1e-6)
                column = int((y - columns.low) / columns.pixel_width + 1e-6)
                assert mask[i, row, column] == (value > 0)
            n_seen += 1
    assert n_seen == N_EVENTS
    # The corners of the picture are outside of the camera.
    assert (mask[:, 0, 0] == N_CLASSES).all()
    assert not light[:, 0, 0].any()


def test_what_is_beside_the_camera_does_not_count(camera, tmp_path, monkeypatch):
    # The figures are drawn elsewhere.
    monkeypatch.setattr(segmentation, "segmentation_sections", lambda evaluation: ())
    folder, _ = camera
    split = open_store(folder / "images" / "images.zarr").splits["test"]
    mask = as_dense(split.truth("mask")).values[:, 0]
    is_beside = mask == N_CLASSES
    assert (is_beside == is_beside[0]).all()
    n_covered = 64 - np.count_nonzero(is_beside[0])
    light = as_dense(split.images()).values[:, 0]
    assert n_covered == np.count_nonzero(light.any(axis=0)) < 64
    contents = open_artifact(folder / "images").manifest.contents
    assert sum(contents["n_pixels"]["mask"].values()) == n_covered * sum(
        contents["n_events"]["train"].values()
    )
    study = load_study(folder / "study.yaml")
    train.run(study.train, images=folder / "images", output=tmp_path / "model")
    evaluate.run(
        study.evaluate,
        model=tmp_path / "model",
        images=folder / "images",
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="camera",
    )
    numbers = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    n_judged = sum(count["n_pixels"] for count in numbers["counts"])
    assert n_judged == n_covered * split.n_events


def test_a_camera_is_cut_with_its_truth(camera, tmp_path):
    folder, _ = camera
    steps = "[{step: crop, pixels: [4, 6]}, {step: downsample, pixels: 2}]"
    study = load_study(folder / "study.yaml", [f"preprocess.image_steps={steps}"])
    preprocess.run(study.preprocess, base=folder, output=tmp_path / "images")
    whole, cut = (
        open_store(path / "images" / "images.zarr").splits["train"] for path in (folder, tmp_path)
    )
    signal, fine = (as_dense(split.truth("signal")).values for split in (cut, whole))
    blocks = fine[:, :, 2:6, 1:7].reshape(-1, 1, 2, 2, 3, 2).sum(axis=(3, 5))
    np.testing.assert_allclose(signal, blocks, rtol=1e-5, atol=1e-7)
    assert signal.any()
    # All of a block of the same class: whatever its brightest pixel, it is of that class.
    classes = as_dense(whole.truth("mask")).values[:, :, 2:6, 1:7].reshape(-1, 1, 2, 2, 3, 2)
    low, high = classes.min(axis=(3, 5)), classes.max(axis=(3, 5))
    mask = as_dense(cut.truth("mask")).values
    assert ((low <= mask) & (mask <= high)).all()
    assert (low == high).any()
    assert {0, 1} <= set(mask.ravel())
    of_whole, of_cut = (split.schema.grid for split in (whole, cut))
    assert of_cut.rows.high == pytest.approx(of_whole.rows.edges[6])
    assert of_cut.columns.unit == "cm"


def test_the_geometry_is_an_input(camera, tmp_path):
    folder, _ = camera
    study = load_study(folder / "study.yaml")
    made = open_artifact(folder / "images").manifest
    assert "geometry" in {entry.role for entry in made.inputs}
    for name in ("events.jsonl", "study.yaml"):
        (tmp_path / name).write_text((folder / name).read_text())
    # The same camera, turned by a quarter.
    write_geometry(tmp_path / "pixels.csv", [(y, -x) for x, y in CENTRES])
    turned = preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
    assert turned.artifact.manifest.digest != made.digest
    # A model of the one is not shown images of the other.
    train.run(study.train, images=folder / "images", output=tmp_path / "model")
    options = {"files": ["events.jsonl"], "model": tmp_path / "model"}
    unseen.run(study.preprocess, base=folder, output=tmp_path / "same", **options)
    with pytest.raises(DataError, match="the study: image .*hexagonal.*geometry"):
        unseen.run(study.preprocess, base=tmp_path, output=tmp_path / "other", **options)


@pytest.mark.parametrize(
    ("override", "error", "fault"),
    [
        ("geometry=none.csv", DataError, r"none\.csv: cannot be read: .*No such file"),
        ("x=X", ConfigError, r"pixels\.csv: no column 'X'; there are: id, x, y: name those of the"),
        ("means={time: charge}", ConfigError, "hexagonal.means: no channel 'charge' in the images"),
        ("geometry=few.csv", ConfigError, r"few\.csv: has 6 pixels, but the images .* have 7"),
        ("geometry=empty.csv", ConfigError, r"empty\.csv: no column 'x'; there are: none"),
        ("geometry=twice.csv", DataError, "'id': expected each number from 0 to 6 once"),
        ("geometry=text.csv", DataError, "row 7: column 'x' is 'left', expected a number"),
        ("geometry=square.csv", DataError, "columns 'x' and 'y': the neighbours of a pixel are"),
    ],
)
def test_what_cannot_be_resampled(camera, tmp_path, override, error, fault):
    folder, _ = camera
    write_geometry(folder / "few.csv", CENTRES[:-1])
    (folder / "empty.csv").write_text("")
    write_geometry(folder / "twice.csv", numbers=[0, 1, 2, 3, 4, 5, 5])
    write_geometry(folder / "text.csv", [("left", 0.0), *CENTRES[1:]])
    square = [(float(x), float(y)) for x in range(4) for y in range(2)][:N_PIXELS]
    write_geometry(folder / "square.csv", square)
    study = load_study(folder / "study.yaml", [f"preprocess.hexagonal.{override}"])
    with pytest.raises(error, match=fault) as caught:
        preprocess.run(study.preprocess, base=folder, output=tmp_path / "images")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_pictures_are_no_camera(camera, tmp_path):
    folder, _ = camera
    np.savez(tmp_path / "in.npz", images=np.ones((9, 4, 4), dtype=np.float32))
    source = f"{{path: {tmp_path / 'in.npz'}, class: one, layout: images}}"
    overrides = [f"preprocess.sources=[{source}]", "preprocess.hexagonal.means={}"]
    study = load_study(folder / "study.yaml", overrides)
    with pytest.raises(ConfigError, match=r"in\.npz has images of 2 axes, expected one"):
        preprocess.run(study.preprocess, base=folder, output=tmp_path / "images")
