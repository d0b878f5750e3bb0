"""Bins: which one a value is in, and what the weights in each sum up to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]
Index = NDArray[np.int32]

_CELLS_AN_EDGE = 4


class BinSums(NamedTuple):
    """Sums over the events in each bin.

    Parameters
    ----------
    n_events : numpy.ndarray
        int64: their number.
    total, squares : numpy.ndarray
        float64: Σw and Σw².
    """

    n_events: NDArray[np.int64]
    total: Floats
    squares: Floats


def bin_index(values: ArrayLike, edges: ArrayLike) -> Index:
    """Return how many edges are at or below each value.

    Parameters
    ----------
    values : array_like
        Shape (n,).
    edges : array_like
        One or more that never fall; bins are half-open, [low, high).

    Returns
    -------
    numpy.ndarray
        int32, shape (n,): 0 below the first edge, ``len(edges)`` at or above the last and for NaN.
    """
    value, edge = (np.ascontiguousarray(of, np.float64) for of in (values, edges))
    out = np.empty(len(value), np.int32)
    with np.errstate(over="ignore", divide="ignore"):
        scale = _CELLS_AN_EDGE * len(edge) / (edge[-1] - edge[0])
    # Where numbers end, at ±10³⁰⁸ or at differences of 10⁻³⁰⁸, one cell takes all the edges.
    _bin_index(value, edge, scale if 0 < scale < np.inf else 0.0, out)
    return out


@compiled
def _bin_index(value: Floats, edges: Floats, scale: float, out: Index) -> None:
    n_edges = len(edges)
    lowest, highest = edges[0], edges[-1]
    # Equal cells, narrow enough that most hold no edge or one: the cell of a value leaves little
    # to search. As cells never fall with the value, edges of lower cells are below it, those of
    # higher cells above it, whatever is rounded.
    before = np.zeros(_CELLS_AN_EDGE * n_edges + 2, np.int32)
    for edge in edges:
        before[_cell(edge, lowest, scale) + 1] += 1
    for cell in range(1, len(before)):
        before[cell] += before[cell - 1]
    for i in range(len(value)):
        x = value[i]
        if x < lowest:
            out[i] = 0
        elif x < highest:
            cell = _cell(x, lowest, scale)
            low, high = before[cell], before[cell + 1]
            while low < high:
                middle = (low + high) >> 1
                if edges[middle] <= x:
                    low = middle + 1
                else:
                    high = middle
            out[i] = low
        else:
            out[i] = n_edges


@compiled
def _cell(x: float, lowest: float, scale: float) -> int:
    return int((x - lowest) * scale) if scale > 0 else 0


def unit_bins(values: Floats, n_bins: int) -> Index:
    """Return the bin of each value among equal ones over [0, 1], of which the last includes 1.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n,), from 0; what is above 1 counts as 1.
    n_bins : int
        Number of bins.

    Returns
    -------
    numpy.ndarray
        int32, shape (n,), in [0, n_bins).
    """
    index = (values * n_bins).astype(np.int32)
    return np.minimum(index, n_bins - 1, out=index)


def bin_sums(index: NDArray[np.integer | np.bool_], weights: Floats, n_bins: int) -> BinSums:
    """Return number, sum of weights and sum of squared weights of the events in each bin.

    Parameters
    ----------
    index : numpy.ndarray
        Integers in [0, n_bins), or bool, shape (n,).
    weights : numpy.ndarray
        float64, shape (n,).
    n_bins : int
        Number of bins.

    Returns
    -------
    BinSums
        Each of shape (n_bins,).

    Raises
    ------
    ValueError
        If the shapes differ, or an index names no bin.
    """
    if index.shape != weights.shape:
        raise ValueError(f"{index.shape} indices for weights of shape {weights.shape}")
    sums = BinSums(np.zeros(n_bins, np.int64), np.zeros(n_bins), np.zeros(n_bins))
    bad = _bin_sums(
        np.ascontiguousarray(index, np.int32), np.ascontiguousarray(weights, np.float64), *sums
    )
    if bad >= 0:
        raise ValueError(f"index {index[bad]} of event {bad} names none of {n_bins} bins")
    return sums


@compiled
def _bin_sums(
    index: Index, weights: Floats, count: NDArray[np.int64], total: Floats, squares: Floats
) -> int:
    n_bins = len(count)
    for i in range(len(index)):
        at = index[i]
        if at < 0 or at >= n_bins:
            return i
        w = weights[i]
        count[at] += 1
        total[at] += w
        squares[at] += w * w
    return -1
