"""Directions at an angle to others."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.kernels.directions import deflected, normalise

ANGLES = st.floats(0, math.pi)
AROUND = st.floats(-math.pi, math.pi)


def unit(theta, phi):
    return np.array(
        [math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)]
    )


def rodrigues(vector, axis, angle):
    """Return a vector turned around an axis of length 1."""
    along = axis * (axis @ vector)
    return along + (vector - along) * math.cos(angle) + np.cross(axis, vector) * math.sin(angle)


@given(ANGLES, AROUND, st.floats(-1, 1), AROUND)
def test_the_angle_is_that_asked_for(theta, phi, cosine, azimuth):
    direction = unit(theta, phi)
    found = deflected(direction, cosine, azimuth)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-12)
    assert found @ direction == pytest.approx(cosine, abs=1e-7)


@given(st.floats(0.1, 3), AROUND, ANGLES, AROUND)
def test_it_is_a_rotation_down_and_then_around(theta, phi, angle, azimuth):
    direction = unit(theta, phi)
    down = np.array([math.cos(theta) * math.cos(phi), math.cos(theta) * math.sin(phi), 0])
    down[2] = -math.sin(theta)
    tilted = direction * math.cos(angle) + down * math.sin(angle)
    expected = rodrigues(tilted, direction, azimuth)
    found = deflected(direction, math.cos(angle), azimuth)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("z", [1.0, -1.0])
def test_along_the_axis_where_there_is_no_down(z):
    pole = np.array([0.0, 0.0, z])
    np.testing.assert_allclose(deflected(pole, 0.6, 0.0), [0.8, 0, 0.6 * z], atol=1e-15)
    np.testing.assert_allclose(deflected(pole, 0.6, math.pi / 2), [0, 0.8, 0.6 * z], atol=1e-15)


def test_lengths_become_one():
    vector = np.array([3.0, 0.0, -4.0])
    normalise(vector)
    np.testing.assert_allclose(vector, [0.6, 0, -0.8], rtol=1e-15)
