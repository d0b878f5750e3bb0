import math

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.efficiency import efficiency_in_bins, quantile_edges
from detcnn.evaluation.intervals import wilson


def test_by_hand_with_underflow_and_overflow():
    result = efficiency_in_bins(
        "pt",
        [5, 10, 15, 19, 20, 30, 99],
        [True, True, False, True, False, False, True],
        edges=[10, 20, 30, 40],
    )
    np.testing.assert_array_equal(result.n_events, [3, 1, 1])
    assert result.efficiency.item(0) == wilson(2, 3).item()
    assert result.efficiency.item(1) == wilson(0, 1).item()
    assert (result.n_underflow, result.n_overflow) == (1, 1)
    assert result.underflow == result.overflow == wilson(1, 1).item()


def test_an_empty_bin_says_nothing():
    result = efficiency_in_bins("pt", [0.5], [True], edges=[0, 1, 2])
    empty = result.efficiency.item(1)
    assert math.isnan(empty.value)
    assert (empty.low, empty.high) == (0, 1)


def test_weights_count():
    result = efficiency_in_bins("pt", [1, 1], [True, False], edges=[0, 2], weights=[3, 1])
    assert result.efficiency.item(0).value == pytest.approx(0.75)
    assert result.efficiency.item(0).low == pytest.approx(wilson(1.2, 1.6).item().low)


@pytest.mark.parametrize("edges", [[1], [1, 1], [2, 1], [[0, 1]], [0, math.nan]])
def test_edges_must_rise(edges):
    with pytest.raises(ConfigError, match="bin edges of 'pt'"):
        efficiency_in_bins("pt", [1], [True], edges=edges)


def test_a_missing_value_is_refused():
    with pytest.raises(DataError, match="pt has 1 values"):
        efficiency_in_bins("pt", [math.nan], [True], edges=[0, 1])


@pytest.mark.parametrize(
    "values", [np.arange(80.0), np.full(5, 3.0), np.r_[np.zeros(90), 1.0], np.array([1e300])]
)
def test_quantile_edges_hold_every_event(values):
    edges = quantile_edges(values)
    result = efficiency_in_bins("pt", values, values > 0, edges=edges)
    assert result.n_events.sum() == len(values)
    assert len(result.n_events) <= 8


def test_quantile_edges_share_events_evenly():
    assert np.diff(quantile_edges(np.arange(81.0))).round(9).tolist() == [10] * 8


@pytest.mark.parametrize(("n_values", "n_bins"), [(8, 1), (25, 2), (79, 7), (1000, 8)])
def test_few_values_have_few_bins(n_values, n_bins):
    assert len(quantile_edges(np.arange(float(n_values)))) == n_bins + 1
