"""What is learned beyond one class for each image, from the input file to the metrics."""

import json
import os
import signal

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.errors import CheckpointedError, ConfigError, DataError
from detcnn.evaluation import event_bootstrap
from detcnn.events.images import as_dense
from detcnn.stages import evaluate, preprocess, train, training_plan
from detcnn.stages.judging import regression
from detcnn.storage.csv_tables import read_csv
from detcnn.storage.maps import open_maps
from detcnn.storage.reader import open_store
from detcnn.storage.tables import read_parquet
from detcnn.training.foreground import Favour

N_EVENTS, SIDE = 120, 12
UNET = "{name: unet, options: {depth: 1, width: 0.125}}"
CNN = "{name: plain_cnn, options: {blocks: [{filters: 4, pool: 2}], dense: [8]}}"

TASKS = {
    "segmentation": (
        "{name: segmentation, class_weights: inverse, loss: {cross_entropy: 1, dice: 1}}",
        UNET,
    ),
    "filled": ("{name: segmentation, pixels: filled, loss: focal}", UNET),
    "pixel-regression": ("{name: pixel-regression, truth: charge, pixels: filled}", UNET),
    "localisation": ("{name: localisation, points: places, tolerance: 1.5}", UNET),
    "regression": ("{name: regression, targets: [energy], loss: gaussian, scale: log}", CNN),
    "multi-label": ("{name: multi-label, labels: [is_bright, is_high], balance: true}", CNN),
    "multi-task": (
        (
            "{name: multi-task, heads: {side: {task: classification}, energy: {weight: 0.5, task: "
            "{name: regression, targets: [energy]}}}}"
        ),
        CNN,
    ),
}

STUDY = """
name: blobs
preprocess:
  sources:
    - path: blobs.h5
      pixels: {mask: {column: truth/mask, classes: [background, blob]}}
  split: {train: 0.5, validation: 0.25, test: 0.25}
  events_per_partition: 50
train:
  epochs: 2
  batch_size: 10
  early_stopping: null
  standardise: {per: channel}
  optimiser: {learning_rate: 0.01}
  augment: [{policy: flip}, {policy: rotate, max_degrees: 20}]
evaluate:
  # Every figure is drawn, into the report.
  formats: []
  replicas: 20
  displays: 2
  objects: []
  efficiency_bins: [{column: energy, bins: 2}]
"""


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A file of one bright square in an empty image: its pixels, charge, place and energy."""
    folder = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(7)
    images = np.zeros((N_EVENTS, 1, SIDE, SIDE), dtype=np.float32)
    mask = np.zeros((N_EVENTS, 1, SIDE, SIDE), dtype=np.uint8)
    places = rng.integers(1, SIDE - 1, (N_EVENTS, 2))
    energy = rng.uniform(1, 4, N_EVENTS).astype(np.float32)
    for i, (row, column) in enumerate(places):
        block = (slice(row - 1, row + 2), slice(column - 1, column + 2))
        images[i, 0][block] = energy[i]
        mask[i, 0][block] = 1
        images[i, 0, rng.integers(SIDE), rng.integers(SIDE)] += 0.2
    with h5py.File(folder / "blobs.h5", "w") as file:
        file["images"] = images
        file["truth/mask"], file["truth/charge"] = mask, images * mask
        points = np.full((N_EVENTS, 2, 2), np.nan, dtype=np.float32)
        points[:, 0] = places
        file["points/places"] = points
        file["label"] = (places[:, 1] >= SIDE // 2).astype(np.int64)
        file["energy"] = energy
        file["is_bright"], file["is_high"] = (energy > 2.5) * 1, (places[:, 0] < SIDE // 2) * 1
    columns = "columns: {energy: energy, is_bright: is_bright, is_high: is_high, label: label}"
    text = STUDY.replace(
        "      pixels:", f"      images: {{images: ''}}\n      {columns}\n      pixels:"
    )
    (folder / "study.yaml").write_text(text)
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    return folder


def test_the_store_holds_what_is_true(blobs):
    store = open_store(blobs / "images" / "images.zarr")
    split = store.splits["train"]
    assert {(info.name, info.classes) for info in store.schema.truth} == {
        ("mask", ("background", "blob")),
        ("charge", ()),
    }
    images = as_dense(split.images()).values
    mask = as_dense(split.truth("mask")).values
    charge = as_dense(split.truth("charge")).values
    assert mask.sum() == 9 * split.n_events
    np.testing.assert_array_equal(charge, images * mask)
    places = split.points("places")
    assert np.isnan(places[:, 1]).all()
    rows, columns = places[:, 0].astype(int).T
    assert (mask[np.arange(split.n_events), 0, rows, columns] == 1).all()
    counts = json.loads((blobs / "images" / "manifest.json").read_text())["contents"]["n_pixels"]
    assert counts["mask"]["blob"] == mask.sum()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_trained_and_judged(blobs, tmp_path, name):
    task, network = TASKS[name]
    overrides = [f"train.task={task}", f"train.network={network}"]
    if name == "segmentation":
        overrides.append("evaluate.objects=[{of: blob, value: charge}]")
    study = load_study(blobs / "study.yaml", overrides)
    trained = train.run(study.train, images=blobs / "images", output=tmp_path / "model")
    history = read_csv(trained.artifact.path / "history.csv")
    assert float(history[-1]["train_loss"]) < float(history[0]["train_loss"])
    result = evaluate.run(
        study.evaluate,
        model=tmp_path / "model",
        images=blobs / "images",
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title=name,
    )
    assert result.judgement is not None
    assert result.judgement.headline
    rows = read_csv(result.artifact.path / "metrics.csv")
    assert {"quantity", "value", "low", "high"} <= rows[0].keys()
    if name == "filled":
        said = as_dense(open_maps(tmp_path / "scores").read(0, 5)).values
        images = as_dense(open_store(blobs / "images" / "images.zarr").splits["test"].images(0, 5))
        np.testing.assert_allclose(said.sum(axis=1), images.values[:, 0] != 0, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "network", "fault"),
    [
        ("segmentation", CNN, "outputs for each image, and the targets are of pixels"),
        ("classification", UNET, "outputs for each pixel, and the targets are of whole images"),
        ("{name: segmentation, truth: nothing}", UNET, "no pixel truth 'nothing'; there are: "),
        ("{name: segmentation, truth: charge}", UNET, "'charge' has no classes"),
        ("{name: segmentation, class_weights: {blub: 2}}", UNET, "'blub' is no class"),
        ("{name: localisation, points: there}", UNET, "no points 'there'; there are: places"),
        ("{name: regression, targets: [mass]}", CNN, "no column 'mass'; there are: "),
    ],
)
def test_what_cannot_be_learned(blobs, tmp_path, task, network, fault):
    study = load_study(blobs / "study.yaml", [f"train.task={task}", f"train.network={network}"])
    with pytest.raises(ConfigError, match=fault):
        train.run(study.train, images=blobs / "images", output=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_label_is_yes_or_no(blobs, tmp_path):
    task = "{name: multi-label, labels: [energy]}"
    study = load_study(blobs / "study.yaml", [f"train.task={task}", f"train.network={CNN}"])
    with pytest.raises(DataError, match="label 'energy' is .* expected 0 or 1"):
        train.run(study.train, images=blobs / "images", output=tmp_path / "model")


def test_frames_in_tiles_are_judged_as_frames(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(event_bootstrap, "FEW_EVENTS", 36)
    study = load_study(
        blobs / "study.yaml",
        [
            "preprocess.tiles={pixels: 8, overlap: 4}",
            "train.task={name: segmentation}",
            f"train.network={UNET}",
        ],
    )
    preprocess.run(study.preprocess, base=blobs, output=tmp_path / "images")
    store = open_store(tmp_path / "images" / "images.zarr")
    n_tiles = 4
    ids = store.splits["test"].column("event_id").reshape(-1, n_tiles)
    assert (ids == ids[:, :1]).all()
    train.run(study.train, images=tmp_path / "images", output=tmp_path / "model")
    result = evaluate.run(
        study.evaluate,
        model=tmp_path / "model",
        images=tmp_path / "images",
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="tiles",
    )
    numbers = json.loads((result.artifact.path / "metrics.json").read_text())
    n_pixels = sum(count["n_pixels"] for count in numbers["counts"])
    assert n_pixels == len(ids) * SIDE * SIDE
    # Tiles of one frame are one event.
    assert result.caution.startswith(f"Only {len(ids)} events: intervals of fewer than 36")
    assert result.caution in result.report.read_text("utf-8")


@pytest.mark.parametrize(
    ("task", "network", "classes", "fault"),
    [
        ("segmentation", UNET, "[blub]", "no class 'blub' of pixels .*there are: blob"),
        ("segmentation", UNET, "[blob, background]", "no class 'background' of pixels beside"),
        ("{name: pixel-regression, truth: charge}", UNET, "[blob]", "set train.task to segment"),
        ("classification", CNN, "[blob]", "set train.task to segmentation"),
    ],
)
def test_what_cannot_be_favoured(blobs, tmp_path, task, network, classes, fault):
    overrides = [
        f"train.task={task}",
        f"train.network={network}",
        f"train.favour={{classes: {classes}}}",
    ]
    study = load_study(blobs / "study.yaml", overrides)
    with pytest.raises(ConfigError, match=f"^train.favour.*{fault}"):
        train.run(study.train, images=blobs / "images", output=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_is_favoured_reaches_the_training(blobs, monkeypatch, tmp_path):
    made = []
    original = training_plan.Batches

    def batches(*args, **options):
        made.append(options["favour"])
        return original(*args, **options)

    monkeypatch.setattr(training_plan, "Batches", batches)
    overrides = [
        "train.task={name: segmentation, pixels: filled}",
        f"train.network={UNET}",
        "train.favour={classes: [blob], share: 0.7}",
        "train.epochs=1",
    ]
    study = load_study(blobs / "study.yaml", overrides)
    train.run(study.train, images=blobs / "images", output=tmp_path / "model")
    assert made == [Favour(classes=(1,), share=0.7, planes=1)]


@pytest.mark.parametrize("name", ["filled", "pixel-regression", "localisation", "multi-task"])
def test_an_interrupted_training_of_every_kind_of_truth_ends_alike(blobs, tmp_path, name, Listener):
    task, network = TASKS[name]
    overrides = [f"train.task={task}", f"train.network={network}"]
    if name == "filled":
        overrides.append("train.favour={classes: [blob], share: 0.7}")
    study = load_study(blobs / "study.yaml", overrides)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train.run(study.train, images=blobs / "images", output=whole)
    # Six steps an epoch: in the midst of the second one.
    stop = Listener(at=9, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CheckpointedError):
        train.run(study.train, images=blobs / "images", output=parts, progress=stop)
    train.run(study.train, images=blobs / "images", output=parts, resume=True)
    for file in ("best.safetensors", "last.safetensors", "history.csv"):
        assert (parts / file).read_bytes() == (whole / file).read_bytes()


def stored(folder):
    """Return images, mask and charge, and the first of the places, of all splits."""
    splits = open_store(folder / "images.zarr").splits.values()
    pixels = [
        [as_dense(split.images()).values for split in splits],
        *([as_dense(split.truth(name)).values for split in splits] for name in ("mask", "charge")),
    ]
    places = np.concatenate([split.points("places")[:, 0] for split in splits])
    return *map(np.concatenate, pixels), places


def test_the_truth_goes_through_the_steps_of_its_image(blobs, tmp_path):
    steps = "[{step: flip}, {step: crop, pixels: [8, 10]}]"
    study = load_study(blobs / "study.yaml", [f"preprocess.image_steps={steps}"])
    preprocess.run(study.preprocess, base=blobs, output=tmp_path / "images")
    images, mask, charge, places = stored(tmp_path / "images")
    assert images.shape[1:] == (1, 8, 10)
    np.testing.assert_array_equal(charge, images * mask)
    is_lost = np.isnan(places).any(axis=1)
    assert 0 < is_lost.sum() < N_EVENTS
    rows, columns = places[~is_lost].astype(int).T
    assert (mask[~is_lost][np.arange(len(rows)), 0, rows, columns] == 1).all()
    # Mirrored so that the brighter half is at high rows, where most squares then are.
    assert (rows >= 4).all()


def test_the_truth_of_pixels_that_are_put_together(blobs, tmp_path):
    steps = "[{step: downsample, pixels: [2, 3]}]"
    study = load_study(blobs / "study.yaml", [f"preprocess.image_steps={steps}"])
    preprocess.run(study.preprocess, base=blobs, output=tmp_path / "images")
    images, mask, charge, places = stored(tmp_path / "images")
    whole, fine_mask, fine_charge, fine_places = stored(blobs / "images")
    assert images.shape[1:] == (1, 6, 4)
    for sums, pixels in ((images, whole), (charge, fine_charge)):
        blocks = pixels.reshape(-1, 1, 6, 2, 4, 3).sum(axis=(3, 5))
        np.testing.assert_allclose(sums, blocks, rtol=1e-6)
    # The brightest pixel of a block is one of the square if there is any.
    np.testing.assert_array_equal(mask, fine_mask.reshape(-1, 1, 6, 2, 4, 3).max(axis=(3, 5)))
    np.testing.assert_allclose(places, (fine_places + 0.5) / [2, 3] - 0.5, rtol=1e-6)
    grid = open_store(tmp_path / "images" / "images.zarr").schema.grid
    assert [(axis.low, axis.high, axis.pixel_width) for axis in grid.axes] == [
        (0, SIDE, 2),
        (0, SIDE, 3),
    ]


@pytest.mark.parametrize(
    ("pixels", "said"), [("[4, 6]", "blocks of 4x6 pixels together, and images of 3x2"), (3, "")]
)
def test_large_blocks_are_remarked_on(blobs, tmp_path, Listener, pixels, said):
    steps = f"preprocess.image_steps=[{{step: downsample, pixels: {pixels}}}]"
    listener = Listener()
    study = load_study(blobs / "study.yaml", [steps])
    preprocess.run(study.preprocess, base=blobs, output=tmp_path / "images", progress=listener)
    assert [said in text for text in listener.said if "downsample" in text] == [True] * bool(said)


def test_blocks_that_do_not_fill_the_images(blobs, tmp_path):
    steps = "preprocess.image_steps=[{step: downsample, pixels: 5}]"
    study = load_study(blobs / "study.yaml", [steps])
    with pytest.raises(ConfigError, match="the image has 12x12, .*: crop it to 10x10 first$"):
        preprocess.run(study.preprocess, base=blobs, output=tmp_path / "images")
    assert not list(tmp_path.iterdir())


def test_a_regression_is_judged_for_each_class_with_the_terms_asked_for(
    blobs, tmp_path, monkeypatch
):
    # The figures are drawn elsewhere.
    monkeypatch.setattr(regression, "regression_sections", lambda *_: ())
    task, network = TASKS["regression"]
    overrides = [
        f"train.task={task}",
        f"train.network={network}",
        "evaluate.resolution={terms: [], by_class: true}",
    ]
    study = load_study(blobs / "study.yaml", overrides)
    train.run(study.train, images=blobs / "images", output=tmp_path / "model")
    result = evaluate.run(
        study.evaluate,
        model=tmp_path / "model",
        images=blobs / "images",
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="by class",
    )
    rows = read_csv(result.artifact.path / "metrics.csv")
    assert {row["task"] for row in rows} == {"", "0", "1"}
    assert not any(row["quantity"].startswith("resolution_") for row in rows)
    table = read_parquet(tmp_path / "scores" / "scores.parquet")
    off = table["prediction_energy"] - table["column_energy"]
    for number in (0, 1):
        expected = np.average(off[table["label"] == number])
        (bias,) = (
            float(row["value"])
            for row in rows
            if row["task"] == str(number) and row["quantity"] == "bias" and not row["column"]
        )
        assert bias == pytest.approx(expected, rel=1e-5)


def test_objects_of_a_class_come_once(blobs):
    with pytest.raises(ConfigError, match="of blob, blob, expected each class at most once"):
        load_study(blobs / "study.yaml", ["evaluate.objects=[{of: blob}, {of: blob}]"])


def test_terms_of_the_resolution_come_once(blobs):
    with pytest.raises(ConfigError, match="noise, noise, expected each at most once"):
        load_study(blobs / "study.yaml", ["evaluate.resolution={terms: [noise, noise]}"])
