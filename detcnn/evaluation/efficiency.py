"""Efficiency of a cut in bins of an event column, such as the transverse momentum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.inputs import event_column, event_weights
from detcnn.evaluation.intervals import LEVEL, Interval, Intervals, weighted_fraction
from detcnn.kernels.binning import bin_index, bin_sums

_MOST_BINS = 8
_EVENTS_OF_BIN = 10


@dataclass(frozen=True, slots=True, eq=False)
class BinnedEfficiency:
    """Efficiencies in half-open bins [low, high) of one column, and of what lies outside.

    Parameters
    ----------
    column : str
        Name of the column.
    edges : numpy.ndarray
        Shape (n_bins + 1,), in the unit of the column.
    n_events : numpy.ndarray
        int64, shape (n_bins,): events in each bin, passing or not.
    efficiency : Intervals
        Shape (n_bins,); a bin without events has the value NaN and the interval [0, 1].
    n_underflow, n_overflow : int
        Events below the first edge, and at or above the last.
    underflow, overflow : Interval
        Their efficiencies.
    unit : str
        Of the column; ``"1"`` for a pure number.
    """

    column: str
    edges: NDArray[np.float64]
    n_events: NDArray[np.int64]
    efficiency: Intervals
    n_underflow: int
    n_overflow: int
    underflow: Interval
    overflow: Interval
    unit: str = "1"


def efficiency_in_bins(
    column: str,
    values: ArrayLike,
    passed: ArrayLike,
    *,
    edges: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = LEVEL,
) -> BinnedEfficiency:
    """Return the weighted fraction of events that pass, in bins of a column.

    Parameters
    ----------
    column : str
        Name of the column.
    values, passed, weights : array_like
        Shape (n_events,): the column, whether the event passes (bool), and its weight (one each by
        default; may be negative).
    edges : array_like
        Two or more rising bin edges.
    level : float
        Level of the Wilson intervals.

    Raises
    ------
    ConfigError
        If the edges do not rise.
    DataError
        If shapes differ or a number is NaN or infinite.
    """
    is_passed = np.asarray(passed, dtype=np.bool_)
    ((efficiency,),) = efficiencies_of_cuts(
        column,
        values,
        is_passed.astype(np.float64),
        np.zeros(len(is_passed), np.int64),
        thresholds=[1.0],
        edges=edges,
        weights=weights,
        level=level,
    )
    return efficiency


def efficiencies_of_cuts(
    column: str,
    values: ArrayLike,
    discriminant: ArrayLike,
    side: NDArray[np.int64],
    *,
    thresholds: Sequence[float],
    edges: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = LEVEL,
) -> list[tuple[BinnedEfficiency, ...]]:
    """Return the efficiencies of several cuts on several kinds of events in bins of a column.

    Parameters
    ----------
    column : str
        Name of the column.
    values, discriminant, weights : array_like
        Shape (n_events,): the column, what is cut on, and the weight (one each by default; may be
        negative).
    side : numpy.ndarray
        Integers from 0, shape (n_events,): what kind of event each is.
    thresholds : sequence of float
        An event passes a cut if its discriminant is at least the threshold.
    edges, level
        As in `efficiency_in_bins`.

    Returns
    -------
    list of tuple of BinnedEfficiency
        For each threshold, one for each kind of events.

    Raises
    ------
    ConfigError, DataError
        As in `efficiency_in_bins`.
    """
    edge = np.asarray(edges, dtype=np.float64)
    if edge.ndim != 1 or len(edge) < 2 or not (np.diff(edge) > 0).all():
        raise ConfigError(
            f"bin edges of {column!r} are {edge.tolist()}: expected two or more that rise"
        )
    value = event_column(column, values, len(side))
    weight = event_weights(weights, len(side))
    cuts = np.unique(np.asarray(thresholds, np.float64))
    # One pass over the events for all cuts: the number of cuts that an event passes is one more
    # axis. On the other one bin 0 is the underflow, the last one the overflow.
    shape = (int(side.max(initial=0)) + 1, len(edge) + 1, len(cuts) + 1)
    cell = bin_index(value, edge)
    cell += side * np.int32(shape[1])
    cell *= np.int32(shape[2])
    cell += bin_index(event_column("discriminant", discriminant, len(side)), cuts)
    sums = bin_sums(cell, weight, math.prod(shape))
    count, total, squares = (of.reshape(shape) for of in sums)
    return [
        tuple(
            _binned_efficiency(
                column,
                edge,
                count[kind].sum(axis=1),
                weighted_fraction(
                    total[kind, :, np.searchsorted(cuts, threshold) + 1 :].sum(axis=1),
                    total[kind].sum(axis=1),
                    squares[kind].sum(axis=1),
                    level=level,
                ),
            )
            for kind in range(shape[0])
        )
        for threshold in thresholds
    ]


def _binned_efficiency(
    column: str, edge: NDArray[np.float64], count: NDArray[np.int64], everything: Intervals
) -> BinnedEfficiency:
    return BinnedEfficiency(
        column=column,
        edges=edge,
        n_events=count[1:-1],
        efficiency=Intervals(
            value=everything.value[1:-1],
            low=everything.low[1:-1],
            high=everything.high[1:-1],
            level=everything.level,
            method=everything.method,
        ),
        n_underflow=int(count[0]),
        n_overflow=int(count[-1]),
        underflow=everything.item(0),
        overflow=everything.item(-1),
    )


def quantile_edges(
    values: Sequence[float] | NDArray[np.float64], *, n_bins: int | None = None
) -> list[float]:
    """Return edges of at most `n_bins` bins that share the events evenly and hold all of them.

    By default of as many as have ten events or more, but eight at most and one at least.
    """
    if n_bins is None:
        n_bins = min(max(len(values) // _EVENTS_OF_BIN, 1), _MOST_BINS)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    top = np.nextafter(edges[-1], np.inf)
    return [*edges[:-1].tolist(), float(top)] if len(edges) > 1 else [float(edges[0]), float(top)]
