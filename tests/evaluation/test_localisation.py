from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.intervals import clopper_pearson
from detcnn.evaluation.localisation import evaluate_localisation, match_points

NONE = [np.nan, np.nan]
FAST = {"bootstrap": Bootstrap(n_replicas=40)}
TRUE = np.array([[[0, 0], [10, 0], [20, 0]], [[5, 5], NONE, NONE]], float)
FOUND = np.array([[[0, 1], [12, 0], NONE], [[30, 30], [5, 2], [5, 6]]], float)


def test_by_hand():
    pairs = match_points(TRUE, FOUND, tolerance=2.5)
    np.testing.assert_array_equal(pairs.event, [0, 0, 1])
    np.testing.assert_array_equal(pairs.true, [0, 1, 0])
    np.testing.assert_array_equal(pairs.found, [0, 1, 2])
    result = evaluate_localisation(TRUE, FOUND, tolerance=2.5, **FAST)
    assert (result.n_true, result.n_found, result.n_matched) == (4, 5, 3)
    assert result.recall.value == pytest.approx(3 / 4)
    assert result.precision.value == pytest.approx(3 / 5)
    assert result.jaccard.value == pytest.approx(3 / 6)
    assert result.f1.value == pytest.approx(6 / 9)
    # Distances 1, 2 and 1.
    assert result.rmse.value == pytest.approx(np.sqrt(6 / 3))
    assert result.bias_row.value == pytest.approx(2 / 3)
    assert result.bias_column.value == pytest.approx(2 / 3)
    weighted = evaluate_localisation(TRUE, FOUND, tolerance=2.5, weights=[1, 3], **FAST)
    assert weighted.recall.value == pytest.approx((2 + 3) / (3 + 3))


def test_as_many_pairs_as_there_can_be():
    # The nearest pair would leave the other two alone.
    true, found = [[[0, 0], [0, 4]]], [[[0, 3], [0, 6.5]]]
    pairs = match_points(true, found, tolerance=3)
    np.testing.assert_array_equal(pairs.found, [0, 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_all_ways_to_pair(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(0, 5, 2).tolist()
    true, found = rng.uniform(0, 4, (1, n, 2)), rng.uniform(0, 4, (1, m, 2))
    tolerance = 1.5
    best = (0, 0.0)
    for order in permutations(range(max(n, m)), min(n, m)):
        ways = zip(order, range(m), strict=False) if n >= m else zip(range(n), order, strict=False)
        near = [np.hypot(*(true[0, i] - found[0, j])) for i, j in ways]
        kept = [d for d in near if d <= tolerance]
        best = max(best, (len(kept), -sum(kept)))
    pairs = match_points(true, found, tolerance=tolerance)
    assert len(pairs.event) == best[0]
    assert np.hypot(*pairs.offset.T).sum() == pytest.approx(-best[1])
    assert len(set(pairs.true)) == len(set(pairs.found)) == best[0]
    # Which of the two is called true plays no part.
    assert len(match_points(found, true, tolerance=tolerance).event) == best[0]


def test_tolerance_curve_is_what_each_tolerance_gives():
    result = evaluate_localisation(TRUE, FOUND, tolerance=1.5, **FAST)
    curve = result.tolerance_curve
    assert curve.tolerance[-1] == 3.0
    for i in (0, 5, 11):
        alone = evaluate_localisation(TRUE, FOUND, tolerance=curve.tolerance[i], **FAST)
        assert curve.recall.value[i] == alone.recall.value
        assert curve.precision.item(i).high == pytest.approx(alone.precision.high)
        assert curve.jaccard.value[i] == alone.jaccard.value
    assert (np.diff(curve.recall.value) >= 0).all()


def test_confidence_curve_by_hand():
    # From the most confident on: right, wrong (the point is taken), right, wrong, wrong.
    true = [[[0, 0], [10, 10]], [[5, 5], NONE]]
    found = [[[0, 1], [0, 0], [10, 10]], [[0, 0], NONE, [9, 9]]]
    confidences = [[0.9, 0.8, 0.7], [0.6, np.nan, 0.1]]
    curve = evaluate_localisation(
        true, found, tolerance=2, confidences=confidences, **FAST
    ).confidence_curve
    np.testing.assert_array_equal(curve.threshold, [0.9, 0.8, 0.7, 0.6, 0.1])
    np.testing.assert_allclose(curve.recall, np.array([1, 1, 2, 2, 2]) / 3)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 2 / 4, 2 / 5])
    assert curve.average_precision.value == pytest.approx(1 / 3 + 2 / 9)
    # Points of equal confidence pass together.
    tied = np.where(np.isnan(confidences), np.nan, 0.5)
    curve = evaluate_localisation(
        true, found, tolerance=2, confidences=tied, **FAST
    ).confidence_curve
    np.testing.assert_allclose([curve.recall, curve.precision], [[2 / 3], [2 / 5]])


def test_the_curve_holds_points_below_the_working_point():
    true = [[[0, 0], [10, 10]], [[5, 5], NONE]]
    found = [[[0, 1], [0, 0], [10, 10]], [[0, 0], NONE, [9, 9]]]
    confidences = [[0.9, 0.8, 0.3], [0.6, np.nan, 0.1]]
    result = evaluate_localisation(
        true, found, tolerance=2, confidences=confidences, least_confidence=0.6, **FAST
    )
    # Of the three confident ones the first is right.
    assert (result.n_found, result.n_matched, result.recall.value) == (3, 1, 1 / 3)
    # The third true one is the fourth found one.
    curve = result.confidence_curve
    np.testing.assert_array_equal(curve.threshold, [0.9, 0.8, 0.6, 0.3, 0.1])
    assert curve.average_precision.value == pytest.approx(1 / 3 + 1 / 3 * 2 / 4)


def test_points_of_no_weight_do_not_spoil_the_average_precision():
    result = evaluate_localisation(
        TRUE,
        FOUND,
        tolerance=2.5,
        confidences=[[0.3, 0.2, np.nan], [0.9, 0.8, 0.7]],
        weights=[1, 0],
        **FAST,
    )
    assert result.confidence_curve.average_precision.value == pytest.approx(2 / 3)


def crowd(n_events, rng):
    true = rng.uniform(0, 10, (n_events, 6, 2))
    true[rng.random((n_events, 6)) < 0.4] = np.nan
    found = np.concatenate([true + rng.normal(0, 0.7, true.shape), true[:, ::-1]], axis=1)
    return true, found, np.round(rng.random(found.shape[:2]), 1)


def slow_average_precision(true, found, confidence, weights, tolerance):
    """From the most confident of all points on, each takes the nearest true point left."""
    there = np.argwhere(np.isfinite(found[..., 0])).tolist()
    places = sorted((-confidence[event, index], event, index) for event, index in there)
    left, right = true.copy(), []
    for _, event, index in places:
        away = np.hypot(*(left[event] - found[event, index]).T)
        nearest = np.argmin(np.where(np.isnan(away), np.inf, away))
        right.append(away[nearest] <= tolerance)
        if right[-1]:
            left[event, nearest] = np.nan
    total = weights @ np.isfinite(true[..., 0]).sum(axis=1)
    area = recall = 0.0
    for level in sorted({place[0] for place in places}):
        passing = [(weights[p[1]], r) for p, r in zip(places, right, strict=True) if p[0] <= level]
        matched = sum(w for w, r in passing if r)
        area += (matched / total - recall) * matched / sum(w for w, _ in passing)
        recall = matched / total
    return area


def test_average_precision_equals_the_slow_one_and_its_spread():
    rng = np.random.default_rng(6)
    true, found, confidence = crowd(40, rng)
    weights = rng.uniform(0.5, 2, 40)
    got = evaluate_localisation(
        true,
        found,
        tolerance=1,
        confidences=confidence,
        weights=weights,
        bootstrap=Bootstrap(n_replicas=300),
    ).confidence_curve.average_precision
    slow = slow_average_precision(true, found, confidence, weights, 1)
    assert got.value == pytest.approx(slow)
    spread = []
    for _ in range(150):
        rows = rng.integers(0, 40, 40)
        of = (true[rows], found[rows], confidence[rows], weights[rows])
        spread.append(slow_average_precision(*of, 1))
    assert (got.high - got.low) / 2 == pytest.approx(np.std(spread), rel=0.25)


def test_without_found_points():
    result = evaluate_localisation(
        TRUE, np.full((2, 0, 2), np.nan), tolerance=1, confidences=np.zeros((2, 0)), **FAST
    )
    assert result.recall.value == 0
    assert np.isnan(result.precision.value)
    assert np.isnan(result.rmse.value)
    assert result.confidence_curve.average_precision.value == 0


def test_profiles_and_resolution():
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 100, (300, 3, 2))
    found = true + rng.normal([0.1, -0.2], 0.5, true.shape)
    found[rng.random(found.shape[:2]) < 0.3] = np.nan
    density = rng.uniform(0, 1, 300)
    result = evaluate_localisation(
        true,
        found,
        tolerance=3,
        columns={"density": density},
        edges={"density": [0, 0.5, 1]},
        bootstrap=Bootstrap(n_replicas=300),
    )
    assert result.rmse.value == pytest.approx(np.sqrt(2 * 0.25 + 0.05), rel=0.05)
    pull = (result.bias_row.value - 0.1) / ((result.bias_row.high - result.bias_row.low) / 2)
    assert abs(pull) < 4
    assert result.bias_column.value == pytest.approx(-0.2, abs=0.08)
    recall, precision, rmse = result.profiles
    alone = evaluate_localisation(true[density < 0.5], found[density < 0.5], tolerance=3, **FAST)
    assert recall.measure.value[0, 0] == pytest.approx(alone.recall.value)
    assert precision.measure.value[0, 0] == pytest.approx(alone.precision.value)
    assert rmse.measure.value[0, 0] == pytest.approx(alone.rmse.value)


@pytest.mark.parametrize(
    ("true", "found", "options", "error", "message"),
    [
        (TRUE, FOUND, {"tolerance": 0}, ConfigError, "tolerance 0: expected a positive distance"),
        (TRUE, FOUND[:1], {}, DataError, "2 events with true points and 1 with found"),
        (TRUE[0], FOUND, {}, DataError, r"true points have shape \(3, 2\)"),
        ([[[0, np.nan]]], [[[0, 0]]], {}, DataError, "event 0 has true points with one coordinate"),
        ([[NONE]], [[[0, 0]]], {}, DataError, "no event of 1 has a true point"),
        (TRUE, FOUND, {"confidences": [[1]]}, DataError, r"confidences have shape \(1, 1\)"),
        (
            TRUE,
            FOUND,
            {"confidences": np.full((2, 3), np.nan)},
            DataError,
            "confidence that is NaN",
        ),
    ],
)
def test_bad_input(true, found, options, error, message):
    with pytest.raises(error, match=message):
        evaluate_localisation(true, found, **{"tolerance": 1, **FAST, **options})


def test_where_all_points_are_found_seven_events_still_leave_room():
    points = np.zeros((7, 1, 2))
    result = evaluate_localisation(
        points, points, tolerance=1, columns={"energy": np.arange(7.0)}, edges={"energy": [0, 7]}
    )
    least = clopper_pearson(7, 7).item().low
    assert 0.7 < least < 0.8
    for share in (
        result.recall,
        result.precision,
        result.jaccard,
        result.tolerance_curve.recall.item(0),
        result.profiles[0].measure.item(0, 0),
        result.profiles[1].measure.item(0, 0),
    ):
        assert (share.value, share.high) == (1, 1)
        assert share.low == pytest.approx(least)
    assert result.f1.low == pytest.approx(2 * least / (1 + least))
    assert result.rmse.text() == "0.00 [no spread]"
