import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.event_values import (
    best_median_worst,
    event_values,
    resampled_quantiles,
)

LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_quantiles_equal_numpy(seed, n):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=n), rng.integers(1, 5, n).astype(float)
    expected = np.quantile(values, LEVELS, weights=weights, method="inverted_cdf")
    found, _ = resampled_quantiles(values, weights, LEVELS, Bootstrap(n_replicas=1))
    np.testing.assert_array_equal(found[0, :-1], expected)


def test_replicas_are_quantiles_of_repeated_events():
    rng = np.random.default_rng(2)
    values, weights, groups = rng.normal(size=30), np.ones(30), rng.integers(-1, 2, 30)
    values[4] = np.nan
    found, replicas = resampled_quantiles(
        values, weights, (0.5,), Bootstrap(n_replicas=300, seed=1), groups=groups, n_groups=2
    )
    for group in (0, 1):
        mine = values[(groups == group) & np.isfinite(values)]
        assert found[group, 0] == np.quantile(mine, 0.5, method="inverted_cdf")
        assert found[group, 1] == pytest.approx(mine.mean())
        assert replicas[:, group, 1].std() == pytest.approx(
            mine.std() / np.sqrt(len(mine)), rel=0.25
        )
        assert set(replicas[:, group, 0]) <= set(mine)


def test_by_hand():
    found = event_values(
        "x",
        np.array([0.25, np.nan, 1.0, 0.75]),
        np.array([1.0, 5.0, 1.0, 2.0]),
        Bootstrap(n_replicas=50),
        edges=np.array([0.0, 0.5, 1.0]),
    )
    assert (found.n_events, found.n_undefined) == (3, 1)
    assert found.mean.value == (0.25 + 1.0 + 1.5) / 4
    np.testing.assert_array_equal(found.quantiles.value, [0.25, 0.75, 1.0])
    np.testing.assert_array_equal(found.share, [0.25, 0.75])


def test_events_to_look_at():
    scores = np.array([0.5, np.nan, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.6, 0.4])
    assert best_median_worst(scores, 3) == [(2, "best"), (0, "median"), (3, "worst")]
    chosen = best_median_worst(scores, 6)
    assert [word for _, word in chosen] == ["best"] * 2 + ["median"] * 2 + ["worst"] * 2
    assert [row for row, _ in chosen] == [2, 6, 8, 0, 7, 3]
    assert best_median_worst(scores[:3], 6) == [(2, "best"), (0, "median")]
    assert best_median_worst(scores[1:2], 6) == []


@given(st.integers(0, 12), st.integers(0, 8))
def test_no_event_is_chosen_twice(n, n_events):
    chosen = best_median_worst(np.random.default_rng(n).random(n), n_events)
    assert len({row for row, _ in chosen}) == len(chosen) == min(n, n_events)
