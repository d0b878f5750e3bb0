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


def running_sums(value, is_signal, weight):
    """Add up from the largest value down, event by event."""
    points = [(math.inf, 0.0, 0.0)]
    for i in sorted(range(len(value)), key=lambda i: -value[i]):
        _, signal, background = points[-1]
        if is_signal[i]:
            signal += weight[i]
        else:
            background += weight[i]
        if value[i] == points[-1][0]:
            points.pop()
        points.append((value[i], signal, background))
    return tuple(np.array(column) for column in zip(*points, strict=True))


def evenly_spaced(x, y, n_points):
    """Choose the first point at or beyond each of the marks that divide the curve evenly."""
    if len(x) <= n_points:
        return list(range(len(x)))
    distance = [0.0]
    for i in range(1, len(x)):
        distance.append(distance[-1] + abs(x[i] - x[i - 1]) + abs(y[i] - y[i - 1]))
    marks = [k * distance[-1] / (n_points - 1) for k in range(1, n_points - 1)]
    chosen = {next(i for i, d in enumerate(distance) if d >= mark) for mark in marks}
    return sorted({0, len(x) - 1} | chosen)


def random_bits(seed, counter):
    """Step the generator SplitMix64 `counter` times and then once more."""
    whole = (1 << 64) - 1
    state = seed
    for _ in range(counter + 1):
        state = (state + 0x9E3779B97F4A7C15) & whole
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & whole
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
    return z ^ (z >> 31)


def event_replicas(words, cells, weights, n_cells, rises):
    """Add up the events one by one; `words` has a row of random numbers for each event."""
    sums = np.zeros((n_cells, words.shape[1]))
    for i in range(len(cells)):
        for r, word in enumerate(words[i]):
            k = sum(int(word) >= int(rise) for rise in rises)
            for cell in cells[i]:
                sums[cell, r] += k * weights[i]
    return sums
