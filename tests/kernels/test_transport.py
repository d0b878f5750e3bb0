"""Particles in matter, against formulae worked out here and figures of the Particle Data Group."""

import math

import numpy as np
import pytest
from scipy.stats import landau

from detcnn.kernels.transport import (
    ELECTRON,
    MASSES,
    MUON,
    MUON_CAPTURE,
    MUON_TRACK,
    NEUTRAL_PION,
    PHOTON,
    PION,
    POSITRON,
    PROTON,
    SHOWER,
    knock_on_cosine,
    mean_loss,
    transport,
)
from detcnn.simulation.media import LIQUID_ARGON

ARGON = LIQUID_ARGON.parameters()
EVERYWHERE = np.array([[-1e6, 1e6]] * 3)
M_E = 0.51099895


def beam(kind, energy, n=1):
    """Particles from the origin along z."""
    return np.tile([kind, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, energy], (n, 1))


def sent(kind, energy, n=1, *, seed=0, box=EVERYWHERE, step=0.5, medium=ARGON):
    rng = np.random.default_rng(seed)
    return [transport(rng, beam(kind, energy), medium, box, step) for _ in range(n)]


def bethe(mass, energy):
    """Equation 34.5 in liquid argon, MeV/cm, written as in the review."""
    gamma = 1 + energy / mass
    beta2 = 1 - 1 / gamma**2
    w_max = 2 * M_E * beta2 * gamma**2 / (1 + 2 * gamma * M_E / mass + (M_E / mass) ** 2)
    x = math.log10(math.sqrt(beta2) * gamma)
    delta = 0.0
    if x >= 0.2:
        delta = 2 * math.log(10) * x - 5.2146 + 0.19559 * max(0.0, 3.0 - x) ** 3
    logarithm = math.log(2 * M_E * beta2 * gamma**2 * w_max / 188e-6**2)
    return 1.396 * 0.307075 * 0.45059 / beta2 * (0.5 * logarithm - beta2 - delta / 2)


@pytest.mark.parametrize(("given", "degrees"), [(5.0, 16.93), (3.0, 24.94), (10.0, 0.0)])
def test_an_electron_knocks_on_others_at_the_angle_worked_out_by_hand(given, degrees):
    # Of two electrons, cos² θ = T (E + 2 m) / (E (T + 2 m)): 5 · 11.022 / (10 · 6.022) = 0.9151.
    cosine = knock_on_cosine(M_E, 10.0, given)
    assert math.degrees(math.acos(cosine)) == pytest.approx(degrees, abs=0.01)


@pytest.mark.parametrize("kind", [ELECTRON, MUON, PION, PROTON])
def test_knock_on_electrons_conserve_energy_and_momentum(kind):
    mass = MASSES[kind]
    for energy in (5.0, 300.0, 20_000.0):
        gamma = 1 + energy / mass
        ratio = M_E / mass
        largest = 2 * M_E * (gamma**2 - 1) / (1 + 2 * gamma * ratio + ratio**2)
        momentum = math.sqrt(energy * (energy + 2 * mass))
        for given in (0.01 * largest, 0.5 * largest, largest):
            knocked = math.sqrt(given * (given + 2 * M_E))
            along = knocked * knock_on_cosine(mass, energy, given)
            across = knocked**2 - along**2
            # What is left to the particle has the mass of the particle.
            left = (energy - given + mass) ** 2 - (momentum - along) ** 2 - across
            assert left == pytest.approx(mass**2, rel=1e-6, abs=1e-6 * energy**2)
        assert knock_on_cosine(mass, energy, largest) == pytest.approx(1.0, abs=1e-9)


def test_the_mean_loss_is_that_of_bethe():
    for kind in (MUON, PION, PROTON):
        for energy in (5.0, 50.0, 300.0, 2000.0, 20_000.0):
            expected = bethe(MASSES[kind], energy)
            assert mean_loss(kind, energy, ARGON) == pytest.approx(expected, rel=1e-4)


def test_minimum_ionisation_in_argon_is_the_published_one():
    energies = np.geomspace(100, 1000, 200)
    least = min(mean_loss(MUON, energy, ARGON) for energy in energies) / 1.396
    assert least == pytest.approx(1.508, rel=0.002)


@pytest.mark.parametrize(
    ("kind", "energy"),
    [
        (PHOTON, 300.0),
        (ELECTRON, 300.0),
        (POSITRON, 20.0),
        (MUON, 400.0),
        (PION, 600.0),
        (PROTON, 900.0),
        (NEUTRAL_PION, 300.0),
    ],
)
def test_no_energy_gets_lost(kind, energy):
    small = np.array([[-30.0, 30.0]] * 3)
    for box in (EVERYWHERE, small):
        for deposits, ledger in sent(kind, energy, 10, box=box):
            assert ledger.sum() == pytest.approx(energy)
            assert deposits[:, 3].sum() == pytest.approx(ledger[0])
            assert np.all(deposits[:, 3] >= 0)
            assert np.all(np.abs(deposits[:, :3]) <= box.max())


def test_a_shower_in_an_endless_medium_leaves_all_of_its_energy():
    for kind, mass in (
        (PHOTON, 0.0),
        (ELECTRON, 0.0),
        (POSITRON, 2 * M_E),
        (NEUTRAL_PION, 134.9768),
    ):
        ((deposits, _),) = sent(kind, 200.0)
        assert deposits[:, 3].sum() == pytest.approx(200.0 + mass)
        assert set(deposits[:, 5]) == {SHOWER}


def test_equal_generators_give_equal_deposits():
    ((first, _),), ((again, _),), ((other, _),) = (
        sent(ELECTRON, 100.0, seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize(("kind", "energy"), [(MUON, 300.0), (PROTON, 60.0)])
def test_the_range_is_the_integral_of_the_inverse_loss(kind, energy):
    energies = np.linspace(1.0, energy, 4000)
    inverse = [1 / bethe(MASSES[kind], e) for e in energies]
    expected = np.trapezoid(inverse, energies)
    ends = []
    for deposits, _ in sent(kind, energy, 100, step=0.2):
        # What comes after the track's end is not its own.
        stop = int(np.argmax(deposits[:, 4] == 0))
        ends.append(deposits[:stop, 4].sum())
    # Protons sometimes meet a nucleus first.
    assert np.median(ends) == pytest.approx(expected, rel=0.03)


def test_a_proton_loses_most_at_its_end():
    ((deposits, _),) = sent(PROTON, 100.0, step=0.1)
    rate = deposits[:-1, 3] / deposits[:-1, 4]
    assert rate[-20:].mean() > 3 * rate[:20].mean()


def test_straggling_is_that_of_landau():
    """Equation 34.12 tells where, ξ how wide."""
    energy, length = 1000.0, 0.3
    box = np.array([[-1e3, 1e3], [-1e3, 1e3], [0.0, length]])
    rng, lost = np.random.default_rng(1), []
    for _ in range(5):
        deposits, _ = transport(rng, beam(MUON, energy, 2000), ARGON, box, length)
        # Knock-on electrons of their own have left the axis.
        lost.extend(deposits[(deposits[:, 0] == 0) & (deposits[:, 4] == length), 3])
    assert len(lost) == 10_000
    gamma = 1 + energy / MASSES[MUON]
    beta2 = 1 - 1 / gamma**2
    x = math.log10(math.sqrt(beta2) * gamma)
    delta = 2 * math.log(10) * x - 5.2146 + 0.19559 * (3.0 - x) ** 3
    xi = 0.307075 / 2 * 0.45059 * 1.396 * length / beta2
    scale = math.log(2 * M_E * beta2 * gamma**2 / 188e-6) + math.log(xi / 188e-6)
    most_probable = xi * (scale + 0.2 - beta2 - delta)
    # Losses above 1 MeV leave as electrons of their own: what stays is Landau's if there was none.
    none_left = math.exp(-xi / 1.0)
    for share in (0.05, 0.25, 0.5, 0.75):
        # SciPy's Landau distribution is that of (λ − ln(π/2)) 2/π.
        variable = math.pi / 2 * landau.ppf(share * none_left) + math.log(math.pi / 2)
        expected = most_probable + xi * (variable + 0.2228)
        assert np.quantile(lost, share) == pytest.approx(expected, rel=0.02), share


def test_scattering_is_that_of_highland():
    """The displacement behind one radiation length is θ0 L/√3, equations 34.16 and 34.20."""
    energy, length = 2000.0, 14.0
    box = np.array([[-1e3, 1e3], [-1e3, 1e3], [0.0, length]])
    places = []
    for deposits, _ in sent(MUON, energy, 500, box=box, step=0.25):
        n_steps = int(np.argmax(np.diff(deposits[:, 2]) < 0)) or len(deposits) - 1
        places.append(deposits[n_steps, :2] * (length / deposits[n_steps, 2]) ** 1.5)
    momentum = math.sqrt(energy * (energy + 2 * MASSES[MUON])) - 15.0  # half way
    expected = 13.6 / momentum * length / math.sqrt(3)
    assert np.std(places) == pytest.approx(expected, rel=0.1)


def test_showers_reach_deeper_by_the_logarithm_of_their_energy():
    """Equation 34.37: the maximum lies at ln(E/E_c) − 0.5 radiation lengths for electrons."""
    means = {}
    for energy in (250.0, 2000.0):
        deposits = np.concatenate([d for d, _ in sent(ELECTRON, energy, 60)])
        depth, weight = deposits[:, 2] / 14.0, deposits[:, 3]
        profile, _ = np.histogram(depth, np.arange(0, 12, 0.25), weights=weight)
        smooth = np.convolve(profile, np.ones(5), "same")
        assert 0.125 + 0.25 * smooth.argmax() == pytest.approx(
            math.log(energy / 32.84) - 0.5, abs=0.6
        )
        means[energy] = np.average(depth, weights=weight)
    assert means[2000.0] - means[250.0] == pytest.approx(math.log(8), abs=0.35)


def test_most_of_a_shower_is_near_its_axis():
    """A Molière radius, 9.0 cm, holds 90 % by equation 34.38's rule; here that is a little more."""
    deposits = np.concatenate([d for d, _ in sent(ELECTRON, 1000.0, 40)])
    near = np.hypot(deposits[:, 0], deposits[:, 1]) < 9.0
    assert 0.8 < deposits[near, 3].sum() / deposits[:, 3].sum() < 0.95


def test_photons_convert_after_nine_sevenths_of_a_radiation_length():
    # What the first pair's last particle leaves is the first deposit.
    starts = [deposits[0, 2] for deposits, _ in sent(PHOTON, 500.0, 300)]
    assert np.mean(starts) == pytest.approx(9 / 7 * 14.0, rel=0.15)


def test_a_muon_at_rest_gives_an_electron_of_michel():
    medium = ARGON.copy()
    medium[MUON_CAPTURE] = 0.0
    energies = []
    for deposits, _ in sent(MUON, 20.0, 200, medium=medium):
        energies.append(deposits[deposits[:, 5] == SHOWER, 3].sum())
    assert max(energies) < 52.83
    assert np.mean(energies) == pytest.approx(0.7 * 52.83 - M_E, rel=0.06)
    medium[MUON_CAPTURE] = 1.0
    assert all(np.all(d[:, 5] == MUON_TRACK) for d, _ in sent(MUON, 20.0, 20, medium=medium))
