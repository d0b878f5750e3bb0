import numpy as np
import pytest

from detcnn.kernels.silicon import (
    collect,
    electron_steps,
    muon_steps,
    scattering_angle,
    stopping_power,
)

DOWN = np.array([0.0, 0.0, 1.0])


@pytest.mark.parametrize(
    # ESTAR (NIST), collisions in silicon: 1.689e1, 3.295, 1.512 MeV cm²/g × 2.33 g/cm³.
    ("energy", "expected"),
    [(10.0, 3.94), (100.0, 0.768), (1000.0, 0.352)],
)
def test_stopping_power_is_that_of_tables(energy, expected):
    assert stopping_power(energy) == pytest.approx(expected, rel=0.05)


def test_scattering_angle_by_hand():
    # 100 keV: pβ = 100 × 1121.998 / 610.999 = 183.63 keV; 9.37 µm are 1e-4 X₀.
    expected = 13_600 / 183.63 * 0.01 * (1 + 0.038 * np.log(1e-4))
    assert scattering_angle(100.0, 9.37) == pytest.approx(expected, rel=1e-4)


def test_an_electron_leaves_all_its_energy_in_thick_silicon():
    rng = np.random.default_rng(1)
    ends = []
    for _ in range(50):
        steps = electron_steps(np.zeros(3) + 5e4, DOWN, 500.0, 1e5, rng)
        assert steps[:, 3].sum() == pytest.approx(500.0)
        ends.append(np.linalg.norm(steps[-1, :3] - 5e4))
    # No further than its range, 937 µm (ESTAR: 0.2185 g/cm²), and bent on the way.
    assert max(ends) < 937
    assert 300 < np.mean(ends) < 800


def test_an_electron_ends_at_the_face():
    steps = electron_steps(np.array([0.0, 0.0, 1.0]), -DOWN, 500.0, 675.0, np.random.default_rng(1))
    assert steps[:, 3].sum() < 5
    assert np.all(steps[:, 2] >= 0)


def test_muons_lose_what_the_landau_distribution_says():
    rng = np.random.default_rng(1)
    place = np.array([0.0, 0.0, 300.0])
    losses = np.array(
        [muon_steps(place, DOWN, 675.0, 5.0, 30.0, 2000.0, rng)[:, 3].sum() for _ in range(2000)]
    )
    # Most probable: ξ (ln(2 m c² ξ / (ħω_p)²) + 0.2) with ξ = 12.03 keV: 199 keV.
    counts, edges = np.histogram(losses, bins=24, range=(150, 300))
    smooth = np.convolve(counts, [1, 2, 3, 2, 1], "same")
    assert edges[np.argmax(smooth)] + 3.1 == pytest.approx(199, abs=12)
    # Full width at half maximum 4.02 ξ: half of all, nearly, are in ±2 ξ; the tail is to one side.
    assert np.mean(losses > 260) == pytest.approx(0.19, abs=0.04)
    assert losses.min() > 150


@pytest.mark.parametrize("direction", [(0.6, 0.0, 0.8), (0.6, 0.0, -0.8)])
def test_a_muon_goes_straight_from_face_to_face(direction):
    place = np.array([100.0, 50.0, 40.0])
    rng = np.random.default_rng(1)
    steps = muon_steps(place, np.array(direction), 80.0, 1.0, 2000.0, 2000.0, rng)
    # 80 µm / 0.8 are 100 steps of 1 µm; the line is at (100, 50) in depth 40.
    assert len(steps) == 100
    sign = np.sign(direction[2])
    np.testing.assert_allclose(steps[:, 0], 100 + sign * 0.75 * (steps[:, 2] - 40))
    np.testing.assert_allclose(steps[:, 1], 50)
    assert (steps[:, 2].min(), steps[:, 2].max()) == pytest.approx((0.4, 79.6))


def reference(row, column, width, n_electrons, shape, rng):
    """Electrons one by one with NumPy's own arithmetic."""
    found = np.zeros(shape, dtype=np.int32)
    for i in range(len(row)):
        for _ in range(n_electrons[i]):
            place = [row[i], column[i]] + width[i] * rng.standard_normal(2)
            pixel = np.rint(place).astype(int)
            if all(0 <= p < n for p, n in zip(pixel, shape, strict=True)):
                found[tuple(pixel)] += 1
    return found


def test_clouds_against_electrons_one_by_one():
    draws = np.random.default_rng(2)
    row, column = draws.uniform(-1, 8, (2, 20))
    width, n_electrons = draws.uniform(0, 2, 20), draws.integers(0, 50, 20)
    found = np.zeros((7, 9), dtype=np.int32)
    collect(row, column, width, n_electrons, found, np.random.default_rng(3))
    expected = reference(row, column, width, n_electrons, (7, 9), np.random.default_rng(3))
    np.testing.assert_array_equal(found, expected)


def test_the_width_of_a_cloud():
    found = np.zeros((41, 41), dtype=np.int32)
    clouds = [np.array([20.3]), np.array([19.9]), np.array([2.5]), np.array([100_000])]
    collect(*clouds, found, np.random.default_rng(1))
    assert found.sum() == 100_000
    rows = np.repeat(np.arange(41), found.sum(axis=1))
    assert rows.mean() == pytest.approx(20.3, abs=0.04)
    # A pixel adds 1/12 to the variance.
    assert rows.var() == pytest.approx(2.5**2 + 1 / 12, rel=0.02)
