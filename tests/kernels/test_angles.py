import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels.angles import wrap, wrapped

BELOW_PI = np.nextafter(np.pi, 0)


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        (0.0, 0.0),
        (1e-300, 1e-300),
        (np.pi, -np.pi),
        (-np.pi, -np.pi),
        (BELOW_PI, BELOW_PI),
        (3.5, 3.5 - 2 * np.pi),
        (-3.5, 2 * np.pi - 3.5),
        (2 * np.pi, 0.0),
    ],
)
def test_hand_worked_angles(angle, expected):
    assert wrapped(angle) == expected
    assert wrap(angle) == expected


@settings(deadline=None)
@given(st.floats(-1e15, 1e15))
def test_wrapped_is_the_exact_remainder(reference, angle):
    result = wrapped(angle)
    assert -np.pi <= result < np.pi
    assert result == reference.wrap(angle)


@settings(deadline=None)
@given(st.floats(-np.pi, BELOW_PI), st.floats(-np.pi, BELOW_PI))
def test_wrap_of_a_difference_equals_wrapped(a, b):
    assert wrap(a - b) == wrapped(a - b)


def test_shape_dtype_and_input_are_kept():
    angle = np.array([[4.0, 1.0]], dtype=np.float32)
    result = wrapped(angle)
    assert result.shape == (1, 2)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(angle, np.array([[4.0, 1.0]], dtype=np.float32))


def test_no_number_stays_no_number():
    assert np.isnan(wrapped([np.nan, np.inf, -np.inf])).all()
