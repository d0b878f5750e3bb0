import numpy as np
import pytest
from scipy import stats

from detcnn.kernels.showers import (
    Hadron,
    Stack,
    electromagnetic,
    hadronic,
    longitudinal,
    photon,
    radial,
)

HADRON = Hadron(0.7, 1.0, 0.82, 12.0, 0.1, 0.2)


def stack(n_layers, *, moliere=1.0, layer=1.0):
    """Layers of so many radiation lengths, ten of which are an interaction length."""
    edges = layer * np.arange(n_layers + 1)
    return Stack(edges / 10, edges, moliere, 5.0, 62.0, 0.01)


def showers(kind, n, energy, *, n_layers=40, size=41, seed=1, spot=0.005, **options):
    """Return the cells of `n` showers in the middle, and what they lost."""
    rng = np.random.default_rng(seed)
    cells, lost = np.zeros((n, n_layers, size, size)), np.empty(n)
    middle = (size - 1) / 2
    for i in range(n):
        lost[i] = kind(energy, 0.0, middle, middle, spot, stack(n_layers, **options), cells[i], rng)
    return cells, lost


def test_depth_and_shape_fluctuate_as_published():
    y = 5000.0
    log_y = np.log(y)
    rng = np.random.default_rng(1)
    drawn = np.log([longitudinal(y, 62.0, rng) for _ in range(20_000)])
    sigma_t, sigma_alpha = 1 / (1.26 * log_y - 1.4), 1 / (0.86 * log_y - 0.58)
    np.testing.assert_allclose(
        drawn.mean(axis=0),
        np.log([log_y - 0.812, 0.81 + (0.458 + 2.26 / 62) * log_y]),
        atol=4 * sigma_alpha / np.sqrt(20_000),
    )
    np.testing.assert_allclose(drawn.std(axis=0), [sigma_t, sigma_alpha], rtol=0.03)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.705 - 0.023 * log_y, abs=0.03)


def test_soft_showers_are_as_at_the_end_of_the_formulae():
    one, other = (longitudinal(y, 62.0, np.random.default_rng(1)) for y in (0.01, 8.0))
    assert one == other
    assert one[1] > 1


def test_radii_by_hand():
    # τ = 0.645 makes both exponentials 1, and ln 1 GeV is 0.
    core, tail, share = radial(0.645, 1.0, 62.0)
    assert core == pytest.approx(0.0251 + (0.1162 - 0.023622) * 0.645)
    assert tail == pytest.approx(2 * (0.659 - 0.19158))
    argument = (0.401 + 0.11594 - 0.645) / 1.313
    assert share == pytest.approx((2.632 - 0.05828) * np.exp(argument - np.exp(argument)))


def test_a_molieres_radius_holds_nine_tenths():
    cells, _ = showers(electromagnetic, 30, 10.0, n_layers=1, size=161, moliere=20.0, layer=100.0)
    rows, columns = np.indices((161, 161)) - 80
    inside = cells.sum(axis=(0, 1))[np.hypot(rows, columns) <= 20].sum()
    assert inside / (30 * 10.0) == pytest.approx(0.90, abs=0.03)


@pytest.mark.parametrize("energy", [5.0, 50.0])
def test_the_mean_profile_is_the_one_published_for_means(energy):
    cells, _ = showers(electromagnetic, 400, energy)
    profile = cells.sum(axis=(2, 3)).mean(axis=0)
    centre = (profile * (np.arange(40) + 0.5)).sum() / profile.sum()
    log_y = np.log(energy / 0.01)
    # Appendix A.1.1: T = ln y − 0.858 and α = 0.21 + (0.492 + 2.38/Z) ln y; <t> = T α / (α − 1).
    t, alpha = log_y - 0.858, 0.21 + (0.492 + 2.38 / 62) * log_y
    assert centre == pytest.approx(t * alpha / (alpha - 1), rel=0.03)
    assert np.argmax(profile) + 0.5 == pytest.approx(t, abs=0.8)


def test_layers_against_the_incomplete_gamma_function():
    n, energy = 300, 20.0
    cells, _ = showers(electromagnetic, n, energy, moliere=0.1, seed=5)
    found = cells.sum(axis=(0, 2, 3)) / n
    rng = np.random.default_rng(6)
    parameters = [longitudinal(energy / 0.01, 62.0, rng) for _ in range(4000)]
    expected = np.mean(
        [np.diff(stats.gamma.cdf(np.arange(41), a, scale=t / (a - 1))) for t, a in parameters],
        axis=0,
    )
    # Depths vary by a tenth from shower to shower.
    np.testing.assert_allclose(found, energy * expected, atol=0.06)


@pytest.mark.parametrize("kind", [electromagnetic, photon])
def test_energy_is_kept_up_to_the_fluctuations_of_sampling(kind):
    n, energy = 1500, 10.0
    cells, lost = showers(kind, n, energy, n_layers=10, size=5)
    seen = cells.sum(axis=(1, 2, 3)) + lost
    assert lost.min() > 0
    # a² = 2 × 5 MeV: 0.1 √10 GeV.
    sigma = 0.1 * np.sqrt(energy)
    assert seen.mean() == pytest.approx(energy, abs=4 * sigma / np.sqrt(n))
    assert seen.std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * n))


def test_photons_begin_later():
    depth = []
    for kind in (electromagnetic, photon):
        cells, _ = showers(kind, 800, 20.0, n_layers=60, size=3)
        profile = cells.sum(axis=(0, 2, 3))
        depth.append((profile * (np.arange(60) + 0.5)).sum() / profile.sum())
    # 9/7, less the half that two electrons come to rest earlier: ∫ 2 z ln z dz = −1/2, by the
    # centre of gravity's slope of 1.0 in ln E.
    assert depth[1] - depth[0] == pytest.approx(9 / 7 - 0.5, abs=0.25)


def test_spots_go_into_the_cells_they_are_in():
    cells, lost = showers(electromagnetic, 1, 50.0, n_layers=40, size=1, moliere=1e-9)
    assert cells[0, :, 0, 0].sum() > 49
    assert lost[0] < 0.5
    # An axis in the last cell but one of a row: half a cell further it is in the next.
    for row, expected in ((1.49, 1), (1.51, 2)):
        found = np.zeros((1, 3, 3))
        electromagnetic(
            5.0,
            0.0,
            row,
            -0.49,
            0.005,
            stack(1, moliere=1e-9, layer=100.0),
            found,
            np.random.default_rng(1),
        )
        assert np.argwhere(found > 0).tolist() == [[0, expected, 0]]


def pions(n, energy, *, n_layers=100, size=41, seed=1):
    rng = np.random.default_rng(seed)
    cells = np.zeros((n, n_layers, size, size))
    middle = (size - 1) / 2
    results = [
        hadronic(energy, middle, middle, 0.005, HADRON, stack(n_layers), cells[i], rng)
        for i in range(n)
    ]
    return cells, *np.array(results).T


@pytest.mark.parametrize("energy", [5.0, 50.0])
def test_pions(energy):
    n = 400
    cells, lost, share, start = pions(n, energy)
    assert start.mean() == pytest.approx(1.0, abs=4 / np.sqrt(n))
    mean = 1 - energy ** (0.82 - 1)
    sigma = np.sqrt(mean * (1 - mean) / 13)
    assert share.mean() == pytest.approx(mean, abs=4 * sigma / np.sqrt(n))
    assert share.std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * n))
    # All is seen but three tenths of what is not electromagnetic and no ionisation.
    seen = cells.sum(axis=(1, 2, 3)) + lost
    left = energy - np.minimum(0.2 * np.minimum(start, 10), energy / 2)
    expected = energy - 0.3 * (1 - share) * left
    spread = np.sqrt(2 * 0.1 * energy)
    assert (seen - expected).mean() == pytest.approx(0, abs=4 * spread / np.sqrt(n))


def test_a_pion_only_ionises_before_its_first_interaction():
    cells, _, _, start = pions(60, 20.0, n_layers=100)
    profile = cells.sum(axis=(2, 3))
    late = np.flatnonzero((start > 2) & (start < 9))
    assert len(late) > 3
    for i in late:
        before = profile[i, : int(10 * start[i])]
        # 0.2 GeV in an interaction length; spots of 5 MeV.
        expected = 0.2 * start[i]
        assert before.sum() == pytest.approx(expected, abs=5 * np.sqrt(0.01 * expected))


def test_a_pion_that_does_not_interact_leaks():
    _, lost, share, start = pions(40, 20.0, n_layers=2)
    is_through = start > 0.2
    assert is_through.sum() > 20
    np.testing.assert_allclose(lost[is_through], 20.0 - 0.2 * 0.2, atol=0.01)
    assert np.all(share[is_through] == 0)
