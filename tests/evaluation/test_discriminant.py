import numpy as np
import pytest

from detcnn.evaluation.discriminant import discriminant

SCORES = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("signal", "background", "expected"),
    [
        ([0], [1], [0.625, 0.5, 1.0]),
        ([0], [1, 2], [0.5, 0.0, 1.0]),
        ([0, 1], [2], [0.8, 0.0, 1.0]),
    ],
)
def test_by_hand(signal, background, expected):
    value = discriminant(SCORES, signal=signal, background=background)
    np.testing.assert_allclose(value, expected, rtol=1e-15)


def test_scores_that_round_to_one_are_still_ordered():
    background = np.array([1e-9, 1e-12, 1e-10], dtype=np.float32)
    scores = np.stack([np.float32(1) - background, background], axis=1)
    assert (scores[:, 0] == 1).all()
    value = discriminant(scores, signal=[0], background=[1])
    np.testing.assert_array_equal(np.argsort(value), [0, 2, 1])
