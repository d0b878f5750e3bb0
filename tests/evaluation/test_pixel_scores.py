import numpy as np
import pytest
from sklearn import metrics

from detcnn.errors import DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.pixel_scores import evaluate_pixel_scores, pixel_histograms


def test_histograms_by_hand():
    scores = np.array([[[0.0, 0.1], [0.5, 1.0]], [[0.9, 0.9], [0.3, 0.2]]])
    truth = np.array([[[0, 0], [1, 1]], [[1, 0], [0, 0]]], bool)
    valid = np.ones(truth.shape, bool)
    valid[1, 1, 1] = False
    found = pixel_histograms(scores, truth, valid=valid, n_bins=2)
    np.testing.assert_array_equal(found, [[[2, 0], [0, 2]], [[1, 1], [0, 1]]])


def test_by_hand():
    # From the highest bin: signal 2, 1, 1, background 0, 1, 3.
    found = evaluate_pixel_scores(
        [[[3, 1, 0], [1, 1, 2]]], foreground="track", bootstrap=Bootstrap(n_replicas=10)
    )
    np.testing.assert_allclose(found.efficiency, [0, 2 / 4, 3 / 4, 1])
    np.testing.assert_allclose(found.background_efficiency, [0, 0, 1 / 4, 1])
    np.testing.assert_allclose(found.purity, [np.nan, 1, 3 / 4, 4 / 8])
    np.testing.assert_allclose(found.threshold, [1, 2 / 3, 1 / 3, 0])
    assert found.auc.value == pytest.approx((2.5 * 1 + 3.5 * 3) / 16)
    assert found.auc_binning_error == pytest.approx((1 + 3) / 32)
    assert found.average_precision.value == pytest.approx(2 / 4 + 3 / 16 + 4 / 32)


def toy(n=40):
    rng = np.random.default_rng(3)
    truth = rng.random((n, 50)) < 0.2
    return np.round(rng.beta(1 + 2 * truth, 3), 6), truth, rng.uniform(0.5, 2, n)


def test_equals_scikit_learn_on_binned_scores_and_bounds_the_exact_ones():
    scores, truth, weights = toy()
    found = evaluate_pixel_scores(
        pixel_histograms(scores, truth, n_bins=20),
        foreground="track",
        weights=weights,
        bootstrap=Bootstrap(n_replicas=10),
    )
    each = {"sample_weight": np.repeat(weights, 50)}
    binned = np.minimum(np.floor(scores.ravel() * 20), 19)
    flat = truth.ravel()
    assert found.auc.value == pytest.approx(metrics.roc_auc_score(flat, binned, **each))
    assert found.average_precision.value == pytest.approx(
        metrics.average_precision_score(flat, binned, **each)
    )
    exact = metrics.roc_auc_score(flat, scores.ravel(), **each)
    assert 0 < abs(found.auc.value - exact) < found.auc_binning_error
    exact = metrics.average_precision_score(flat, scores.ravel(), **each)
    assert abs(found.average_precision.value - exact) < found.average_precision_binning_error
    assert found.average_precision_binning_error < 0.2


def test_interval_is_that_of_events():
    scores, truth, _ = toy()
    counts = pixel_histograms(scores, truth)
    # Each event a hundred times its pixels says no more.
    few, many = (
        evaluate_pixel_scores(of, foreground="track", bootstrap=Bootstrap(n_replicas=100))
        for of in (counts, 100 * counts)
    )
    assert many.auc.low == pytest.approx(few.auc.low)
    assert few.auc.low < few.auc.value < few.auc.high


def test_bad_input():
    with pytest.raises(DataError, match="event 0 has scores of pixels outside"):
        pixel_histograms(np.full((1, 2), 1.5), np.zeros((1, 2), bool))
    with pytest.raises(DataError, match="expected the same"):
        pixel_histograms(np.zeros((1, 2)), np.zeros((1, 3), bool))
    with pytest.raises(DataError, match="no pixel of the foreground 'track'"):
        evaluate_pixel_scores([[[1, 1], [0, 0]]], foreground="track")
    with pytest.raises(DataError, match=r"expected \(n_events, 2, n_bins\)"):
        evaluate_pixel_scores([[1, 1]], foreground="track")
