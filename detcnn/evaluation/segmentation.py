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
    ResampledSums,
    ratio,
    resampled_sums,
)
from detcnn.evaluation.event_shares import event_shares, overlap_to_dice
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
    (NaN, in the interval [0, 1]) and plays no part in means over classes.

    Parameters
    ----------
    level : float
        Level of all central intervals: of shares from `event_shares.event_shares`, as pixels of
        one event are no independent ones; of means over classes or events by bootstrap over events.
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
        one without edges gets those of `efficiency.quantile_edges`.
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
    shares = _shares(counts, weight, bootstrap)
    found = shares.efficiency
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
        accuracy=shares.accuracy.item(),
        mean_iou=sums.intervals(mean_iou).item(),
        foreground_iou=sums.intervals(foreground_iou).item(),
        iou=shares.iou,
        purity=shares.purity,
        efficiency=found,
        dice=overlap_to_dice(shares.iou),
        misclassified=Intervals(
            1 - found.value, 1 - found.high, 1 - found.low, found.level, found.method
        ),
        event_misclassified=(
            of_events("all", 1 - accuracies),
            *(of_events(name, 1 - efficiency(every)[:, i]) for i, name in enumerate(classes)),
        ),
        event_accuracy=of_events("event accuracy", accuracies),
        event_iou=of_events("event mean IoU", event_mean_iou(counts)),
        confusion=_confusion(counts, sums, shares, classes=classes),
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


def efficiency(sums: Floats) -> Floats:
    """Return the share of the diagonal in each row, shape (..., n), of shape (..., n, n)."""
    return ratio(_diagonal(sums), sums.sum(axis=-1))


def mean_iou(sums: Floats) -> Floats:
    """Return the mean of `iou` over the classes that have it, shape (...)."""
    return _mean_of_defined(iou(sums))


def foreground_iou(sums: Floats) -> Floats:
    """Return the mean of `iou` over the classes but the first that have it, shape (...)."""
    return _mean_of_defined(iou(sums)[..., 1:])


def _diagonal(sums: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.diagonal(sums, axis1=-2, axis2=-1))


def _mean_of_defined(values: Floats) -> Floats:
    is_defined = np.isfinite(values)
    total = np.where(is_defined, values, 0.0).sum(axis=-1)
    return ratio(total, is_defined.sum(axis=-1).astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Shares of pixels: in all or in bins (n_bins, ...), of each class, of each true class."""

    accuracy: Intervals
    iou: Intervals
    purity: Intervals
    efficiency: Intervals
    fraction: Intervals


def _shares(
    counts: NDArray[np.int64],
    weights: Floats,
    bootstrap: Bootstrap,
    bins: ColumnBins | None = None,
) -> _Shares:
    """Return shares of pixels from confusion matrices of events, all from the same replicas."""
    n_events, n = counts.shape[:2]
    true, said, both = counts.sum(axis=2), counts.sum(axis=1), _diagonal(counts)
    parts = (
        (both.sum(axis=1, keepdims=True), true.sum(axis=1, keepdims=True)),
        (both, true + said - both),
        (both, said),
        (counts.reshape(n_events, -1), np.repeat(true, n, axis=1)),
    )
    found = event_shares(
        np.concatenate([k for k, _ in parts], axis=1),
        np.concatenate([total for _, total in parts], axis=1),
        weights,
        bootstrap,
        groups=None if bins is None else bins.index,
        n_groups=1 if bins is None else bins.n_bins,
    )
    fraction = found.part(..., slice(1 + 2 * n, None))
    return _Shares(
        accuracy=found.part(..., 0),
        iou=found.part(..., slice(1, 1 + n)),
        purity=found.part(..., slice(1 + n, 1 + 2 * n)),
        efficiency=fraction.part(..., slice(None, None, n + 1)),
        fraction=fraction,
    )


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
    counts: NDArray[np.int64], sums: ResampledSums, shares: _Shares, *, classes: Sequence[str]
) -> Confusion:
    n_classes = len(classes)
    return Confusion(
        classes=tuple(classes),
        n_events=counts.sum(axis=0),
        fraction=shares.fraction.reshaped(n_classes, n_classes),
        accuracy=shares.accuracy.item(),
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
    shares = _shares(counts, weights, bootstrap, bins)
    return [
        bins.measured(quantity, of.transposed(), names=classes)
        for quantity, of in (
            ("iou", shares.iou),
            ("efficiency", shares.efficiency),
            ("purity", shares.purity),
        )
    ]
