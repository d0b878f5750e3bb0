"""What a class for every pixel is worth: overlaps, purities and efficiencies, by event and in all.

Everything is made from the confusion matrix of each event, so that pixels need not be kept. A
*judged* pixel is one whose truth is a class: pixels that do not count, and empty ones where they
are left out, are in no matrix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.evaluation.binned_measure import BinnedMeasure, ColumnBins, bins_of_columns
from detcnn.evaluation.confusion import Confusion
from detcnn.evaluation.event_bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    Measure,
    ResampledSums,
    ratio,
    resampled_sums,
)
from detcnn.evaluation.event_values import EventValues, event_values
from detcnn.evaluation.inputs import event_weights
from detcnn.evaluation.intervals import Interval, Intervals
from detcnn.evaluation.pixel_scores import PixelScores

Floats = NDArray[np.float64]

_SCORE_EDGES = np.linspace(0, 1, 51)
_LABELS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class PixelCount:
    """How many judged pixels are truly of a class, how many events have any, and their share."""

    name: str
    n_pixels: int
    n_events: int
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationEvaluation:
    """What a class for every pixel is worth.

    Pixels of all events are summed, each with the weight of its event, before ratios are taken,
    where nothing else is said. A class that has neither true nor predicted pixels has no numbers
    (NaN) and plays no part in means over classes.

    Parameters
    ----------
    level : float
        Level of all central intervals, by bootstrap over events.
    classes : tuple of str
        Names; the first is the background.
    n_events : int
        Number of events.
    counts : tuple of PixelCount
        One for each class.
    accuracy : Interval
        Share of the judged pixels that get their true class.
    mean_iou, foreground_iou : Interval
        Mean of `iou` over all classes, and over all but the first.
    iou : Intervals
        Shape (n_classes,), as the four that follow: of pixels that are of the class in truth or in
        prediction, the share that is so in both (intersection over union, Jaccard index).
    purity, efficiency : Intervals
        Of the pixels predicted to be of a class, the share that is (precision); of the true ones,
        the share that is found (recall).
    dice : Intervals
        Harmonic mean of both: Dice coefficient, F1.
    misclassified : Intervals
        Of the true pixels of a class, the share that is taken for another: 1 − efficiency.
    event_misclassified : tuple of EventValues
        The incorrectly classified pixel fraction of MicroBooNE, which is taken in each event: of
        all judged pixels, and then of those of each true class (events without any are left out).
        Phys. Rev. D 99 (2019) 092001, arXiv:1808.07269, section V.
    event_accuracy, event_iou : EventValues
        Of each event: share of its judged pixels that get their true class, and its mean
        intersection over union over the classes that it has in truth or prediction.
    confusion : Confusion
        Of pixels; `n_events` there counts pixels.
    profiles : tuple of BinnedMeasure
        ``"iou"``, ``"efficiency"`` and ``"purity"`` of each class against each column.
    pixel_scores : PixelScores, optional
        How well scores of the foreground tell its pixels; for two classes.
    """

    level: float
    classes: tuple[str, ...]
    n_events: int
    counts: tuple[PixelCount, ...]
    accuracy: Interval
    mean_iou: Interval
    foreground_iou: Interval
    iou: Intervals
    purity: Intervals
    efficiency: Intervals
    dice: Intervals
    misclassified: Intervals
    event_misclassified: tuple[EventValues, ...]
    event_accuracy: EventValues
    event_iou: EventValues
    confusion: Confusion
    profiles: tuple[BinnedMeasure, ...]
    pixel_scores: PixelScores | None


def evaluate_segmentation(
    confusions: ArrayLike,
    *,
    classes: Sequence[str],
    weights: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    units: Mapping[str, str] | None = None,
    pixel_scores: PixelScores | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> SegmentationEvaluation:
    """Evaluate a segmentation from the confusion matrix of each event.

    Parameters
    ----------
    confusions : array_like
        Integers, shape (n_events, n_classes, n_classes): judged pixels by true and by predicted
        class, as `confusion_of_pixels` counts them.
    classes : sequence of str
        Names of two or more classes, the background first.
    weights : array_like, optional
        Shape (n_events,), one each by default; may be negative.
    columns, edges : mapping, optional
        Name to values, shape (n_events,), and to bin edges: profiles are given against each column;
        one without edges gets eight bins of equal numbers of events.
    units : mapping, optional
        Those of columns; ``"1"`` for the others.
    pixel_scores : PixelScores, optional
        From `pixel_scores.evaluate_pixel_scores`, to go with the rest.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If edges name no column or do not rise, the level is out of range, or there is no replica.
    DataError
        If shapes do not fit, a count is negative, or no pixel is judged.
    """
    counts = _checked(confusions, classes)
    n_events, n_classes = len(counts), len(classes)
    weight = event_weights(weights, n_events)
    bins = bins_of_columns(columns, edges, n_events, units=units)
    if not (weight @ counts.sum(axis=(1, 2)).astype(np.float64)) > 0:
        raise DataError(
            f"no pixel of {n_events:,} events is judged: expected true classes below {n_classes}, "
            "and a positive sum of weights"
        )
    sums = resampled_sums(counts, weight, bootstrap).group(0)

    def of_events(name: str, values: Floats) -> EventValues:
        return event_values(
            name,
            values,
            weight,
            bootstrap,
            edges=_SCORE_EDGES,
        )

    every, true = counts.astype(np.float64), counts.sum(axis=2)
    accuracies = event_accuracies(counts)
    found = sums.intervals(efficiency)
    return SegmentationEvaluation(
        level=bootstrap.level,
        classes=tuple(classes),
        n_events=n_events,
        counts=tuple(
            PixelCount(
                name=name,
                n_pixels=int(true[:, i].sum()),
                n_events=int(np.count_nonzero(true[:, i])),
                share=float(weight @ true[:, i] / (weight @ true.sum(axis=1))),
            )
            for i, name in enumerate(classes)
        ),
        accuracy=sums.intervals(accuracy).item(),
        mean_iou=sums.intervals(mean_iou).item(),
        foreground_iou=sums.intervals(foreground_iou).item(),
        iou=sums.intervals(iou),
        purity=sums.intervals(purity),
        efficiency=found,
        dice=sums.intervals(dice),
        misclassified=Intervals(
            1 - found.value, 1 - found.high, 1 - found.low, found.level, found.method
        ),
        event_misclassified=(
            of_events("all", 1 - accuracies),
            *(of_events(name, 1 - efficiency(every)[:, i]) for i, name in enumerate(classes)),
        ),
        event_accuracy=of_events("event accuracy", accuracies),
        event_iou=of_events("event mean IoU", event_mean_iou(counts)),
        confusion=_confusion(counts, sums, classes=classes),
        profiles=tuple(
            profile
            for of_column in bins
            for profile in _profiles(
                of_column,
                counts,
                weight,
                bootstrap,
                classes=classes,
            )
        ),
        pixel_scores=pixel_scores,
    )


def confusion_of_pixels(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    n_classes: int,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Count the pixels of each event by true and by predicted class.

    A large sample is counted in blocks of events, whose counts are then joined.

    Parameters
    ----------
    truth, predicted : numpy.ndarray
        Shape (n_events, *axes): whole numbers of any type. A pixel counts if its truth is one of
        0 to n_classes − 1.
    n_classes : int
        Number of classes.
    valid : numpy.ndarray, optional
        bool, shape (n_events, *axes): leaves out further pixels, for example empty ones.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_events, n_classes, n_classes).

    Raises
    ------
    DataError
        If shapes differ, or a counted pixel is predicted to be of no class.
    """
    shape = truth.shape
    if predicted.shape != shape or (valid is not None and valid.shape != shape):
        raise DataError(
            f"truth has shape {shape}, the prediction {predicted.shape}"
            + ("" if valid is None else f", the mask of pixels {valid.shape}")
            + ": expected the same"
        )
    n_events = len(truth)
    counts = np.zeros((n_events, n_classes, n_classes), np.int64)
    # In blocks, so that the indices take no more room than a block does.
    at_once = max(1, _LABELS_AT_ONCE // max(int(np.prod(shape[1:])), 1))
    for start in range(0, n_events, at_once):
        rows = slice(start, start + at_once)
        true = truth[rows].reshape(len(truth[rows]), -1)
        judged = (true >= 0) & (true < n_classes)
        if valid is not None:
            judged &= valid[rows].reshape(true.shape)
        event, pixel = np.nonzero(judged)
        of, to = true[event, pixel], predicted[rows].reshape(true.shape)[event, pixel]
        wrong = ~((to >= 0) & (to < n_classes))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise DataError(
                f"event {start + event[first]} has a pixel of the predicted class {to[first]}: "
                f"expected 0 to {n_classes - 1}"
            )
        cell = (event * n_classes + of.astype(np.int64)) * n_classes + to.astype(np.int64)
        block = np.bincount(cell, minlength=len(true) * n_classes**2)
        counts[rows] = block.reshape(len(true), n_classes, n_classes)
    return counts


def event_accuracies(confusions: ArrayLike) -> Floats:
    """Return for each event the share of its judged pixels that get their true class, else NaN."""
    return accuracy(np.asarray(confusions, np.float64))


def event_mean_iou(confusions: ArrayLike) -> Floats:
    """Return the mean IoU of each event over the classes it has in truth or prediction, or NaN."""
    return mean_iou(np.asarray(confusions, np.float64))


def accuracy(sums: Floats) -> Floats:
    """Return the share of the diagonal, shape (...), of matrices of shape (..., n, n)."""
    return ratio(np.trace(sums, axis1=-2, axis2=-1), sums.sum(axis=(-2, -1)))


def iou(sums: Floats) -> Floats:
    """Return intersection over union of each class, shape (..., n), of shape (..., n, n)."""
    both = _diagonal(sums)
    return ratio(both, sums.sum(axis=-1) + sums.sum(axis=-2) - both)


def purity(sums: Floats) -> Floats:
    """Return the share of the diagonal in each column, shape (..., n), of shape (..., n, n)."""
    return ratio(_diagonal(sums), sums.sum(axis=-2))


def efficiency(sums: Floats) -> Floats:
    """Return the share of the diagonal in each row, shape (..., n), of shape (..., n, n)."""
    return ratio(_diagonal(sums), sums.sum(axis=-1))


def dice(sums: Floats) -> Floats:
    """Return the Dice coefficient of each class, shape (..., n), of shape (..., n, n)."""
    return ratio(2 * _diagonal(sums), sums.sum(axis=-1) + sums.sum(axis=-2))


def mean_iou(sums: Floats) -> Floats:
    """Return the mean of `iou` over the classes that have it, shape (...)."""
    return _mean_of_defined(iou(sums))


def foreground_iou(sums: Floats) -> Floats:
    """Return the mean of `iou` over the classes but the first that have it, shape (...)."""
    return _mean_of_defined(iou(sums)[..., 1:])


def _diagonal(sums: Floats) -> Floats:
    return np.asarray(np.diagonal(sums, axis1=-2, axis2=-1))


def _mean_of_defined(values: Floats) -> Floats:
    is_defined = np.isfinite(values)
    total = np.where(is_defined, values, 0.0).sum(axis=-1)
    return ratio(total, is_defined.sum(axis=-1).astype(np.float64))


def _row_shares(sums: Floats) -> Floats:
    return ratio(sums, sums.sum(axis=-1, keepdims=True))


def _checked(confusions: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    counts = np.asarray(confusions)
    n_classes = len(classes)
    if (
        n_classes < 2
        or counts.shape != (len(counts), n_classes, n_classes)
        or not np.issubdtype(counts.dtype, np.integer)
    ):
        raise DataError(
            f"confusion matrices have shape {counts.shape} and type {counts.dtype} for the classes "
            f"{', '.join(classes) or '(none)'}: expected whole numbers, one square matrix an event "
            "for two or more classes"
        )
    if counts.min(initial=0) < 0:
        event = int(np.argmax((counts < 0).any(axis=(1, 2))))
        raise DataError(f"event {event} has a negative number of pixels: expected counts")
    return counts.astype(np.int64, copy=False)


def _confusion(
    counts: NDArray[np.int64], sums: ResampledSums, *, classes: Sequence[str]
) -> Confusion:
    return Confusion(
        classes=tuple(classes),
        n_events=counts.sum(axis=0),
        fraction=sums.intervals(_row_shares),
        accuracy=sums.intervals(accuracy).item(),
        macro_accuracy=sums.intervals(lambda of: _mean_of_defined(efficiency(of))).item(),
    )


def _profiles(
    bins: ColumnBins,
    counts: NDArray[np.int64],
    weights: Floats,
    bootstrap: Bootstrap,
    *,
    classes: Sequence[str],
) -> list[BinnedMeasure]:
    sums = resampled_sums(counts, weights, bootstrap, groups=bins.index, n_groups=bins.n_bins)

    def profile(quantity: str, measure: Measure) -> BinnedMeasure:
        intervals = sums.intervals(lambda of: np.moveaxis(measure(of), -1, -2))
        return bins.measured(quantity, intervals, names=classes)

    return [profile("iou", iou), profile("efficiency", efficiency), profile("purity", purity)]
