import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.evaluation.inputs import event_column, event_weights, scored_events

SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
LABELS = np.array([0, 1, 1])


def replaced(array, row, value):
    changed = np.array(array)
    changed[row] = value
    return changed


def test_good_arrays_pass_unchanged():
    events = scored_events(SCORES.astype(np.float32), LABELS, classes=["a", "b"])
    np.testing.assert_array_equal(events.scores, SCORES.astype(np.float32))
    np.testing.assert_array_equal(events.weights, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": replaced(SCORES, 1, np.nan)}, "2 values .* first in row 1"),
        ({"scores": replaced(SCORES, 2, [0.5, 0.6])}, r"row 2 are \[0.5, 0.6\]: .* softmax"),
        ({"scores": replaced(SCORES, 0, [1.5, -0.5])}, "row 0 .* probabilities"),
        ({"scores": SCORES[:, :1]}, r"shape \(3, 1\) for the classes a, b"),
        ({"labels": np.array([0, 1, 2])}, "label 2 in row 2 .* 0 to 1"),
        ({"labels": np.array([0, -1, 1])}, "label -1 in row 1"),
        ({"labels": np.array([0.0, 1.0, 1.0])}, "type float64 .* integer"),
        ({"labels": np.array([0, 1])}, r"shape \(2,\) .* for 3 events"),
        ({"labels": np.array([1, 1, 1])}, "class 'a' has no events"),
        ({"weights": [1.0, 1.0, -1.0]}, "class 'b' has a sum of weights of 0"),
        ({"weights": [1.0, np.inf, 1.0]}, "weight has 1 values .* row 1"),
        ({"weights": [1.0, 1.0]}, r"weight has shape \(2,\) for 3 events"),
    ],
)
def test_bad_arrays_are_refused_with_the_place(change, message):
    given = {"scores": SCORES, "labels": LABELS, "weights": None} | change
    with pytest.raises(DataError, match=message):
        scored_events(
            given["scores"], given["labels"], weights=given["weights"], classes=["a", "b"]
        )


def test_one_class_is_not_a_classification():
    with pytest.raises(DataError, match="two or more classes"):
        scored_events(np.ones((3, 1)), np.zeros(3, int), classes=["a"])


def test_columns_and_weights():
    np.testing.assert_array_equal(event_weights(None, 3), [1, 1, 1])
    with pytest.raises(DataError, match=r"pt has 2 values .* row 1"):
        event_column("pt", [1.0, np.nan, np.inf], 3)
