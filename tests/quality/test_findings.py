import pytest

from detcnn.quality.findings import CHECKS, Finding, Place, found, merged, worst


def test_findings_of_successive_blocks_are_added_up():
    first = Finding("nan", "trouble", 2, "event 3", "NaN in pt", "mend")
    later = Finding("nan", "trouble", 5, "event 90", "NaN in pt", "mend")
    other = Finding("nan", "trouble", 1, "event 4", "NaN in eta", "mend")
    assert merged([first, other, later]) == [
        Finding("nan", "trouble", 7, "event 3", "NaN in pt", "mend"),
        other,
    ]
    assert merged([]) == []


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], "fine"),
        (["fine", "fine"], "fine"),
        (["fine", "warning"], "warning"),
        (["warning", "trouble", "fine"], "trouble"),
    ],
)
def test_the_verdict_is_that_of_the_worst(severities, expected):
    assert worst(Finding("nan", severity) for severity in severities) == expected


def test_events_are_named_by_their_row_in_the_sample():
    place = Place("a.h5: jets", start=40)
    (finding,) = found(
        "window", "trouble", [False, True, True], place=place, message="out", remedy="cut"
    )
    assert finding == Finding("window", "trouble", 2, "a.h5: jets, event 41", "out", "cut")
    assert found("window", "trouble", [False], place=place, message="", remedy="") == ()


def test_each_check_says_what_it_looks_for():
    assert all(CHECKS.values())
    assert len(set(CHECKS.values())) == len(CHECKS)
