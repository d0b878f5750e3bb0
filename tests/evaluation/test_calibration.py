import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from detcnn.evaluation.calibration import calibration
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.intervals import wilson


def binary(score, is_class, weights=None):
    score = np.asarray(score)
    return scored_events(
        np.stack([1 - score, score], axis=1),
        np.asarray(is_class, dtype=int),
        classes=["no", "yes"],
        weights=weights,
    )


def test_by_hand():
    result = calibration(binary([0.1, 0.3, 0.8, 1.0], [0, 1, 1, 1]), 1, n_bins=2)
    np.testing.assert_array_equal(result.n_events, [2, 2])
    np.testing.assert_allclose(result.mean_score, [0.2, 0.9])
    assert result.frequency.item(0) == wilson(1, 2).item()
    assert result.expected_error == pytest.approx((0.3 + 0.1) / 2)
    assert result.brier_score == pytest.approx((0.01 + 0.49 + 0.04 + 0) / 4)


def test_empty_bins_are_blank_and_cost_nothing():
    result = calibration(binary([0.1, 0.1], [0, 1]), 1, n_bins=2)
    np.testing.assert_array_equal(np.isnan(result.mean_score), [False, True])
    assert result.expected_error == pytest.approx(0.4)


def test_probabilities_that_are_true_have_little_error():
    rng = np.random.default_rng(0)
    score = rng.random(20_000)
    true = binary(score, rng.random(20_000) < score)
    overconfident = binary(np.clip(1.5 * score - 0.25, 0, 1), rng.random(20_000) < score)
    assert calibration(true, 1).expected_error < 0.02
    assert calibration(overconfident, 1).expected_error > 0.08


def test_brier_score_equals_scikit_learn():
    rng = np.random.default_rng(1)
    score, truth, weights = rng.random(50), rng.random(50) < 0.4, rng.uniform(0.5, 2, 50)
    expected = brier_score_loss(truth, score, sample_weight=weights)
    assert calibration(binary(score, truth, weights), 1).brier_score == pytest.approx(expected)
