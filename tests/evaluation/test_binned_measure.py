"""Bins of columns: which entries are in none is counted, and edges that were given are used."""

import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.evaluation.binned_measure import bins_of_columns, column_bins
from detcnn.evaluation.intervals import Intervals

VALUES = [-5, 0, 9, 10, 10, 29, 30, 31, 1000]


def intervals(*shape):
    value = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return Intervals(value, value - 1, value + 1, 0.68, "bootstrap")


def test_entries_outside_are_counted():
    bins = column_bins("mass", VALUES, [0, 10, 20, 30])
    found = bins.measured("iou", intervals(2, 3), names=["a", "b"])
    np.testing.assert_array_equal(found.n_entries, [[2, 2, 1]] * 2)
    assert (found.n_below, found.n_above) == (1, 3)
    assert found.n_entries[0].sum() + found.n_below + found.n_above == len(VALUES)
    assert (found.column, found.quantity, found.names) == ("mass", "iou", ("a", "b"))
    np.testing.assert_array_equal(found.measure.high[1], [4, 5, 6])


def test_a_single_name():
    found = column_bins("mass", [1, 2], [0, 2, 3]).measured("bias", intervals(2))
    assert found.names == ("all",)
    np.testing.assert_array_equal(found.measure.low, [[-1, 0]])
    np.testing.assert_array_equal(found.n_entries, [[1, 1]])
    assert (found.n_below, found.n_above) == (0, 0)


def test_edges_that_were_not_given_hold_all_entries():
    (bins,) = bins_of_columns({"mass": VALUES}, {}, len(VALUES))
    assert bins.n_entries().sum() == len(VALUES)


@pytest.mark.parametrize("edges", [[], [0], [0, 0], [2, 1]])
def test_edges_that_are_none(edges):
    with pytest.raises(ConfigError, match="bin edges of 'mass' are .*: expected two or more"):
        bins_of_columns({"mass": VALUES}, {"mass": edges}, len(VALUES))
    # Nor does it matter what they come as.
    with pytest.raises(ConfigError, match="bin edges of 'mass'"):
        bins_of_columns({"mass": VALUES}, {"mass": np.array(edges)}, len(VALUES))
