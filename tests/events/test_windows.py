import numpy as np
import pytest

from detcnn.events.windows import Window

MASSES = np.array([64.9, 65.0, 94.9, 95.0, np.nan, np.inf, -np.inf], dtype=np.float32)


@pytest.mark.parametrize(
    ("low", "high", "inside", "complaint"),
    [
        (65, 95, [0, 1, 1, 0, 0, 0, 0], "mass outside [65, 95)"),
        (65, None, [0, 1, 1, 1, 0, 1, 0], "mass below 65"),
        (None, 95.5, [1, 1, 1, 1, 0, 0, 1], "mass not below 95.5"),
    ],
)
def test_by_hand(low, high, inside, complaint):
    window = Window("mass", low, high)
    assert window.holds(MASSES).tolist() == [bool(value) for value in inside]
    assert window.complaint == complaint


def test_whole_numbers_have_windows_too():
    assert Window("n", 1, 3).holds(np.arange(5)).tolist() == [False, True, True, False, False]
    assert Window("n", 1234567, 3e6).complaint == "n outside [1234567, 3000000)"
