"""Efficiency of a cut in bins of an event column, such as the transverse momentum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.inputs import event_column, event_weights
from detcnn.evaluation.intervals import LEVEL, Interval, Intervals, weighted_fraction


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
    """

    column: str
    edges: NDArray[np.float64]
    n_events: NDArray[np.int64]
    efficiency: Intervals
    n_underflow: int
    n_overflow: int
    underflow: Interval
    overflow: Interval


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
    edge = np.asarray(edges, dtype=np.float64)
    if edge.ndim != 1 or len(edge) < 2 or not (np.diff(edge) > 0).all():
        raise ConfigError(
            f"bin edges of {column!r} are {edge.tolist()}: expected two or more that rise"
        )
    is_passed = np.asarray(passed, dtype=np.bool_)
    value = event_column(column, values, len(is_passed))
    weight = event_weights(weights, len(is_passed))

    # Bin 0 is the underflow, the last one the overflow.
    index = np.digitize(value, edge)
    n_bins = len(edge) + 1
    count = np.bincount(index, minlength=n_bins)
    everything = weighted_fraction(
        np.bincount(index, weight * is_passed, minlength=n_bins),
        np.bincount(index, weight, minlength=n_bins),
        np.bincount(index, weight**2, minlength=n_bins),
        level=level,
    )
    return BinnedEfficiency(
        column=column,
        edges=edge,
        n_events=count[1:-1],
        efficiency=Intervals(
            value=everything.value[1:-1],
            low=everything.low[1:-1],
            high=everything.high[1:-1],
            level=level,
            method=everything.method,
        ),
        n_underflow=int(count[0]),
        n_overflow=int(count[-1]),
        underflow=everything.item(0),
        overflow=everything.item(-1),
    )


def quantile_edges(
    values: Sequence[float] | NDArray[np.float64], *, n_bins: int = 8
) -> list[float]:
    """Return edges of at most `n_bins` bins that share the events evenly and hold all of them."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    top = np.nextafter(edges[-1], np.inf)
    return [*edges[:-1].tolist(), float(top)] if len(edges) > 1 else [float(edges[0]), float(top)]
