import numpy as np
import pytest

from detcnn.quality.findings import Place
from detcnn.quality.truth import (
    PixelTruthTally,
    is_of_class,
    is_outside,
    tally_pixel_truth,
    tally_points,
)

CLASSES = ("background", "track", "shower")
PLACE = Place("own.h5: adc", 10)


def mask_of(*marked, shape=(3, 1, 4, 5)):
    mask = np.zeros(shape, np.float32)
    for event, row, column, number in marked:
        mask[event, 0, row, column] = number
    return mask


def tallied(mask, filled=None, classes=CLASSES):
    filled = np.ones(mask.shape, bool) if filled is None else filled
    return tally_pixel_truth("mask", classes, mask, filled, PLACE)


def said(tally):
    return {(f.check, f.severity, f.count, f.where) for f in tally.findings()}


def test_sound_truth_is_counted_and_nothing_is_said():
    mask = mask_of((0, 0, 0, 1), (1, 2, 3, 2), (2, 3, 4, 1))
    tally = tallied(mask)
    assert tally.findings() == []
    assert tally.facts() == {
        "min": 0.0,
        "max": 2.0,
        "pixels": {"background": 57, "track": 2, "shower": 1},
        "of_no_class": 0,
        "events_unmarked": 0,
    }


def test_pixels_of_no_class_and_classes_of_no_pixel():
    mask = mask_of((0, 0, 0, 1), (1, 2, 3, -1), (1, 2, 4, 7), (1, 0, 0, 1), (2, 0, 0, 1))
    assert said(tallied(mask)) == {
        ("truth-pixels", "warning", 2, "own.h5: adc, event 11"),
        ("truth-pixels", "warning", 0, ""),
    }
    assert tallied(mask).n_of_class.tolist() == [55, 3, 0]


@pytest.mark.parametrize(
    ("marked", "severity", "count", "where"),
    [
        ([(0, 0, 0, 1), (1, 0, 0, 2)], "fine", 1, "own.h5: adc, event 12"),
        ([(0, 0, 0, 1), (0, 0, 1, 2)], "warning", 2, "own.h5: adc, event 11"),
        ([], "trouble", 3, ""),
    ],
)
def test_events_in_which_nothing_is_marked(marked, severity, count, where):
    found = {entry for entry in said(tallied(mask_of(*marked))) if entry[0] == "truth-empty"}
    assert found == {("truth-empty", severity, count, where)}


@pytest.mark.parametrize(
    ("n_beside", "n_filled", "severity"), [(1, 4, "fine"), (3, 2, "warning"), (4, 12, "trouble")]
)
def test_what_is_marked_where_the_image_is_empty(n_beside, n_filled, severity):
    # Four marked pixels in the first row, and others that are filled beside them.
    mask = mask_of(*((0, 0, column, 1) for column in range(4)), (0, 0, 4, 2), shape=(1, 1, 4, 5))
    filled = np.zeros(mask.shape, bool)
    filled[0, 0, 0, 4] = severity != "trouble"
    filled[0, 0, 0, : 4 - n_beside] = True
    filled[0, 0, 1:].reshape(-1)[:n_filled] = True
    tally = tallied(mask, filled)
    n_empty = n_beside + (severity == "trouble")
    assert said(tally) == {("truth-beside", severity, n_empty, "own.h5: adc, event 10")}


def test_values_count_by_their_size():
    # A faint halo around one bright pixel is most of the pixels, but little of the sum.
    deposit = np.full((1, 1, 4, 5), 0.01, np.float32)
    deposit[0, 0, 1, 1] = 9
    filled = deposit > 1
    (finding,) = tallied(deposit, filled, classes=()).findings()
    assert (finding.severity, finding.count) == ("fine", 19)
    assert "2.07 % of its sum" in finding.message
    assert tallied(deposit, filled, classes=()).facts() == {
        "min": pytest.approx(0.01), "max": 9.0, "events_unmarked": 0,
    }  # fmt: skip
    (finding,) = tallied(deposit, ~filled, classes=()).findings()
    assert finding.severity == "trouble"


def test_blocks_add_up_to_the_whole():
    rng = np.random.default_rng(2)
    mask = rng.integers(-1, 4, (9, 2, 4, 5)).astype(np.float32)
    mask[3:5] = 0
    filled = rng.random(mask.shape) < 0.4
    points = rng.uniform(-2, 6, (9, 3, 2)).astype(np.float32)
    points[rng.random((9, 3)) < 0.5] = np.nan
    points[4, :2] = 0
    whole = tally_pixel_truth("mask", CLASSES, mask, filled, Place("a"))
    all_points = tally_points("places", points, (4, 5), Place("a"))
    parts = [
        tally_pixel_truth("mask", CLASSES, mask[i : i + 3], filled[i : i + 3], Place("a", i))
        for i in (0, 3, 6)
    ]
    of_points = [
        tally_points("places", points[i : i + 3], (4, 5), Place("a", i)) for i in (0, 3, 6)
    ]
    joined = parts[0] + parts[1] + parts[2]
    assert joined.findings() == whole.findings()
    assert joined.facts() == whole.facts()
    both = of_points[0] + of_points[1] + of_points[2]
    assert (both.findings(), both.facts()) == (all_points.findings(), all_points.facts())
    assert both.n_padding == 2


def test_an_empty_block_says_nothing():
    tally = tallied(np.zeros((0, 1, 4, 5), np.float32))
    assert (tally + tallied(mask_of((0, 0, 0, 1), (1, 0, 0, 2), (2, 1, 1, 1)))).findings() == []
    assert isinstance(tally, PixelTruthTally)


@pytest.mark.parametrize(
    ("places", "n_outside", "n_padding"),
    [
        ([(0, 0), (3.49, 4.49)], 0, 0),
        ([(3.5, 1), (1, 4.5), (-0.51, 0)], 3, 0),
        ([(0, 0), (0, 0), (2, 2)], 0, 2),
        ([(-1, -1), (2, 2)], 1, 1),
        ([(np.nan, np.nan)], 0, 0),
    ],
)
def test_points_outside_and_points_that_stand_for_none(places, n_outside, n_padding):
    points = np.full((2, 3, 2), np.nan, np.float32)
    points[0, 0] = 1
    points[1, : len(places)] = places
    tally = tally_points("places", points, (4, 5), PLACE)
    assert (tally.n_outside, tally.n_padding) == (n_outside, n_padding)
    expected = set()
    where = "own.h5: adc, event 11"
    if n_outside:
        expected.add(("truth-points", "warning", n_outside, where))
    if n_padding:
        expected.add(("truth-points", "trouble", n_padding, where))
    assert said(tally) == expected


def test_no_point_at_all():
    points = np.full((2, 3, 2), np.nan, np.float32)
    assert said(tally_points("places", points, (4, 5), PLACE)) == {
        ("truth-points", "trouble", 0, "")
    }


def test_edges_are_half_open():
    assert is_of_class(np.array([-1, 0, 1, 2]), 2).tolist() == [False, True, True, False]
    places = np.array([(-0.5, 0), (3.4, 4.4), (3.5, 0), (0, 4.5)])
    assert is_outside(places, (4, 5)).tolist() == [False, False, True, True]
