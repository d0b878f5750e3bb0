"""Which events several results have in common, so that they can be compared on the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.evaluation.inputs import ScoredEvents
from detcnn.events.identity import mix

_WEIGHT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The scores of one training, with what tells its events apart.

    Parameters
    ----------
    name : str
        What messages call it, for example its folder.
    events : ScoredEvents
        Scores, labels and weights.
    event_id : numpy.ndarray
        int64, shape (n_events,): equal for the jets of one collision, for example.
    identity : mapping
        Further columns, each of shape (n_events,), that with `event_id` name one event: its
        source, its row there, its pT. Two results are matched by those that both have.
    """

    name: str
    events: ScoredEvents
    event_id: NDArray[np.int64]
    identity: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, eq=False)
class MatchedResults:
    """Results that are brought to the same events in the same order.

    Parameters
    ----------
    members : tuple of int
        Which of the results given to `match_results`.
    results : tuple of Result
        These, each with the common events alone, sorted by event id.
    """

    members: tuple[int, ...]
    results: tuple[Result, ...]

    @property
    def event_id(self) -> NDArray[np.int64]:
        """Ids of the common events, in rising order."""
        return self.results[0].event_id


def match_results(results: Sequence[Result]) -> tuple[MatchedResults, ...]:
    """Gather results that have events in common.

    A result joins the first set with which it has any event in common, and that set then holds the
    events that all of its results have. Results of different sets share none.

    Parameters
    ----------
    results : sequence of Result
        With the same classes.

    Returns
    -------
    tuple of MatchedResults
        The first holds the first result; one alone if all can be compared event by event.

    Raises
    ------
    DataError
        If results differ in classes, or have another label or weight for the same event, an event
        is twice in one result, or a class has no events among the common ones.
    """
    sets: list[MatchedResults] = []
    for index, result in enumerate(results):
        _require_same_classes(results[0], result)
        for i, found in enumerate(sets):
            joined = _join(found, index, result)
            if joined is not None:
                sets[i] = joined
                break
        else:
            order = np.argsort(result.event_id, kind="stable")
            sets.append(MatchedResults((index,), (_select(result, order),)))
    return tuple(sets)


def _require_same_classes(first: Result, other: Result) -> None:
    if other.events.classes != first.events.classes:
        raise DataError(
            f"{other.name}: classes {', '.join(other.events.classes)}, but {first.name} has "
            f"{', '.join(first.events.classes)}: compare results with the same classes"
        )


def _join(found: MatchedResults, index: int, result: Result) -> MatchedResults | None:
    first = found.results[0]
    # All of the set have the columns that name its events, or they could not be in it.
    names = [name for name in first.identity if name in result.identity]
    _, at_first, at_result = np.intersect1d(
        _keys(first, names), _keys(result, names), assume_unique=True, return_indices=True
    )
    if len(at_first) == 0:
        return None
    order = np.argsort(at_first)
    kept, taken = at_first[order], at_result[order]
    results = (*(_select(entry, kept) for entry in found.results), _select(result, taken))
    _require_same_truth(results[0], results[-1])
    for i, name in enumerate(result.events.classes):
        if not (results[0].events.labels == i).any():
            raise DataError(
                f"{result.name}: none of its {len(kept):,} events in common with {first.name} is "
                f"of class {name!r}: compare results on the same split of the same sample"
            )
    return MatchedResults((*found.members, index), results)


def _keys(result: Result, names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a 64-bit word for each event, from its id and the columns `names`."""
    words = mix(result.event_id.astype(np.int64).view(np.uint64))
    for name in names:
        column = result.identity[name]
        whole = np.issubdtype(column.dtype, np.integer)
        # In single precision, in which columns of real numbers are stored.
        bits = column.astype(np.int64) if whole else column.astype(np.float32).view(np.int32)
        words = mix(words ^ bits.astype(np.int64).view(np.uint64))
    if len(np.unique(words)) < len(words):
        raise DataError(
            f"{result.name}: some of its events are there twice, with the same "
            f"{', '.join(('event_id', *names))}: make the images and scores again from input "
            "without duplicates"
        )
    return words


def _require_same_truth(first: Result, other: Result) -> None:
    a, b = first.events, other.events
    if (a.labels != b.labels).any():
        at = int(np.argmax(a.labels != b.labels))
        raise DataError(
            f"{other.name}: event {other.event_id[at]} is {b.classes[b.labels[at]]}, but "
            f"{a.classes[a.labels[at]]} in {first.name} ({np.count_nonzero(a.labels != b.labels):,}"
            f" of {len(a.labels):,} common events differ): compare results with the same labels"
        )
    differs = ~np.isclose(a.weights, b.weights, rtol=_WEIGHT_TOLERANCE, atol=0)
    if differs.any():
        at = int(np.argmax(differs))
        raise DataError(
            f"{other.name}: event {other.event_id[at]} has the weight {b.weights[at]:g}, but "
            f"{a.weights[at]:g} in {first.name}: compare results with the same event weights"
        )


def _select(result: Result, rows: NDArray[np.intp]) -> Result:
    events = result.events
    return replace(
        result,
        events=ScoredEvents(
            events.scores[rows], events.labels[rows], events.weights[rows], events.classes
        ),
        event_id=result.event_id[rows],
        identity={name: column[rows] for name, column in result.identity.items()},
    )
