import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.evaluation.common_events import Result, match_results
from detcnn.evaluation.inputs import scored_events

N = 40


def result(rows, *, name="r", classes=("gluon", "quark"), labels=None, weights=None, pt=None):
    """Events `rows` of a sample of jets, two an event; the score is the row."""
    rows = np.asarray(rows)
    score = (rows + 0.5) / N
    identity = {"source": np.zeros(len(rows), np.int64), "row": rows}
    if pt is not None:
        identity["pt"] = np.asarray(pt, np.float32)
    events = scored_events(
        np.column_stack([1 - score, score]),
        rows % 2 if labels is None else labels,
        classes=classes,
        weights=weights,
    )
    return Result(name, events, rows // 2, identity)


def rows_of(found):
    return found.identity["row"].tolist()


def test_events_are_matched_in_any_order():
    shuffled = np.random.default_rng(0).permutation(N)
    (matched,) = match_results([result(range(N)), result(shuffled)])
    assert matched.members == (0, 1)
    first, second = matched.results
    assert rows_of(first) == rows_of(second) == list(range(N))
    np.testing.assert_array_equal(first.events.scores, second.events.scores)
    assert (np.diff(matched.event_id) >= 0).all()


def test_common_events_are_those_of_all():
    (matched,) = match_results([result(range(30)), result(range(10, N)), result(range(0, N, 3))])
    expected = [row for row in range(10, 30) if row % 3 == 0]
    assert [rows_of(found) for found in matched.results] == 3 * [expected]


def test_two_jets_of_one_event_are_two():
    (matched,) = match_results([result([0, 1, 2, 3]), result([0, 3])])
    assert rows_of(matched.results[0]) == [0, 3]


def test_results_without_common_events_are_sets_of_their_own():
    sets = match_results([result(range(10)), result(range(20, 30)), result(range(5, 15))])
    assert [matched.members for matched in sets] == [(0, 2), (1,)]
    assert [len(matched.event_id) for matched in sets] == [5, 10]


def test_samples_that_number_their_events_alike_differ_in_pt():
    pt = np.linspace(500, 550, N)
    (_,) = match_results([result(range(N), pt=pt), result(range(N), pt=pt)])
    sets = match_results([result(range(N), pt=pt), result(range(N), pt=pt + 1)])
    assert len(sets) == 2
    # Where one has no pT, the rest must do.
    (_,) = match_results([result(range(N), pt=pt), result(range(N))])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"classes": ("quark", "gluon")}, "b: classes quark, gluon, but a has gluon, quark"),
        ({"labels": np.arange(N) % 2 ^ (np.arange(N) == 6)}, "b: event 3 is quark, but gluon in a"),
        ({"weights": 1 + (np.arange(N) == 8)}, "b: event 4 has the weight 2, but 1 in a"),
    ],
)
def test_results_that_do_not_go_together_are_refused(other, words):
    with pytest.raises(DataError, match=words):
        match_results([result(range(N), name="a"), result(range(N), name="b", **other)])


def test_a_class_without_common_events_is_named():
    with pytest.raises(DataError, match="none of its 10 events in common with a is of class 'qua"):
        match_results([
            result([*range(0, 20, 2), 21], name="a"),
            result([*range(0, 20, 2), 23], name="b"),
        ])  # fmt: skip


def test_an_event_that_is_there_twice_is_refused():
    with pytest.raises(DataError, match="b: some of its events .* event_id, source, row"):
        match_results([result(range(N)), result([0, 1, 1, 2], name="b")])
