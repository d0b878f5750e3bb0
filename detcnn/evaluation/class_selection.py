"""Classes selected by a cut: how much of the class is kept, and how much of what is kept is it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.event_bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    percentile_interval,
    ratio,
    resampled_sums,
)
from detcnn.evaluation.event_shares import event_shares
from detcnn.evaluation.inputs import ScoredEvents, event_column
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.p_values import p_value_text
from detcnn.evaluation.replicas import two_sided_p_value
from detcnn.evaluation.roc import Roc, roc_curve, thin

Side = Literal["below", "above"]
"""Which values of a column a cut keeps: up to its threshold, or from it on."""

_MOST_THRESHOLDS = 64


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut whose thresholds are to be found: the class it selects, and the side of each column."""

    name: str
    keep: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class Selected:
    """What a cut is worth.

    Parameters
    ----------
    efficiency : Interval
        Weighted fraction of the class that passes.
    purity : Interval
        Weighted fraction of what passes that is of the class, for the mix of the events evaluated;
        NaN where nothing passes. Both from `event_shares.event_shares`.
    product : Interval
        Of the two, by bootstrap over events.
    """

    efficiency: Interval
    purity: Interval
    product: Interval


@dataclass(frozen=True, slots=True, eq=False)
class ClassSelection:
    """A class selected by its score.

    Parameters
    ----------
    name : str
        The class.
    threshold : float
        An event passes if the score of the class is at least this: that of the largest product of
        efficiency and purity in the tuning events.
    selected : Selected
        In the events evaluated.
    efficiency, purity : numpy.ndarray
        Shape (n_points,): of any threshold in the events evaluated, to draw.
    """

    name: str
    threshold: float
    selected: Selected
    efficiency: NDArray[np.float64]
    purity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limit:
    """One side of a rectangular cut: ``column <= threshold`` if below, ``>=`` if above."""

    column: str
    side: Side
    threshold: float

    def text(self) -> str:
        """Return the condition in signs."""
        return f"{self.column} {'≤' if self.side == 'below' else '≥'} {self.threshold:.4g}"


@dataclass(frozen=True, slots=True)
class CutSelection:
    """A class selected by a rectangular cut, and by the network at the same purity.

    Parameters
    ----------
    name : str
        The class.
    limits : tuple of Limit
        All of which an event must fulfil: those of the largest product of efficiency and purity
        in the tuning events.
    selected : Selected
        What the cut is worth in the events evaluated.
    threshold : float
        Of the network's score: the most efficient one of at least the cut's purity, both in the
        tuning events; infinite if there is none.
    network : Selected
        What that is worth in the events evaluated.
    gain : Interval
        The network's efficiency minus the cut's, on the same events.
    p_value : float
        Two-sided, for the difference 0; never below ``2 / (n_replicas + 1)``.
    n_replicas : int
        Replicas of the paired bootstrap.
    """

    name: str
    limits: tuple[Limit, ...]
    selected: Selected
    threshold: float
    network: Selected
    gain: Interval
    p_value: float
    n_replicas: int

    @property
    def title(self) -> str:
        """All limits in signs."""
        return ", ".join(limit.text() for limit in self.limits)

    def gain_text(self) -> str:
        """Return ``value [low, high], p = …``, or ``p ≤ …`` where no replica could give less."""
        p_value = p_value_text(self.p_value, least=2 / (self.n_replicas + 1))
        return f"{self.gain.text()}, p {p_value if '≤' in p_value else f'= {p_value}'}"


@dataclass(frozen=True, slots=True, eq=False)
class Selections:
    """Each class selected by the network, and by cuts beside it.

    Parameters
    ----------
    classes : tuple of ClassSelection
        One for each class.
    cuts : tuple of CutSelection
        In the order asked for.
    n_tuning : int
        Events that gave the thresholds; none of them is among those evaluated.
    level : float
        Level of all intervals, which are those of the events evaluated at fixed thresholds.
    """

    classes: tuple[ClassSelection, ...]
    cuts: tuple[CutSelection, ...]
    n_tuning: int
    level: float


def evaluate_selections(
    events: ScoredEvents,
    tuning: ScoredEvents,
    *,
    cuts: Sequence[Cut] = (),
    columns: Mapping[str, ArrayLike] | None = None,
    tuning_columns: Mapping[str, ArrayLike] | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> Selections:
    """Select each class where efficiency times purity is largest.

    Thresholds are chosen in the tuning events and judged in others, so that a lucky threshold
    brings nothing. Thresholds of a rectangular cut are searched among the values of the columns,
    of more than 64 among 64 quantiles of the class.

    Parameters
    ----------
    events, tuning : ScoredEvents
        Those evaluated, and those that give the thresholds, of the same classes.
    cuts : sequence of Cut
        Rectangular cuts to set beside the network.
    columns, tuning_columns : mapping, optional
        Name to array of shape (n_events,), of `events` and of `tuning`: all that `cuts` names.
    bootstrap : Bootstrap
        Of all intervals, over the events evaluated.

    Raises
    ------
    ConfigError
        If a cut names an unknown class or column, or no column.
    DataError
        If a column has another length, or holds NaN or infinite values.
    """
    chosen = [_find_threshold(events, tuning, index) for index in range(len(events.classes))]
    found = [
        _find_cut(cut, events, tuning, columns=columns or {}, tuning_columns=tuning_columns or {})
        for cut in cuts
    ]
    passing = [*chosen, *(cut for _, cut, _ in found), *(network for _, _, network in found)]
    judged = _judge(passing, events, bootstrap)
    of_classes, beside = judged[: len(chosen)], judged[len(chosen) :]
    return Selections(
        classes=tuple(
            _class_selection(one, worth.selected, events)
            for one, worth in zip(chosen, of_classes, strict=True)
        ),
        cuts=tuple(
            _cut_selection(*one, by_cut, by_network, level=bootstrap.level)
            for one, by_cut, by_network in zip(
                found, beside[: len(found)], beside[len(found) :], strict=True
            )
        ),
        n_tuning=len(tuning.labels),
        level=bootstrap.level,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Passing:
    """Which of the events evaluated pass a cut that selects a class."""

    index: int
    name: str
    threshold: float
    passes: NDArray[np.bool_]


_Found = tuple[tuple[Limit, ...], _Passing, _Passing]


@dataclass(frozen=True, slots=True, eq=False)
class _Worth:
    """What a selection is worth, and its efficiency in every replica."""

    selected: Selected
    replicas: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    threshold: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    purity: NDArray[np.float64]


def _curve(events: ScoredEvents, index: int, *, is_thin: bool = False) -> _Curve:
    """Return efficiency and purity at every threshold of a score; the purity of nothing is NaN."""
    is_of_class = events.labels == index
    roc: Roc = roc_curve(events.scores[:, index], is_of_class, weights=events.weights)
    roc = thin(roc) if is_thin else roc
    kept = events.weights[is_of_class].sum() * roc.signal_efficiency
    other = events.weights[~is_of_class].sum() * roc.background_efficiency
    return _Curve(roc.threshold, roc.signal_efficiency, ratio(kept, kept + other))


def _best(product: NDArray[np.float64]) -> int:
    return int(np.argmax(np.where(np.isnan(product), -np.inf, product)))


def _find_threshold(events: ScoredEvents, tuning: ScoredEvents, index: int) -> _Passing:
    curve = _curve(tuning, index)
    threshold = float(curve.threshold[_best(curve.efficiency * curve.purity)])
    passes = events.scores[:, index] >= threshold
    return _Passing(index, events.classes[index], threshold, passes)


def _class_selection(chosen: _Passing, selected: Selected, events: ScoredEvents) -> ClassSelection:
    curve = _curve(events, chosen.index, is_thin=True)
    return ClassSelection(chosen.name, chosen.threshold, selected, curve.efficiency, curve.purity)


def _cut_selection(
    limits: tuple[Limit, ...],
    cut: _Passing,
    network: _Passing,
    by_cut: _Worth,
    by_network: _Worth,
    *,
    level: float,
) -> CutSelection:
    change = by_network.replicas - by_cut.replicas
    value = by_network.selected.efficiency.value - by_cut.selected.efficiency.value
    return CutSelection(
        name=cut.name,
        limits=limits,
        selected=by_cut.selected,
        threshold=network.threshold,
        network=by_network.selected,
        gain=percentile_interval(value, change, level=level),
        p_value=two_sided_p_value(change, null=0),
        n_replicas=len(change),
    )


def _find_cut(
    cut: Cut,
    events: ScoredEvents,
    tuning: ScoredEvents,
    *,
    columns: Mapping[str, ArrayLike],
    tuning_columns: Mapping[str, ArrayLike],
) -> _Found:
    """Return the limits of a cut, what passes it, and what passes the network beside it."""
    if cut.name not in events.classes:
        raise ConfigError(
            f"class {cut.name!r} of a cut is unknown: expected one of {', '.join(events.classes)}"
        )
    if not cut.keep:
        raise ConfigError(f"the cut for class {cut.name!r} names no column: name one or more")
    for name in cut.keep:
        if name not in columns or name not in tuning_columns:
            raise ConfigError(
                f"column {name!r} of a cut is not there; there are: {', '.join(columns) or 'none'}"
            )
    index = events.classes.index(cut.name)
    signs = np.array([-1.0 if side == "below" else 1.0 for side in cut.keep.values()])

    def oriented(given: Mapping[str, ArrayLike], n_events: int) -> NDArray[np.float64]:
        # So that every threshold is a lower one.
        values = [event_column(f"column {name!r}", given[name], n_events) for name in cut.keep]
        return np.asarray(np.column_stack(values) * signs)

    known = oriented(tuning_columns, len(tuning.labels))
    is_of_class = tuning.labels == index
    corner = best_corner(known, is_of_class, tuning.weights)
    passes = (known >= corner).all(axis=1)
    purity = ratio(tuning.weights[passes & is_of_class].sum(), tuning.weights[passes].sum())
    curve = _curve(tuning, index)
    pure = np.flatnonzero(curve.purity >= purity * (1 - 1e-12))
    at = pure[np.argmax(curve.efficiency[pure])] if len(pure) else 0
    threshold = float(curve.threshold[at])
    limits = tuple(
        Limit(name, side, float(value) + 0.0)
        for (name, side), value in zip(cut.keep.items(), corner * signs, strict=True)
    )
    values = oriented(columns, len(events.labels))
    return (
        limits,
        _Passing(index, cut.name, np.nan, np.all(values >= corner, axis=1)),
        _Passing(index, cut.name, threshold, events.scores[:, index] >= threshold),
    )


def best_corner(
    values: NDArray[np.float64], is_of_class: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the lower thresholds that together have the largest product of efficiency and purity.

    Parameters
    ----------
    values : numpy.ndarray
        float64, shape (n_events, n_columns).
    is_of_class, weights : numpy.ndarray
        Shape (n_events,): bool, and float64.

    Returns
    -------
    numpy.ndarray
        Shape (n_columns,): of equal products the loosest thresholds, the first column first.
    """
    candidates = []
    for column in values.T:
        there = np.unique(column)
        if len(there) > _MOST_THRESHOLDS:
            shares = np.arange(_MOST_THRESHOLDS) / _MOST_THRESHOLDS
            there = np.unique(np.quantile(column[is_of_class], shares, method="lower"))
        candidates.append(there)
    # How many of the candidates each event passes: one that passes j passes all looser ones.
    cell = [
        np.searchsorted(there, column, side="right")
        for there, column in zip(candidates, values.T, strict=True)
    ]
    shape = tuple(len(there) + 1 for there in candidates)
    flat = np.ravel_multi_index(tuple(cell), shape)

    def passing(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(flat, weight, minlength=int(np.prod(shape))).reshape(shape)
        for axis in range(len(shape)):
            sums = np.flip(np.cumsum(np.flip(sums, axis), axis), axis)
        return np.asarray(sums[(slice(1, None),) * len(shape)])

    kept = passing(np.where(is_of_class, weights, 0.0))
    product = kept * ratio(kept, passing(weights))
    at = np.unravel_index(_best(product.ravel()), product.shape)
    return np.array([there[i] for there, i in zip(candidates, at, strict=True)])


def _judge(
    passing: Sequence[_Passing],
    events: ScoredEvents,
    bootstrap: Bootstrap,
) -> list[_Worth]:
    added = np.stack(
        [
            np.stack([is_of_class & one.passes, is_of_class, one.passes], axis=-1)
            for one in passing
            for is_of_class in [events.labels == one.index]
        ],
        axis=1,
    )
    sums = resampled_sums(added, events.weights, bootstrap).group(0)
    # Of the class and of what passes, those that are both.
    shares = event_shares(added[..., [0, 0]], added[..., 1:], events.weights, bootstrap)
    return [
        _Worth(
            Selected(
                efficiency=shares.item(i, 0),
                purity=shares.item(i, 1),
                product=one.intervals(_product).item(),
            ),
            _efficiency(one.replicas),
        )
        for i, one in enumerate(sums.group(i) for i in range(len(passing)))
    ]


def _efficiency(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return ratio(sums[..., 0], sums[..., 1])


def _purity(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return ratio(sums[..., 0], sums[..., 2])


def _product(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _efficiency(sums) * _purity(sums)
