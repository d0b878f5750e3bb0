import numpy as np
import pytest
from sklearn import metrics

from detcnn.evaluation.confusion import confusion
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.intervals import wilson


def test_by_hand():
    events = scored_events(
        [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]],
        [0, 0, 1, 1, 2],
        classes=["a", "b", "c"],
    )
    result = confusion(events)
    np.testing.assert_array_equal(result.n_events, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(result.fraction.value, [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert result.fraction.item(0, 1) == wilson(1, 2).item()
    assert result.accuracy == wilson(3, 5).item()
    assert result.macro_accuracy.value == pytest.approx(2 / 3)


def test_macro_interval_of_one_uncertain_class_is_its_own_over_the_number_of_classes():
    n = 100_000
    scores = np.tile([1.0, 0.0], (n + 10, 1))
    scores[10:] = [0.0, 1.0]
    scores[:5] = [0.0, 1.0]
    labels = np.r_[np.zeros(10, int), np.ones(n, int)]
    result = confusion(scored_events(scores, labels, classes=["few", "many"]))
    half = wilson(5, 10).item()
    assert result.macro_accuracy.value == 0.75
    assert 0.75 - result.macro_accuracy.low == pytest.approx((0.5 - half.low) / 2, rel=1e-3)
    assert result.macro_accuracy.high - 0.75 == pytest.approx((half.high - 0.5) / 2, rel=1e-3)


def test_equals_scikit_learn():
    rng = np.random.default_rng(4)
    scores, labels = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    weights = rng.uniform(0.1, 3, 300)
    result = confusion(scored_events(scores, labels, classes=list("abcd"), weights=weights))
    predicted = scores.argmax(axis=1)
    expected = metrics.confusion_matrix(labels, predicted, sample_weight=weights, normalize="true")
    np.testing.assert_allclose(result.fraction.value, expected)
    assert result.accuracy.value == pytest.approx(
        metrics.accuracy_score(labels, predicted, sample_weight=weights)
    )
    assert result.macro_accuracy.value == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted, sample_weight=weights)
    )
