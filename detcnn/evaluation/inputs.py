"""What evaluation takes in, checked once at the door."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.kernels.binning import BinSums, bin_sums

_SUM_TOLERANCE = 1e-3


def event_column(name: str, values: ArrayLike, n_events: int) -> NDArray[np.float64]:
    """Return one finite number per event, as float64.

    Parameters
    ----------
    name : str
        What the numbers are, for messages.
    values : array_like
        Shape (n_events,).
    n_events : int
        Number of events.

    Raises
    ------
    DataError
        If the shape is another one, or a value is NaN or infinite.
    """
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n_events,):
        raise DataError(f"{name} has shape {column.shape} for {n_events} events")
    _require_finite(name, column)
    return column


def event_weights(weights: ArrayLike | None, n_events: int) -> NDArray[np.float64]:
    """Return the event weights, which may be negative; None means one each."""
    return np.ones(n_events) if weights is None else event_column("weight", weights, n_events)


def _require_finite(name: str, values: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad.reshape(len(values), -1).any(axis=1)))
        raise DataError(
            f"{name} has {np.count_nonzero(bad):,} values that are NaN or infinite, the first in "
            f"row {first}: expected finite numbers; look at the inputs and weights of the model"
        )


def require_events(names: Sequence[str], sums: BinSums) -> None:
    """Refuse a class without events, or with a sum of weights that is not positive.

    Parameters
    ----------
    names : sequence of str
        What messages call the classes.
    sums : BinSums
        Shape (n_classes,): over the events of each.

    Raises
    ------
    DataError
        Naming the class.
    """
    for name, count, total in zip(names, sums.n_events, sums.total, strict=True):
        if count == 0:
            raise DataError(f"{name} has no events: expected at least one of every class")
        if not total > 0:
            raise DataError(
                f"{name} has a sum of weights of {total:g} over {count:,} events: "
                "expected a positive sum"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ScoredEvents:
    """Events with what the network says and what is true.

    Parameters
    ----------
    scores : numpy.ndarray
        float64, shape (n_events, n_classes): probabilities in [0, 1], each row with the sum 1.
    labels : numpy.ndarray
        int64, shape (n_events,): the true class, 0 to n_classes − 1.
    weights : numpy.ndarray
        float64, shape (n_events,); may be negative.
    classes : tuple of str
        Names of the classes, two or more.
    """

    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    classes: tuple[str, ...]

    def are_of(self, classes: Sequence[int]) -> NDArray[np.bool_]:
        """Return for each event whether it is of one of these classes."""
        chosen = np.zeros(len(self.classes), np.bool_)
        chosen[list(classes)] = True
        return np.asarray(chosen[self.labels])

    def only(self, classes: Sequence[int]) -> "ScoredEvents":
        """Return the events of some of the classes, with the scores and names of all."""
        if len(set(classes)) == len(self.classes):
            return self
        rows = self.are_of(classes)
        return replace(
            self, scores=self.scores[rows], labels=self.labels[rows], weights=self.weights[rows]
        )


def scored_events(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str],
    weights: ArrayLike | None = None,
) -> ScoredEvents:
    """Check arrays of scores and labels and return them together.

    Parameters
    ----------
    scores, labels, classes, weights
        As in `ScoredEvents`; `weights` of None means one each.

    Raises
    ------
    DataError
        If shapes do not fit, a number is NaN or infinite, a row of scores is no set of
        probabilities, a label names no class, or a class has no events or no positive sum of
        weights.
    """
    # Column by column: numpy is slow over many short rows.
    score = np.asarray(scores, dtype=np.float64, order="F")
    n_classes = len(classes)
    if n_classes < 2 or score.ndim != 2 or score.shape[1] != n_classes:
        raise DataError(
            f"scores have shape {score.shape} for the classes {', '.join(classes) or '(none)'}: "
            "expected one column for each of two or more classes"
        )
    n_events = len(score)
    _require_finite("scores", score)
    wrong = (np.abs(score.sum(axis=1) - 1) > _SUM_TOLERANCE) | (score < 0).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"scores in row {row} are {score[row].tolist()}: expected probabilities with the sum "
            "1; apply softmax to the network's output"
        )
    label = np.asarray(labels)
    if label.shape != (n_events,) or not np.issubdtype(label.dtype, np.integer):
        raise DataError(
            f"labels have shape {label.shape} and type {label.dtype} for {n_events} events: "
            "expected one integer an event"
        )
    if n_events and (label.min() < 0 or label.max() >= n_classes):
        row = int(np.argmax((label < 0) | (label >= n_classes)))
        raise DataError(
            f"label {label[row]} in row {row} names no class: expected 0 to {n_classes - 1}"
        )
    weight = event_weights(weights, n_events)
    require_events([f"class {name!r}" for name in classes], bin_sums(label, weight, n_classes))
    return ScoredEvents(score, label.astype(np.int64), weight, tuple(classes))
