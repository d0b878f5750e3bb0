"""What scores of several labels are worth, each label a question of its own with yes or no."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.evaluation.classification import TARGETS, Discrimination, discriminate
from detcnn.evaluation.event_bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    Measure,
    iter_counts,
    percentile_interval,
    ratio,
    resampled_sums,
)
from detcnn.evaluation.event_shares import event_shares, overlap_to_dice
from detcnn.evaluation.inputs import event_weights
from detcnn.evaluation.intervals import Interval, Intervals
from detcnn.evaluation.pixel_scores import area
from detcnn.evaluation.pixel_scores import average_precision as binned_precision
from detcnn.evaluation.roc import Roc, auc, falling_bins, roc_curve
from detcnn.kernels.spacing import evenly_spaced

Floats = NDArray[np.float64]

CUT = 0.5
"""A label is predicted if its score is at least this."""

_N_BINS = 500


@dataclass(frozen=True, slots=True, eq=False)
class LabelEvaluation:
    """What the scores of one label are worth.

    Parameters
    ----------
    name : str
        Name of the label.
    n_true : int
        Events that have it.
    prevalence : float
        Weighted share of these events.
    discrimination : Discrimination
        Those that have it against those that have not: area, curve, working points.
    average_precision : Interval
        Σ (ε_i − ε_(i−1)) p_i over all thresholds; by bootstrap over events.
    precision, recall, f1, accuracy : Interval
        Of the cut at `CUT`; from `event_shares.event_shares`.
    """

    name: str
    n_true: int
    prevalence: float
    discrimination: Discrimination
    average_precision: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    accuracy: Interval


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelEvaluation:
    """What scores of several labels are worth.

    Parameters
    ----------
    level : float
        Level of all central intervals: of shares from `event_shares.event_shares`, of means over
        labels by bootstrap over events.
    n_events : int
        Number of events.
    labels : tuple of LabelEvaluation
        One for each label.
    macro_auc, macro_average_precision, macro_f1 : Interval
        Means over the labels, which count alike.
    micro_f1 : Interval
        Of all pairs of event and label together.
    subset_accuracy : Interval
        Weighted share of the events whose labels are all right.
    hamming_loss : Interval
        Weighted share of all pairs of event and label that are wrong.
    """

    level: float
    n_events: int
    labels: tuple[LabelEvaluation, ...]
    macro_auc: Interval
    macro_average_precision: Interval
    macro_f1: Interval
    micro_f1: Interval
    subset_accuracy: Interval
    hamming_loss: Interval


def evaluate_multi_label(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str],
    weights: ArrayLike | None = None,
    targets: Sequence[float] = TARGETS,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> MultiLabelEvaluation:
    """Evaluate scores of several labels.

    Parameters
    ----------
    scores : array_like
        Shape (n_events, n_labels), in [0, 1].
    labels : array_like
        0 or 1, the same shape.
    names : sequence of str
        Names of the labels.
    weights : array_like, optional
        Shape (n_events,), one each by default; may be negative.
    targets : sequence of float
        Signal efficiencies of the working points of each label.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If a target or the level is out of range, or there is no replica.
    DataError
        If shapes do not fit, a score is not in [0, 1], a label not 0 or 1, or a label is true of
        all events or of none.
    """
    score, truth = np.asarray(scores, np.float64), np.asarray(labels)
    if score.ndim != 2 or score.shape[1] != len(names) or truth.shape != score.shape:
        raise DataError(
            f"scores have shape {score.shape} and labels {truth.shape} for the labels "
            f"{', '.join(names) or '(none)'}: expected one column for each"
        )
    if not ((score >= 0) & (score <= 1)).all():
        row = int(np.argmin(((score >= 0) & (score <= 1)).all(axis=1)))
        raise DataError(
            f"scores in row {row} are {score[row].tolist()}: expected numbers from 0 to 1; apply a "
            "sigmoid to the network's output"
        )
    if not np.isin(truth, (0, 1)).all():
        row = int(np.argmin(np.isin(truth, (0, 1)).all(axis=1)))
        raise DataError(f"labels in row {row} are {truth[row].tolist()}: expected 0 or 1")
    is_true = truth.astype(np.bool_)
    n_events = len(score)
    weight = event_weights(weights, n_events)
    for i, name in enumerate(names):
        if is_true[:, i].all() or not is_true[:, i].any():
            raise DataError(
                f"label {name!r} is true of {is_true[:, i].sum():,} of {n_events:,} events: "
                "expected some with it and some without"
            )
    is_predicted = score >= CUT
    tallies = np.concatenate(
        [
            is_true & is_predicted,
            ~is_true & is_predicted,
            is_true & ~is_predicted,
        ],
        axis=1,
    )
    sums = resampled_sums(tallies, weight, bootstrap).group(0)

    def interval(measure: Measure) -> Interval:
        return sums.intervals(measure).item()

    shares = _shares(is_true, is_predicted, weight, bootstrap)
    curves = [roc_curve(score[:, i], is_true[:, i], weights=weight) for i in range(len(names))]
    areas, precisions = _binned_replicas(curves, score, is_true, weight, bootstrap)

    def labelled(i: int, name: str) -> LabelEvaluation:
        told = discriminate(
            score[:, i],
            is_true[:, i],
            weight,
            signal=(name,),
            background=(f"no {name}",),
            targets=targets,
            level=bootstrap.level,
            n_replicas=bootstrap.n_replicas,
            seed=bootstrap.seed,
        )
        # Of the replicas that all numbers have in common, in which rows of one event go together.
        of_area = percentile_interval(areas[0, i], areas[1:, i], level=bootstrap.level)
        return LabelEvaluation(
            name=name,
            n_true=int(is_true[:, i].sum()),
            prevalence=float(weight @ is_true[:, i] / weight.sum()),
            discrimination=replace(told, auc=replace(told.auc, interval=of_area)),
            average_precision=percentile_interval(
                precisions[0, i], precisions[1:, i], level=bootstrap.level
            ),
            precision=shares.precision.item(i),
            recall=shares.recall.item(i),
            f1=shares.f1.item(i),
            accuracy=shares.accuracy.item(i),
        )

    return MultiLabelEvaluation(
        level=bootstrap.level,
        n_events=n_events,
        labels=tuple(labelled(i, name) for i, name in enumerate(names)),
        macro_auc=percentile_interval(
            areas[0].mean(), areas[1:].mean(axis=1), level=bootstrap.level
        ),
        macro_average_precision=percentile_interval(
            precisions[0].mean(), precisions[1:].mean(axis=1), level=bootstrap.level
        ),
        macro_f1=interval(lambda of: np.asarray(_f1(of).mean(axis=-1))),
        micro_f1=shares.micro_f1.item(),
        subset_accuracy=shares.subset_accuracy.item(),
        hamming_loss=shares.hamming_loss.item(),
    )


def average_precision(roc: Roc, *, signal: float, background: float) -> float:
    """Return the average precision of an exact curve from the sums of weights of either side."""
    found = roc.signal_efficiency * signal
    precision = ratio(found, found + roc.background_efficiency * background)
    return float(np.sum(np.diff(roc.signal_efficiency) * precision[1:]))


def _binned_replicas(
    curves: Sequence[Roc],
    scores: Floats,
    is_true: NDArray[np.bool_],
    weights: Floats,
    bootstrap: Bootstrap,
) -> tuple[Floats, Floats]:
    """Return areas and average precisions, (1 + n_replicas, n_labels), the exact ones first.

    Scores are binned along each curve, so that no replica needs a sort, and the replicas corrected
    for what the bins do to the exact number.
    """
    shape = (1 + bootstrap.n_replicas, len(curves))
    areas, precisions = np.empty(shape), np.empty(shape)
    for i, curve in enumerate(curves):
        true = is_true[:, i]
        kept = evenly_spaced(curve.signal_efficiency, curve.background_efficiency, _N_BINS + 1)
        cell = falling_bins(scores[:, i], curve.threshold[kept[1:]])
        n_bins = len(kept) - 1
        # The highest bin last, as in histograms of pixel scores.
        cell = n_bins * true.astype(np.int64) + (n_bins - 1 - cell)

        binned = partial(_binned_numbers, cell, n_bins)
        for now, counts in iter_counts(len(scores), bootstrap):
            for replica, k in enumerate(counts, start=1 + now.start):
                areas[replica, i], precisions[replica, i] = binned(k * weights)
        exact = (
            auc(curve),
            average_precision(
                curve, signal=float(weights @ true), background=float(weights @ ~true)
            ),
        )
        for of, number, coarse in zip((areas, precisions), exact, binned(weights), strict=True):
            of[1:, i] += number - coarse
            of[0, i] = number
    return areas, precisions


def _binned_numbers(cell: NDArray[np.integer], n_bins: int, weights: Floats) -> tuple[float, float]:
    counts = np.bincount(cell, weights, minlength=2 * n_bins)
    sums = np.asarray(counts, np.float64).reshape(2, n_bins)
    return float(area(sums)), float(binned_precision(sums))


def _parts(sums: Floats) -> Floats:
    """Return true positives, false positives and false negatives, shape (3, ..., n_labels)."""
    return np.stack(np.split(sums, 3, axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Shares of answers: those before `micro_f1` of each label, shape (n_labels,)."""

    precision: Intervals
    recall: Intervals
    f1: Intervals
    accuracy: Intervals
    micro_f1: Intervals
    subset_accuracy: Intervals
    hamming_loss: Intervals


def _shares(
    is_true: NDArray[np.bool_],
    is_predicted: NDArray[np.bool_],
    weights: Floats,
    bootstrap: Bootstrap,
) -> _Shares:
    hit, either, wrong = is_true & is_predicted, is_true | is_predicted, is_true != is_predicted
    n_labels = is_true.shape[1]
    one, every = np.ones((len(hit), 1)), np.ones(hit.shape)

    def summed(of: NDArray[np.bool_]) -> Floats:
        return np.asarray(of.sum(axis=1, keepdims=True), np.float64)

    parts = (
        (hit, is_predicted),
        (hit, is_true),
        (hit, either),
        (~wrong, every),
        (summed(hit), summed(either)),
        (~wrong.any(axis=1, keepdims=True), one),
        (summed(wrong), n_labels * one),
    )
    found = event_shares(
        np.concatenate([k for k, _ in parts], axis=1),
        np.concatenate([n for _, n in parts], axis=1),
        weights,
        bootstrap,
    )
    places = np.split(np.arange(found.value.size), np.cumsum([k.shape[1] for k, _ in parts])[:-1])
    precision, recall, overlap, accuracy, micro, subset, hamming = map(found.part, places)
    return _Shares(
        precision,
        recall,
        overlap_to_dice(overlap),
        accuracy,
        overlap_to_dice(micro),
        subset,
        hamming,
    )


def _f1(sums: Floats) -> Floats:
    hit, false, missed = _parts(sums)
    return ratio(2 * hit, 2 * hit + false + missed)
