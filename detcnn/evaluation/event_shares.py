"""Shares of what is inside events: of objects of one event, if one is missed others often are.

Pixels and points are such objects too, and an event that passes or not is one that holds one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from detcnn.evaluation.event_bootstrap import Bootstrap, ratio, resampled_sums
from detcnn.evaluation.intervals import Intervals, clopper_pearson, effective_count, tail

Floats = NDArray[np.float64]

METHOD = "Korn-Graubard"


def event_shares(
    passed: ArrayLike,
    total: ArrayLike,
    weights: Floats,
    bootstrap: Bootstrap,
    *,
    groups: NDArray[np.integer] | None = None,
    n_groups: int = 1,
) -> Intervals:
    """Return shares of the objects of all events, with intervals that hold how these go together.

    The interval is that of Clopper and Pearson for as many independent objects as would have the
    variance that the bootstrap over events finds; it is defined where the bootstrap says nothing,
    and is near the exact one where objects do not know of each other.

    Parameters
    ----------
    passed, total : array_like
        Shape (n_rows, *shape): how many objects of a row pass, and how many there are.
    weights : numpy.ndarray
        float64, shape (n_rows,): of the objects of each row.
    bootstrap : Bootstrap
        Which rows are of one event, and how many replicas there are.
    groups, n_groups
        As in `event_bootstrap.resampled_sums`, such as bins of a column.

    Returns
    -------
    Intervals
        Shape (*shape,), of groups (n_groups, *shape); NaN in [0, 1] where there are no objects.
        Objects count for no more than
        if they were independent. Where all or none pass, events show no spread to learn from: each
        then counts once, however many objects it has. So few events have a variance of their own
        that the effective number is reduced by the ratio of the quantiles of a normal and of a t
        distribution, squared; of one event alone nothing is known.

    Raises
    ------
    ConfigError
        If the level is not in (0, 1), or there is no replica.

    Notes
    -----
    E. L. Korn and B. I. Graubard, Surv. Methodol. 24 (1998) 193.
    """
    shape = np.shape(total)[1:]
    k, n = (np.asarray(of, np.float64).reshape(len(weights), -1) for of in (passed, total))
    sums = resampled_sums(
        np.stack([k, n], axis=-1), weights, bootstrap, groups=groups, n_groups=n_groups
    )
    share = ratio(sums.total[..., 0], sums.total[..., 1])
    of_group = (
        [np.arange(len(n))]
        if groups is None
        else [np.flatnonzero(groups == group) for group in range(n_groups)]
    )
    # As if each object were independent, and as if those of one event were one.
    squares = np.stack([weights[rows] ** 2 @ n[rows] for rows in of_group])
    most = effective_count(sums.total[..., 1], squares)
    n_events = np.stack([_effective_events(weights, n, rows, bootstrap) for rows in of_group])
    off = ratio(sums.replicas[..., 0], sums.replicas[..., 1]) - share
    is_defined = np.isfinite(off)
    variance = ratio((np.where(is_defined, off, 0.0) ** 2).sum(axis=0), is_defined.sum(axis=0))
    upper = 1 - tail(bootstrap.level)
    n_free = np.maximum(n_events - 1, 0.0)
    # A t distribution without freedom has no quantile: it is as wide as can be.
    quantile = np.where(n_free > 0, special.stdtrit(np.maximum(n_free, 1e-3), upper), np.inf)
    known = (special.ndtri(upper) / quantile) ** 2
    spread = share * (1 - share)
    n_alike = np.divide(spread, variance, out=np.full(most.shape, np.inf), where=variance > 0)
    effective = np.where(spread > 0, np.minimum(n_alike, most) * known, np.minimum(n_events, most))
    found = clopper_pearson(
        np.nan_to_num(share) * effective, np.nan_to_num(effective), level=bootstrap.level
    )
    if groups is not None:
        shape = (n_groups, *shape)
    return Intervals(
        share.reshape(shape),
        np.fmin(found.low, share).reshape(shape),
        np.fmax(found.high, share).reshape(shape),
        found.level,
        METHOD,
    )


def overlap_to_dice(overlap: Intervals) -> Intervals:
    """Return the Dice coefficient, F1, of an intersection over union J: 2 J / (1 + J).

    It rises with the overlap, so that the ends of an interval stay ends.
    """
    return overlap.each(lambda of: np.asarray(2 * of / (1 + of)))


def _effective_events(
    weights: Floats, objects: Floats, rows: NDArray[np.int64], bootstrap: Bootstrap
) -> Floats:
    """Return how many events of equal weight the objects of some rows are of, shape (n_shares,)."""
    sums = weights[rows, np.newaxis] * objects[rows]
    if bootstrap.unit is not None:
        of_events, event = np.unique(bootstrap.unit[rows], return_inverse=True)
        of_rows, sums = sums, np.zeros((len(of_events), sums.shape[1]))
        np.add.at(sums, event, of_rows)
    return effective_count(sums.sum(axis=0), (sums**2).sum(axis=0))
