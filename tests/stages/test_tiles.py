"""Frames in tiles, where what is said and counted is of frames."""

import json

import h5py
import numpy as np
import pytest

from detcnn.artifacts.kinds import SCORES
from detcnn.artifacts.opening import open_artifact
from detcnn.config.loading import load_study
from detcnn.errors import ConfigError
from detcnn.evaluation.localisation import match_points
from detcnn.events.images import as_dense
from detcnn.stages import audit, evaluate, overlays, predict, preprocess, train, unseen
from detcnn.stages.judging import localisation
from detcnn.storage.reader import open_store
from detcnn.storage.tables import read_parquet

N_EVENTS, SHAPE, MOST = 60, (14, 20), 4
N_TILES = 6
STUDY = """
name: spots
preprocess:
  sources:
    - path: spots.h5
      images: {images: ''}
      points: {spots: spots}
      event_id: [number]
      columns: {number: number, is_odd: is_odd}
      class: spots
  tiles: {pixels: 8, overlap: 2}
  split: {train: 0.6, validation: 0.2, test: 0.2}
  encoding: dense
train:
  task: {name: localisation, points: spots, tolerance: 1}
  network: {name: unet, options: {depth: 1, width: 0.125}}
  epochs: 9
  batch_size: 20
  early_stopping: null
  standardise: {per: channel}
  optimiser: {learning_rate: 0.02}
evaluate: {replicas: 20, displays: 1, formats: [png], confidence: 0.3}
"""

SOURCES = "[{{path: {path}, images: {{images: ''}}, columns: {{number: number, label: label}}}}]"


def write_spots(path, numbers):
    """Write frames of pairs of bright pixels, the spot between the two."""
    rng = np.random.default_rng(numbers)
    images = np.zeros((len(numbers), 1, *SHAPE), dtype=np.float32)
    points = np.full((len(numbers), MOST, 2), np.nan, dtype=np.float32)
    for image, places in zip(images, points, strict=True):
        fields = rng.permutation(12)[: rng.integers(1, MOST + 1)]
        for place, field in zip(places, fields, strict=False):
            row, column = 1 + 4 * (field // 4), 2 + 5 * (field % 4)
            row, column = row + rng.integers(2), column + rng.integers(2)
            image[0, row, column : column + 2] = rng.uniform(0.8, 1)
            place[:] = row, column + 0.5
    with h5py.File(path, "w") as file:
        file["images"], file["spots"] = images, points
        file["number"], file["is_odd"] = np.asarray(numbers), np.asarray(numbers) % 2


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots")
    write_spots(folder / "spots.h5", range(N_EVENTS))
    (folder / "study.yaml").write_text(STUDY)
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    train.run(study.train, images=folder / "images", output=folder / "model")
    return folder


def true_spots(path):
    """The spots of each frame of a file, by its number."""
    with h5py.File(path) as file:
        return dict(zip(file["number"][:].tolist(), file["spots"][:], strict=True))


def spots_in(folder):
    """What scores say: row, column and confidence of the points of each event, by its id."""
    table = read_parquet(folder / "points.parquet")
    points = np.column_stack([table[name] for name in ("row", "column", "confidence")])
    return {i: points[table["event_id"] == i] for i in np.unique(table["event_id"]).tolist()}


def test_points_are_judged_in_frames(spots, tmp_path, monkeypatch):
    # The figures are drawn elsewhere.
    monkeypatch.setattr(localisation, "localisation_sections", lambda evaluation: ())
    study = load_study(spots / "study.yaml", ["evaluate.efficiency_bins=[{column: number}]"])
    evaluate.run(
        study.evaluate,
        model=spots / "model",
        images=spots / "images",
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="tiles",
    )
    split = open_store(spots / "images" / "images.zarr").splits["test"]
    number = split.column("number")[::N_TILES]
    true = np.stack([true_spots(spots / "spots.h5")[i] for i in number.tolist()])
    numbers = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    assert numbers["n_events"] == len(number)
    assert numbers["n_true"] == np.isfinite(true[..., 0]).sum()
    assert numbers["recall"]["value"] > 0.9
    assert numbers["precision"]["value"] > 0.9
    assert numbers["rmse"]["value"] < 0.3
    assert np.sum(numbers["profiles"][0]["n_entries"]) == len(number)
    scores = open_artifact(tmp_path / "scores", expected=SCORES)
    assert scores.manifest.contents["n_events"] == len(number)
    report = (tmp_path / "metrics" / "report.html").read_text()
    assert "They are tiles: 6 of each event, whose images have 14 × 20 pixels." in report
    table = read_parquet(tmp_path / "scores" / "scores.parquet")
    found = read_parquet(tmp_path / "scores" / "points.parquet")
    assert len(table["weight"]) == N_TILES * len(number)
    # All are of one class, which says nothing.
    assert "label" not in table
    is_confident = found["confidence"] >= 0.3
    assert 0 < is_confident.sum() < len(is_confident)
    counts = np.bincount(found["event"][is_confident], minlength=len(number))
    np.testing.assert_array_equal(table["n_points"], np.repeat(counts, N_TILES))
    # It is part of what these scores are, and of no others.
    assert scores.manifest.config["confidence"] == 0.3


def test_points_of_new_files_are_in_their_frames(spots, tmp_path, monkeypatch):
    new = range(1000, 1012)
    write_spots(tmp_path / "new.h5", new)
    study = load_study(spots / "study.yaml")
    unseen.run(
        study.preprocess,
        files=[str(tmp_path / "new.h5")],
        model=spots / "model",
        base=spots,
        output=tmp_path / "images",
    )
    predict.run(
        model=spots / "model", images=tmp_path / "images", split="test", output=tmp_path / "scores"
    )
    split = open_store(tmp_path / "images" / "images.zarr").splits["test"]
    ids = split.column("event_id")[::N_TILES].tolist()
    true = true_spots(tmp_path / "new.h5")
    said = spots_in(tmp_path / "scores")
    for event_id, number in zip(ids, split.column("number")[::N_TILES].tolist(), strict=True):
        confident = said[event_id][said[event_id][:, 2] >= 0.3]
        pairs = match_points(true[number][np.newaxis], confident[np.newaxis, :, :2], tolerance=1)
        assert len(pairs.event) == np.isfinite(true[number][:, 0]).sum()
    drawn = []
    monkeypatch.setattr(overlays, "overlay_figure", lambda event, **_: drawn.append(event))
    monkeypatch.setattr(overlays, "write_figure", lambda *_: {"png": tmp_path})
    overlays.run(
        tmp_path / "scores",
        images=tmp_path / "images",
        folder=tmp_path,
        n_events=3,
        confidence=0.3,
    )
    with h5py.File(tmp_path / "new.h5") as file:
        frames = file["images"][:3]
    for event, event_id, frame in zip(drawn, ids[:3], frames, strict=True):
        shown = said[event_id][said[event_id][:, 2] >= 0.3]
        assert 0 < len(shown) < len(said[event_id])
        assert event.title == f"event {event_id}\n{len(shown)} points of confidence 0.3 or more"
        np.testing.assert_array_equal(event.image, frame)
        np.testing.assert_array_equal(event.points, shown[:, :2])


def test_a_known_event_has_the_same_points_read_again(spots, tmp_path):
    study = load_study(spots / "study.yaml")
    model = spots / "model"
    unseen.run(
        study.preprocess, files=["spots.h5"], model=model, base=spots, output=tmp_path / "images"
    )
    for images, scores in ((spots / "images", "known"), (tmp_path / "images", "again")):
        predict.run(model=model, images=images, split="test", output=tmp_path / scores)
    known, again = spots_in(tmp_path / "known"), spots_in(tmp_path / "again")
    assert len(known) < len(again) == N_EVENTS
    for event_id, points in known.items():
        np.testing.assert_allclose(again[event_id], points, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "task",
    [
        "{name: regression, targets: [number]}",
        "{name: multi-label, labels: [is_odd]}",
        (
            "{name: multi-task, heads: {number: {task: {name: regression, targets: [number]}}, "
            "is_odd: {task: {name: multi-label, labels: [is_odd]}}}}"
        ),
    ],
)
def test_what_is_of_whole_images_is_not_learned_of_tiles(spots, tmp_path, task):
    study = load_study(spots / "study.yaml", [f"train.task={task}"])
    name = task.split(",")[0].removeprefix("{name: ")
    with pytest.raises(
        ConfigError, match=f"^train.task: {name} is about whole .* leave out preprocess.tiles"
    ):
        train.run(study.train, images=spots / "images", output=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_events_are_counted_whole_and_tiles_beside_them(spots, tmp_path):
    write_spots(tmp_path / "spots.h5", range(40))
    with h5py.File(tmp_path / "spots.h5", "r+") as file:
        file["images"][30] = 0
        file["label"] = np.repeat([0, 1, 2], [20, 12, 8])
    overrides = [
        f"preprocess.sources={SOURCES.format(path=tmp_path / 'spots.h5')}",
        "preprocess.classes={a: 0, b: 1}",
        "preprocess.select={number: [3, null]}",
    ]
    study = load_study(spots / "study.yaml", overrides)
    made = preprocess.run(study.preprocess, base=spots, output=tmp_path / "images")
    contents = made.artifact.manifest.contents
    n_events, n_tiles = (
        {name: sum(of[name] for of in contents[key].values()) for name in ("a", "b")}
        for key in ("n_events", "n_tiles")
    )
    assert n_events == {"a": 17, "b": 12}
    assert n_tiles == {"a": 17 * N_TILES, "b": 12 * N_TILES}
    assert contents["n_dropped"] == {"label of no class": 8, "number below 3": 3}
    assert contents["n_read"] == sum(n_events.values()) + sum(contents["n_dropped"].values())
    assert contents["n_empty_images"] == 1
    splits = open_store(tmp_path / "images" / "images.zarr").splits
    for name, split in splits.items():
        assert split.n_events == sum(contents["n_tiles"][name].values())
    stored = [as_dense(split.images()).values for split in splits.values()]
    assert contents["occupancy"] == pytest.approx(np.mean(np.concatenate(stored) != 0))
    findings = audit.run(tmp_path / "images").findings
    assert [(f.check, f.count) for f in findings if f.severity == "trouble"] == [
        ("empty-events", 1)
    ]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        (
            "preprocess.select={tile_row: [0, 1]}",
            "preprocess.select: no column 'tile_row' .* there are: .*number.* selected whole",
        ),
        (
            "preprocess.sources={sources}",
            "preprocess.tiles: the input has its own column 'tile_row', .* map it to another name",
        ),
    ],
)
def test_columns_of_tiles_are_not_those_of_the_input(spots, tmp_path, override, fault):
    sources = SOURCES.format(path="spots.h5").replace(
        "number: number, label: label", "tile_row: number"
    )
    sources = sources.replace("}]", ", class: spots}]")
    study = load_study(spots / "study.yaml", [override.replace("{sources}", sources)])
    with pytest.raises(ConfigError, match=f"^{fault}"):
        preprocess.run(study.preprocess, base=spots, output=tmp_path / "images")
    assert not list(tmp_path.iterdir())
