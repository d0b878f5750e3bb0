"""All that is said about the scores of a classification, in one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.calibration import Calibration, calibration
from detcnn.evaluation.confusion import Confusion, confusion
from detcnn.evaluation.discriminant import discriminant
from detcnn.evaluation.distributions import ScoreDistributions, score_distributions
from detcnn.evaluation.efficiency import BinnedEfficiency, efficiencies_of_cuts, quantile_edges
from detcnn.evaluation.event_bootstrap import METHOD
from detcnn.evaluation.inputs import ScoredEvents, event_column, scored_events
from detcnn.evaluation.intervals import LEVEL, Interval, effective_count
from detcnn.evaluation.replicas import curve_replicas, percentiles
from detcnn.evaluation.roc import AucEstimate, Roc, bootstrap_auc, roc_curve, thin
from detcnn.evaluation.working_points import WorkingPoint, working_points
from detcnn.kernels.binning import bin_sums

TARGETS = (0.3, 0.5, 0.7)
"""Signal efficiencies of the default working points."""

_MOST_NAMED = 3
_CURVE_TARGETS = tuple(np.linspace(0.02, 1, 50).round(2).tolist())


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many events of a class there are: counted, weighted, and effective, (Σw)² / Σw²."""

    name: str
    n_events: int
    sum_of_weights: float
    n_effective: float


@dataclass(frozen=True, slots=True, eq=False)
class Discrimination:
    """How well some classes are told from others, by `discriminant.discriminant`.

    Parameters
    ----------
    signal, background : tuple of str
        Names of the classes on either side; events of other classes play no part.
    auc : AucEstimate
        Area under the exact curve.
    working_points : tuple of WorkingPoint
        At the targets asked for, from the exact curve.
    roc : Roc
        The curve, thinned to points enough to draw it.
    curve : tuple of WorkingPoint
        Working points at every 2 % of signal efficiency: the curve with its intervals.
    """

    signal: tuple[str, ...]
    background: tuple[str, ...]
    auc: AucEstimate
    working_points: tuple[WorkingPoint, ...]
    roc: Roc
    curve: tuple[WorkingPoint, ...]

    @property
    def title(self) -> str:
        """What is told from what, in words short enough for a legend."""
        background = (
            f"{len(self.background)} others"
            if len(self.background) > _MOST_NAMED
            else " + ".join(self.background)
        )
        return f"{' + '.join(self.signal)} against {background}"


@dataclass(frozen=True, slots=True, eq=False)
class EfficiencyCurve:
    """Efficiencies of one working point against a column, of signal and of background events."""

    target: float
    signal: BinnedEfficiency
    background: BinnedEfficiency


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationEvaluation:
    """What a set of scores is worth.

    Parameters
    ----------
    level : float
        Level of all central intervals. A limit names its own.
    counts : tuple of ClassCount
        One for each class.
    headline : Discrimination
        Signal classes against all others.
    one_versus_rest, one_versus_one : tuple of Discrimination
        Each class against all others and each pair of classes; empty for two classes. In a pair
        with one signal class that one is the signal, else the class named first.
    distributions : ScoreDistributions
        Of the discriminant of `headline`.
    efficiencies : tuple of EfficiencyCurve
        For each column and each working point of `headline`.
    confusion : Confusion
        By highest score.
    calibrations : tuple of Calibration
        For each class; for two classes only for the signal, of which the other is the mirror image.
    """

    level: float
    counts: tuple[ClassCount, ...]
    headline: Discrimination
    one_versus_rest: tuple[Discrimination, ...]
    one_versus_one: tuple[Discrimination, ...]
    distributions: ScoreDistributions
    efficiencies: tuple[EfficiencyCurve, ...]
    confusion: Confusion
    calibrations: tuple[Calibration, ...]

    @property
    def discriminations(self) -> tuple[Discrimination, ...]:
        """All of them, the headline first."""
        return (self.headline, *self.one_versus_rest, *self.one_versus_one)


def evaluate_classification(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str],
    signal: Sequence[str],
    weights: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    units: Mapping[str, str] | None = None,
    targets: Sequence[float] = TARGETS,
    unit: NDArray[np.integer] | None = None,
    level: float = LEVEL,
    n_replicas: int = 1000,
    seed: int = 0,
) -> ClassificationEvaluation:
    """Evaluate the scores of a classification into two or more classes.

    Parameters
    ----------
    scores : array_like
        Shape (n_events, n_classes): probabilities, each row with the sum 1.
    labels : array_like
        Integers, shape (n_events,): the true classes.
    classes : sequence of str
        Names of the classes.
    signal : sequence of str
        Those that are searched for; the others are background.
    weights : array_like, optional
        Shape (n_events,), one each by default; may be negative.
    columns : mapping, optional
        Name to array of shape (n_events,): efficiencies are given against each.
    edges : mapping, optional
        Bin edges by column; a column that is not named gets eight bins of equal numbers of events.
    units : mapping, optional
        Those of columns; ``"1"`` for the others.
    targets : sequence of float
        Signal efficiencies of the working points.
    unit : numpy.ndarray, optional
        Integers, shape (n_events,): rows of one number are images of one event, and the intervals
        of areas resample them together; those of efficiencies take each row for itself. By default
        each row is an event of its own.
    level : float
        Level of all central intervals.
    n_replicas : int
        Bootstrap replicas of each area under a curve.
    seed : int
        Seed of the study.

    Raises
    ------
    ConfigError
        If a signal name is unknown, no background is left, edges name no column or do not rise, or
        a target or level is out of range.
    DataError
        If the arrays are not what `inputs.scored_events` and `inputs.event_column` expect.
    """
    events = scored_events(scores, labels, classes=classes, weights=weights)
    column_values = {
        name: event_column(f"column {name!r}", values, len(events.labels))
        for name, values in (columns or {}).items()
    }
    unused = [name for name in edges or {} if name not in column_values]
    if unused:
        raise ConfigError(
            f"bin edges are given for {unused[0]!r}: expected one of the columns "
            f"{', '.join(column_values) or '(none)'}"
        )
    sides = _sides(events.classes, signal)
    if unit is not None and len(np.unique(unit)) == len(unit):
        unit = None

    def compared(
        among: ScoredEvents,
        value: NDArray[np.float64],
        signal: Sequence[int],
        background: Sequence[int],
    ) -> Discrimination:
        return discriminate(
            value,
            among.are_of(signal),
            among.weights,
            signal=[events.classes[i] for i in signal],
            background=[events.classes[i] for i in background],
            targets=targets,
            unit=None if unit is None else unit[events.are_of([*signal, *background])],
            level=level,
            n_replicas=n_replicas,
            seed=seed,
        )

    def discrimination(signal: Sequence[int], background: Sequence[int]) -> Discrimination:
        among = events.only([*signal, *background])
        value = discriminant(among.scores, signal=signal, background=background)
        return compared(among, value, signal, background)

    value = discriminant(events.scores, signal=sides[0], background=sides[1])
    headline = compared(events, value, *sides)
    is_background = events.are_of(sides[1]).astype(np.int64)
    everyone = range(len(events.classes))
    is_binary = len(events.classes) == 2
    return ClassificationEvaluation(
        level=level,
        counts=_counts(events),
        headline=headline,
        one_versus_rest=()
        if is_binary
        else tuple(discrimination([i], [j for j in everyone if j != i]) for i in everyone),
        one_versus_one=()
        if is_binary
        else tuple(
            discrimination([j], [i])
            if j in sides[0] and i not in sides[0]
            else discrimination([i], [j])
            for i, j in combinations(everyone, 2)
        ),
        distributions=score_distributions(events, value),
        efficiencies=tuple(
            EfficiencyCurve(
                target=point.target,
                signal=replace(of_signal, unit=(units or {}).get(name, "1")),
                background=replace(of_background, unit=(units or {}).get(name, "1")),
            )
            for name, values in column_values.items()
            for point, (of_signal, of_background) in zip(
                headline.working_points,
                efficiencies_of_cuts(
                    name,
                    values,
                    value,
                    is_background,
                    thresholds=[point.threshold for point in headline.working_points],
                    edges=(edges or {}).get(name) or quantile_edges(values),
                    weights=events.weights,
                    level=level,
                ),
                strict=True,
            )
        ),
        confusion=confusion(events, level=level),
        calibrations=tuple(
            calibration(events, i, level=level) for i in (sides[0] if is_binary else everyone)
        ),
    )


def _sides(classes: tuple[str, ...], signal: Sequence[str]) -> tuple[list[int], list[int]]:
    unknown = [name for name in signal if name not in classes]
    if unknown:
        raise ConfigError(
            f"signal class {unknown[0]!r} is unknown: expected one of {', '.join(classes)}"
        )
    inside = [i for i, name in enumerate(classes) if name in signal]
    outside = [i for i, name in enumerate(classes) if name not in signal]
    if not inside or not outside:
        raise ConfigError(
            f"signal classes are {', '.join(signal) or '(none)'} of {', '.join(classes)}: "
            "expected one or more, and at least one other as background"
        )
    return inside, outside


def _counts(events: ScoredEvents) -> tuple[ClassCount, ...]:
    sums = bin_sums(events.labels, events.weights, len(events.classes))
    n_effective = effective_count(sums.total, sums.squares)
    return tuple(
        ClassCount(
            name=name,
            n_events=int(sums.n_events[i]),
            sum_of_weights=float(sums.total[i]),
            n_effective=float(n_effective[i]),
        )
        for i, name in enumerate(events.classes)
    )


def discriminate(
    value: NDArray[np.float64],
    is_signal: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    signal: Sequence[str],
    background: Sequence[str],
    targets: Sequence[float],
    unit: NDArray[np.integer] | None = None,
    level: float,
    n_replicas: int,
    seed: int,
) -> Discrimination:
    """Return how well a discriminant tells signal from background.

    Parameters
    ----------
    value : numpy.ndarray
        float64, shape (n_events,), larger for signal.
    is_signal, weights : numpy.ndarray
        Shape (n_events,): bool, and float64.
    signal, background : sequence of str
        Names of the classes on either side.
    targets, unit, level, n_replicas, seed
        As in `evaluate_classification`.

    Raises
    ------
    ConfigError
        If a target or the level is out of range.
    DataError
        If a number is NaN or infinite, or a side has no events or no positive sum of weights.
    """
    roc = roc_curve(value, is_signal, weights=weights)
    area = bootstrap_auc(
        roc, value, is_signal, weights=weights, n_replicas=n_replicas, level=level, seed=seed
    )
    if unit is not None:
        order = np.argsort(unit, kind="stable")
        replicas = curve_replicas(
            [roc],
            [value[order]],
            is_signal[order],
            weights=weights[order],
            event_id=unit[order].astype(np.int64),
            efficiencies=np.empty(0),
            n_replicas=n_replicas,
            seed=seed,
        )
        low, high = percentiles(replicas.auc_replicas[0], level, bounds=(0, 1))
        exact = area.interval.value
        ends = min(exact, float(low)), max(exact, float(high))
        area = replace(area, interval=Interval(exact, *ends, level, METHOD))
    return Discrimination(
        signal=tuple(signal),
        background=tuple(background),
        auc=area,
        working_points=working_points(roc, targets=targets, level=level, seed=seed),
        roc=thin(roc),
        curve=working_points(roc, targets=_CURVE_TARGETS, level=level, n_draws=2000, seed=seed),
    )
