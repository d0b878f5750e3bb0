import math

import numpy as np
import pytest
from scipy import stats

from detcnn.errors import ConfigError
from detcnn.evaluation.intervals import (
    Interval,
    clopper_pearson,
    effective_count,
    weighted_fraction,
    wilson,
)

METHODS = [wilson, clopper_pearson]


def test_wilson_by_hand():
    # z = 1: centre (k + 1/2) / (n + 1), half width sqrt(k (n - k) / n + 1/4) / (n + 1).
    interval = wilson(2, 4, level=math.erf(1 / math.sqrt(2))).item()
    assert interval.value == 0.5
    assert interval.low == pytest.approx(0.5 - math.sqrt(1.25) / 5)
    assert interval.high == pytest.approx(0.5 + math.sqrt(1.25) / 5)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (7, 10), (10, 10), (300, 1000)])
@pytest.mark.parametrize(("method", "name"), [(wilson, "wilson"), (clopper_pearson, "exact")])
def test_equals_scipy(method, name, k, n):
    expected = stats.binomtest(k, n).proportion_ci(0.9, method=name)
    interval = method(k, n, level=0.9).item()
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_ends_are_exact(method):
    intervals = method([0, 10], 10)
    assert intervals.low[0] == 0
    assert 0 < intervals.high[0] < 0.3
    assert 0.7 < intervals.low[1] < 1
    assert intervals.high[1] == 1


@pytest.mark.parametrize("method", METHODS)
def test_no_events_say_nothing(method):
    interval = method(0, 0).item()
    assert math.isnan(interval.value)
    assert (interval.low, interval.high) == (0, 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_negative_sum_of_weights_stays_inside_its_interval(method):
    interval = method(-1.5, 10).item()
    assert interval.value == interval.low == -0.15
    assert interval.high == method(0, 10).item().high


def test_coverage_is_near_the_level_for_wilson_and_never_below_for_clopper_pearson():
    n, level = 30, 0.683
    probability = np.linspace(0.02, 0.98, 481)[:, np.newaxis]
    k = np.arange(n + 1)
    weight = stats.binom.pmf(k, n, probability)

    def coverage(method):
        intervals = method(k, n, level=level)
        inside = (intervals.low <= probability) & (probability <= intervals.high)
        return (weight * inside).sum(axis=1)

    assert coverage(wilson).mean() == pytest.approx(level, abs=0.02)
    assert coverage(clopper_pearson).min() >= level


def test_effective_count_by_hand():
    weights = np.array([1.0, 2.0, 3.0])
    assert effective_count(weights.sum(), (weights**2).sum()) == pytest.approx(36 / 14)
    assert effective_count(0.0, 2.0) == 0
    assert effective_count(-1.0, 3.0) == 0


def test_equal_weights_are_counts():
    weighted = weighted_fraction(3 * 2.5, 8 * 2.5, 8 * 2.5**2).item()
    counted = wilson(3, 8).item()
    assert (weighted.value, weighted.low, weighted.high) == pytest.approx(
        (counted.value, counted.low, counted.high)
    )


@pytest.mark.parametrize("level", [0.0, 1.0, 68.3, math.nan])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        wilson(1, 2, level=level)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.87321, 0.8679, 0.8792, 0.683, "m"), "0.8732 [0.8679, 0.8792]"),
        (Interval(83.58, 61.2, 98.9, 0.683, "m"), "84 [61, 99]"),
        (Interval(412.3, 150.2, math.inf, 0.683, "m"), "412 [150, unbounded)"),
        (Interval(1234.5, 1234.5, math.inf, 0.95, "m", is_lower_limit=True), "> 1234 (95 % CL)"),
        (Interval(12.34, 12.34, math.inf, 0.95, "m", is_lower_limit=True), "> 12.3 (95 % CL)"),
        (Interval(1.0, 1.0, 1.0, 0.683, "m"), "1.000 [no spread]"),
        (Interval(math.nan, 0.0, 1.0, 0.683, "m"), "–"),
    ],
)
def test_text_has_two_digits_of_the_error(interval, text):
    assert interval.text() == text
