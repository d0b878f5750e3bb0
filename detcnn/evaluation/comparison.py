"""Several results side by side: which is better, by how much, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.classification import TARGETS
from detcnn.evaluation.common_events import Result, match_results
from detcnn.evaluation.intervals import LEVEL, LIMIT_LEVEL, Interval, tail
from detcnn.evaluation.p_values import p_value_text
from detcnn.evaluation.published import PublishedFigure
from detcnn.evaluation.replicas import percentiles, two_sided_p_value
from detcnn.evaluation.trainings import Line, resampled_lines
from detcnn.evaluation.working_points import working_points

_BOOTSTRAP = "Poisson bootstrap"
_CONDITIONAL = "conditional binomial"

_GRID = np.linspace(0.01, 1, 100)


@dataclass(frozen=True, slots=True)
class UsedResult:
    """One of the results, and what of it was compared.

    Parameters
    ----------
    name, label : str
        Its own name, and that of the entry it belongs to.
    n_events, n_used : int
        How many events it has, and how many of them are common to its set.
    matched_set : int
        Number of the set, from 0, of results that are compared on the same events.
    """

    name: str
    label: str
    n_events: int
    n_used: int
    matched_set: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Background rejection of one entry at one signal efficiency.

    Parameters
    ----------
    target : float
        Signal efficiency.
    interval : Interval
        1 / ε_B, of several trainings 1 / (mean of ε_B); a lower limit where no background passes.
    spread : float or None
        Standard deviation over the trainings, carried over from ε_B to 1 / ε_B; None for one
        training, and where no background passes any.
    trainings : tuple of float
        Rejection of each training, infinite where no background passes.
    """

    target: float
    interval: Interval
    spread: float | None
    trainings: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A quantity against signal efficiency, with a band.

    Parameters
    ----------
    efficiency : numpy.ndarray
        Shape (n_points,).
    value, low, high : numpy.ndarray
        Shape (n_points,): NaN where no background passes, `high` infinite where there is no bound.
    """

    efficiency: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a comparison: a training, several trainings of one model, or their ensemble.

    Parameters
    ----------
    label : str
        Its name.
    n_trainings : int
        Number of trainings; of an ensemble, those it is made of.
    is_ensemble : bool
        Whether the scores of the trainings are averaged before anything else.
    auc : Interval
        Area under the curve, of several trainings the mean. The interval holds the finite number of
        events, and of several trainings their finite number.
    auc_spread : float or None
        Standard deviation of the areas of the trainings; None for one, and for an ensemble.
    auc_trainings : tuple of float
        The area of each.
    rejections : tuple of Rejection
        At the targets asked for.
    curve : Curve
        Background rejection. The band of one training is the bootstrap interval, that of several
        the mean ± one standard deviation of the trainings.
    """

    label: str
    n_trainings: int
    is_ensemble: bool
    auc: Interval
    auc_spread: float | None
    auc_trainings: tuple[float, ...]
    rejections: tuple[Rejection, ...]
    curve: Curve


@dataclass(frozen=True, slots=True)
class RejectionRatio:
    """Rejection of an entry over that of the reference at one signal efficiency.

    Parameters
    ----------
    target : float
        Signal efficiency.
    interval : Interval
        The ratio; a lower limit where no background passes the entry, zero with an upper limit as
        `high` where none passes the reference, NaN where none passes either.
    p_value : float
        Two-sided, for the ratio 1.
    """

    target: float
    interval: Interval
    p_value: float

    def text(self) -> str:
        """Return ``value [low, high]``, or a limit, or words where there is nothing to compare."""
        if math.isnan(self.interval.value):
            return "no background passes either"
        if self.interval.value == 0:
            return f"< {self.interval.high:.3g} ({100 * self.interval.level:.3g} % CL)"
        return self.interval.text()


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """An entry against the reference.

    Parameters
    ----------
    label, reference : str
        Names of the two entries.
    is_paired : bool
        Whether all their results are compared on the same events. If not, the two vary
        independently as far as their events are different.
    auc : Interval
        Area of the entry minus that of the reference.
    auc_p_value : float
        Two-sided, for the difference 0.
    ratios : tuple of RejectionRatio
        At the targets asked for.
    curve : Curve
        The ratio of rejections with its bootstrap interval.
    """

    label: str
    reference: str
    is_paired: bool
    auc: Interval
    auc_p_value: float
    ratios: tuple[RejectionRatio, ...]
    curve: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Several results side by side.

    Parameters
    ----------
    signal, background : tuple of str
        Names of the classes on either side.
    level : float
        Level of all central intervals. A limit names its own.
    n_replicas : int
        Number of bootstrap replicas; no p-value is below ``2 / (n_replicas + 1)``.
    results : tuple of UsedResult
        What was compared.
    entries : tuple of Entry
        The lines, the reference first.
    differences : tuple of Difference
        Each other entry against the reference.
    published : tuple of PublishedFigure
        Figures of others, of other events.
    """

    signal: tuple[str, ...]
    background: tuple[str, ...]
    level: float
    n_replicas: int
    results: tuple[UsedResult, ...]
    entries: tuple[Entry, ...]
    differences: tuple[Difference, ...]
    published: tuple[PublishedFigure, ...]

    @property
    def title(self) -> str:
        """What is told from what."""
        return f"{' + '.join(self.signal)} against {' + '.join(self.background)}"

    def p_value_text(self, p_value: float) -> str:
        """Return a p-value of these replicas as `p_values.p_value_text` writes it."""
        return p_value_text(p_value, least=2 / (self.n_replicas + 1))


def mean_text(interval: Interval, spread: float | None, n_trainings: int) -> str:
    """Return ``value [low, high]``, with the standard deviation of several trainings behind it."""
    if spread is None:
        return interval.text()
    digits = max(0, 1 - math.floor(math.log10(spread))) if spread > 0 else 2
    return f"{interval.text()} ± {spread:.{digits}f} ({n_trainings} trainings)"


def compare(
    results: Sequence[Result],
    *,
    labels: Sequence[str],
    signal: Sequence[str],
    targets: Sequence[float] = TARGETS,
    level: float = LEVEL,
    n_replicas: int = 1000,
    seed: int = 0,
    ensemble: bool = False,
    published: Sequence[PublishedFigure] = (),
) -> Comparison:
    """Compare results, each with the first, on the events that they have in common.

    Differences and ratios are bootstrapped in pairs: a replica holds the same events for every
    result, so that what all results find hard or easy drops out. Signal and background are
    normalised apart. The p-value is twice the smaller share of replicas on either side of no
    difference, both counts raised by one.

    Results with the same label are trainings of one model. Their mean is compared, and to its
    replicas the uncertainty of a mean of so few is added: Student's t with the standard deviation
    of the trainings over the root of their number. Of a model trained once this is unknown, and the
    comparison then holds for that one training.

    Parameters
    ----------
    results : sequence of Result
        At least one.
    labels : sequence of str
        The label of each. That of the first result is the reference.
    signal : sequence of str
        Names of the signal classes; all others are background.
    targets : sequence of float
        Signal efficiencies, in (0, 1].
    level : float
        Level of all central intervals.
    n_replicas : int
        Bootstrap replicas.
    seed : int
        Seed of the study.
    ensemble : bool
        Add an entry of the mean scores of each label with several trainings.
    published : sequence of PublishedFigure
        Passed on.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        If a signal name is unknown or no background is left, a target or level is out of range, or
        an ensemble is asked for where there is none to make.
    DataError
        If results do not go together, see `common_events.match_results`.

    Notes
    -----
    A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (Cambridge, 1997),
    sections 4.4 and 5.3. With no background left in one of two results, no replica has any: there
    the limit is that of the conditional binomial test of J. Przyborowski and H. Wilenski,
    Biometrika 31 (1940) 313, with the survivors of the other.
    """
    for target in targets:
        if not 0 < target <= 1:
            raise ConfigError(f"target signal efficiency {target}: expected 0 < target <= 1")
    tail(level)
    classes = results[0].events.classes
    inside, outside = _sides(classes, signal)
    sets = match_results(results)
    reference, *others = lines = resampled_lines(
        sets,
        {label: [i for i, name in enumerate(labels) if name == label] for label in labels},
        signal=inside,
        background=outside,
        efficiencies=np.concatenate([targets, _GRID]),
        n_replicas=n_replicas,
        seed=seed,
        ensemble=ensemble,
    )
    names = training_names(labels)
    used = {
        i: UsedResult(names[i], labels[i], len(results[i].event_id), len(matched.event_id), number)
        for number, matched in enumerate(sets)
        for i in matched.members
    }
    return Comparison(
        signal=tuple(classes[i] for i in inside),
        background=tuple(classes[i] for i in outside),
        level=level,
        n_replicas=n_replicas,
        results=tuple(used[i] for i in range(len(results))),
        entries=tuple(_entry(line, targets, level, seed) for line in lines),
        differences=tuple(_difference(line, reference, targets, level) for line in others),
        published=tuple(published),
    )


def training_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels, with a number behind those that several trainings share."""
    return tuple(
        f"{label} {labels[: i + 1].count(label)}" if labels.count(label) > 1 else label
        for i, label in enumerate(labels)
    )


def _sides(classes: tuple[str, ...], signal: Sequence[str]) -> tuple[list[int], list[int]]:
    inside = [i for i, name in enumerate(classes) if name in signal]
    outside = [i for i, name in enumerate(classes) if name not in signal]
    if not inside or not outside or not set(signal) <= set(classes):
        raise ConfigError(
            f"signal {', '.join(signal) or '(none)'}: expected one or more of the classes "
            f"{', '.join(classes)}, and another one left as background"
        )
    return inside, outside


def _entry(line: Line, targets: Sequence[float], level: float, seed: int) -> Entry:
    n_targets = len(targets)
    is_one = len(line.trainings) == 1
    passing = np.array([training.passing for training in line.trainings])
    each = _rejection(passing)
    value = _rejection(line.passing)
    low, high = percentiles(_rejection(line.passing_replicas), level, bounds=(0, math.inf))
    # Without survivors, which gives a limit, all trainings are alike.
    points = working_points(line.trainings[0].roc, targets=targets, level=level, seed=seed)
    intervals = [
        point.background_rejection
        if is_one or line.passing[i] == 0
        else Interval(float(value[i]), float(low[i]), float(high[i]), level, _method(line))
        for i, point in enumerate(points)
    ]
    relative = np.zeros(len(value))
    if not is_one:
        spread = passing.std(axis=0, ddof=1)
        np.divide(spread, line.passing, out=relative, where=line.passing > 0)
        low = _rejection(line.passing + spread)
        high = _rejection(np.maximum(line.passing - spread, 0))
    areas = [training.auc for training in line.trainings]
    return Entry(
        label=line.label,
        n_trainings=line.n_trainings,
        is_ensemble=line.is_ensemble,
        auc=_interval(line.auc, line.auc_replicas, level, (0, 1), _method(line)),
        auc_spread=None if is_one else float(np.std(areas, ddof=1)),
        auc_trainings=tuple(areas),
        rejections=tuple(
            Rejection(
                target=target,
                interval=interval,
                spread=None if is_one or line.passing[i] == 0 else float(value[i] * relative[i]),
                trainings=tuple(each[:, i].tolist()),
            )
            for i, (target, interval) in enumerate(zip(targets, intervals, strict=True))
        ),
        curve=_curve(value[n_targets:], low[n_targets:], high[n_targets:]),
    )


def _difference(line: Line, reference: Line, targets: Sequence[float], level: float) -> Difference:
    n_targets = len(targets)
    method = _method(line, reference)
    change = line.auc_replicas - reference.auc_replicas
    value = _quotient(reference.passing, line.passing)
    replicas = _quotient(reference.passing_replicas, line.passing_replicas)
    low, high = percentiles(replicas, level, bounds=(0, math.inf))
    ratios = []
    for i, target in enumerate(targets):
        if line.passing[i] > 0 and reference.passing[i] > 0:
            interval = Interval(float(value[i]), float(low[i]), float(high[i]), level, method)
            p_value = two_sided_p_value(replicas[i], null=1)
        else:
            interval, p_value = _without_survivors(
                reference.passing[i] * reference.n_background,
                line.passing[i] * line.n_background,
                line.n_background / reference.n_background,
                level,
            )
        ratios.append(RejectionRatio(target, interval, p_value))
    return Difference(
        label=line.label,
        reference=reference.label,
        is_paired=len(line.matched_sets | reference.matched_sets) == 1,
        auc=_interval(line.auc - reference.auc, change, level, (-1, 1), method),
        auc_p_value=two_sided_p_value(change, null=0),
        ratios=tuple(ratios),
        curve=_curve(value[n_targets:], low[n_targets:], high[n_targets:]),
    )


def _without_survivors(
    reference: float, entry: float, exposure: float, level: float
) -> tuple[Interval, float]:
    """Compare effective counts of surviving background of which one or both are zero.

    All k survivors are the reference's with the probability (ρ / (ρ + e))ᵏ, where ρ is the ratio of
    rejections and e the ratio of background events, entry over reference.
    """
    k = reference or entry
    if k == 0:
        return Interval(math.nan, 0.0, math.inf, level, _CONDITIONAL), 1.0
    e = exposure if reference else 1 / exposure
    p_value = min(1.0, 2 * (1 / (1 + e)) ** k)
    # ρ / (ρ + e) at the limit is this root, and 1 less it is kept exact for many survivors.
    log_share = math.log(1 - LIMIT_LEVEL) / k
    odds = math.exp(log_share) / -math.expm1(log_share)
    if reference:
        limit = Interval(e * odds, e * odds, math.inf, LIMIT_LEVEL, _CONDITIONAL, True)
        return limit, p_value
    upper = 1 / (e * odds) if odds > 0 else math.inf
    return Interval(0.0, 0.0, upper, LIMIT_LEVEL, _CONDITIONAL), p_value


def _method(*lines: Line) -> str:
    is_one = all(len(line.trainings) == 1 for line in lines)
    return _BOOTSTRAP if is_one else f"{_BOOTSTRAP}, Student's t over trainings"


def _quotient(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide numbers that are not negative; infinite over zero, NaN for zero over zero."""
    quotient = np.where((above > 0) & (below == 0), math.inf, math.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _rejection(passing: NDArray[np.float64]) -> NDArray[np.float64]:
    return _quotient(np.ones(passing.shape), passing)


def _interval(
    value: float,
    replicas: NDArray[np.float64],
    level: float,
    bounds: tuple[float, float],
    method: str,
) -> Interval:
    low, high = percentiles(replicas, level, bounds=bounds)
    # Inside the bounds, unless negative weights have put the value itself beyond.
    least, most = min(bounds[0], value), max(bounds[1], value)
    return Interval(value, max(float(low), least), min(float(high), most), level, method)


def _curve(
    value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> Curve:
    is_seen = np.isfinite(value) & (value > 0)
    return Curve(_GRID, *(np.where(is_seen, values, math.nan) for values in (value, low, high)))
