"""Readout, against loops written out and charge counted by hand."""

import math

import numpy as np
import pytest
from scipy.special import erf

from detcnn.kernels.readout import alternating_cells, drifted_charge
from detcnn.kernels.transport import HADRON, MUON_TRACK, SHOWER

CHARGE = np.array([0.93, 0.56, 42.37, 2000.0, 7e-5, 1e-4, 0.11])
ANGLES = np.radians([60.0, 0.0])


def deposits(n, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.uniform(-8.0, 8.0, (n, 6))
    table[:, 3] = rng.exponential(0.6, n)
    table[:, 4] = rng.choice([0.0, 0.1, 0.3], n)
    table[:, 5] = rng.integers(1, 4, n)
    return table


def test_cells_add_up_what_falls_into_them():
    table = deposits(300)
    table[:, 2] += 5.0
    expected = np.zeros((3, 2, 3, 4))
    for x, y, z, energy, length, part in table:
        plane = math.floor(z / 2.0)
        cell = math.floor((x, y)[plane % 2] / 2.5 + 2)
        if 0 <= plane < 6 and 0 <= cell < 4:
            light = energy / (1 + 0.0125 * energy / max(length, 0.05))
            expected[int(part) - 1, plane % 2, plane // 2, cell] += light
    found = alternating_cells(table, (3, 4), (2.0, 2.5), 0.0125)
    np.testing.assert_allclose(found, expected)
    assert 0 < expected.sum() < table[:, 3].sum()


def test_planes_measure_x_and_y_in_turn():
    table = np.array([[2.6, -2.6, 0.5, 1.0, 1.0, HADRON], [2.6, -2.6, 2.5, 2.0, 1.0, SHOWER]])
    found = alternating_cells(table, (1, 4), (2.0, 2.5), 0.0)
    assert found[0, 0, 0].tolist() == [0, 0, 0, 1]
    assert found[2, 1, 0].tolist() == [2, 0, 0, 0]


def test_wires_collect_integrals_of_gaussians():
    table, drift, shape, pitch = deposits(40), 100.0, (12, 16), (0.5, 0.4)
    expected = np.zeros((3, 2, *shape))
    for x, y, z, energy, length, part in table:
        rate = 0.56 * energy / max(length, 0.05)
        distance = drift + x
        cloud = energy * min(1.0, math.log(0.93 + rate) / rate if rate > 0.07 else 0.0) * 42.37
        cloud *= math.exp(-distance / 2000.0)
        ticks = (np.arange(17) - 8) * 0.4 - x
        ticks = np.diff(0.5 * erf(ticks / math.sqrt(2 * (7e-5 * distance + 0.11**2))))
        for view, angle in enumerate(ANGLES):
            wires = (np.arange(13) - 6) * 0.5 - z * math.cos(angle) - y * math.sin(angle)
            wires = np.diff(0.5 * erf(wires / math.sqrt(2 * 1e-4 * distance)))
            expected[int(part) - 1, view] += cloud * np.outer(wires, ticks)
    found = drifted_charge(table, ANGLES, shape, pitch, drift, CHARGE)
    # Tails beyond 3.5 standard deviations are cut.
    np.testing.assert_allclose(found, expected, atol=5e-4 * 42.37)


def test_every_view_collects_all_of_the_charge_of_what_it_sees():
    table = np.array([[1.0, 2.0, -1.5, 0.63, 0.3, MUON_TRACK]])
    found = drifted_charge(
        table, np.radians([60.0, -60.0, 0.0]), (64, 64), (0.3, 0.3), 100.0, CHARGE
    )
    # 2.1 MeV/cm: R = ln(0.93 + 1.176)/1.176 = 0.6334.
    expected = 0.63 * 0.6334 * 42.37 * math.exp(-101.0 / 2000.0)
    np.testing.assert_allclose(found[1].sum(axis=(1, 2)), expected, rtol=2e-3)
    assert not found[[0, 2]].any()
    for view, angle in enumerate((60.0, -60.0, 0.0)):
        w = -1.5 * math.cos(math.radians(angle)) + 2.0 * math.sin(math.radians(angle))
        middle = np.average(np.arange(64) - 31.5, weights=found[1, view].sum(axis=1)) * 0.3
        assert middle == pytest.approx(w, abs=0.1)
    middle = np.average(np.arange(64) - 31.5, weights=found[1, 0].sum(axis=0)) * 0.3
    assert middle == pytest.approx(1.0, abs=0.02)
