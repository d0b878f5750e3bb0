import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels.spacing import evenly_spaced


def test_by_hand():
    # Distances 0, 1, 2, 6, 7, 8: the marks at 2, 4 and 6 are met at 2, 6 and 6.
    x = np.array([0.0, 1.0, 1.0, 3.0, 3.0, 4.0])
    y = np.array([0.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    assert evenly_spaced(x, y, 5).tolist() == [0, 2, 3, 5]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=60),
    # Divisions of a curve of whole length that leave nothing to round.
    st.sampled_from([2, 3, 5, 9, 17]),
)
def test_equals_the_point_by_point_version(reference, points, n_points):
    x, y = np.array(points, np.float64).T
    found = evenly_spaced(np.ascontiguousarray(x), np.ascontiguousarray(y), n_points)
    assert found.tolist() == reference.evenly_spaced(x, y, n_points)


@pytest.mark.parametrize(("n_x", "n_y", "n_points"), [(2, 3, 5), (0, 0, 5), (3, 3, 1)])
def test_what_is_no_curve_is_refused(n_x, n_y, n_points):
    with pytest.raises(ValueError, match="points of curves of shape"):
        evenly_spaced(np.zeros(n_x), np.zeros(n_y), n_points)
