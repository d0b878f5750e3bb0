"""Pixels are found by a division; the edges themselves are the slow and independent answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels.projection import find_pixels


def expected(x, y, row_edges, column_edges):
    row = np.searchsorted(row_edges, x, side="right") - 1
    column = np.searchsorted(column_edges, y, side="right") - 1
    n_rows, n_columns = len(row_edges) - 1, len(column_edges) - 1
    is_inside = (row >= 0) & (row < n_rows) & (column >= 0) & (column < n_columns)
    return np.where(is_inside, row * n_columns + column, -1)


def found(x, y, row_edges, column_edges):
    place = np.empty(len(x), dtype=np.int32)
    find_pixels(x, y, row_edges, column_edges, place)
    return place


edges = st.tuples(
    st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(min_value=1, max_value=300)
).map(lambda v: np.linspace(v[0], v[0] + max(v[1], abs(v[0]) * 1e-9), v[2] + 1))


@settings(deadline=None)
@given(rows=edges, columns=edges, seed=st.integers(0, 2**32 - 1))
def test_equals_a_search_through_the_edges(rows, columns, seed):
    rng = np.random.default_rng(seed)
    points = []
    for axis in (rows, columns):
        span = axis[-1] - axis[0]
        near = rng.choice(axis, 60) + rng.choice([0.0, 1e-16, -1e-16, 1e-12], 60) * abs(axis[-1])
        points.append(np.concatenate([rng.uniform(axis[0] - span, axis[-1] + span, 60), near]))
    x, y = points[0], rng.permutation(points[1])
    np.testing.assert_array_equal(found(x, y, rows, columns), expected(x, y, rows, columns))


@pytest.mark.parametrize("n_pixels", [1, 33, 65_536])
def test_every_edge_and_its_neighbours(n_pixels):
    axis = np.linspace(-0.4, 0.4, n_pixels + 1)
    points = np.concatenate([axis, np.nextafter(axis, -9), np.nextafter(axis, 9)])
    middle = np.zeros(len(points))
    one = np.array([-1.0, 1.0])
    np.testing.assert_array_equal(
        found(points, middle, axis, one), expected(points, middle, axis, one)
    )
    np.testing.assert_array_equal(
        found(middle, points, one, axis), expected(middle, points, one, axis)
    )


def test_points_far_away_are_outside():
    far = np.array([1e30, -1e30, 1e300, 0.0])
    axis = np.linspace(-1, 1, 11)
    np.testing.assert_array_equal(found(far, np.zeros(4), axis, axis), [-1, -1, -1, 55])
