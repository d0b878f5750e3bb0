"""Objects in masks: which of the true ones are found, how many found are true, and how many exist.

An *object* is a group of pixels of one plane of a mask that touch, also at corners. A true and a
found object can belong together if they overlap; each belongs to one other at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.binned_measure import BinnedMeasure, column_bins
from detcnn.evaluation.efficiency import quantile_edges
from detcnn.evaluation.event_bootstrap import BOOTSTRAP, Bootstrap, ratio, resampled_sums
from detcnn.evaluation.event_shares import event_shares
from detcnn.evaluation.event_values import EventValues, event_values
from detcnn.evaluation.inputs import event_weights
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.pairing import best_pairs
from detcnn.evaluation.profiles import central_edges
from detcnn.events.identity import mix

Floats = NDArray[np.float64]

_CORRECTING, _COUNTED = 0, 1
_CORNERS_TOUCH = np.ones((3, 3), np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The objects of one mask, in the order of their first pixels.

    Parameters
    ----------
    labels : numpy.ndarray
        int32, shape (n_rows, n_columns): 0 for no object, i + 1 for object i.
    row, column : numpy.ndarray
        float64, shape (n,): mean place of its pixels, of which the first has its centre at (0, 0).
    n_pixels : numpy.ndarray
        int64, shape (n,).
    value : numpy.ndarray
        float64, shape (n,): sum of the values of its pixels.
    """

    labels: NDArray[np.int32]
    row: Floats
    column: Floats
    n_pixels: NDArray[np.int64]
    value: Floats

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.n_pixels)


@dataclass(frozen=True, slots=True, eq=False)
class MatchedObjects:
    """True and found objects of many events, and which belong together.

    Parameters
    ----------
    n_events : int
        Number of events.
    true_event, found_event : numpy.ndarray
        int64, shapes (n_true,) and (n_found,): the event of each.
    true_value, found_value : numpy.ndarray
        float64, the same shapes: the sum of the values of its pixels.
    is_found, is_true : numpy.ndarray
        bool, the same shapes: whether a true object belongs to a found one, and the reverse.
    """

    n_events: int
    true_event: NDArray[np.int64]
    true_value: Floats
    is_found: NDArray[np.bool_]
    found_event: NDArray[np.int64]
    found_value: Floats
    is_true: NDArray[np.bool_]

    @classmethod
    def joined(cls, blocks: Sequence["MatchedObjects"]) -> "MatchedObjects":
        """Return the objects of several blocks of events as those of one."""
        starts = np.cumsum([0, *(block.n_events for block in blocks)])
        shifted = list(zip(blocks, starts[:-1], strict=True))
        return cls(
            n_events=int(starts[-1]),
            true_event=np.concatenate([block.true_event + start for block, start in shifted]),
            true_value=np.concatenate([block.true_value for block in blocks]),
            is_found=np.concatenate([block.is_found for block in blocks]),
            found_event=np.concatenate([block.found_event + start for block, start in shifted]),
            found_value=np.concatenate([block.found_value for block in blocks]),
            is_true=np.concatenate([block.is_true for block in blocks]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ObjectsEvaluation:
    """What the finding of objects is worth.

    Parameters
    ----------
    level : float
        Level of all central intervals.
    name : str
        What the objects are, for example a class.
    value_name : str
        What the value of an object is, with the unit in brackets if it has one.
    n_events, n_true, n_found : int
        Events, and objects in all of them.
    efficiency, purity : Interval
        Share of the true objects that are found, and of the found ones that are true, each with the
        weight of its event; from `event_shares.event_shares`, as objects of one event are no
        independent ones.
    efficiency_by_value, purity_by_value : BinnedMeasure
        The same in bins of the value of the true, and of the found object.
    true_count : Interval
        Σw over the true objects of one half of the events, which a hash of each event chooses, as
        the three that follow: by bootstrap over events.
    found_count : Interval
        N, which is Σw over the found ones.
    corrected_count : Interval
        N · purity / efficiency, the number of objects that the found ones speak for. Purity and
        efficiency of the same events would give the true count whatever they are; these are of the
        other half, and the interval holds what they add to that of N. To exchange the halves would
        tell no more: their closures are the inverse of each other, so that the sum of both
        corrected counts would be the true one to first order, again whatever is found.
    closure : Interval
        `corrected_count` over `true_count`: 1 if such a correction holds.
    value_ratio : EventValues
        In each event, the sum of the values of the found objects over that of the true ones.
    """

    level: float
    name: str
    value_name: str
    n_events: int
    n_true: int
    n_found: int
    efficiency: Interval
    purity: Interval
    efficiency_by_value: BinnedMeasure
    purity_by_value: BinnedMeasure
    true_count: Interval
    found_count: Interval
    corrected_count: Interval
    closure: Interval
    value_ratio: EventValues


def find_objects(mask: NDArray[np.bool_], values: NDArray[Any] | None = None) -> Objects:
    """Return the objects of a mask.

    Parameters
    ----------
    mask : numpy.ndarray
        bool, shape (n_rows, n_columns).
    values : numpy.ndarray, optional
        Same shape: what is summed over each object, for example energies; ones by default.

    Returns
    -------
    Objects
        Pixels that touch at a side or a corner are of one object.

    Raises
    ------
    DataError
        If the mask has not two axes, or the values another shape.
    """
    if mask.ndim != 2 or (values is not None and values.shape != mask.shape):
        raise DataError(
            f"a mask of shape {mask.shape}"
            + ("" if values is None else f" with values of shape {values.shape}")
            + ": expected two axes, the same of both"
        )
    labels = np.zeros(mask.shape, np.int32)
    n_objects = ndimage.label(mask, structure=_CORNERS_TOUCH, output=labels)
    row, column = np.nonzero(labels)
    which = labels[row, column]

    def summed(of: NDArray[Any] | None = None) -> Floats:
        sums = np.bincount(which, of, minlength=n_objects + 1)[1:]
        return np.asarray(sums, np.float64)

    n_pixels = summed()
    return Objects(
        labels=labels,
        row=summed(row) / n_pixels,
        column=summed(column) / n_pixels,
        n_pixels=n_pixels.astype(np.int64),
        value=n_pixels if values is None else summed(values[row, column]),
    )


def match_objects(
    true: NDArray[np.bool_],
    found: NDArray[np.bool_],
    values: NDArray[Any] | None = None,
    *,
    least_overlap: float = 0.0,
    least_pixels: int = 1,
) -> MatchedObjects:
    """Find the objects of true and of predicted masks, and which belong together.

    A large sample is matched in blocks of events, which are then joined.

    Parameters
    ----------
    true, found : numpy.ndarray
        bool, shape (n_events, n_rows, n_columns), or (n_events, n_planes, n_rows, n_columns): an
        object is then one of a plane, and belongs to others of the same plane only.
    values : numpy.ndarray, optional
        Same shape: what is summed over the pixels of each object; ones by default.
    least_overlap : float
        Intersection over union that two objects need to belong together, in [0, 1]; at 0 one common
        pixel is enough.
    least_pixels : int
        Found objects of fewer pixels do not count.

    Returns
    -------
    MatchedObjects
        The pairs are one-to-one, with the largest sum of intersections over unions.

    Raises
    ------
    ConfigError
        If the overlap is not in [0, 1].
    DataError
        If shapes differ, or have another number of axes.
    """
    if not 0 <= least_overlap <= 1:
        raise ConfigError(f"least overlap {least_overlap}: expected a number from 0 to 1")
    if true.shape != found.shape or (values is not None and values.shape != true.shape):
        raise DataError(
            f"true masks have shape {true.shape}, predicted ones {found.shape}: expected the same"
        )
    if true.ndim not in (3, 4):
        raise DataError(f"masks have shape {true.shape}: expected events, perhaps planes, two axes")
    parts: list[list[NDArray[Any]]] = [[] for _ in range(6)]
    for event, *plane in np.ndindex(true.shape[:-2]):
        at = (event, *plane)
        of = None if values is None else values[at]
        there, seen = find_objects(true[at], of), find_objects(found[at], of)
        counts = seen.n_pixels >= least_pixels
        if not counts.all():
            # Before matching, so that a small one takes no true object from a large one.
            seen = find_objects(np.insert(counts, 0, False)[seen.labels], of)
        is_seen, is_there = _matched(there, seen, least_overlap)
        for part, new in zip(
            parts,
            (
                np.full(len(there), event),
                there.value,
                is_seen,
                np.full(len(seen), event),
                seen.value,
                is_there,
            ),
            strict=True,
        ):
            part.append(new)
    joined = [np.concatenate([[], *part]) for part in parts]
    return MatchedObjects(
        n_events=len(true),
        true_event=joined[0].astype(np.int64),
        true_value=joined[1],
        is_found=joined[2].astype(np.bool_),
        found_event=joined[3].astype(np.int64),
        found_value=joined[4],
        is_true=joined[5].astype(np.bool_),
    )


def evaluate_objects(
    objects: MatchedObjects,
    *,
    name: str,
    value_name: str = "pixels",
    edges: Sequence[float] | None = None,
    weights: ArrayLike | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> ObjectsEvaluation:
    """Evaluate the finding of objects.

    Parameters
    ----------
    objects : MatchedObjects
        From `match_objects`.
    name, value_name : str
        What they are, and what their value is.
    edges : sequence of float, optional
        Rising bin edges of the value; those of `efficiency.quantile_edges` by default.
    weights : array_like, optional
        Shape (n_events,), one each by default.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If edges do not rise, the level is out of range, or there is no replica.
    DataError
        If weights do not fit, or no event has a true object.
    """
    weight = event_weights(weights, objects.n_events)
    if len(objects.true_event) == 0:
        raise DataError(
            f"no event of {objects.n_events:,} has a true object of {name!r}: expected at least one"
        )
    edge = quantile_edges(objects.true_value) if edges is None else edges

    def per_event(of: NDArray[np.int64], values: NDArray[Any] | None = None) -> Floats:
        sums = np.bincount(of, values, minlength=objects.n_events)
        return np.asarray(sums, np.float64)

    tallies = np.stack(
        [
            per_event(objects.true_event),
            per_event(objects.true_event, objects.is_found),
            per_event(objects.found_event),
            per_event(objects.found_event, objects.is_true),
        ],
        axis=1,
    )
    shares = event_shares(tallies[:, [1, 3]], tallies[:, [0, 2]], weight, bootstrap)
    halves = resampled_sums(
        tallies,
        weight,
        bootstrap,
        groups=_halves(objects.n_events, bootstrap),
        n_groups=2,
    )
    ratios = ratio(
        per_event(objects.found_event, objects.found_value),
        per_event(objects.true_event, objects.true_value),
    )
    return ObjectsEvaluation(
        level=bootstrap.level,
        name=name,
        value_name=value_name,
        n_events=objects.n_events,
        n_true=len(objects.true_event),
        n_found=len(objects.found_event),
        efficiency=shares.item(0),
        purity=shares.item(1),
        efficiency_by_value=_shares_in_bins(
            "efficiency",
            value_name,
            objects.true_event,
            objects.true_value,
            objects.is_found,
            edge,
            weight,
            bootstrap,
        ),
        purity_by_value=_shares_in_bins(
            "purity",
            value_name,
            objects.found_event,
            objects.found_value,
            objects.is_true,
            edge,
            weight,
            bootstrap,
        ),
        true_count=halves.intervals(lambda of: of[..., _COUNTED, 0]).item(),
        found_count=halves.intervals(lambda of: of[..., _COUNTED, 2]).item(),
        corrected_count=halves.intervals(_corrected_count).item(),
        closure=halves.intervals(
            lambda of: ratio(_corrected_count(of), of[..., _COUNTED, 0])
        ).item(),
        value_ratio=event_values(
            "found sum / true sum",
            ratios,
            weight,
            bootstrap,
            edges=central_edges(ratios) if np.isfinite(ratios).any() else np.array([0.0, 1.0]),
        ),
    )


def _matched(
    true: Objects, found: Objects, least_overlap: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    in_both = np.nonzero((true.labels > 0) & (found.labels > 0))
    n_found = np.int64(len(found))
    pairs, common = np.unique(
        (true.labels[in_both] - 1) * n_found + found.labels[in_both] - 1, return_counts=True
    )
    of, to = pairs // max(n_found, 1), pairs % max(n_found, 1)
    overlap = common / (true.n_pixels[of] + found.n_pixels[to] - common)
    allowed = overlap >= least_overlap
    of, to = of[allowed], to[allowed]
    chosen = best_pairs(of, to, overlap[allowed])
    is_found, is_true = np.zeros(len(true), np.bool_), np.zeros(len(found), np.bool_)
    is_found[of[chosen]] = True
    is_true[to[chosen]] = True
    return is_found, is_true


def _halves(n_rows: int, bootstrap: Bootstrap) -> NDArray[np.int64]:
    """Return 0 or 1 for each row: as many events of either, by the order of their hashes."""
    unit = np.arange(n_rows) if bootstrap.unit is None else bootstrap.unit
    of_events, event = np.unique(unit, return_inverse=True)
    half = np.empty(len(of_events), np.int64)
    half[np.argsort(mix(of_events.astype(np.uint64)))] = np.arange(len(of_events)) % 2
    return np.asarray(half[event])


def _corrected_count(halves: Floats) -> Floats:
    """Return the count, shape (...), of tallies of two halves of the events, shape (..., 2, 4)."""
    n_true, n_true_found, n_found, n_found_true = np.moveaxis(halves, -1, 0)
    purity, efficiency = ratio(n_found_true, n_found), ratio(n_true_found, n_true)
    return ratio(n_found[..., _COUNTED] * purity[..., _CORRECTING], efficiency[..., _CORRECTING])


def _shares_in_bins(
    quantity: str,
    value_name: str,
    event: NDArray[np.int64],
    values: Floats,
    passed: NDArray[np.bool_],
    edges: Sequence[float],
    weights: Floats,
    bootstrap: Bootstrap,
) -> BinnedMeasure:
    bins = column_bins(value_name, values, edges)
    inside = (bins.index >= 0) & (bins.index < bins.n_bins)
    cell = event[inside] * bins.n_bins + bins.index[inside]
    n_cells = len(weights) * bins.n_bins
    k, n = (
        np.bincount(cell, of, minlength=n_cells).reshape(-1, bins.n_bins)
        for of in (passed[inside], np.ones(len(cell)))
    )
    share = event_shares(k, n, weights, bootstrap)
    return bins.measured(quantity, share)
