"""How a number that every event has is distributed over the events."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.event_bootstrap import Bootstrap, iter_counts, percentile_intervals, ratio
from detcnn.evaluation.intervals import Interval, Intervals

QUANTILES = (0.1, 0.5, 0.9)
"""Which quantiles are quoted."""


@dataclass(frozen=True, slots=True, eq=False)
class EventValues:
    """A number of each event: its mean, its quantiles, and its histogram.

    Parameters
    ----------
    name : str
        What it is, for example ``"event accuracy"``.
    n_events, n_undefined : int
        Events that have the number, and those that have none (NaN).
    mean : Interval
        Weighted mean over the events that have it.
    levels : tuple of float
        Which quantiles.
    quantiles : Intervals
        Shape (n_levels,): the least values up to which the share of the weight reaches each level.
    edges : numpy.ndarray
        Shape (n_bins + 1,): of the histogram.
    share : numpy.ndarray
        Shape (n_bins,): weighted share of the events in each bin, of those that have the number;
        the last bin includes its upper edge.
    """

    name: str
    n_events: int
    n_undefined: int
    mean: Interval
    levels: tuple[float, ...]
    quantiles: Intervals
    edges: NDArray[np.float64]
    share: NDArray[np.float64]


def event_values(
    name: str,
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    bootstrap: Bootstrap,
    *,
    edges: NDArray[np.float64],
    levels: tuple[float, ...] = QUANTILES,
) -> EventValues:
    """Return how a number is distributed over the events.

    Parameters
    ----------
    name : str
        What it is.
    values : numpy.ndarray
        Shape (n_events,); NaN for an event that has none.
    weights : numpy.ndarray
        Shape (n_events,).
    bootstrap : Bootstrap
        Of the intervals.
    edges : numpy.ndarray
        Rising edges of the histogram.
    levels : tuple of float
        Which quantiles, in [0, 1].
    """
    defined = np.isfinite(values)
    x, w = values[defined], weights[defined]
    estimates, replicas = resampled_quantiles(values, weights, levels, bootstrap)
    found = percentile_intervals(estimates[0], replicas[:, 0], level=bootstrap.level)
    content, _ = np.histogram(x, edges, weights=w)
    total = w.sum()
    return EventValues(
        name=name,
        n_events=int(defined.sum()),
        n_undefined=int((~defined).sum()),
        mean=found.item(-1),
        levels=tuple(levels),
        quantiles=Intervals(
            found.value[:-1], found.low[:-1], found.high[:-1], found.level, found.method
        ),
        edges=np.asarray(edges, np.float64),
        share=np.divide(content, total, out=np.zeros(len(content)), where=total > 0),
    )


def resampled_quantiles(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    levels: tuple[float, ...],
    bootstrap: Bootstrap,
    *,
    groups: NDArray[np.integer] | None = None,
    n_groups: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted quantiles and the mean, and the same of bootstrap replicas.

    Parameters
    ----------
    values, weights : numpy.ndarray
        Shape (n_events,); events whose value is NaN are left out.
    levels : tuple of float
        Which quantiles, in [0, 1].
    bootstrap : Bootstrap
        Which rows are of one event, and how many replicas there are.
    groups, n_groups
        As in `event_bootstrap.resampled_sums`.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        Shapes (n_groups, n_levels + 1) and (n_replicas, n_groups, n_levels + 1): the quantiles,
        and last the mean.
    """
    rising = np.argsort(values, kind="stable")
    rising = rising[np.isfinite(values[rising])]
    of_group = (
        [rising]
        if groups is None
        else [rising[groups[rising] == group] for group in range(n_groups)]
    )

    def measure(rows: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = ratio(weight @ values[rows], weight.sum(axis=1))
        return np.column_stack([*_quantiles(values[rows], weight, levels).T, mean])

    estimates = np.stack([measure(rows, weights[rows][np.newaxis])[0] for rows in of_group])
    replicas = np.empty((bootstrap.n_replicas, *estimates.shape))
    for now, counts in iter_counts(len(values), bootstrap):
        for group, rows in enumerate(of_group):
            replicas[now, group] = measure(rows, counts[:, rows] * weights[rows])
    return estimates, replicas


def _quantiles(
    rising: NDArray[np.float64], weights: NDArray[np.float64], levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return shape (n, n_levels) for weights of shape (n, n_values), NaN without a positive sum.

    Definition 1 of R. J. Hyndman and Y. Fan, Am. Stat. 50 (1996) 361. Negative weights can make the
    share fall again: the first place counts.
    """
    out = np.full((len(weights), len(levels)), np.nan)
    if len(rising) == 0:
        return out
    running = np.maximum.accumulate(np.cumsum(weights, axis=1), axis=1)
    total = weights.sum(axis=1)
    for i, level in enumerate(levels):
        # Rounding must not push a share that is reached exactly to the next value.
        wanted = level * total * (1 - 1e-12)
        place = np.minimum((running < wanted[:, np.newaxis]).sum(axis=1), len(rising) - 1)
        out[:, i] = np.where(total > 0, rising[place], np.nan)
    return out


def best_median_worst(scores: NDArray[np.float64], n_events: int) -> list[tuple[int, str]]:
    """Choose events to look at: in turn the best, those about the median, and the worst.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n,): larger is better; NaN for events that have none, which are not chosen.
    n_events : int
        How many; fewer if there are no more.

    Returns
    -------
    list of tuple of int and str
        Row of each event and ``"best"``, ``"median"`` or ``"worst"``, from best to worst.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    n = min(n_events, len(order))
    n_best, n_worst = -(-n // 3), n // 3
    start = min(max((len(order) - n + n_best + n_worst) // 2, n_best), len(order) - n + n_best)
    places = [*range(n_best), *range(start, start + n - n_best - n_worst)]
    places += range(len(order) - n_worst, len(order))
    words = ["best"] * n_best + ["median"] * (n - n_best - n_worst) + ["worst"] * n_worst
    return [(int(order[place]), word) for place, word in zip(places, words, strict=True)]
