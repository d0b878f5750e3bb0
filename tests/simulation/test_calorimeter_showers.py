"""Showers in the calorimeter: known answers of the whole detector."""

from dataclasses import replace

import numpy as np
import pytest

from detcnn.simulation.calorimeter_showers import (
    CALORIMETER,
    CLASSES,
    Tower,
    describe_calorimeter,
    shower,
)

PERFECT = Tower(noise=0.0, threshold=0.0, miscalibration=0.0, dead=0.0)
MIDDLE = np.zeros(2)


def sums(label, energy, n, *, tower=PERFECT, seed=1):
    """Return the sums of the cells of `n` showers."""
    rng = np.random.default_rng(seed)
    gains = tower.gains()
    return np.array(
        [(shower(label, energy, MIDDLE, tower, rng)[0] * gains).sum() for _ in range(n)]
    )


def fitted(energies, resolutions):
    """Return a² and b² of (σ/E)² = a²/E + b²: a straight line in 1/E."""
    slope, constant = np.polyfit(1 / np.array(energies), np.square(resolutions), 1)
    return slope, constant


def test_electrons_have_the_resolution_of_sampling_and_a_linear_response():
    energies, n = [5.0, 20.0, 80.0], 600
    found = [sums(0, energy, n) for energy in energies]
    means = np.array(
        [values.mean() / energy for values, energy in zip(found, energies, strict=True)]
    )
    # 0.3 % leak out of the sides.
    np.testing.assert_allclose(means, 0.997, atol=0.008)
    slope, constant = fitted(energies, [values.std() / values.mean() for values in found])
    assert np.sqrt(slope) == pytest.approx(0.10, abs=0.008)
    # Two thirds of a percent, squared: its error is a third of that.
    assert abs(constant) < 4e-5


def test_pions_have_less_of_either():
    energies, n = [5.0, 20.0, 80.0], 600
    found = [sums(2, energy, n) for energy in energies]
    means = [values.mean() / energy for values, energy in zip(found, energies, strict=True)]
    # (f + (1 − f)/1.4) for f = 1 − E^−0.18: 0.786, 0.833 and 0.870; some leaks.
    for mean, expected in zip(means, (0.786, 0.833, 0.870), strict=True):
        assert expected - 0.035 < mean < expected + 0.02
    assert means[0] < means[1] < means[2]
    slope, constant = fitted(energies, [values.std() / values.mean() for values in found])
    assert 0.45 < np.sqrt(slope) < 0.8
    assert 0.04 < np.sqrt(constant) < 0.10


def test_miscalibration_makes_the_constant_term():
    tower = replace(PERFECT, miscalibration=0.2)
    rng = np.random.default_rng(1)
    gains = tower.gains()
    places = rng.uniform(-4, 4, (200, 2))
    cells = np.array([shower(0, 50.0, place, tower, rng)[0] for place in places])
    shares = cells / cells.sum(axis=(1, 2, 3), keepdims=True)
    ratio = (shares * gains).sum(axis=(1, 2, 3))
    expected = 0.2 * np.sqrt((shares**2).sum(axis=(1, 2, 3)).mean())
    # Far apart as they are, showers share some cells.
    assert ratio.std() == pytest.approx(expected, rel=0.3)


def test_gains_and_dead_cells_are_those_of_the_seed():
    tower = Tower()
    gains = tower.gains()
    np.testing.assert_array_equal(gains, Tower().gains())
    assert not np.array_equal(gains, replace(tower, seed=2).gains())
    assert np.mean(gains == 0) == pytest.approx(0.005, abs=0.004)
    assert gains[gains > 0].std() == pytest.approx(0.02, rel=0.05)
    sample = describe_calorimeter(replace(tower, dead=0.2)).generate(40, np.random.default_rng(1))
    dead = replace(tower, dead=0.2).gains() == 0
    assert not sample.images[:, 0, dead].any()


def test_noise_and_threshold():
    tower = Tower(energy=(1e-6, 1.1e-6), noise=0.02, threshold=0.02, dead=0.0)
    images = describe_calorimeter(tower).generate(20, np.random.default_rng(1)).images
    filled = images[images > 0]
    assert filled.min() >= 0.02
    # One in 6.3 is above one standard deviation.
    assert len(filled) / images.size == pytest.approx(0.1587, abs=0.005)


def test_the_sample_is_as_the_definition_says():
    sample = CALORIMETER.generate(300, np.random.default_rng(1))
    assert sample.images.shape == (300, 1, 12, 16, 16)
    assert sample.images.dtype == np.float32
    assert sample.columns.keys() == CALORIMETER.columns.keys()
    for name, kind in CALORIMETER.columns.items():
        assert sample.columns[name].dtype == np.dtype(kind.dtype)
    assert set(sample.columns["label"]) == set(range(len(CLASSES)))
    assert np.all((sample.columns["energy"] >= 5) & (sample.columns["energy"] <= 100))
    # Layers that are told in two units are equally many.
    assert len(Tower().radiation_lengths) == len(Tower().interaction_lengths)


def test_the_place_is_where_the_shower_is():
    sample = CALORIMETER.generate(300, np.random.default_rng(1))
    is_electron = (sample.columns["label"] == 0) & (sample.columns["energy"] > 20)
    images = sample.images[is_electron, 0].sum(axis=1)
    for axis, name in ((1, "eta"), (2, "phi")):
        profile = images.sum(axis=3 - axis)
        centre = (profile * np.arange(16)).sum(axis=1) / profile.sum(axis=1) - 7.5
        place = sample.columns[name][is_electron] / 0.025
        assert np.corrcoef(centre, place)[0, 1] > 0.95
        assert np.abs(centre - place).mean() < 0.25


def test_equal_generators_give_equal_showers():
    one, same = (CALORIMETER.generate(20, np.random.default_rng(7)) for _ in range(2))
    other = CALORIMETER.generate(20, np.random.default_rng(8))
    np.testing.assert_array_equal(one.images, same.images)
    for name, values in one.columns.items():
        np.testing.assert_array_equal(values, same.columns[name])
    assert not np.array_equal(one.images, other.images)
