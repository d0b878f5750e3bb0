import math

import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.evaluation.intervals import clopper_pearson, wilson
from detcnn.evaluation.roc import roc_curve
from detcnn.evaluation.working_points import working_points


def curve(signal, background, **kwargs):
    score = np.concatenate([signal, background])
    return roc_curve(score, np.arange(len(score)) < len(signal), **kwargs)


def test_by_hand():
    # The second highest of four signal events is 0.8; one of five background events is above.
    roc = curve([0.9, 0.8, 0.4, 0.3], [0.85, 0.5, 0.2, 0.1, 0.0])
    (point,) = working_points(roc, targets=[0.5])
    assert point.threshold == 0.8
    assert point.signal_efficiency == wilson(2, 4).item()
    assert point.background_efficiency.value == 0.2
    assert point.background_rejection.value == 5
    assert point.significance_improvement.value == pytest.approx(0.5 / math.sqrt(0.2))
    for interval in (point.background_efficiency, point.background_rejection):
        assert interval.low < interval.value < interval.high


def test_ties_pass_together():
    roc = curve([0.9, 0.5, 0.5, 0.5], [0.5, 0.1])
    (point,) = working_points(roc, targets=[0.5])
    assert point.signal_efficiency.value == 1
    assert point.background_efficiency.value == 0.5


def test_a_target_of_one_keeps_all_signal():
    (point,) = working_points(curve([3.0, 2.0], [2.5, 1.0]), targets=[1])
    assert point.threshold == 2
    assert point.background_rejection.value == 2


def test_no_background_gives_a_lower_limit():
    roc = curve(np.linspace(2, 3, 1000), np.linspace(0, 1, 300))
    (point,) = working_points(roc, targets=[0.5], n_draws=100_000)
    rejection = point.background_rejection
    assert point.background_efficiency.value == 0
    assert rejection.is_lower_limit
    assert rejection.level == 0.95
    # One-sided, with the threshold far from all background: 1 - (1 - eff)**n = 0.95.
    assert rejection.low == pytest.approx(1 / (1 - 0.05 ** (1 / 300)), rel=0.02)
    assert rejection.text() == "> 101 (95 % CL)"
    assert point.significance_improvement.low == pytest.approx(
        0.5 * math.sqrt(rejection.low), rel=1e-12
    )


def test_cancelling_weights_are_no_background():
    roc = curve([3.0, 2.0], [2.6, 2.5, 2.4, 1.0], weights=[1, 1, 0.1, 0.2, -0.3, 1])
    assert roc.background_efficiency[4] != 0
    (point,) = working_points(roc, targets=[1])
    assert point.background_rejection.is_lower_limit


def test_with_a_sharp_threshold_only_the_background_count_is_uncertain():
    # No background near the threshold: moving it changes nothing.
    roc = curve(np.linspace(2, 3, 500), np.r_[np.full(7, 10.0), np.zeros(193)])
    (point,) = working_points(roc, targets=[0.5], n_draws=100_000)
    expected = clopper_pearson(7, 200).item()
    assert point.background_efficiency.low == pytest.approx(expected.low, rel=0.02)
    assert point.background_efficiency.high == pytest.approx(expected.high, rel=0.02)


def test_few_signal_events_widen_the_interval():
    background = np.linspace(0, 1, 10_000)
    few, many = (
        working_points(curve(np.linspace(0.2, 1.2, n), background), targets=[0.5])[0]
        for n in (30, 3000)
    )
    width = [p.background_rejection.high - p.background_rejection.low for p in (few, many)]
    assert width[0] > 4 * width[1]


@pytest.mark.parametrize("is_weighted", [False, True])
def test_coverage_of_the_true_rejection(is_weighted):
    # Signal is uniform and background falls as (1 - x)**2: at 40 % signal efficiency the true
    # threshold is 0.6, where 16 % of the background passes.
    rng = np.random.default_rng(5)
    n_toys, hits = 400, 0
    for i in range(n_toys):
        signal, background = rng.random(100), 1 - np.sqrt(rng.random(150))
        weights = rng.choice([0.5, 1.0, 2.0], 250) if is_weighted else None
        roc = curve(signal, background, weights=weights)
        (point,) = working_points(roc, targets=[0.4], n_draws=500, seed=i)
        hits += point.background_rejection.low <= 1 / 0.16 <= point.background_rejection.high
    # The binomial error of the coverage is 2.3 %; a finite sample over-covers a little.
    assert 0.65 < hits / n_toys < 0.80


def test_scaled_weights_and_repeated_seeds_change_nothing():
    rng = np.random.default_rng(1)
    score, is_signal = rng.random(200), rng.random(200) < 0.5
    targets = [0.3, 0.7]
    expected = working_points(roc_curve(score, is_signal), targets=targets, seed=9)
    scaled = roc_curve(score, is_signal, weights=np.full(200, 0.25))
    assert working_points(scaled, targets=targets, seed=9) == expected
    assert working_points(scaled, targets=targets, seed=8) != expected


@pytest.mark.parametrize("target", [0, -0.1, 1.1, 30, math.nan])
def test_an_impossible_target_is_refused(target):
    with pytest.raises(ConfigError, match="0 < target <= 1"):
        working_points(curve([1.0], [0.0]), targets=[target])
