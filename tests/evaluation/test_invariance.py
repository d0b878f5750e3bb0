import numpy as np
import pytest

from detcnn.evaluation.invariance import performance_name, response, response_rows

LABELS = np.array([0, 0, 1, 1])


def two(signal):
    signal = np.array(signal)
    return np.stack([1 - signal, signal], axis=1)


def test_changes_by_hand():
    before, after = two([0.1, 0.3, 0.6, 0.9]), two([0.1, 0.7, 0.6, 0.5])
    found = response(2.0, after, before, LABELS, weights=np.ones(4))
    # Of the own class: 0, −0.4, 0 and −0.4.
    assert found.mean_change == pytest.approx(-0.2)
    assert found.mean_size == pytest.approx(0.2)
    assert found.mean_change_error == pytest.approx(np.std([0, -0.4, 0, -0.4], ddof=1) / 2)
    # Of the four pairs two are still in order.
    assert found.performance.value == pytest.approx(0.5)
    assert response(0.0, before, before, LABELS, weights=np.ones(4)).performance.value == 1


def test_weights_count_in_the_performance():
    after = two([0.1, 0.7, 0.6, 0.8])
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    found = response(1.0, after, after, LABELS, weights=weights)
    # The wrong pair is (0.7, 0.6), with one of the eight.
    assert found.performance.value == pytest.approx(7 / 8)


def test_accuracy_of_three_classes():
    scores = np.eye(3)[[0, 1, 2, 2]]
    labels = np.array([0, 1, 2, 0])
    found = response(1.0, scores, scores, labels, weights=np.array([1.0, 1.0, 1.0, 2.0]))
    assert found.performance.value == pytest.approx(3 / 5)
    assert found.mean_change == found.mean_size == 0
    assert (performance_name(2), performance_name(3)) == ("AUC", "accuracy")


def test_a_single_event_has_no_error():
    scores = np.array([[0.2, 0.5, 0.3]])
    found = response(1.0, scores, scores, np.array([1]), weights=np.ones(1))
    assert found.mean_change_error == 0


def test_rows_name_the_amounts():
    scores = two([0.1, 0.3, 0.6, 0.9])
    found = [response(a, scores, scores, LABELS, weights=np.ones(4)) for a in (0.0, 1.0)]
    rows = response_rows(found, names=("as it is", "turned"))
    assert [row["name"] for row in rows] == ["as it is", "turned"]
    assert "name" not in response_rows(found)[0]
