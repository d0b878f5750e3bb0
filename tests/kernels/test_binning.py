import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels.binning import bin_index, bin_sums, unit_bins

EDGES = st.lists(st.floats(-1.7e308, 1.7e308), min_size=1, max_size=30)


@settings(deadline=None)
@given(EDGES, st.lists(st.floats(), max_size=30))
def test_equals_the_search_by_numpy(edges, values):
    edges = np.sort(edges)
    # On the edges and right beside them as well.
    value = np.concatenate(
        [values, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
    )
    np.testing.assert_array_equal(bin_index(value, edges), np.digitize(value, edges))


def test_edges_crowded_in_one_place():
    edges = np.append(0.0, np.sort(1 - np.logspace(-16, -10, 500)))
    value = np.append(np.random.default_rng(0).random(100), edges)
    np.testing.assert_array_equal(bin_index(value, edges), np.digitize(value, edges))


def test_equal_bins_hold_the_upper_end():
    assert unit_bins(np.array([0, 0.099, 0.1, 0.999, 1, 1.0005]), 10).tolist() == [0, 0, 1, 9, 9, 9]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 9))), st.sampled_from([np.int8, np.int64])
)
def test_sums_equal_those_of_numpy(events, dtype):
    index = np.array([i for i, _ in events], dtype)
    weights = np.array([w for _, w in events], np.float64)
    sums = bin_sums(index, weights, 5)
    np.testing.assert_array_equal(sums.n_events, np.bincount(index, minlength=5))
    np.testing.assert_array_equal(sums.total, np.bincount(index, weights, minlength=5))
    np.testing.assert_array_equal(sums.squares, np.bincount(index, weights**2, minlength=5))


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_of_no_bin_is_refused(index):
    with pytest.raises(ValueError, match=f"index {index} of event 2 names none of 5 bins"):
        bin_sums(np.array([0, 4, index]), np.ones(3), 5)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) indices for weights of shape \(2,\)"):
        bin_sums(np.zeros(3, np.int32), np.ones(2), 5)
