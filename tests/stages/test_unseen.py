"""New files of which nothing is known, from a model's images to what it says of them."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.artifacts.manifest import read_manifest, write_manifest
from detcnn.artifacts.opening import open_artifact
from detcnn.cli.main import app
from detcnn.config.loading import load_study
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.images import as_dense
from detcnn.events.labels import Classes
from detcnn.stages import evaluate, overlays, predict, preprocess, train, unseen
from detcnn.stages.preprocessing.inputs import known_classes
from detcnn.storage.maps import open_maps
from detcnn.storage.reader import open_store
from detcnn.storage.tables import read_parquet

N_EVENTS, SIDE = 90, 12
TASKS = {
    "segmentation": "{name: unet, options: {depth: 1, width: 0.125}}",
    "classification": "{name: plain_cnn, options: {blocks: [{filters: 4, pool: 2}], dense: [8]}}",
}
STUDY = """
name: squares
preprocess:
  sources:
    - path: known.h5
      images: {images: ''}
      columns: {label: side, energy: energy}
      event_id: [number]
      pixels: {mask: {column: truth/mask, classes: [background, square]}}
  classes: [left, right]
  image_steps: [{step: scale, by: sqrt}]
  split: {train: 0.5, validation: 0.25, test: 0.25}
train: {epochs: 1, batch_size: 10, early_stopping: null, standardise: {per: channel}}
evaluate: {replicas: 20, formats: []}
"""


def write_squares(path, numbers, *, is_known):
    rng = np.random.default_rng(numbers)
    places = rng.integers(1, SIDE - 1, (len(numbers), 2))
    images = np.zeros((len(numbers), 1, SIDE, SIDE), dtype=np.float32)
    for image, (row, column) in zip(images, places, strict=True):
        image[0, row - 1 : row + 2, column - 1 : column + 2] = 4
    with h5py.File(path, "w") as file:
        file["images"], file["number"] = images, np.asarray(numbers)
        if is_known:
            # New files state nothing of it, and are taken to be alike.
            file.attrs["channels"], file["images"].attrs["units"] = ["charge"], "e"
            file["side"] = (places[:, 1] >= SIDE // 2).astype(np.int64)
            file["energy"] = np.ones(len(numbers), dtype=np.float32)
            file["truth/mask"] = (images > 0).astype(np.uint8)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    (folder / "study.yaml").write_text(STUDY)
    write_squares(folder / "known.h5", range(N_EVENTS), is_known=True)
    write_squares(folder / "new.h5", range(1000, 1040), is_known=False)
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    for name, network in TASKS.items():
        overrides = [f"train.task={{name: {name}}}", f"train.network={network}"]
        of_task = load_study(folder / "study.yaml", overrides)
        train.run(of_task.train, images=folder / "images", output=folder / name)
    return folder


@pytest.fixture
def show(squares, tmp_path, Listener):
    """Show files to a model; returns the images and what was warned of."""

    def show(task, *files, overrides=()):
        study = load_study(squares / "study.yaml", overrides)
        model = squares / task
        listener = Listener()
        images = unseen.run(
            study.preprocess, files=files, model=model, base=squares, output=tmp_path / "images"
        )
        predict.run(
            model=model,
            images=images.artifact.path,
            split="test",
            output=tmp_path / "scores",
            progress=listener,
        )
        return images, listener.said

    return show


def test_new_events_are_those_of_the_file_in_its_order(show, tmp_path):
    images, said = show("classification", "new.h5")
    contents = images.artifact.manifest.contents
    assert contents["n_without_class"] == 40
    assert contents["n_events"]["test"] == {"left": 0, "right": 0}
    table = read_parquet(tmp_path / "scores" / "scores.parquet")
    np.testing.assert_array_equal(table["column_row"], np.arange(40))
    assert (table["label"] == -1).all()
    np.testing.assert_allclose(table["score_0"] + table["score_1"], 1, rtol=1e-5)
    stored = as_dense(open_store(tmp_path / "images" / "images.zarr").splits["test"].images())
    # The steps of the study: the root of 4.
    assert stored.values.max() == 2
    assert not [text for text in said if "trained with" in text]
    assert contents["channels"] == [
        {"name": "charge", "unit": "1", "meaning": "as in the input file, in e, sqrt"}
    ]


def test_a_model_says_the_same_of_an_event_whether_it_is_known_or_not(show, squares, tmp_path):
    show("classification", "known.h5")
    again = read_parquet(tmp_path / "scores" / "scores.parquet")
    predict.run(
        model=squares / "classification",
        images=squares / "images",
        split="test",
        output=tmp_path / "known",
    )
    known = read_parquet(tmp_path / "known" / "scores.parquet")
    _, here, there = np.intersect1d(known["column_row"], again["column_row"], return_indices=True)
    assert len(here) == len(known["column_row"])
    np.testing.assert_allclose(known["score_1"][here], again["score_1"][there], rtol=1e-4)
    np.testing.assert_array_equal(known["label"][here], again["label"][there])


def test_events_of_the_training_are_warned_of(show, squares):
    _, said = show("classification", "known.h5")
    n_seen = open_store(squares / "images" / "images.zarr").splits["train"].n_events
    assert any(f"{n_seen} of the {N_EVENTS} events of the test split" in t for t in said)


def test_masks_are_of_whole_frames(squares, tmp_path):
    tiles = "preprocess.tiles={pixels: 8, overlap: 4}"
    network = TASKS["segmentation"]
    overrides = [tiles, "train.task={name: segmentation}", f"train.network={network}"]
    study = load_study(squares / "study.yaml", overrides)
    preprocess.run(study.preprocess, base=squares, output=tmp_path / "images")
    train.run(study.train, images=tmp_path / "images", output=tmp_path / "model")
    unseen.run(
        study.preprocess,
        files=["new.h5"],
        model=tmp_path / "model",
        base=squares,
        output=tmp_path / "new",
    )
    predict.run(
        model=tmp_path / "model", images=tmp_path / "new", split="test", output=tmp_path / "scores"
    )
    with h5py.File(tmp_path / "scores" / "masks.h5") as file:
        assert list(file.attrs["classes"]) == ["background", "square"]
        assert (file.attrs["format"], file.attrs["format_version"]) == ("detcnn masks", 1)
        mask, event_id = file["mask"][:], file["event_id"][:]
    assert mask.shape == (40, 1, SIDE, SIDE)
    ids = open_store(tmp_path / "new" / "images.zarr").splits["test"].column("event_id")
    np.testing.assert_array_equal(event_id, ids[::4])
    # The corner of a frame is that of its first tile.
    maps = as_dense(open_maps(tmp_path / "scores").read(0, 160)).values
    first = maps.reshape(40, 4, 2, 8, 8)[:, 0].argmax(axis=1)
    np.testing.assert_array_equal(mask[:, 0, :6, :6], first[:, :6, :6])
    drawn = overlays.run(
        tmp_path / "scores",
        images=tmp_path / "new",
        folder=tmp_path / "drawn",
        n_events=2,
        confidence=0.5,
    )
    assert [path.name for path in drawn] == [f"{i:04d}_{event_id[i]}.png" for i in range(2)]
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_a_store_of_known_pixels_is_evaluated(show, squares, tmp_path):
    images, _ = show("segmentation", "known.h5")
    study = load_study(squares / "study.yaml")
    result = evaluate.run(
        study.evaluate,
        model=squares / "segmentation",
        images=images.artifact.path,
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="known",
    )
    assert "mean IoU" in dict(result.judgement.headline)


@pytest.mark.parametrize(
    ("task", "file", "overrides", "error", "words"),
    [
        ("segmentation", "new.h5", [], DataError, "no pixel truth 'mask' to judge segmentation by"),
        ("classification", "new.h5", [], DataError, "40 events have no class to judge by"),
        ("segmentation", "known.h5", ["selections={}"], ConfigError, "selections: .*segmentation"),
        ("segmentation", "known.h5", ["objects=[{of: blob}]"], ConfigError, "no class 'blob'"),
        ("classification", "known.h5", ["objects=[{of: square}]"], ConfigError, "objects: .*class"),
    ],
)
def test_what_cannot_be_judged_is_not_scored(
    squares, tmp_path, task, file, overrides, error, words
):
    study = load_study(squares / "study.yaml", [f"evaluate.{one}" for one in overrides])
    unseen.run(
        study.preprocess, files=[file], model=squares / task, base=squares, output=tmp_path / "new"
    )
    with pytest.raises(error, match=words):
        evaluate.run(
            study.evaluate,
            model=squares / task,
            images=tmp_path / "new",
            scores=tmp_path / "scores",
            output=tmp_path / "metrics",
            title="new",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_scores_of_other_images_do_not_replace_those_of_the_model_s_own(squares, tmp_path):
    study = load_study(squares / "study.yaml", ["evaluate.selections={}"])
    model = squares / "classification"
    unseen.run(
        study.preprocess, files=["known.h5"], model=model, base=squares, output=tmp_path / "new"
    )
    of_split = {}
    for split in ("test", "validation"):
        output = tmp_path / ("scores" if split == "test" else "scores-validation")
        made = predict.run(model=model, images=squares / "images", split=split, output=output)
        of_split[split] = made.artifact
    options = {
        "model": model,
        "images": tmp_path / "new",
        "scores": tmp_path / "scores",
        "output": tmp_path / "metrics",
        "title": "new",
    }
    for update in (False, True):
        with pytest.raises(OutputExistsError, match="scores: holds the scores of the images that"):
            evaluate.run(study.evaluate, update=update, **options)
    shutil.move(tmp_path / "scores", tmp_path / "kept")
    with pytest.raises(OutputExistsError, match="scores-validation: holds the scores of the imag"):
        evaluate.run(study.evaluate, **options)
    assert not (tmp_path / "scores").exists()
    again = open_artifact(tmp_path / "scores-validation")
    assert again.manifest == of_split["validation"].manifest


def test_another_study_is_refused_before_any_work(show, tmp_path):
    with pytest.raises(DataError, match="the study: image .* but the model"):
        show("classification", "new.h5", overrides=["preprocess.image_steps=[]"])
    assert not (tmp_path / "images").exists()


def test_new_files_of_another_shape_are_refused_before_any_work(show, squares, tmp_path):
    with h5py.File(squares / "wide.h5", "w") as file:
        file["images"], file["number"] = np.ones((9, 1, SIDE, SIDE + 2)), np.arange(9)
    words = r"wide.h5: image shape \[1, 12, 14\], but the model .* with \[1, 12, 12\]"
    with pytest.raises(DataError, match=words):
        show("segmentation", "wide.h5")
    assert not list(tmp_path.iterdir())


def command_line(squares, *options):
    words = ["predict", squares / "study.yaml", "--input", squares / "new.h5", *options]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_what_cannot_be_drawn_is_refused_before_any_work(squares, tmp_path):
    model = shutil.copytree(squares / "classification", tmp_path / "model")
    manifest = read_manifest(model)
    axes = [manifest.contents["axes"][0], *manifest.contents["axes"]]
    write_manifest(replace(manifest, contents={**manifest.contents, "axes": axes}), model)
    output = tmp_path / "said"
    done = command_line(squares, "--model", model, "--output", output, "--overlays", 2)
    assert done.exit_code == 2
    assert "images of 3 axes cannot be drawn: leave out --overlays" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("task", "is_warned"), [("segmentation", True), ("classification", False)])
def test_a_model_of_another_task_than_the_study_is_warned_of(squares, tmp_path, task, is_warned):
    done = command_line(squares, "--model", squares / task, "--output", tmp_path / "said", "-j", 1)
    assert done.exit_code == 0, done.stderr
    words = f"has learned {task}, and the study's train.task is classification"
    assert (words in " ".join(done.stderr.split())) == is_warned


def test_new_files_in_another_unit_are_refused(show, squares, tmp_path):
    write_squares(squares / "other.h5", range(2000, 2010), is_known=False)
    with h5py.File(squares / "other.h5", "a") as file:
        file["images"].attrs["units"] = "fC"
    with pytest.raises(DataError, match=r"channels .*in fC, sqrt.* was trained with .*in e, sqrt"):
        show("classification", "other.h5")
    assert not list(tmp_path.iterdir())


def test_a_window_that_leaves_nothing(show):
    with pytest.raises(DataError, match="leaves no event .* widen it"):
        show("classification", "new.h5", overrides=["preprocess.select={pixel_sum: [1000, null]}"])


def test_a_window_on_what_is_not_known(show):
    with pytest.raises(ConfigError, match="preprocess.select: no column 'energy'"):
        show("classification", "new.h5", overrides=["preprocess.select={energy: [5, 7]}"])


@pytest.mark.parametrize(
    ("values", "label_names", "expected"),
    [
        # Labels mean what they meant, named or not.
        (((0,), (1, 2)), {0: "0", 2: "2"}, ((0,), (1, 2))),
        (((0,), (1,)), {5: "right", 6: "left"}, ((6,), (5,))),
        (((0,), (1,)), {}, ((0,), (1,))),
        # The study gave each file its class: numbers are none of these.
        (((), ()), {0: "0", 1: "1"}, ((), ())),
        (((), ()), {0: "right"}, ((), (0,))),
    ],
)
def test_labels_of_new_events(values, label_names, expected):
    source = SimpleNamespace(path="new.h5", label_names=label_names)
    classes = known_classes(Classes(("left", "right"), values), (source,))
    assert classes == Classes(("left", "right"), expected)


@pytest.mark.parametrize(
    ("values", "label_names"),
    [(((0,), (1,)), {7: "7"}), (((0,), (1,)), {0: "up"}), (((), ()), {0: "up"})],
)
def test_labels_that_are_none_of_the_model(values, label_names):
    source = SimpleNamespace(path="new.h5", label_names=label_names)
    with pytest.raises(ConfigError, match=r"new.h5: its classes are .*, the model knows left, ri"):
        known_classes(Classes(("left", "right"), values), (source,))


def test_what_is_said_of_an_event_has_its_sigma_and_few_lines():
    table = {
        "label": np.zeros(1),
        "column_energy": np.ones(1),
        "muon.score_1": np.array([0.25]),
        "muon.probability_is_late": np.array([0.5]),
        "total.prediction_e_em": np.array([217.4]),
        "total.sigma_e_em": np.array([103.2]),
        "prediction_of_sigma_x": np.array([3.0]),
    }
    assert overlays._said(table, 0, ["electron", "muon"]) == (
        "\nmuon: muon 0.25\nmuon: probability is late 0.5\ntotal: e_em 217 ± 103\nof_sigma_x 3"
    )
    many = {f"prediction_{i}": np.array([i]) for i in range(20)}
    lines = overlays._said(many, 0, []).split("\n")[1:]
    assert len(lines) == 8
    assert lines[-1] == "and 13 more"
