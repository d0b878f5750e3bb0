"""Which class is taken for which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.inputs import ScoredEvents
from detcnn.evaluation.intervals import LEVEL, Interval, Intervals, weighted_fraction
from detcnn.kernels.binning import bin_sums


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Confusion matrix: a row for each true class, a column for each predicted one.

    Parameters
    ----------
    classes : tuple of str
        Names, in the order of rows and columns.
    n_events : numpy.ndarray
        int64, shape (n_classes, n_classes): unweighted counts.
    fraction : Intervals
        Shape (n_classes, n_classes): weighted, each row with the sum 1.
    accuracy : Interval
        Weighted fraction of all events that get their true class.
    macro_accuracy : Interval
        Mean of the diagonal of `fraction`: each class counts alike. Its interval joins those of
        the classes by the method of variance estimates recovery (G. Y. Zou and A. Donner, Stat.
        Med. 27 (2008) 1693).
    """

    classes: tuple[str, ...]
    n_events: NDArray[np.int64]
    fraction: Intervals
    accuracy: Interval
    macro_accuracy: Interval


def confusion(events: ScoredEvents, *, level: float = LEVEL) -> Confusion:
    """Return the confusion matrix when each event goes to the class of its highest score.

    Of equal scores the class named first wins.

    Parameters
    ----------
    events : ScoredEvents
        Scores, labels and weights.
    level : float
        Level of the Wilson intervals.
    """
    n_classes = len(events.classes)
    shape = (n_classes, n_classes)
    cell = events.labels * n_classes
    cell += np.argmax(events.scores, axis=1)
    sums = bin_sums(cell, events.weights, n_classes**2)
    n_events, weight = sums.n_events.reshape(shape), sums.total.reshape(shape)
    squares = sums.squares.reshape(shape).sum(axis=1)

    fraction = weighted_fraction(
        weight, weight.sum(axis=1, keepdims=True), squares[:, np.newaxis], level=level
    )
    value, low, high = (np.diagonal(end) for end in (fraction.value, fraction.low, fraction.high))
    macro = float(value.mean())
    return Confusion(
        classes=events.classes,
        n_events=n_events,
        fraction=fraction,
        accuracy=weighted_fraction(
            np.trace(weight), weight.sum(), squares.sum(), level=level
        ).item(),
        macro_accuracy=Interval(
            value=macro,
            low=macro - float(np.linalg.norm(value - low)) / n_classes,
            high=macro + float(np.linalg.norm(high - value)) / n_classes,
            level=level,
            method="Wilson, joined by variance estimates recovery",
        ),
    )
