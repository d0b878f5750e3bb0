"""Planes of a pixel truth: of the channel of their place, or of the image, as the store says."""

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.config.tasks import SegmentationConfig
from detcnn.errors import ConfigError
from detcnn.events.images import as_dense
from detcnn.stages import preprocess, tasks
from detcnn.storage.reader import open_store
from detcnn.storage.schema import schema_from_attributes
from detcnn.training.splits import stored_truth

N = 40


@pytest.fixture
def store(tmp_path):
    """Make a store of images of two channels: ``store(planes, **options of the truth)``."""

    def store(planes, channels=2, more="", **options):
        rng = np.random.default_rng(3)
        images = rng.random((N, channels, 5, 6)) * (rng.random((N, channels, 5, 6)) < 0.3)
        for name in ("a.h5", "b.h5"):
            with h5py.File(tmp_path / name, "w") as file:
                file["images"] = images[:, 0] if channels == 1 else images
                file["mask"] = rng.integers(0, 2, (N, planes, 5, 6))
                file["label"] = rng.integers(0, 2, N)
        told = "".join(f", {key}: {value}" for key, value in options.items())
        mask = f"pixels: {{mask: {{column: mask, classes: [no, yes]{told}}}}}"
        (tmp_path / "study.yaml").write_text(
            f"name: planes\npreprocess:\n  split: {{train: 0.5, validation: 0.25, test: 0.25}}\n"
            f"  sources:\n    - {{path: a.h5, images: {{images: ''}}, {mask}}}\n{more}"
        )
        study = load_study(tmp_path / "study.yaml")
        made = preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
        return open_store(made.artifact.path / "images.zarr")

    return store


@pytest.mark.parametrize(
    ("planes", "channels", "options", "expected"),
    [
        (2, 2, {}, True),
        (2, 2, {"of": "channels"}, True),
        (2, 2, {"of": "image"}, False),
        (1, 2, {}, False),
        (3, 2, {}, False),
        (1, 1, {}, True),
    ],
)
def test_what_counts_is_what_the_store_says(store, planes, channels, options, expected):
    made = store(planes, channels, **options)
    assert made.schema.truth_of("mask").of_channels is expected
    task = tasks.build_task(SegmentationConfig(name="segmentation", pixels="filled"), made)
    assert task.description["of_channels"] is expected
    split = made.splits["train"]
    images = split.images()
    beside = as_dense(stored_truth(split, task.wanted, images)).values
    filled = as_dense(images).values > 0
    if not expected:
        filled = np.repeat(filled.any(axis=1, keepdims=True), planes, axis=1)
    np.testing.assert_array_equal(beside[:, planes:], filled)


def test_planes_that_cannot_be_of_the_channels(store):
    told = r"a\.h5: dataset 'mask' has 3 planes and the images 2 channels: .* set pixels.mask.of to"
    with pytest.raises(ConfigError, match=told):
        store(3, of="channels")


def test_sources_that_mean_different_planes(store):
    more = (
        "    - {path: b.h5, images: {images: ''}, "
        "pixels: {mask: {column: mask, classes: [no, yes], of: image}}}\n"
    )
    with pytest.raises(ConfigError, match=r"b\.h5: .*'mask' are of the image, but those of a\.h5"):
        store(2, more=more)


@pytest.mark.parametrize(("planes", "expected"), [(1, False), (2, True), (3, False)])
def test_stores_of_before_it_was_said(store, planes, expected):
    attributes = store(planes).schema.attributes()
    assert attributes["truth"][0].pop("of_channels") is expected
    assert schema_from_attributes(attributes).truth_of("mask").of_channels is expected


@pytest.mark.parametrize(("planes", "expected"), [(1, False), (2, True)])
def test_channels_of_several_datasets_are_counted_together(tmp_path, planes, expected):
    rng = np.random.default_rng(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["charge"], file["time"] = rng.random((2, N, 5, 6))
        file["mask"] = rng.integers(0, 2, (N, planes, 5, 6))
        file["label"] = rng.integers(0, 2, N)
    (tmp_path / "study.yaml").write_text(
        "name: planes\npreprocess:\n  split: {train: 0.5, validation: 0.25, test: 0.25}\n"
        "  sources:\n    - path: a.h5\n      channels: {charge: charge, time: time}\n"
        "      pixels: {mask: {column: mask, classes: [no, yes]}}\n"
    )
    study = load_study(tmp_path / "study.yaml")
    made = preprocess.run(study.preprocess, base=tmp_path, output=tmp_path / "images")
    store = open_store(made.artifact.path / "images.zarr")
    assert store.schema.truth_of("mask").of_channels is expected
