"""What every simulation of images promises, and what some of them must show."""

import numpy as np
import pytest

from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS
from detcnn.simulation.pixel_classes import pixel_classes


@pytest.fixture(scope="module")
def samples():
    return {
        name: definition.generate(2 * len(definition.classes), np.random.default_rng(5))
        for name, definition in IMAGE_DEFINITIONS.items()
    }


@pytest.mark.parametrize("name", IMAGE_DEFINITIONS)
def test_samples_are_as_they_are_described(name, samples):
    definition, sample = IMAGE_DEFINITIONS[name], samples[name]
    n_events = 2 * len(definition.classes)
    assert definition.name == name
    assert sample.images.dtype == np.float32
    assert sample.images.shape[:2] == (n_events, len(definition.channels))
    assert sample.images.ndim == 2 + len(definition.axes)
    assert np.all(np.isfinite(sample.images))
    assert sample.columns.keys() == definition.columns.keys()
    for column, kind in definition.columns.items():
        assert sample.columns[column].dtype == kind.dtype, column
        assert sample.columns[column].shape == (n_events,)
        assert np.all(np.isfinite(sample.columns[column])), column
    assert 0 <= sample.columns["label"].min() <= sample.columns["label"].max()
    assert sample.columns["label"].max() < len(definition.classes)
    assert sample.truth.keys() == definition.truth.keys()
    for truth, classes in definition.truth.items():
        values = sample.truth[truth]
        assert values.shape[0] == n_events
        assert values.shape[2:] == sample.images.shape[2:]
        if classes:
            assert values.dtype == np.uint8
            assert values.max() < len(classes)
    for points, places in sample.points.items():
        assert places.dtype == np.float32
        assert (places.shape[0], places.shape[2]) == (n_events, len(definition.axes))
        for values in sample.point_values.values():
            assert values.shape == places.shape[:2], points


@pytest.mark.parametrize("name", IMAGE_DEFINITIONS)
def test_equal_generators_give_equal_samples(name, samples):
    definition = IMAGE_DEFINITIONS[name]
    again = definition.generate(2 * len(definition.classes), np.random.default_rng(5))
    np.testing.assert_array_equal(again.images, samples[name].images)
    for truth, values in again.truth.items():
        np.testing.assert_array_equal(values, samples[name].truth[truth])
    for column, values in again.columns.items():
        np.testing.assert_array_equal(values, samples[name].columns[column])


@pytest.mark.parametrize("name", ["neutrino", "neutrino-3-views", "liquid-argon"])
def test_classes_are_equally_frequent_in_mixed_order(name, samples):
    label = samples[name].columns["label"].tolist()
    n_classes = len(IMAGE_DEFINITIONS[name].classes)
    assert sorted(label) == [index // 2 for index in range(2 * n_classes)]
    assert label not in (sorted(label), 2 * list(range(n_classes)))


@pytest.mark.parametrize("name", ["neutrino", "neutrino-3-views", "liquid-argon"])
def test_only_what_was_recorded_has_a_class(name, samples):
    sample = samples[name]
    assert not sample.truth["mask"][sample.images == 0].any()
    assert sample.truth["mask"].any(axis=(1, 2, 3)).all()
    assert sample.images.min() == 0


@pytest.mark.parametrize("name", ["neutrino", "neutrino-3-views"])
def test_muons_are_where_there_is_one(name, samples):
    sample = samples[name]
    has_muon = (sample.truth["mask"] == 2).any(axis=(1, 2, 3))
    assert has_muon[sample.columns["label"] == 1].all()
    # A pixel of a muon in the other classes would have to come from nowhere.
    assert not has_muon[sample.columns["label"] != 1].any()
    np.testing.assert_array_equal(sample.columns["muon_length"] > 0, has_muon)
    assert np.all(sample.columns["n_hits"] == np.count_nonzero(sample.images, axis=(1, 2, 3)))


def test_counts_are_whole_numbers_of_eight_bits(samples):
    images = samples["neutrino-3-views"].images
    assert np.array_equal(images, images.astype(np.uint8))


def test_cosmic_rays_come_alone_or_not(samples):
    columns = samples["liquid-argon"].columns
    is_cosmic = columns["label"] == 0
    np.testing.assert_array_equal(columns["energy"] == 0, is_cosmic)
    assert np.all(columns["n_cosmics"][is_cosmic] > 0)
    mask = samples["liquid-argon"].truth["mask"]
    assert np.array_equal(columns["n_track_pixels"], (mask == 1).sum(axis=(1, 2, 3)))
    assert np.array_equal(columns["n_shower_pixels"], (mask == 2).sum(axis=(1, 2, 3)))


def test_a_pixel_is_of_the_class_that_left_most():
    seen = np.array([[[3.0, 0.1, 1.0, 5.0]], [[1.0, 0.1, 4.0, 9.0]]])
    image = np.array([[4.0, 2.0, 5.0, 0.0]])
    # Noise, and what the threshold took, are background.
    assert pixel_classes(seen, image, least=0.5).tolist() == [[1, 0, 2, 0]]
