import math

import numpy as np
import pytest

from detcnn.kernels.subjettiness import subjettiness


def taus(jet):
    pt, y, phi, mass = np.array(jet, dtype=np.float64).reshape(-1, 4).T
    return subjettiness(pt, np.hypot(pt, mass), y, phi)


def mean_distance(jet, axes):
    def nearest(y, phi):
        return min(math.hypot(y - a, math.remainder(phi - b, 2 * math.pi)) for a, b in axes)

    return sum(pt * nearest(y, phi) for pt, y, phi, _ in jet) / sum(c[0] for c in jet)


def test_the_softer_pair_merges_before_the_closer_one():
    # 0.3 apart with 1 GeV comes before 0.1 apart with 20 GeV.
    jet = [(20, 0, 0, 0), (20, 0.1, 0, 0), (1, 0.4, 0, 0), (20, 2, 0, 0)]
    plus = 20 * math.exp(0.1) + math.exp(0.4)
    minus = 20 * math.exp(-0.1) + math.exp(-0.4)
    axes = [(0, 0), (0.5 * math.log(plus / minus), 0), (2, 0)]
    assert taus(jet)[2] == pytest.approx(mean_distance(jet, axes), rel=1e-12)


def test_no_more_constituents_than_axes():
    jet = [(5, 0, 0, 0), (4, 0.2, 0, 0), (3, -0.2, 0.1, 0)]
    assert taus([]) == (0, 0, 0)
    assert taus(jet[:1]) == (0, 0, 0)
    assert taus(jet[:2])[1:] == (0, 0)
    assert taus(jet)[2] == 0
    assert min(taus(jet)[:2]) > 0


def test_merging_reaches_across_pi():
    jet = [(9, 0, 0, 0), (5, 0, math.pi - 0.01, 0), (5, 0, -math.pi + 0.01, 0), (9, 1, 0, 0)]
    assert taus(jet)[2] == pytest.approx(10 * 0.01 / 28)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 20, 100])
def test_equals_fastjet(n):
    fastjet = pytest.importorskip("fastjet")
    # So large a radius that the beam takes nothing.
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1000.0)
    rng = np.random.default_rng(n)
    for _ in range(10):
        columns = rng.exponential(20, n), rng.normal(0, 0.4, n), rng.normal(0, 0.4, n)
        jet = np.column_stack([*columns, rng.exponential(0.3, n)]).tolist()
        inputs = []
        for pt, y, phi, mass in jet:
            transverse = math.hypot(pt, mass)
            px, py = pt * math.cos(phi), pt * math.sin(phi)
            pz, energy = transverse * math.sinh(y), transverse * math.cosh(y)
            inputs.append(fastjet.PseudoJet(px, py, pz, energy))
        cluster = fastjet.ClusterSequence(inputs, definition)
        found = taus(jet)
        for n_axes in range(1, min(n, 4)):
            axes = [(axis.rap(), axis.phi()) for axis in cluster.exclusive_jets(n_axes)]
            expected = mean_distance(jet, axes)
            assert found[n_axes - 1] == pytest.approx(expected, rel=1e-9, abs=1e-12)
