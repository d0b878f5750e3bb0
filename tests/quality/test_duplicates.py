import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.quality.duplicates import duplicate_findings
from detcnn.quality.findings import Finding
from detcnn.quality.leakage import event_id_findings
from detcnn.quality.repeats import find_repeats


def event(row):
    return f"row {row}"


def look(contents, *, classes=None, files=None, splits=None):
    none = np.zeros(len(contents), dtype=np.int8)
    found = duplicate_findings(
        np.array(contents, dtype=np.int64),
        classes=none if classes is None else np.array(classes),
        files=none if files is None else np.array(files),
        splits=none if splits is None else np.array(splits),
        event=event,
    )
    assert all(finding.severity == "trouble" for finding in found)
    return [(f.check, f.count, f.where, f.message) for f in found]


@given(st.lists(st.integers(-3, 3), max_size=40))
def test_repeats_are_those_that_a_slow_search_finds(words):
    repeats = find_repeats(np.array(words, dtype=np.int64))
    expected = sorted(
        ((word, row) for row, word in enumerate(words) if words.count(word) > 1),
    )
    assert repeats.rows.tolist() == [row for _, row in expected]
    ordered = [word for word, _ in expected]
    assert [ordered[start] for start in repeats.starts] == sorted(set(ordered))
    assert repeats.sizes.tolist() == [words.count(word) for word in sorted(set(ordered))]


def test_different_events_and_empty_ones_are_no_duplicates():
    assert look([]) == []
    assert look([5, 3, -7, 8], classes=[0, 1, 0, 1], splits=[0, 1, 2, 0]) == []
    assert look([0, 3, 0, 0], classes=[0, 1, 0, 1], splits=[0, 1, 2, 0]) == []


def test_duplicates_are_told_by_what_they_cross():
    contents = [9, 4, 9, 7, 4, 7, 7, 2, 2]
    classes = [0, 0, 0, 0, 1, 0, 0, 0, 0]
    files = [0, 0, 0, 0, 0, 0, 1, 0, 0]
    splits = [0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert look(contents, classes=classes, files=files, splits=splits) == [
        ("leakage", 1, "row 7 and row 8", "events of equal content in several splits"),
        ("duplicates", 1, "row 1 and row 4", "events of equal content in several classes"),
        ("duplicates", 2, "row 3 and row 6", "events of equal content in several files"),
        ("duplicates", 1, "row 0 and row 2", "events of equal content"),
    ]


@given(n_events=st.integers(2, 200), data=st.data())
def test_a_planted_duplicate_is_named(n_events, data):
    first, second = sorted(
        data.draw(st.lists(st.integers(0, n_events - 1), min_size=2, max_size=2, unique=True))
    )
    contents = np.arange(1, n_events + 1)[::-1].copy()
    contents[second] = contents[first]
    assert look(contents) == [
        ("duplicates", 1, f"row {first} and row {second}", "events of equal content")
    ]


def look_at_ids(ids, *, files=None, splits=None):
    none = np.zeros(len(ids), dtype=np.int8)
    return event_id_findings(
        np.array(ids, dtype=np.int64),
        files=none if files is None else np.array(files),
        splits=none if splits is None else np.array(splits),
        event=event,
    )


def told(findings):
    return [(f.check, f.severity, f.count, f.where) for f in findings]


def test_ids_that_name_one_event_are_fine():
    assert look_at_ids([]) == ()
    assert look_at_ids([0, 5, -3], files=[0, 1, 0], splits=[0, 1, 2]) == ()


def test_two_jets_of_an_event_are_fine_in_one_file_and_split():
    (finding,) = look_at_ids([4, 4, 1, 1, 1], splits=[0, 0, 1, 1, 1])
    assert finding == Finding(
        "event-ids",
        "fine",
        3,
        "row 0 and row 1",
        "several rows of one event, which stay in one split",
    )


def test_an_id_in_two_splits_is_leakage():
    found = look_at_ids([4, 1, 4, 8], splits=[0, 0, 2, 1])
    assert told(found)[0] == ("leakage", "trouble", 1, "row 0 and row 2")


def test_an_id_in_two_files_is_a_warning():
    assert told(look_at_ids([4, 4, 1, 4], files=[0, 0, 0, 1])) == [
        ("event-ids", "warning", 2, "row 0 and row 3")
    ]


def test_an_id_that_many_events_share_is_none():
    ids = np.arange(200)
    ids[20:30] = 7
    assert told(look_at_ids(ids)) == [("event-ids", "trouble", 10, "row 7 and row 20")]
    assert told(look_at_ids(ids[:99]))[0][1] == "fine"


@pytest.mark.parametrize(("ids", "severity"), [([7] * 9, "trouble"), ([7] * 8 + [8], "fine")])
def test_an_id_that_all_events_have_is_none(ids, severity):
    (finding,) = look_at_ids(ids)
    assert finding.severity == severity
