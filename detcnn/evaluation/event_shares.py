"""Shares of what is inside events: of objects of one event, if one is missed others often are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from detcnn.evaluation.event_bootstrap import Bootstrap, ratio, resampled_sums
from detcnn.evaluation.intervals import Intervals, clopper_pearson, effective_count, tail

Floats = NDArray[np.float64]

METHOD = "Korn-Graubard"


def event_shares(
    passed: ArrayLike, total: ArrayLike, weights: Floats, bootstrap: Bootstrap
) -> Intervals:
    """Return shares of the objects of all events, with intervals that hold how these go together.

    The interval is that of Clopper and Pearson for as many independent objects as would have the
    variance that the bootstrap over events finds; it is defined where the bootstrap says nothing,
    and is near the exact one where objects do not know of each other.

    Parameters
    ----------
    passed, total : array_like
        Shape (n_rows, n_shares): how many objects of a row pass, and how many there are.
    weights : numpy.ndarray
        float64, shape (n_rows,): of the objects of each row.
    bootstrap : Bootstrap
        Which rows are of one event, and how many replicas there are.

    Returns
    -------
    Intervals
        Shape (n_shares,); NaN in [0, 1] where there are no objects. Objects count for no more than
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
    k, n = np.asarray(passed, np.float64), np.asarray(total, np.float64)
    sums = resampled_sums(np.stack([k, n], axis=-1), weights, bootstrap).group(0)
    share = ratio(sums.total[:, 0], sums.total[:, 1])
    # As if each object were independent, and as if those of one event were one.
    most = effective_count(sums.total[:, 1], weights**2 @ n)
    of_event = _of_events(weights[:, np.newaxis] * n, bootstrap)
    n_events = effective_count(of_event.sum(axis=0), (of_event**2).sum(axis=0))
    off = ratio(sums.replicas[..., 0], sums.replicas[..., 1]) - share
    is_defined = np.isfinite(off)
    variance = ratio((np.where(is_defined, off, 0.0) ** 2).sum(axis=0), is_defined.sum(axis=0))
    upper = 1 - tail(bootstrap.level)
    n_free = np.maximum(n_events - 1, 0.0)
    # A t distribution without freedom has no quantile: it is as wide as can be.
    quantile = np.where(n_free > 0, special.stdtrit(np.maximum(n_free, 1e-3), upper), np.inf)
    known = (special.ndtri(upper) / quantile) ** 2
    spread = share * (1 - share)
    n_alike = np.divide(spread, variance, out=np.full(len(most), np.inf), where=variance > 0)
    effective = np.where(spread > 0, np.minimum(n_alike, most) * known, np.minimum(n_events, most))
    found = clopper_pearson(
        np.nan_to_num(share) * effective, np.nan_to_num(effective), level=bootstrap.level
    )
    return Intervals(
        share, np.fmin(found.low, share), np.fmax(found.high, share), found.level, METHOD
    )


def _of_events(values: Floats, bootstrap: Bootstrap) -> Floats:
    """Return sums over the rows of each event."""
    if bootstrap.unit is None:
        return values
    of_events, event = np.unique(bootstrap.unit, return_inverse=True)
    sums = np.zeros((len(of_events), values.shape[1]))
    np.add.at(sums, event, values)
    return sums
