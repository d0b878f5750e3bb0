import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.event_bootstrap import (
    Bootstrap,
    caution_of,
    iter_counts,
    percentile_intervals,
    ratio,
    resampled_sums,
)


def counts(n_events, n_replicas, seed=0):
    return np.concatenate(
        [block for _, block in iter_counts(n_events, Bootstrap(n_replicas=n_replicas, seed=seed))]
    )


def test_counts_are_poisson_numbers_of_mean_one():
    k = counts(1000, 400)
    assert k.mean() == pytest.approx(1, abs=0.005)
    assert k.var() == pytest.approx(1, abs=0.01)
    # Independent from event to event.
    assert k.sum(axis=1).var() == pytest.approx(1000, rel=0.25)


def test_fewer_replicas_are_the_first_of_more(monkeypatch):
    many = counts(7, 10)
    np.testing.assert_array_equal(counts(7, 4), many[:4])
    monkeypatch.setattr("detcnn.evaluation.event_bootstrap._NUMBERS_AT_ONCE", 20)
    np.testing.assert_array_equal(counts(7, 10), many)
    assert (counts(7, 10, seed=1) != many).any()


def test_sums_by_hand():
    weights = np.array([1.0, 2.0, 1.0, -1.0])
    values = np.array([[1, 10], [2, 20], [3, 30], [4, 40]])
    sums = resampled_sums(values, weights, Bootstrap(n_replicas=5, seed=3))
    np.testing.assert_array_equal(sums.total, [[1 + 4 + 3 - 4, 10 + 40 + 30 - 40]])
    k = counts(4, 5, seed=3)
    np.testing.assert_allclose(sums.replicas[:, 0], (k * weights) @ values)
    apart = resampled_sums(
        values, weights, Bootstrap(n_replicas=5, seed=3), groups=np.array([1, 0, -1, 1]), n_groups=3
    )
    np.testing.assert_array_equal(apart.total, [[4, 40], [-3, -30], [0, 0]])
    np.testing.assert_allclose(apart.replicas[:, 1], k[:, [0]] * values[0] - k[:, [3]] * values[3])


def test_interval_of_a_mean_covers_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(300):
        x = rng.normal(2.0, 1.0, 60)
        sums = resampled_sums(
            np.stack([np.ones(60), x], axis=1), np.ones(60), Bootstrap(n_replicas=200, seed=trial)
        ).group(0)
        found = sums.intervals(lambda of: ratio(of[..., 1], of[..., 0])).item()
        covered += found.low <= 2.0 <= found.high
    # 0.683 within three binomial standard deviations, and what 60 events take from it.
    assert covered / 300 == pytest.approx(0.67, abs=0.09)


def test_events_move_as_a_whole():
    # Twenty events whose hundred pixels agree: the error is that of twenty, not of two thousand.
    passed = np.repeat([0.0, 100.0], 10)
    values = np.stack([passed, np.full(20, 100.0)], axis=1)
    sums = resampled_sums(values, np.ones(20), Bootstrap(n_replicas=2000)).group(0)
    share = ratio(sums.replicas[:, 0], sums.replicas[:, 1])
    assert share.std() == pytest.approx(np.sqrt(0.25 / 20), rel=0.08)


def test_rows_of_one_event_enter_together():
    rng = np.random.default_rng(1)
    unit = rng.permutation(np.repeat([7, -3, 2**60, 11], [1, 5, 2, 2]))
    bootstrap = Bootstrap(n_replicas=30, unit=unit)
    k = np.concatenate([block for _, block in iter_counts(10, bootstrap)])
    assert {len(np.unique(k[:, unit == one], axis=1).T) for one in np.unique(unit)} == {1}
    assert (k[:, unit == -3][:, 0] != k[:, unit == 11][:, 0]).any()
    # The order of rows plays no part, and events of one row are those without numbers.
    turned = Bootstrap(n_replicas=30, unit=unit[::-1])
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in iter_counts(10, turned)])[:, ::-1], k
    )
    alone = Bootstrap(n_replicas=30, unit=np.arange(10))
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in iter_counts(10, alone)]), counts(10, 30)
    )


def test_the_interval_is_that_of_the_events_not_of_their_rows():
    # A hundred tiles of each of sixteen frames agree: the error is that of sixteen events.
    passed = np.repeat([0.0, 1.0], 800)
    values = np.stack([passed, np.ones(1600)], axis=1)
    bootstrap = Bootstrap(n_replicas=2000, unit=np.arange(1600) // 100)
    sums = resampled_sums(values, np.ones(1600), bootstrap).group(0)
    share = ratio(sums.replicas[:, 0], sums.replicas[:, 1])
    assert share.std() == pytest.approx(np.sqrt(0.25 / 16), rel=0.1)


def test_a_number_for_each_row_is_asked_for():
    with pytest.raises(DataError, match="4 rows, and 3 numbers of the events .*: expected one a"):
        next(iter_counts(4, Bootstrap(unit=np.arange(3))))


def test_undefined_replicas_are_left_out():
    replicas = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan], [2.0, 7.0, np.nan]])
    found = percentile_intervals([2.0, 6.0, np.nan], replicas, level=0.5)
    np.testing.assert_array_equal(found.low, [1.5, 5.5, np.nan])
    np.testing.assert_array_equal(found.high, [2.5, 6.5, np.nan])


def test_no_replica_is_refused():
    with pytest.raises(ConfigError, match="0 bootstrap replicas: expected 1 or more"):
        counts(3, 0)


def test_few_events_are_told():
    assert caution_of(20) == ""
    assert caution_of(19).startswith("Only 19 events: intervals of fewer than 20 are rough")
    assert caution_of(1).startswith("Only 1 event:")
