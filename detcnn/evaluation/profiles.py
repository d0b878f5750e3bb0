"""The mean score against an event column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.inputs import event_column, event_weights

# Beyond it there is no room for an edge between two whole numbers.
_MOST_COUNTED = 2.0**52
_LEAST_WIDTH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ScoreProfile:
    """Mean score of each class in half-open bins [low, high) of a column.

    Parameters
    ----------
    column : str
        Name of the column.
    classes : tuple of str
        Names, in the order of the rows.
    edges : numpy.ndarray
        Shape (n_bins + 1,), in the unit of the column.
    n_events, n_outside : numpy.ndarray
        int64, shapes (n_classes, n_bins) and (n_classes,): events in each bin, and in none.
    share : numpy.ndarray
        Shape (n_classes, n_bins): weighted share of the events of a class that is in the bin.
    mean, error : numpy.ndarray
        Shape (n_classes, n_bins): weighted mean of the score and its standard error; NaN where
        there is no event, the error also where there is but one.
    """

    column: str
    classes: tuple[str, ...]
    edges: NDArray[np.float64]
    n_events: NDArray[np.int64]
    n_outside: NDArray[np.int64]
    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    error: NDArray[np.float64]


def score_profile(
    column: str,
    values: ArrayLike,
    score: ArrayLike,
    labels: NDArray[np.int64],
    *,
    classes: Sequence[str],
    edges: ArrayLike,
    weights: ArrayLike | None = None,
) -> ScoreProfile:
    """Return the mean score of each class in bins of a column.

    Parameters
    ----------
    column : str
        Name of the column.
    values, score, labels, weights : array_like
        Shape (n_events,): the column (an event where it is NaN or infinite is in no bin), the
        score, the index of the class, and the weight (one each by default).
    classes : sequence of str
        Names of the classes.
    edges : array_like
        Two or more rising bin edges.

    Returns
    -------
    ScoreProfile
        The squared error of a mean is n/(n − 1) · Σw²(s − m)² / (Σw)², for equal weights the usual
        σ²/n.

    Raises
    ------
    ConfigError
        If the edges do not rise.
    DataError
        If shapes differ, or a score or weight is NaN or infinite.
    """
    edge = np.asarray(edges, dtype=np.float64)
    if edge.ndim != 1 or len(edge) < 2 or not (np.diff(edge) > 0).all():
        raise ConfigError(
            f"bin edges of {column!r} are {edge.tolist()}: expected two or more that rise"
        )
    n = len(labels)
    s, w = event_column("score", score, n), event_weights(weights, n)
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (n,):
        raise DataError(f"column {column!r} has shape {x.shape} for {n} events")
    # NaN sorts above every number, so it joins the overflow.
    n_classes, n_cells = len(classes), len(edge) + 1
    cell = labels * n_cells + np.digitize(x, edge)

    def total(of: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        sums = np.bincount(cell, of, minlength=n_classes * n_cells)
        return np.asarray(sums.reshape(n_classes, n_cells), np.float64)

    count, weight = total(), total(w)
    filled = weight > 0
    mean = np.full(weight.shape, np.nan)
    np.divide(total(w * s), weight, out=mean, where=filled)
    deviation = s - np.where(filled, mean, 0).ravel()[cell]
    error = np.full(weight.shape, np.nan)
    enough = filled & (count > 1)
    np.divide(np.sqrt(total((w * deviation) ** 2)), weight, out=error, where=enough)
    error *= np.sqrt(count / np.maximum(count - 1, 1))
    whole = weight.sum(axis=1, keepdims=True)
    share = np.divide(weight, whole, out=np.zeros(weight.shape), where=whole > 0)
    inside = (slice(None), slice(1, -1))
    return ScoreProfile(
        column=column,
        classes=tuple(classes),
        edges=edge,
        n_events=count[inside].astype(np.int64),
        n_outside=(count.sum(axis=1) - count[inside].sum(axis=1)).astype(np.int64),
        share=share[inside],
        mean=mean[inside],
        error=error[inside],
    )


def central_edges(
    values: NDArray[np.floating] | NDArray[np.integer],
    *,
    n_bins: int | None = None,
    share: float = 0.99,
) -> NDArray[np.float64]:
    """Return edges of equal bins over the central `share` of the values.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n,), at least one of them finite.
    n_bins : int, optional
        Number of bins, by default 2 ∛n but no fewer than 5 and no more than 40; at most that many
        for whole numbers, with edges halfway between them.
    share : float
        Least share of the values in the bins, in (0, 1]: long tails do not stretch them.

    Returns
    -------
    numpy.ndarray
        Rising. Values that are all alike take bins around them.

    Raises
    ------
    DataError
        If no value is finite.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if len(finite) == 0:
        raise DataError("no value is finite: expected at least one to choose bins by")
    if n_bins is None:
        n_bins = min(max(round(2 * np.cbrt(len(finite))), 5), 40)
    # Outwards, so that of few values none is outside.
    low = np.quantile(finite, (1 - share) / 2, method="lower")
    high = np.quantile(finite, (1 + share) / 2, method="higher")
    if (finite == np.round(finite)).all() and np.abs(finite).max() < _MOST_COUNTED:
        first = np.floor(low) - 0.5
        span = np.ceil(high) + 0.5 - first
        width = np.ceil(span / n_bins)
        return np.asarray(first + width * np.arange(np.ceil(span / width) + 1))
    if high - low <= _LEAST_WIDTH * abs(low):
        low, high = low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    # The last bin is half-open, and is to hold the largest value.
    return np.linspace(low, np.nextafter(high, np.inf), n_bins + 1)
