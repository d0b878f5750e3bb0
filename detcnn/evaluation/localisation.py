"""What found points are worth: how many of the true ones are found, and how near."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.binned_measure import BinnedMeasure, ColumnBins, bins_of_columns
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
from detcnn.evaluation.pairing import best_pairs

Floats = NDArray[np.float64]

N_TOLERANCES = 12
"""Tolerances, up to twice the one that counts, of the curve against it."""

_MOST_POINTS = 500


@dataclass(frozen=True, slots=True, eq=False)
class MatchedPoints:
    """Which true and found points belong together.

    Parameters
    ----------
    event : numpy.ndarray
        int64, shape (n_pairs,): the event of each pair.
    true, found : numpy.ndarray
        int64, shape (n_pairs,): which of the points of the event.
    offset : numpy.ndarray
        float64, shape (n_pairs, 2): found − true.
    """

    event: NDArray[np.int64]
    true: NDArray[np.int64]
    found: NDArray[np.int64]
    offset: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ToleranceCurve:
    """Recall, precision and Jaccard index against the tolerance, each of shape (n_tolerances,)."""

    tolerance: Floats
    recall: Intervals
    precision: Intervals
    jaccard: Intervals


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceCurve:
    """Recall and precision of the points whose confidence is at least a threshold.

    All points take part, by falling confidence, whatever confidence is asked for elsewhere; each
    takes the nearest true point that is left within the tolerance.

    Parameters
    ----------
    threshold, recall, precision : numpy.ndarray
        Shape (n_points,): the threshold falls, recall does not.
    average_precision : Interval
        Σ (r_i − r_(i−1)) p_i over all thresholds, of which the curve keeps some; by bootstrap over
        events.

    Notes
    -----
    M. Everingham et al., Int. J. Comput. Vis. 88 (2010) 303, section 4.2, with the sum over all
    points instead of eleven.
    """

    threshold: Floats
    recall: Floats
    precision: Floats
    average_precision: Interval


@dataclass(frozen=True, slots=True, eq=False)
class LocalisationEvaluation:
    """What found points are worth.

    Parameters
    ----------
    level : float
        Level of all central intervals: of shares from `event_shares.event_shares`, as points of
        one event are no independent ones; of all else by bootstrap over events.
    unit : str
        Of all lengths.
    tolerance : float
        How far apart two points that belong together may be.
    least_confidence : float
        Found points of less are not counted, but in the curve against the confidence.
    n_events, n_true, n_found, n_matched : int
        Events, points in all of them, and pairs.
    precision, recall : Interval
        Share of the found points that belong to a true one, and of the true ones that are found,
        each point with the weight of its event.
    f1, jaccard : Interval
        2 TP / (2 TP + FP + FN) and TP / (TP + FP + FN).
    rmse : Interval
        √⟨Δr² + Δc²⟩ over the pairs: the distance in both axes together.
    bias_row, bias_column : Interval
        Mean of found − true along either axis.
    tolerance_curve : ToleranceCurve
        What becomes of the shares at other tolerances.
    confidence_curve : ConfidenceCurve, optional
        If the points have a confidence.
    profiles : tuple of BinnedMeasure
        ``"recall"``, ``"precision"`` and ``"rmse"`` against each column.

    Notes
    -----
    D. Sage et al., Nat. Methods 16 (2019) 387.
    """

    level: float
    unit: str
    tolerance: float
    least_confidence: float
    n_events: int
    n_true: int
    n_found: int
    n_matched: int
    precision: Interval
    recall: Interval
    f1: Interval
    jaccard: Interval
    rmse: Interval
    bias_row: Interval
    bias_column: Interval
    tolerance_curve: ToleranceCurve
    confidence_curve: ConfidenceCurve | None
    profiles: tuple[BinnedMeasure, ...]


def match_points(true: ArrayLike, found: ArrayLike, *, tolerance: float) -> MatchedPoints:
    """Return which true and found points belong together.

    Parameters
    ----------
    true, found : array_like
        Shapes (n_events, n, 2) and (n_events, m, 2): (row, column), NaN where there is none.
    tolerance : float
        Largest distance of a pair, positive; that distance itself is allowed.

    Returns
    -------
    MatchedPoints
        One-to-one: as many pairs as there can be in each event, and among those ways the one with
        the least sum of distances.

    Raises
    ------
    ConfigError
        If the tolerance is not positive.
    DataError
        If shapes do not fit, or a point has one coordinate alone.
    """
    if not tolerance > 0:
        raise ConfigError(f"tolerance {tolerance}: expected a positive distance")
    there, seen = _points("true points", true), _points("found points", found)
    if len(there) != len(seen):
        raise DataError(
            f"{len(there):,} events with true points and {len(seen):,} with found ones: expected "
            "the same events"
        )
    parts: list[list[NDArray[Any]]] = [[] for _ in range(4)]
    for event, (t, f) in enumerate(zip(there, seen, strict=True)):
        of, to = np.flatnonzero(np.isfinite(t[:, 0])), np.flatnonzero(np.isfinite(f[:, 0]))
        if len(of) == 0 or len(to) == 0:
            continue
        distance = np.hypot(*(t[of][:, np.newaxis] - f[to]).transpose(2, 0, 1))
        rows, columns = np.nonzero(distance <= tolerance)
        # One more pair is worth more than all that can be gained by nearer ones.
        most = tolerance * (min(distance.shape) + 1)
        new = (np.full(len(rows), event), of[rows], to[columns], most - distance[rows, columns])
        for part, values in zip(parts, new, strict=True):
            part.append(values)
    event_of, of_true, of_found = (
        np.concatenate([np.zeros(0, np.int64), *part]) for part in parts[:3]
    )
    # Of all events at once, which no pair connects.
    chosen = best_pairs(
        event_of * there.shape[1] + of_true,
        event_of * seen.shape[1] + of_found,
        np.concatenate([np.zeros(0), *parts[3]]),
    )
    event_of, of_true, of_found = event_of[chosen], of_true[chosen], of_found[chosen]
    offset = seen[event_of, of_found] - there[event_of, of_true]
    return MatchedPoints(event_of, of_true, of_found, offset.reshape(-1, 2))


def evaluate_localisation(
    true: ArrayLike,
    found: ArrayLike,
    *,
    tolerance: float,
    unit: str = "pixels",
    confidences: ArrayLike | None = None,
    least_confidence: float = -np.inf,
    weights: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    units: Mapping[str, str] | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> LocalisationEvaluation:
    """Evaluate found points.

    Parameters
    ----------
    true, found, tolerance
        As in `match_points`, all in `unit`.
    unit : str
        Of all lengths.
    confidences : array_like, optional
        Shape (n_events, m): of the found points, larger for those that are more likely true. The
        curve against it wants all points that there are, also those of hardly any.
    least_confidence : float
        What a found point needs to count in all other numbers.
    weights : array_like, optional
        Shape (n_events,), one each by default.
    columns, edges : mapping, optional
        Columns to give profiles against, shape (n_events,), and their bin edges.
    units : mapping, optional
        Those of columns; ``"1"`` for the others.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If the tolerance is not positive, edges name no column or do not rise, the level is out of
        range, or there is no replica.
    DataError
        If shapes do not fit, a point has one coordinate alone, a found point has no confidence, or
        there is no true point.
    """
    there, every = _points("true points", true), _points("found points", found)
    confidence = _checked_confidences(confidences, every)
    seen = every
    if confidence is not None:
        seen = np.where((confidence >= least_confidence)[..., np.newaxis], every, np.nan)
    pairs = match_points(there, seen, tolerance=tolerance)
    n_events = len(there)
    weight = event_weights(weights, n_events)
    n_true, n_found = (
        np.isfinite(of[..., 0]).sum(axis=1).astype(np.float64) for of in (there, seen)
    )
    if not weight @ n_true > 0:
        raise DataError(f"no event of {n_events:,} has a true point: expected at least one")
    bins = bins_of_columns(columns, edges, n_events, units=units)

    def per_event(values: Floats | None = None) -> Floats:
        sums = np.bincount(pairs.event, values, minlength=n_events)
        return np.asarray(sums, np.float64)

    row, column = pairs.offset.T
    tallies = np.stack(
        [
            n_true,
            n_found,
            per_event(),
            per_event(row),
            per_event(column),
            per_event(row**2 + column**2),
        ],
        axis=1,
    )
    sums = resampled_sums(tallies, weight, bootstrap).group(0)
    shares = _shares(tallies, weight, bootstrap)

    def interval(measure: Measure) -> Interval:
        return sums.intervals(measure).item()

    return LocalisationEvaluation(
        level=bootstrap.level,
        unit=unit,
        tolerance=tolerance,
        least_confidence=least_confidence,
        n_events=n_events,
        n_true=int(n_true.sum()),
        n_found=int(n_found.sum()),
        n_matched=len(pairs.event),
        precision=shares.item(1),
        recall=shares.item(0),
        f1=overlap_to_dice(shares).item(2),
        jaccard=shares.item(2),
        rmse=interval(rmse),
        bias_row=interval(lambda of: ratio(of[..., 3], of[..., 2])),
        bias_column=interval(lambda of: ratio(of[..., 4], of[..., 2])),
        tolerance_curve=_tolerance_curve(
            there,
            seen,
            tallies,
            weight,
            tolerance,
            bootstrap,
        ),
        confidence_curve=None
        if confidence is None
        else _confidence_curve(there, every, confidence, weight, tolerance, bootstrap),
        profiles=tuple(
            profile
            for of_column in bins
            for profile in _profiles(of_column, tallies, weight, bootstrap)
        ),
    )


def rmse(sums: Floats) -> Floats:
    """Return the root mean square distance of the pairs, shape (...).

    The sums, of shape (..., 6), are of true points, found points, pairs, and in these of the
    offsets in row and column and of the squared distance.
    """
    return np.asarray(np.sqrt(ratio(sums[..., 5], sums[..., 2])))


def _points(name: str, points: ArrayLike) -> Floats:
    values = np.asarray(points, np.float64)
    if values.ndim != 3 or values.shape[2] != 2:
        raise DataError(f"{name} have shape {values.shape}: expected (n_events, n_points, 2)")
    is_there = np.isfinite(values)
    if (is_there[..., 0] != is_there[..., 1]).any():
        event = int(np.argmax((is_there[..., 0] != is_there[..., 1]).any(axis=1)))
        raise DataError(f"event {event} has {name} with one coordinate alone: expected two or none")
    return values


def _tolerance_curve(
    true: Floats,
    found: Floats,
    tallies: Floats,
    weights: Floats,
    tolerance: float,
    bootstrap: Bootstrap,
) -> ToleranceCurve:
    tolerances = 2 * tolerance * np.arange(1, N_TOLERANCES + 1) / N_TOLERANCES
    # Points, and pairs at each tolerance; all in one, so that a replica has the same events.
    matched = [
        np.bincount(match_points(true, found, tolerance=t).event, minlength=len(true))
        for t in tolerances
    ]
    points = [np.repeat(tallies[:, [i]], N_TOLERANCES, axis=1) for i in (0, 1)]
    shares = _shares(np.stack([*points, np.stack(matched, axis=1)], axis=1), weights, bootstrap)
    return ToleranceCurve(
        tolerance=tolerances,
        recall=shares.part(0),
        precision=shares.part(1),
        jaccard=shares.part(2),
    )


def _shares(
    tallies: Floats, weights: Floats, bootstrap: Bootstrap, bins: ColumnBins | None = None
) -> Intervals:
    """Return recall, precision and Jaccard index of true points, found points, and pairs.

    Parameters
    ----------
    tallies : numpy.ndarray
        Shape (n_events, 3 or more, *shape).
    weights, bootstrap
        As in `event_shares`.
    bins : ColumnBins, optional
        Of the events.

    Returns
    -------
    Intervals
        Shape (3, *shape); in bins (n_bins, 3, *shape).
    """
    n_true, n_found, n_matched = np.moveaxis(tallies[:, :3], 1, 0)
    totals = np.stack([n_true, n_found, n_true + n_found - n_matched], axis=1)
    return event_shares(
        np.broadcast_to(n_matched[:, np.newaxis], totals.shape),
        totals,
        weights,
        bootstrap,
        groups=None if bins is None else bins.index,
        n_groups=1 if bins is None else bins.n_bins,
    )


def _confidence_curve(
    true: Floats,
    found: Floats,
    confidence: Floats,
    weights: Floats,
    tolerance: float,
    bootstrap: Bootstrap,
) -> ConfidenceCurve:
    event, index = np.nonzero(np.isfinite(found[..., 0]))
    order = np.argsort(-confidence[event, index], kind="stable")
    event, index = event[order], index[order]
    is_true = _taken_in_turn(true, found, confidence, tolerance)[event, index]
    falling = confidence[event, index]
    # Points of equal confidence pass together.
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True)[: len(falling)])
    n_true = np.isfinite(true[..., 0]).sum(axis=1)

    def curve(weight: Floats) -> tuple[Floats, Floats]:
        of_point = weight[event]
        passing, matched = np.cumsum(of_point)[last], np.cumsum(of_point * is_true)[last]
        return ratio(matched, np.asarray(weight @ n_true)), ratio(matched, passing)

    def average_precision(recalls: Floats, precisions: Floats) -> float:
        gained = np.diff(recalls, prepend=0.0)
        # Points of no weight have no precision, and gain nothing that asks for it.
        return float(np.sum(np.where(gained == 0, 0.0, gained * precisions)))

    recalls, precisions = curve(weights)
    replicas = np.empty(bootstrap.n_replicas)
    for now, counts in iter_counts(len(weights), bootstrap):
        replicas[now] = [average_precision(*curve(k * weights)) for k in counts]
    kept = np.unique(np.linspace(0, max(len(last) - 1, 0), _MOST_POINTS).round().astype(int))
    kept = kept[: len(last)]
    return ConfidenceCurve(
        threshold=falling[last][kept],
        recall=recalls[kept],
        precision=precisions[kept],
        average_precision=percentile_interval(
            average_precision(recalls, precisions), replicas, level=bootstrap.level
        ),
    )


def _taken_in_turn(
    true: Floats, found: Floats, confidence: Floats, tolerance: float
) -> NDArray[np.bool_]:
    """Return which points are true when, by falling confidence, each takes the nearest one left."""
    is_true = np.zeros(confidence.shape, np.bool_)
    for event, (t, f) in enumerate(zip(true, found, strict=True)):
        of, to = np.flatnonzero(np.isfinite(t[:, 0])), np.flatnonzero(np.isfinite(f[:, 0]))
        if len(of) == 0:
            continue
        to = to[np.argsort(-confidence[event, to], kind="stable")]
        distance = np.hypot(*(f[to][:, np.newaxis] - t[of]).transpose(2, 0, 1))
        for place in np.flatnonzero((distance <= tolerance).any(axis=1)):
            nearest = np.argmin(distance[place])
            if distance[place, nearest] <= tolerance:
                distance[:, nearest] = np.inf
                is_true[event, to[place]] = True
    return is_true


def _checked_confidences(confidences: ArrayLike | None, found: Floats) -> Floats | None:
    if confidences is None:
        return None
    confidence = np.asarray(confidences, np.float64)
    if confidence.shape != found.shape[:2]:
        raise DataError(
            f"confidences have shape {confidence.shape} for found points of shape {found.shape}"
        )
    if not np.isfinite(confidence[np.isfinite(found[..., 0])]).all():
        raise DataError("a found point has a confidence that is NaN or infinite: expected numbers")
    return confidence


def _profiles(
    bins: ColumnBins, tallies: Floats, weights: Floats, bootstrap: Bootstrap
) -> list[BinnedMeasure]:
    sums = resampled_sums(tallies, weights, bootstrap, groups=bins.index, n_groups=bins.n_bins)

    shares = _shares(tallies, weights, bootstrap, bins)
    return [
        bins.measured("recall", shares.part(slice(None), 0)),
        bins.measured("precision", shares.part(slice(None), 1)),
        bins.measured("rmse", sums.intervals(rmse)),
    ]
