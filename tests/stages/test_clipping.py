"""Pixels that are cut at a quantile of the training split, from the file to the scores."""

import os
import signal

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file

from detcnn.config.loading import load_study
from detcnn.errors import CheckpointedError
from detcnn.events.images import as_dense
from detcnn.stages import predict, preprocess, train
from detcnn.storage.reader import open_store
from detcnn.storage.tables import read_parquet
from detcnn.training.export import read_model

N_EVENTS, SHARE = 90, 0.97
STUDY = f"""
name: spikes
preprocess:
  sources:
    - path: images.h5
      images: {{images: ''}}
      columns: {{label: label}}
      event_id: [number]
  split: {{train: 0.5, validation: 0.25, test: 0.25}}
train:
  epochs: 2
  batch_size: 10
  early_stopping: null
  network: {{name: plain_cnn, options: {{blocks: [{{filters: 4, pool: 2}}], dense: [8]}}}}
  standardise: {{per: channel, clip: {SHARE}}}
  augment: [{{policy: flip}}]
"""


def write_images(folder, values):
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(STUDY)
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"], file["number"] = values, np.arange(N_EVENTS)
        file["label"] = np.arange(N_EVENTS) % 2
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    return study


def split_of(folder, name):
    split = open_store(folder / "images" / "images.zarr").splits[name]
    return as_dense(split.images()).values, split.column("row")


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(11)
    values = rng.exponential(size=(N_EVENTS, 2, 8, 8)).astype(np.float32) ** 3
    values[:, 1] *= -5
    values[rng.random(values.shape) < 0.8] = 0
    return values


@pytest.fixture(scope="module")
def spikes(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("spikes")
    study = write_images(folder, values)
    train.run(study.train, images=folder / "images", output=folder / "model")
    return folder


def test_limits_and_statistics_are_those_of_the_training_split(spikes):
    training, _ = split_of(spikes, "train")
    tensors = load_file(spikes / "model" / "best.safetensors")
    limits = tensors["standardise.limit"].ravel()
    cut = training.astype(np.float64)
    for k, limit in enumerate(limits):
        filled = np.abs(training[:, k][training[:, k] != 0])
        assert limit == np.quantile(filled, SHARE, method="inverted_cdf") < filled.max()
        cut[:, k] = np.clip(cut[:, k], -limit, limit)
    np.testing.assert_allclose(
        tensors["standardise.mean"].ravel(), cut.mean(axis=(0, 2, 3)), rtol=1e-5
    )
    # With the default floor, twice the spread.
    np.testing.assert_allclose(
        tensors["standardise.scale"].ravel(), 2 * cut.std(axis=(0, 2, 3)), rtol=1e-5
    )


def test_huge_pixels_of_the_test_split_change_nothing(spikes, values, tmp_path):
    _, rows = split_of(spikes, "test")
    huge = values.copy()
    huge[rows] *= 1e6
    study = write_images(tmp_path, huge)
    train.run(study.train, images=tmp_path / "images", output=tmp_path / "model")
    for which in ("best", "last"):
        here, there = (path / "model" / f"{which}.safetensors" for path in (spikes, tmp_path))
        assert here.read_bytes() == there.read_bytes()


def test_the_model_cuts_what_it_is_shown(spikes, values, tmp_path):
    _, rows = split_of(spikes, "test")
    limits = load_file(spikes / "model" / "best.safetensors")["standardise.limit"]
    huge, cut = values.copy(), values.copy()
    huge[rows] *= 1e6
    cut[rows] = np.clip(huge[rows], -limits, limits)
    scores = {}
    for name, shown in (("huge", huge), ("cut", cut)):
        write_images(tmp_path / name, shown)
        predict.run(
            model=spikes / "model",
            images=tmp_path / name / "images",
            split="test",
            output=tmp_path / name / "scores",
        )
        scores[name] = read_parquet(tmp_path / name / "scores" / "scores.parquet")["score_1"]
    np.testing.assert_array_equal(scores["huge"], scores["cut"])
    # What is exported says the same of images as they stand in the store.
    import torch

    model = read_model(spikes / "model").model
    images, _ = split_of(tmp_path / "huge", "test")
    with torch.inference_mode():
        alone = model(torch.from_numpy(images)).softmax(dim=1)[:, 1].numpy()
    np.testing.assert_allclose(alone, scores["huge"], rtol=1e-4)


def test_a_training_with_limits_goes_on_to_the_same_model(spikes, tmp_path, Listener):
    study = load_study(spikes / "study.yaml")
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    options = {"images": spikes / "images", "output": tmp_path / "model"}
    with pytest.raises(CheckpointedError):
        train.run(study.train, progress=stop, **options)
    train.run(study.train, resume=True, **options)
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        assert (tmp_path / "model" / name).read_bytes() == (spikes / "model" / name).read_bytes()


def test_the_limits_are_kept_by_a_training_that_starts_from_the_model(spikes, tmp_path):
    start = f"train.start={{model: {spikes / 'model'}}}"
    study = load_study(spikes / "study.yaml", [start, "train.standardise={per: channel}"])
    train.run(study.train, images=spikes / "images", output=tmp_path / "model")
    first, second = (load_file(path / "model" / "best.safetensors") for path in (spikes, tmp_path))
    np.testing.assert_array_equal(first["standardise.limit"], second["standardise.limit"])


def test_without_a_share_nothing_is_cut(spikes, tmp_path):
    study = load_study(spikes / "study.yaml", ["train.standardise.clip=null", "train.epochs=1"])
    train.run(study.train, images=spikes / "images", output=tmp_path / "model")
    # The tensors are those that models had before there was a limit.
    tensors = load_file(tmp_path / "model" / "best.safetensors")
    assert {name for name in tensors if name.startswith("standardise")} == {
        "standardise.mean",
        "standardise.scale",
    }
    assert read_model(tmp_path / "model").model.standardise.limit is None
