"""Slow versions of the kernels, written for reading: plain Python, no numba, float64."""

import math

import numpy as np


def wrap(angle):
    """Return the angle in [-pi, pi) by IEEE remainder."""
    turn = math.remainder(angle, 2 * math.pi)
    return -math.pi if turn == math.pi else turn


def subjets(pt, rapidity, phi, *, radius, power=1.0, mass=None):
    """Cluster by searching all pairs again after each recombination: O(N^3)."""
    mass = np.zeros(len(pt)) if mass is None else mass
    jets = []
    for k in range(len(pt)):
        mt = math.hypot(pt[k], mass[k])
        momentum = np.array(
            [
                pt[k] * math.cos(phi[k]),
                pt[k] * math.sin(phi[k]),
                mt * math.sinh(rapidity[k]),
                mt * math.cosh(rapidity[k]),
            ]
        )
        jets.append((momentum, rapidity[k], wrap(phi[k]), [k]))
    finished = []
    while jets:
        pairs = [(_beam(jet, power), i, i) for i, jet in enumerate(jets)]
        pairs += [
            (_distance(jets[i], jets[j], radius, power), i, j)
            for i in range(len(jets))
            for j in range(i)
        ]
        _, i, j = min(pairs)
        if i == j:
            finished.append(jets.pop(i))
            continue
        momentum = jets[i][0] + jets[j][0]
        px, py, pz, energy = momentum
        rapidity_sum = 0.5 * math.log((energy + pz) / (energy - pz))
        merged = (momentum, rapidity_sum, math.atan2(py, px), jets[i][3] + jets[j][3])
        jets = [jet for k, jet in enumerate(jets) if k not in (i, j)] + [merged]
    finished.sort(key=lambda jet: -math.hypot(*jet[0][:2]))
    label = np.empty(len(pt), dtype=np.int64)
    for number, jet in enumerate(finished):
        label[jet[3]] = number
    return label


def _beam(jet, power):
    return math.hypot(*jet[0][:2]) ** (2 * power)


def _distance(a, b, radius, power):
    apart = (a[1] - b[1]) ** 2 + wrap(a[2] - b[2]) ** 2
    return min(_beam(a, power), _beam(b, power)) * apart / radius**2


def densify(offsets, pixel, value, rows, shape):
    """Return the dense images, pixel by pixel."""
    images = np.zeros((len(rows), *shape), dtype=np.float32)
    for i, image in enumerate(rows):
        for k in range(offsets[image], offsets[image + 1]):
            images[(i, *np.unravel_index(pixel[k], shape))] = value[k]
    return images
