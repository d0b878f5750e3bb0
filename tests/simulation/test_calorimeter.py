from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detcnn.simulation.calorimeter import Calorimeter, deposits

PERFECT = Calorimeter(electromagnetic=(0.0, 0.0), hadronic=(0.0, 0.0), threshold=0.0)


def seen(particles, calorimeter=PERFECT, seed=1):
    """Return what is left of (energy, eta, phi, pdgid) particles."""
    energy, eta, phi, pdgid = np.array(particles, dtype=np.float64).reshape(-1, 4).T
    return deposits(
        energy,
        eta,
        phi,
        pdgid.astype(np.int64),
        calorimeter=calorimeter,
        rng=np.random.default_rng(seed),
    )


def test_a_tower_is_in_the_middle_of_its_cell():
    found = seen([(10.0, 0.04, 0.02, 211), (5.0, 0.01, -0.04, 22)])
    # 49 cells of 0.1 lie below η = 0, and 31.5 of 63 below φ = 0.
    assert found.energy == pytest.approx([15.0])
    assert found.eta == pytest.approx([0.05])
    assert found.phi == pytest.approx([0.0])
    assert found.pdgid.tolist() == [0]


def test_electromagnetic_towers_are_told_from_others():
    found = seen([(10.0, 0.04, 0.5, 22), (5.0, 0.04, 0.5, 211), (1.0, 2.04, 0.5, -11)])
    assert found.pdgid.tolist() == [22, 22]


def test_muons_and_what_is_out_of_reach_leave_no_tower():
    found = seen([(10.0, 0.0, 0.0, -13), (10.0, 5.0, 0.0, 211), (10.0, -5.0, 0.0, 13)])
    assert len(found.energy) == 0
    assert found.muons.tolist() == [0]


def test_towers_below_the_threshold_are_dropped():
    particles = [(0.2, 1.0, 1.0, 22), (0.2, 1.0, 1.0, 22), (0.7, 2.0, 1.0, 22)]
    found = seen(particles, replace(PERFECT, threshold=0.5))
    assert found.energy == pytest.approx([0.7])


@pytest.mark.parametrize(
    ("pdgid", "energy", "sigma"), [(22, 100.0, 1.2207), (211, 100.0, 5.8310), (-11, 25.0, 0.5297)]
)
def test_the_resolution_is_that_of_the_formula(pdgid, energy, sigma):
    # One particle a cell: 0.1 √100 ⊕ 0.007 × 100 = 1 ⊕ 0.7, and so on.
    eta, phi = np.meshgrid(np.arange(-4.85, 4.8, 0.1), np.arange(63) * 2 * np.pi / 63)
    n = eta.size
    particles = np.column_stack(
        [np.full(n, energy), eta.ravel(), phi.ravel(), np.full(n, float(pdgid))]
    )
    found = seen(particles, Calorimeter())
    assert len(found.energy) == n
    assert found.energy.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * n))
    assert found.energy.mean() == pytest.approx(energy, abs=5 * sigma / np.sqrt(n))


@given(
    arrays(np.float64, (7, 2), elements=st.floats(-4.8, 4.8)),
    st.floats(0.01, 1.0),
)
def test_energy_is_kept_and_stays_near(positions, cell):
    calorimeter = replace(PERFECT, cell=cell, max_eta=5.0)
    particles = np.column_stack([np.arange(1.0, 8.0), positions, np.full(7, 211.0)])
    particles[:, 2] = np.clip(particles[:, 2], -3.14, 3.14)
    found = seen(particles, calorimeter)
    assert found.energy.sum() == pytest.approx(28.0)
    assert np.all((found.phi >= -np.pi) & (found.phi < np.pi))
    for _, eta, phi, _ in particles:
        along = np.abs(found.eta - eta)
        around = np.abs(np.remainder(found.phi - phi + np.pi, 2 * np.pi) - np.pi)
        width = 2 * np.pi / round(2 * np.pi / cell)
        assert np.any((along <= cell / 2 + 1e-9) & (around <= width / 2 + 1e-9))
