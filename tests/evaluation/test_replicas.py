import numpy as np
import pytest
from scipy import stats

from detcnn.evaluation import replicas
from detcnn.evaluation.replicas import curve_replicas, percentiles, two_sided_p_value
from detcnn.evaluation.roc import auc, roc_curve

HALF = np.array([0.5])


def toy(n=1000, *, seed=0, shared=1.0):
    """Two discriminants of the same events, which have noise in common and noise of their own."""
    rng = np.random.default_rng(seed)
    signal = rng.random(n) < 0.5
    seen = rng.normal(1.2 * signal, shared)
    return signal, [seen + rng.normal(0, 0.5, n), seen + rng.normal(0, 0.8, n)], rng


def resample(signal, values, *, weights=None, efficiencies=HALF, event_id=None, **options):
    weights = np.ones(len(signal)) if weights is None else weights
    return curve_replicas(
        [roc_curve(value, signal, weights=weights) for value in values],
        values,
        signal,
        weights=weights,
        event_id=np.arange(len(signal)) if event_id is None else event_id,
        efficiencies=efficiencies,
        **{"n_replicas": 500, **options},
    )


def delong(signal, values):
    """Errors of two areas and of their difference: DeLong et al., Biometrics 44 (1988) 837."""
    columns = []
    for score in values:
        difference = score[signal][:, np.newaxis] - score[~signal]
        won = (difference > 0) + 0.5 * (difference == 0)
        columns.append((won.mean(axis=1), won.mean(axis=0)))
    first, second = ([column[side] for column in columns] for side in (0, 1))
    covariance = np.cov(first) / signal.sum() + np.cov(second) / (~signal).sum()
    variance = np.diag(covariance)
    return np.sqrt(variance), np.sqrt(variance.sum() - 2 * covariance[0, 1])


@pytest.mark.parametrize("n_bins", [100, 5000])
def test_spread_of_areas_and_their_difference_is_that_of_delong(n_bins):
    signal, values, _ = toy()
    found = resample(signal, values, n_replicas=4000, n_bins=n_bins)
    errors, error = delong(signal, values)
    np.testing.assert_allclose(found.auc_replicas.std(axis=1), errors, rtol=0.06)
    difference = found.auc_replicas[1] - found.auc_replicas[0]
    assert difference.std() == pytest.approx(error, rel=0.06)
    assert difference.mean() == pytest.approx(found.auc[1] - found.auc[0], abs=error / 20)
    # Pairing is worth something here.
    assert error < 0.9 * np.hypot(*errors)


@pytest.mark.parametrize("n_bins", [100, 5000])
def test_spread_of_rejection_ratios_is_that_of_single_events(n_bins):
    signal, values, rng = toy()
    weights = rng.choice([1.0, 2.0, 5.0], len(signal))

    def passing(value, weights):
        roc = roc_curve(value, signal, weights=weights)
        return roc.background_efficiency[np.searchsorted(roc.signal_efficiency, 0.5)]

    expected = []
    for _ in range(1500):
        resampled = weights * rng.poisson(1, len(signal))
        expected.append(passing(values[0], resampled) / passing(values[1], resampled))
    found = resample(signal, values, weights=weights, n_replicas=3000, n_bins=n_bins)
    ratio = found.passing_replicas[0, 0] / found.passing_replicas[1, 0]
    assert np.log(ratio).std() == pytest.approx(np.log(expected).std(), rel=0.08)
    assert np.median(ratio) == pytest.approx(np.median(expected), rel=0.03)


def test_exact_values_are_those_of_the_curves():
    signal, values, _ = toy()
    efficiencies = np.array([0.2, 0.5, 1.0])
    found = resample(signal, values, efficiencies=efficiencies, n_replicas=1, n_bins=20)
    curves = [roc_curve(value, signal) for value in values]
    np.testing.assert_array_equal(found.auc, [auc(curve) for curve in curves])
    for i, curve in enumerate(curves):
        at = np.searchsorted(curve.signal_efficiency, efficiencies * (1 - 1e-12))
        np.testing.assert_allclose(found.passing[i], curve.background_efficiency[at])


def test_between_tied_events_the_curve_is_straight():
    # One point of the curve beside its ends: (0.5, 0.25).
    signal = np.array([True, True, False, False, False, False])
    found = resample(
        signal,
        [np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0])],
        efficiencies=np.array([0.25, 0.5, 0.75]),
    )
    np.testing.assert_allclose(found.passing[0], [0.125, 0.25, 0.625])


def test_rows_of_one_event_enter_together():
    signal, values, _ = toy(200)
    single = resample(signal, values)
    double = resample(
        np.repeat(signal, 2),
        [np.repeat(value, 2) for value in values],
        event_id=np.repeat(np.arange(200), 2),
    )
    np.testing.assert_allclose(double.auc_replicas, single.auc_replicas)
    np.testing.assert_allclose(double.passing_replicas, single.passing_replicas)


@pytest.mark.parametrize("shared", [False, True])
def test_threads_and_the_number_of_replicas_do_not_matter(monkeypatch, shared):
    signal, values, _ = toy(100)
    event_id = np.arange(100) // 3 if shared else None
    whole = resample(signal, values, event_id=event_id, n_replicas=300)
    monkeypatch.setattr(replicas, "available_cpus", lambda: 1)
    again = resample(signal, values, event_id=event_id, n_replicas=300)
    np.testing.assert_array_equal(again.auc_replicas, whole.auc_replicas)
    part = resample(signal, values, event_id=event_id, n_replicas=70)
    np.testing.assert_array_equal(part.auc_replicas, whole.auc_replicas[:, :70])
    np.testing.assert_array_equal(part.passing_replicas, whole.passing_replicas[..., :70])


def test_only_the_order_of_scores_and_the_proportion_of_weights_matter():
    signal, values, _ = toy(200)
    expected = resample(signal, values)
    found = resample(signal, [np.exp(value) for value in values], weights=np.full(200, 3.0))
    np.testing.assert_allclose(found.auc_replicas, expected.auc_replicas)
    np.testing.assert_allclose(found.passing_replicas, expected.passing_replicas)


def test_streams_are_independent_and_seeded():
    signal, values, _ = toy(200)
    one, again, other = (resample(signal, values, stream=s).auc_replicas[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.2


def test_a_replica_without_signal_is_undefined():
    signal = np.arange(10) == 0
    found = resample(signal, [np.arange(10.0)], n_replicas=1000)
    undefined = np.isnan(found.auc_replicas[0])
    assert undefined.mean() == pytest.approx(np.exp(-1), abs=0.05)
    np.testing.assert_array_equal(np.isnan(found.passing_replicas[0, 0]), undefined)


def test_the_table_is_a_poisson_distribution():
    share = np.bincount(replicas.POISSON_OF_WORD) / replicas._WORDS
    np.testing.assert_allclose(share, stats.poisson.pmf(np.arange(len(share)), 1), atol=2**-16)
    k = replicas.POISSON_OF_WORD.astype(float)
    assert (k.mean(), k.var()) == pytest.approx((1, 1), abs=1e-4)


def test_intervals_cover_and_p_values_are_uniform():
    truth = resample(*toy(400_000, seed=1)[:2], n_replicas=1)
    difference, ratio = truth.auc[1] - truth.auc[0], truth.passing[0, 0] / truth.passing[1, 0]
    covered, p_values = [], []
    for seed in range(160):
        signal, values, _ = toy(400, seed=seed + 2)
        found = resample(signal, values, n_replicas=120, seed=seed)
        change = found.auc_replicas[1] - found.auc_replicas[0]
        quotient = found.passing_replicas[0, 0] / found.passing_replicas[1, 0]
        covered.append([
            low <= true <= high
            for (low, high), true in (
                (percentiles(change, 0.8, bounds=(-1, 1)), difference),
                (percentiles(quotient, 0.8, bounds=(0, np.inf)), ratio),
            )
        ])  # fmt: skip
        p_values.append(two_sided_p_value(change, null=difference))
    # Of 160 binomial trials the standard deviation is 0.032.
    np.testing.assert_allclose(np.mean(covered, axis=0), 0.8, atol=0.095)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_percentiles_by_hand():
    numbers = np.array([np.inf, 3.0, 1.0, 2.0, np.inf])
    low, high = percentiles(numbers, 0.5, bounds=(0, np.inf))
    assert (low, high) == (2, np.inf)
    numbers = np.array([[np.nan, 3.0, 1.0, 2.0, 4.0]])
    low, high = percentiles(numbers, 0.5, bounds=(0, np.inf))
    assert (low.tolist(), high.tolist()) == ([1], [4])


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], 2 * 1 / 10),
        ([-1, 2, 3, 4, 5, 6, 7, 8, 9], 2 * 2 / 10),
        ([-1, -2, 0, 4, 5, 6, 7, 8, 9], 2 * 4 / 10),
        ([np.nan, 2, 3, 4, 5, 6, 7, 8, np.inf], 2 * 2 / 10),
        ([0, 0, 0], 1),
    ],
)
def test_p_value_by_hand(numbers, expected):
    assert two_sided_p_value(np.array(numbers, float), null=0) == pytest.approx(expected)
