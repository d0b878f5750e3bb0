"""CCD frames against the formulae they are drawn from."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from detcnn.errors import ConfigError
from detcnn.simulation.beta_decay import TRITIUM, BetaDecay
from detcnn.simulation.ccd import CCD, CLASSES, LINES, Ccd, describe_ccd, draw_xrays
from detcnn.simulation.compton import compton_density, compton_edge, draw_compton

QUIET = Ccd(
    rows=48,
    columns=64,
    noise_electrons=0,
    dark_electrons=0,
    decays=0,
    muons=0,
    xrays=0,
    electrons=0,
    hot_columns=0,
    hot_pixels=0,
)
"""A dark and perfect CCD."""

COPPER = LINES[:1]


@pytest.mark.parametrize("thickness", [-1.0, 0.0, 1 / 1.3e-3, 900.0])
def test_silicon_that_is_deeper_than_charge_comes_from(thickness):
    with pytest.raises(ConfigError, match=r"thickness_um: .*less than 769\.2"):
        replace(QUIET, thickness_um=thickness)
    assert np.isfinite(replace(QUIET, thickness_um=769).spread(np.array([0.0, 769]))).all()


def frames(n, *, seed=1, **changes):
    return describe_ccd(replace(QUIET, **changes)).generate(n, np.random.default_rng(seed))


# What is drawn


def test_the_mean_and_the_end_of_the_tritium_spectrum():
    whole, _ = quad(TRITIUM.density, 0, 18.59)
    mean, _ = quad(lambda t: t * TRITIUM.density(t) / whole, 0, 18.59)
    square, _ = quad(lambda t: t**2 * TRITIUM.density(t) / whole, 0, 18.59)
    # 5.68 keV is what tables of radionuclides give.
    assert mean == pytest.approx(5.68, abs=0.04)
    drawn = TRITIUM.draw(200_000, np.random.default_rng(1))
    sigma = np.sqrt(square - mean**2)
    assert drawn.mean() == pytest.approx(mean, abs=4 * sigma / np.sqrt(len(drawn)))
    assert drawn.std() == pytest.approx(sigma, rel=0.01)
    assert drawn.min() >= 0
    # Of so many, the hardest is within 0.6 keV of the endpoint: (0.6 keV)³ against the spectrum.
    assert 18.0 < drawn.max() <= 18.59


def test_without_attraction_the_spectrum_is_that_of_phase_space():
    free = BetaDecay(endpoint=18.59, daughter=0).density(np.array([5.0, 10.0]))
    momentum = np.sqrt(np.array([5.0 * 1026.998, 10.0 * 1031.998]))
    expected = momentum * np.array([515.999, 520.999]) * np.array([13.59, 8.59]) ** 2
    np.testing.assert_allclose(free / free[0], expected / expected[0], rtol=1e-5)


def test_compton_electrons():
    # 2 E² / (m + 2E): 1243 keV for the 1461 keV of potassium.
    assert compton_edge(1460.8) == pytest.approx(1243.3, abs=0.2)
    # The total of the spectrum and its mean, from the cross-section in angles of the photon.
    alpha = 1460.8 / 510.99895

    def cross_section(cosine):
        kept = 1 / (1 + alpha * (1 - cosine))
        return kept**2 * (kept + 1 / kept - (1 - cosine**2)), kept

    whole, _ = quad(lambda c: cross_section(c)[0], -1, 1)
    taken, _ = quad(lambda c: np.prod(cross_section(c)) / whole, -1, 1)
    drawn = draw_compton(100_000, 1460.8, np.random.default_rng(1))
    mean = 1460.8 * (1 - taken)
    assert drawn.mean() == pytest.approx(mean, abs=4 * drawn.std() / np.sqrt(len(drawn)))
    assert compton_density(np.array([-1.0, 1300.0]), 1460.8).tolist() == [0, 0]


def test_xrays_are_absorbed_behind_either_face():
    rng = np.random.default_rng(1)
    depth, energy = draw_xrays(20_000, replace(QUIET, lines=COPPER), rng).T
    assert set(energy) == {8.046}
    near = np.minimum(depth, 675 - depth)
    # e^(−675/67) of them go through.
    assert len(depth) == pytest.approx(20_000, abs=10)
    assert near.mean() == pytest.approx(67, rel=0.05)
    assert np.mean(depth < 337) == pytest.approx(0.5, abs=0.02)


def test_the_shares_of_the_lines():
    _, energy = draw_xrays(20_000, QUIET, np.random.default_rng(1)).T
    assert np.mean(energy == 1.740) == pytest.approx(0.35, abs=0.02)


# The charge and the readout


def test_the_spread_grows_with_depth():
    # −215 ln(1 − 0.0013 × 675) = 215 × 2.098 = 451 µm², that is 21.2 µm or 1.42 pixels.
    assert QUIET.spread(np.array([0.0, 675.0])) == pytest.approx([0.0, 1.416], abs=2e-3)


def test_pairs_fluctuate_with_fano():
    pairs = QUIET.ionised(np.full(100_000, 8.046), np.random.default_rng(1))
    # 8046 / 3.749 = 2146.2; √(0.119 × 2146.2) = 15.98, and 1/12 from rounding.
    assert pairs.mean() == pytest.approx(2146.2, abs=0.2)
    assert pairs.std() == pytest.approx(15.98, rel=0.02)


@pytest.mark.parametrize(("noise", "width"), [(0.0, 15.98), (0.5, 35.77)])
def test_the_width_of_a_line_is_that_of_fano_and_of_noise(noise, width):
    # √(0.119 × 2146.2) = 15.98 electrons, and 0.5 from each of 64 × 64 pixels: 15.98 ⊕ 32.
    sample = frames(1500, rows=64, columns=64, xrays=1.0, lines=COPPER, noise_electrons=noise)
    mask = sample.truth["mask"][:, 0]
    at_the_edge = (mask[:, [0, -1]] > 0).any(axis=(1, 2)) | (mask[..., [0, -1]] > 0).any(
        axis=(1, 2)
    )
    # So far from the edge that no electron is lost.
    is_whole = ~at_the_edge & (sample.columns["n_xrays"] == 1)
    electrons = sample.images[is_whole].sum(axis=(1, 2, 3), dtype=np.float64) / 3.749e-3
    n = is_whole.sum()
    assert n > 350
    assert electrons.mean() == pytest.approx(2146.2, abs=4 * width / np.sqrt(n))
    assert electrons.std() == pytest.approx(width, rel=4 / np.sqrt(2 * n))


def test_the_energy_of_decays_is_kept():
    sample = frames(6, rows=600, columns=600, decays=2.0)
    energy = sample.columns["decay_energy_sum"]
    # Fano: 0.03 keV for 10.
    np.testing.assert_allclose(sample.images.sum(axis=(1, 2, 3)), energy, atol=0.3)
    np.testing.assert_array_equal(sample.truth["decay_energy"], sample.images)
    found = np.nansum(sample.point_values["decay_energy"], axis=1)
    np.testing.assert_allclose(found, energy, rtol=1e-5)


def test_decays_are_where_the_truth_says():
    sample = frames(40, decays=0.5, seed=3)
    alone = np.flatnonzero(sample.columns["n_decays"] == 1)
    rows, columns = np.indices((48, 64))
    errors = []
    for i in alone:
        charge, (row, column) = sample.images[i, 0], sample.points["decays"][i, 0]
        inside = 8 < row < 40 and 8 < column < 56
        if inside and charge.sum() > 1:
            errors.append((rows * charge).sum() / charge.sum() - row)
            errors.append((columns * charge).sum() / charge.sum() - column)
    assert len(errors) > 10
    # A cloud in the corner of four pixels is known best, one in the middle of a pixel worst.
    assert np.abs(errors).max() < 0.5
    assert np.abs(np.mean(errors)) < 0.15


def test_noise_and_dark_current():
    sample = frames(20, noise_electrons=3.0, dark_electrons=0.5)
    electrons = sample.images / 3.749e-3
    assert electrons.mean() == pytest.approx(0, abs=0.05)
    assert electrons.std() == pytest.approx(np.sqrt(9.5), rel=0.01)


def test_hot_columns():
    sample = frames(40, hot_columns=1.0, hot_electrons=20.0)
    bright = (sample.images[:, 0, 30:] > 0).all(axis=1).sum(axis=1)
    assert sample.columns["n_hot_columns"].sum() > 20
    assert np.all(bright <= sample.columns["n_hot_columns"])
    assert bright.sum() > 0.4 * sample.columns["n_hot_columns"].sum()


def test_the_mask_is_of_what_left_most_of_the_charge():
    for kind, events in enumerate(("decays", "muons", "xrays", "electrons"), start=1):
        sample = frames(5, **{events: 3.0})
        mask = sample.truth["mask"]
        assert set(np.unique(mask)) == {0, kind}
        # The threshold is five electrons, of 3.749 eV each.
        np.testing.assert_array_equal(mask == kind, sample.images > 4.5 * 3.749e-3)
    assert CLASSES[1] == "decay"


# The sample


def test_equal_generators_give_equal_frames():
    definition = describe_ccd(replace(Ccd(), rows=64, columns=64))
    one, same = (definition.generate(3, np.random.default_rng(7)) for _ in range(2))
    other = definition.generate(3, np.random.default_rng(8))
    for name, values in vars_of(one).items():
        np.testing.assert_array_equal(values, vars_of(same)[name], strict=True)
    assert not np.array_equal(one.images, other.images)


def vars_of(sample):
    return {
        "images": sample.images,
        **sample.truth,
        **sample.columns,
        **sample.points,
        "energies": sample.point_values["decay_energy"],
    }


def test_the_sample_is_as_the_definition_says():
    sample = CCD.generate(2, np.random.default_rng(1))
    assert sample.images.shape == (2, 1, 256, 256)
    assert sample.images.dtype == np.float32
    assert sample.truth.keys() == CCD.truth.keys()
    assert sample.truth["mask"].dtype == np.uint8
    assert sample.columns.keys() == CCD.columns.keys()
    # In a FITS file both are units by their names.
    assert not sample.columns.keys() & sample.truth.keys()
    for name, kind in CCD.columns.items():
        assert sample.columns[name].dtype == np.dtype(kind.dtype)
    assert sample.points["decays"].shape == (2, 48, 2)
    n_known = np.isfinite(sample.points["decays"]).all(axis=2).sum(axis=1)
    np.testing.assert_array_equal(n_known, sample.columns["n_decays"])
    assert CCD.generate(0, np.random.default_rng(1)).images.shape == (0, 1, 256, 256)
