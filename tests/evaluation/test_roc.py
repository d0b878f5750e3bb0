import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from detcnn.errors import DataError
from detcnn.evaluation.roc import auc, bootstrap_auc, roc_curve, thin
from detcnn.kernels.spacing import evenly_spaced

POSITIVE = st.floats(0.01, 10)


@st.composite
def samples(draw, weights):
    n = draw(st.integers(2, 40))
    signal = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda s: 0 < sum(s) < n))
    # Few values, so that most events tie with others.
    score = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    weight = draw(st.lists(weights, min_size=n, max_size=n))
    return np.array(score) / 3, np.array(signal), np.array(weight)


def toy(n_signal, n_background, seed=0):
    rng = np.random.default_rng(seed)
    score = np.concatenate([rng.normal(1, 1, n_signal), rng.normal(0, 1, n_background)])
    return score, np.arange(len(score)) < n_signal, rng


def pairs_won(score, signal, weight):
    """Mann and Whitney, pair by pair."""
    s, b = np.where(signal)[0], np.where(~signal)[0]
    difference = score[s][:, np.newaxis] - score[b]
    won = (difference > 0) + 0.5 * (difference == 0)
    pair_weight = weight[s][:, np.newaxis] * weight[b]
    return (won * pair_weight).sum() / (weight[s].sum() * weight[b].sum())


def test_four_events_by_hand():
    roc = roc_curve([0.9, 0.8, 0.6, 0.3], [True, False, True, False])
    np.testing.assert_array_equal(roc.threshold, [np.inf, 0.9, 0.8, 0.6, 0.3])
    np.testing.assert_array_equal(roc.signal_efficiency, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(roc.background_efficiency, [0, 0, 0.5, 0.5, 1])
    assert auc(roc) == 0.75


def test_tied_events_share_one_point():
    roc = roc_curve([0.5, 0.5, 0.5, 0.2], [True, False, True, False])
    np.testing.assert_array_equal(roc.threshold, [np.inf, 0.5, 0.2])
    np.testing.assert_array_equal(roc.signal_efficiency, [0, 1, 1])
    np.testing.assert_array_equal(roc.background_efficiency, [0, 0.5, 1])
    assert auc(roc) == 0.75


def test_negative_weights_by_hand():
    # The weight -1 takes back one of the three signal events that pass before it.
    roc = roc_curve([4, 3, 2, 1], [True, True, False, True], weights=[1, 2, 1, -1])
    np.testing.assert_array_equal(roc.signal_efficiency, [0, 0.5, 1.5, 1.5, 1])
    np.testing.assert_array_equal(roc.background_efficiency, [0, 0, 0, 1, 1])
    assert auc(roc) == 1.5
    assert roc.n_effective_signal == pytest.approx(4 / 6)


@settings(deadline=None)
@given(samples(POSITIVE))
def test_equals_scikit_learn(sample):
    score, signal, weight = sample
    false_positive, true_positive, threshold = metrics.roc_curve(
        signal, score, sample_weight=weight, drop_intermediate=False
    )
    roc = roc_curve(score, signal, weights=weight)
    np.testing.assert_array_equal(roc.threshold, threshold)
    np.testing.assert_allclose(roc.signal_efficiency, true_positive, atol=1e-12)
    np.testing.assert_allclose(roc.background_efficiency, false_positive, atol=1e-12)
    expected = metrics.roc_auc_score(signal, score, sample_weight=weight)
    assert auc(roc) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(samples(st.integers(-1, 3)))
def test_area_is_the_weighted_share_of_pairs_won(sample):
    score, signal, weight = sample
    if weight[signal].sum() <= 0 or weight[~signal].sum() <= 0:
        with pytest.raises(DataError, match="sum of weights"):
            roc_curve(score, signal, weights=weight)
        return
    roc = roc_curve(score, signal, weights=weight)
    assert auc(roc) == pytest.approx(pairs_won(score, signal, weight), abs=1e-12)


@settings(deadline=None)
@given(samples(POSITIVE), st.randoms(use_true_random=False))
def test_only_the_order_of_scores_matters(sample, random):
    score, signal, weight = sample
    expected = roc_curve(score, signal, weights=weight)
    shuffled = np.array(random.sample(range(len(score)), len(score)))
    for changed in (
        roc_curve(np.exp(score), signal, weights=weight),
        roc_curve(score, signal, weights=4 * weight),
        roc_curve(score[shuffled], signal[shuffled], weights=weight[shuffled]),
    ):
        np.testing.assert_allclose(changed.signal_efficiency, expected.signal_efficiency)
        np.testing.assert_allclose(changed.background_efficiency, expected.background_efficiency)


@pytest.mark.parametrize(
    ("score", "signal", "message"),
    [
        ([1.0, 2.0], [True, True], "background has no events"),
        ([1.0, 2.0], [False, False], "signal has no events"),
        ([1.0, np.nan], [True, False], "discriminant has 1 values .* row 1"),
        ([1.0], [True, False], r"discriminant has shape \(1,\) for 2 events"),
    ],
)
def test_bad_input_is_refused(score, signal, message):
    with pytest.raises(DataError, match=message):
        roc_curve(score, signal)


def test_thinning_keeps_the_ends_and_invents_nothing():
    score, signal, _ = toy(5000, 5000)
    roc = roc_curve(score, signal)
    thinned = thin(roc, n_points=200)
    assert 150 < len(thinned.threshold) <= 200
    whole = set(zip(roc.threshold, roc.signal_efficiency, roc.background_efficiency, strict=True))
    part = list(
        zip(
            thinned.threshold,
            thinned.signal_efficiency,
            thinned.background_efficiency,
            strict=True,
        )
    )
    assert whole.issuperset(part)
    assert part[0] == (np.inf, 0, 0)
    assert part[-1][1:] == (1, 1)
    assert np.diff(thinned.signal_efficiency).max() < 0.02


def delong_error(score, signal):
    """E. R. DeLong et al., Biometrics 44 (1988) 837."""
    difference = score[signal][:, np.newaxis] - score[~signal]
    won = (difference > 0) + 0.5 * (difference == 0)
    return np.sqrt(
        won.mean(axis=1).var(ddof=1) / signal.sum() + won.mean(axis=0).var(ddof=1) / (~signal).sum()
    )


@pytest.mark.parametrize("n_bins", [100, 5000])
def test_bootstrap_spread_is_that_of_delong(n_bins):
    score, signal, _ = toy(800, 1200)
    roc = roc_curve(score, signal)
    estimate = bootstrap_auc(roc, score, signal, n_replicas=4000, n_bins=n_bins, seed=3)
    assert estimate.interval.value == auc(roc)
    half_width = (estimate.interval.high - estimate.interval.low) / 2
    assert half_width == pytest.approx(delong_error(score, signal), rel=0.06)
    assert abs(estimate.binning_shift) < (1e-12 if n_bins == 5000 else 1e-3)


def test_bootstrap_of_weighted_events_is_that_of_single_events():
    score, signal, rng = toy(500, 500)
    weight = rng.choice([-1.0, 1.0, 2.0, 5.0], len(score), p=[0.1, 0.4, 0.3, 0.2])
    roc = roc_curve(score, signal, weights=weight)
    estimate = bootstrap_auc(roc, score, signal, weights=weight, n_replicas=4000, n_bins=50)
    replicas = [
        auc(roc_curve(score, signal, weights=weight * rng.poisson(1, len(score))))
        for _ in range(2000)
    ]
    half_width = (estimate.interval.high - estimate.interval.low) / 2
    assert half_width == pytest.approx(np.std(replicas), rel=0.08)


@settings(deadline=None)
@given(samples(POSITIVE), st.integers(1, 8))
def test_the_stated_binning_error_bounds_the_true_one(sample, n_bins):
    score, signal, weight = sample
    roc = roc_curve(score, signal, weights=weight)
    estimate = bootstrap_auc(roc, score, signal, weights=weight, n_replicas=2, n_bins=n_bins)
    # The area from the same bins, made by hand: what is in one bin ties.
    edges = roc.threshold[
        evenly_spaced(roc.signal_efficiency, roc.background_efficiency, n_bins + 1)
    ]
    binned = pairs_won(np.digitize(score, edges[:0:-1]).astype(float), signal, weight)
    assert estimate.binning_shift == pytest.approx(binned - auc(roc), abs=1e-12)
    assert abs(binned - auc(roc)) <= estimate.binning_error + 1e-12
    assert estimate.binning_error <= 0.5


def test_without_a_replica_that_holds_both_sides_any_area_is_possible(monkeypatch):
    monkeypatch.setattr("detcnn.evaluation.roc.area_replicas", lambda *_, **__: np.full(2, np.nan))
    score, signal = np.array([0.0, 1.0]), np.array([True, False])
    estimate = bootstrap_auc(roc_curve(score, signal), score, signal, n_replicas=2)
    assert (estimate.interval.low, estimate.interval.high) == (0.0, 1.0)


def test_binning_error_by_hand():
    # One bin, in which every pair is: half of them.
    score, signal = np.array([4.0, 3, 2, 1]), np.array([True, False, True, False])
    roc = roc_curve(score, signal)
    estimate = bootstrap_auc(roc, score, signal, n_replicas=2, n_bins=1)
    assert estimate.binning_error == 0.5
    assert estimate.binning_shift == 0.5 - 0.75


def test_bootstrap_is_a_function_of_the_seed():
    score, signal, _ = toy(50, 50)
    roc = roc_curve(score, signal)
    first, again, other = (bootstrap_auc(roc, score, signal, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_perfect_separation_stays_in_range():
    score, signal = np.arange(20.0), np.arange(20) >= 10
    interval = bootstrap_auc(roc_curve(score, signal), score, signal).interval
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)


def test_one_event_of_a_class_is_enough():
    score, signal = np.arange(5.0), np.arange(5) == 3
    interval = bootstrap_auc(roc_curve(score, signal), score, signal).interval
    assert interval.value == 0.75
    assert 0 <= interval.low < 0.75 < interval.high <= 1
