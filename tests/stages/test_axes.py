"""Waveforms and volumes go the way of pictures: through the same store, network and evaluation."""

import h5py
import numpy as np
import pytest

from detcnn.artifacts.opening import open_artifact
from detcnn.config.loading import load_study
from detcnn.errors import ConfigError
from detcnn.events.images import as_dense
from detcnn.stages import audit, draw, evaluate, explain, preprocess, symmetry, train
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE

WAVEFORM, VOLUME = (2, 24), (1, 3, 6, 5)


def study_of(folder, values, axes, *, more=""):
    n = len(values)
    with h5py.File(folder / "events.h5", "w") as file:
        file["signals"] = values
        file["label"] = np.arange(n) % 2
        file["event_id"] = np.arange(n)
    path = folder / "study.yaml"
    path.write_text(
        "name: axes\n"
        "preprocess:\n"
        f"  sources: [{{path: events.h5, axes: [{', '.join(axes)}], channels_last: false}}]\n"
        "  classes: {zero: 0, one: 1}\n"
        f"{more}"
        "train: {network: {name: plain_cnn, options: {blocks: [{filters: 4, padding: 1}]}},\n"
        "        epochs: 1, augment: [{policy: flip}, {policy: noise}]}\n"
        "evaluate: {signal: one, replicas: 20, formats: []}\n",
        encoding="utf-8",
    )
    return load_study(path, [])


def signals(shape, *, occupancy, n=120):
    rng = np.random.default_rng(7)
    values = rng.random((n, *shape), dtype=np.float32) * (rng.random((n, *shape)) < occupancy)
    values[:, 0, ..., 2] += 0.5 + (np.arange(n) % 2).reshape(-1, *[1] * (len(shape) - 2))
    return values.astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "axes", "occupancy", "encoding"),
    [
        (WAVEFORM, ("time",), 1.0, "dense"),
        (WAVEFORM, ("time",), 0.05, "sparse"),
        (VOLUME, ("layer", "eta", "phi"), 0.9, "dense"),
        (VOLUME, ("layer", "eta", "phi"), 0.02, "sparse"),
    ],
)
def test_stored_and_read_again(tmp_path, shape, axes, occupancy, encoding):
    values = signals(shape, occupancy=occupancy)
    study = study_of(tmp_path, values, axes)
    preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
    store = open_store(tmp_path / "images" / STORE)
    assert store.schema.encoding == encoding
    assert store.schema.shape == shape
    assert store.schema.dimension_names == ("channel", *axes)
    for split in store.splits.values():
        found = as_dense(split.images()).values
        np.testing.assert_array_equal(found, values[split.column("event_id")])
    training = values[store.splits["train"].column("event_id")]
    np.testing.assert_allclose(store.statistics["mean"], training.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "axes", "occupancy", "change"),
    [(WAVEFORM, ("time",), 1.0, "mirror"), (VOLUME, ("layer", "eta", "phi"), 0.02, "boost")],
)
def test_from_file_to_report(tmp_path, monkeypatch, shape, axes, occupancy, change):
    study = study_of(tmp_path, signals(shape, occupancy=occupancy), axes)
    images, model = tmp_path / "images", tmp_path / "model"
    preprocess.run(study.preprocess, base=tmp_path, output=images)
    train.run(study.train, images=images, output=model)
    evaluate.run(
        study.evaluate,
        images=images,
        model=model,
        scores=tmp_path / "scores",
        output=tmp_path / "metrics",
        title="axes",
    )
    assert (tmp_path / "metrics" / "report.html").is_file()
    assert open_artifact(model).manifest.contents["image_shape"] == list(shape)
    assert draw.run(images, folder=tmp_path / "pictures")
    assert audit.run(images).n_events == 120
    with pytest.raises(ConfigError, match=f"its images have {len(axes)} axes"):
        explain.run(model, images=images, output=tmp_path / "explained")
    monkeypatch.setattr(symmetry, "write_figure", lambda *_: None)
    changed = symmetry.run(model, name=change, images=images, output=tmp_path / "changed")
    assert len(changed.responses) > 1


def test_pixels_are_normalised_as_a_whole(tmp_path):
    values = signals(VOLUME, occupancy=0.5)
    more = "  image_steps: [{step: normalise, by: l1}]\n"
    study = study_of(tmp_path, values, ("layer", "eta", "phi"), more=more)
    preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
    split = open_store(tmp_path / "images" / STORE).splits["train"]
    sums = as_dense(split.images()).values.sum(axis=(1, 2, 3, 4), dtype=np.float64)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_a_step_of_pictures_is_refused(tmp_path):
    more = "  image_steps: [{step: crop, pixels: 3}]\n"
    study = study_of(tmp_path, signals(WAVEFORM, occupancy=1), ("time",), more=more)
    with pytest.raises(ConfigError, match="crop: is a step of images of two axes, these have 1"):
        preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")


def test_axes_that_the_dataset_does_not_have(tmp_path):
    study = study_of(tmp_path, signals(WAVEFORM, occupancy=1), ("layer", "eta", "phi"))
    with pytest.raises(ConfigError, match="nor images found"):
        preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
