"""Poisson bootstrap of binned events, with random numbers that are a function of their place.

The random bits of an event, or of a bin, in a replica are a hash of both. Replicas thus do not
depend on how many there are, in which order they are made, or by how many threads.
"""

import math

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.binning import BinSums
from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]
Index = NDArray[np.int32]

REPLICAS_AT_ONCE = 128
"""Replicas that one pass over the events makes."""

MOST_UNITS = 1 << 32
"""Events that can be resampled: beyond them random bits would be used twice."""

MOST_CELLS = 1 << 24
"""The same for bins."""

_BITS_OF_A_WORD = 16
_WORDS = 64 // _BITS_OF_A_WORD
_HASHES = REPLICAS_AT_ONCE // _WORDS

# Tails beyond it hold less than a double can tell from nothing.
_FARTHEST = 12.0


@compiled
def random_bits(seed: np.uint64, counter: np.uint64) -> np.uint64:
    """Return output `counter` of the generator SplitMix64 with a seed.

    Notes
    -----
    G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014, figure 16; passes BigCrush.
    """
    z = seed + (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def event_replicas(
    unit: NDArray[np.int64],
    cells: Index,
    weights: Floats,
    n_cells: int,
    *,
    rises: NDArray[np.uint16],
    seed: int,
    block: int,
) -> Floats:
    """Return the weight in each cell in `REPLICAS_AT_ONCE` replicas of the events.

    An event counts k times in a replica, in every cell that it is in.

    Parameters
    ----------
    unit : numpy.ndarray
        int64, shape (n,), in [0, `MOST_UNITS`): events of one number have the same k.
    cells : numpy.ndarray
        int32, shape (n, n_curves), in [0, n_cells): the fastest if the first ones rise.
    weights : numpy.ndarray
        float64, shape (n,).
    n_cells : int
        Number of cells.
    rises : numpy.ndarray
        uint16, shape (n_rises,): k is the number of those that are at most a word of 16 random
        bits.
    seed : int
        Below 2⁶⁴.
    block : int
        Which replicas: number `block` times `REPLICAS_AT_ONCE` and the following.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_cells, REPLICAS_AT_ONCE): Σ k·w.

    Raises
    ------
    ValueError
        If the shapes differ, or a number is out of its range.
    """
    n = len(unit)
    if cells.ndim != 2 or not len(cells) == len(weights) == n:
        raise ValueError(f"{n} events with cells of shape {cells.shape}, {len(weights)} weights")
    if n and (cells.min() < 0 or cells.max() >= n_cells):
        raise ValueError(f"cells from {cells.min()} to {cells.max()}: expected 0 to {n_cells - 1}")
    if n and (unit.min() < 0 or unit.max() >= MOST_UNITS):
        raise ValueError(f"units from {unit.min()} to {unit.max()}: expected 0 to {MOST_UNITS - 1}")
    sums = np.zeros((n_cells, REPLICAS_AT_ONCE))
    _event_replicas(unit, cells, weights, rises, np.uint64(seed), block, sums)
    return sums


@compiled
def _event_replicas(
    unit: NDArray[np.int64],
    cells: Index,
    weights: Floats,
    rises: NDArray[np.uint16],
    seed: np.uint64,
    block: int,
    sums: Floats,
) -> None:
    bits = np.empty(_HASHES, np.uint64)
    words = bits.view(np.uint16)
    k = np.empty(REPLICAS_AT_ONCE, np.uint16)
    n_curves = cells.shape[1]
    # Counters of a block follow those of the one before.
    start = np.uint64(block) * np.uint64(MOST_UNITS) * np.uint64(_HASHES)
    for i in range(len(unit)):
        counter = start + np.uint64(unit[i]) * np.uint64(_HASHES)
        for j in range(_HASHES):
            bits[j] = random_bits(seed, counter + np.uint64(j))
        # Short loops over all replicas, so that the compiler takes many of them at a time.
        for r in range(REPLICAS_AT_ONCE):
            k[r] = 0
        for rise in rises:
            for r in range(REPLICAS_AT_ONCE):
                k[r] += np.uint16(words[r] >= rise)
        weight = weights[i]
        for curve in range(n_curves):
            row = sums[cells[i, curve]]
            for r in range(REPLICAS_AT_ONCE):
                row[r] += weight * k[r]


def area_replicas(signal: BinSums, background: BinSums, n_replicas: int, *, seed: int) -> Floats:
    """Return the area under the binned curve in each of `n_replicas` replicas.

    The weight in each cell is drawn from a scaled Poisson distribution of the mean Σw and the
    variance Σw²: by inversion of the distribution function, which is made once a cell.

    Parameters
    ----------
    signal, background : BinSums
        Each of shape (n_parts, n_bins), the bin of largest discriminant first: sums over events
        that lie in the same bin but are drawn apart, for example those of negative weight.
    n_replicas : int
        Number of replicas.
    seed : int
        Below 2⁶⁴.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_replicas,); NaN where a side has no positive weight.

    Raises
    ------
    ValueError
        If there are more cells than `MOST_CELLS`.
    """
    total = np.stack([signal.total, background.total])
    squares = np.stack([signal.squares, background.squares])
    if total.size > MOST_CELLS:
        raise ValueError(f"{total.size} cells: expected at most {MOST_CELLS}")
    sums = np.zeros((3, n_replicas))
    _area_replicas(total, squares, np.uint64(seed), sums)
    area, s, b = sums
    share = np.full(n_replicas, np.nan)
    np.divide(area, s * b, out=share, where=(s > 0) & (b > 0))
    return share


@compiled
def _area_replicas(total: Floats, squares: Floats, seed: np.uint64, sums: Floats) -> None:
    n_sides, n_parts, n_bins = total.shape
    n_replicas = sums.shape[1]
    highest = 0.0
    for side in range(n_sides):
        for part in range(n_parts):
            for i in range(n_bins):
                if squares[side, part, i] > 0:
                    mean = total[side, part, i] ** 2 / squares[side, part, i]
                    highest = max(highest, mean)
    cumulative = np.empty(2 * _reach(highest) + 2)
    guide = np.empty(len(cumulative), np.int64)
    drawn = np.empty((n_sides, n_replicas))
    for i in range(n_bins):
        drawn[:] = 0
        for side in range(n_sides):
            for part in range(n_parts):
                if squares[side, part, i] > 0 and total[side, part, i] != 0:
                    _draw(
                        total[side, part, i] ** 2 / squares[side, part, i],
                        squares[side, part, i] / total[side, part, i],
                        seed,
                        (side * n_parts + part) * n_bins + i,
                        cumulative,
                        guide,
                        drawn[side],
                    )
        for r in range(n_replicas):
            s, b = drawn[0, r], drawn[1, r]
            sums[0, r] += b * (sums[1, r] + s / 2)
            sums[1, r] += s
            sums[2, r] += b


@compiled
def _reach(mean: float) -> int:
    """Return how far from the mean a Poisson number may be."""
    return int(_FARTHEST * math.sqrt(mean) + _FARTHEST**2 / 4)


@compiled
def _draw(
    mean: float,
    scale: float,
    seed: np.uint64,
    cell: int,
    cumulative: Floats,
    guide: NDArray[np.int64],
    out: Floats,
) -> None:
    """Add a scaled Poisson number to each of `out`; `cumulative` and `guide` are scratch."""
    lowest = max(0, int(mean) - _reach(mean))
    n = int(mean) + _reach(mean) + 1 - lowest
    # Relative to the most probable number, up and down from it, so that nothing overflows.
    middle = int(mean) - lowest
    cumulative[middle] = 1.0
    for i in range(middle + 1, n):
        cumulative[i] = cumulative[i - 1] * mean / (lowest + i)
    for i in range(middle - 1, -1, -1):
        cumulative[i] = cumulative[i + 1] * (lowest + i + 1) / mean
    for i in range(1, n):
        cumulative[i] += cumulative[i - 1]
    whole = cumulative[n - 1]
    # Where to begin to look (H.-C. Chen and Y. Asau, AIIE Trans. 6 (1974) 163).
    at = 0
    for i in range(n):
        while cumulative[at] <= i * whole / n:
            at += 1
        guide[i] = at
    for r in range(len(out)):
        counter = np.uint64(r) * np.uint64(MOST_CELLS) + np.uint64(cell)
        uniform = (random_bits(seed, counter) >> np.uint64(11)) * 2.0**-53
        at = guide[int(uniform * n)]
        while cumulative[at] <= uniform * whole:
            at += 1
        out[r] += scale * (lowest + at)
