import math

import numpy as np
import pytest
from scipy.stats import sem

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.profiles import central_edges, score_profile

KWARGS = {"classes": ["a", "b"], "edges": [0, 10, 20, 30]}


def test_by_hand():
    found = score_profile(
        "mass",
        [-1, 0, 5, 10, 30, math.nan, 25],
        [0.9, 0.2, 0.4, 0.5, 0.9, 0.9, 0.7],
        np.array([0, 0, 0, 0, 0, 0, 1]),
        **KWARGS,
    )
    np.testing.assert_array_equal(found.n_events, [[2, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found.n_outside, [3, 0])
    np.testing.assert_allclose(found.mean, [[0.3, 0.5, np.nan], [np.nan, np.nan, 0.7]])
    # σ = 0.1·√2, over √2
    np.testing.assert_allclose(found.error, [[0.1, np.nan, np.nan], [np.nan] * 3])
    np.testing.assert_allclose(found.share, [[2 / 6, 1 / 6, 0], [0, 0, 1]])


def test_the_error_is_that_of_scipy():
    rng = np.random.default_rng(0)
    values, score, labels = rng.uniform(0, 30, 300), rng.random(300), rng.integers(0, 2, 300)
    found = score_profile("mass", values, score, labels, weights=np.full(300, 0.3), **KWARGS)
    for k, i in np.ndindex(2, 3):
        within = score[(labels == k) & (values >= 10 * i) & (values < 10 * i + 10)]
        assert found.mean[k, i] == pytest.approx(within.mean())
        assert found.error[k, i] == pytest.approx(sem(within))


def test_weights_count():
    found = score_profile("mass", [1, 2], [0, 1], np.array([1, 1]), weights=[3, 1], **KWARGS)
    assert found.mean[1, 0] == pytest.approx(0.25)
    # √2 · √(9·(1/4)² + 1·(3/4)²) / 4
    assert found.error[1, 0] == pytest.approx(math.sqrt(2 * (9 / 16 + 9 / 16)) / 4)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"edges": [1, 1]}, ConfigError, "bin edges of 'mass'"),
        ({"values": [1, 2]}, DataError, "column 'mass' has shape"),
        ({"score": [math.nan]}, DataError, "score has 1 values"),
    ],
)
def test_what_cannot_be_is_refused(change, error, words):
    given = {"values": [1], "score": [0.5], "labels": np.array([0]), **KWARGS, **change}
    with pytest.raises(error, match=words):
        score_profile("mass", given.pop("values"), given.pop("score"), **given)


def test_edges_of_whole_numbers_lie_between_them():
    np.testing.assert_array_equal(central_edges(np.arange(4)), [-0.5, 0.5, 1.5, 2.5, 3.5])
    wide = central_edges(np.arange(1000), n_bins=10, share=1)
    np.testing.assert_array_equal(np.unique(np.diff(wide)), [100])
    assert len(wide) <= 11
    assert (wide[0], wide[-1]) == (-0.5, 999.5)


def test_long_tails_do_not_stretch_the_bins():
    values = np.append(np.linspace(0, 1, 999), 1e6)
    edges = central_edges(values)
    assert len(edges) == 21  # 2 · ∛1000 bins
    assert edges[-1] < 1.1
    assert central_edges(values, share=1)[-1] > 1e6 - 1


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 5.0, 1e300, 1e20])
def test_values_that_are_alike_are_in_a_bin(value):
    edges = central_edges(np.array([value, value, math.nan, math.inf]))
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= value < edges[-1]


def test_the_largest_value_is_in_the_last_bin():
    values = np.random.default_rng(0).random(50)
    edges = central_edges(values, share=1)
    assert np.digitize(values.max(), edges) == len(edges) - 1


def test_no_finite_value_is_an_error():
    with pytest.raises(DataError, match="no value is finite"):
        central_edges(np.array([math.nan]))


@pytest.mark.parametrize("values", [[0.23, 0.552], [0.1, 0.2, 7.5, 3.25, -2.5]])
def test_bins_of_few_values_hold_all(values):
    content, _ = np.histogram(values, central_edges(np.array(values)))
    assert content.sum() == len(values)
