import numpy as np
import pytest

from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.event_shares import event_shares, overlap_to_dice
from detcnn.evaluation.intervals import clopper_pearson


def share(passed, total, *, n_replicas=400, unit=None, weights=None, seed=0):
    passed, total = (np.reshape(of, (-1, 1)) for of in (passed, total))
    weights = np.ones(len(total)) if weights is None else weights
    bootstrap = Bootstrap(n_replicas=n_replicas, unit=unit, seed=seed)
    return event_shares(passed, total, weights, bootstrap).item(0)


def test_independent_objects_have_the_exact_interval():
    rng = np.random.default_rng(1)
    total = rng.poisson(3, 2000)
    passed = rng.binomial(total, 0.8)
    found = share(passed, total)
    exact = clopper_pearson(passed.sum(), total.sum()).item()
    assert found.value == pytest.approx(exact.value)
    # Within what 400 replicas tell of a variance.
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.15)


def test_objects_that_go_together_count_as_one():
    # All twenty objects of an event are found, or none is.
    found = share(np.repeat([0, 20], [20, 60]), np.full(80, 20))
    of_events = clopper_pearson(60, 80).item()
    assert found.value == 0.75
    assert (found.low, found.high) == pytest.approx((of_events.low, of_events.high), abs=0.015)


def test_where_all_pass_each_event_counts_once():
    found = share(np.full(30, 4), np.full(30, 4))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(clopper_pearson(30, 30).item().low)
    nothing = share(np.zeros(30), np.full(30, 4))
    assert (nothing.value, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(1 - found.low)
    # Rows of one event are no further events.
    same = share(np.full(30, 4), np.full(30, 4), unit=np.arange(30) // 3)
    assert same.low == pytest.approx(clopper_pearson(10, 10).item().low)


def test_of_one_event_and_of_none_nothing_is_known():
    one = share([0, 3, 0], [0, 5, 0])
    assert (one.value, one.low, one.high) == (0.6, 0, 1)
    nobody = share([0, 0], [0, 0])
    assert np.isnan(nobody.value)
    assert (nobody.low, nobody.high) == (0, 1)


def test_weights_of_any_scale_give_the_same():
    rng = np.random.default_rng(4)
    total = rng.poisson(3, 50)
    passed, weights = rng.binomial(total, 0.6), rng.uniform(0.5, 2, 50)
    found = share(passed, total, weights=weights)
    assert found.value == pytest.approx(weights @ passed / (weights @ total))
    scaled = share(passed, total, weights=3 * weights)
    assert (scaled.low, scaled.high) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize(("n_events", "mean"), [(12, 0.9), (60, 0.97), (60, 0.7)])
def test_the_interval_holds_the_truth_as_often_as_it_says(n_events, mean):
    rng = np.random.default_rng(n_events)
    held, exact = [], []
    for seed in range(250):
        total = 1 + rng.poisson(5, n_events)
        # A fate of each event: its efficiency is nearly one or nearly none.
        fate = rng.beta(0.7 * mean, 0.7 * (1 - mean), n_events)
        passed = rng.binomial(total, fate)
        found = share(passed, total, n_replicas=120, seed=seed)
        held.append(found.low <= mean <= found.high)
        alone = clopper_pearson(passed.sum(), total.sum()).item()
        exact.append(alone.low <= mean <= alone.high)
    # 0.683 with three binomial standard deviations below, and an exact interval's surplus above.
    assert 0.6 < np.mean(held) < 0.88
    assert np.mean(exact) < 0.5


def test_groups_are_what_their_rows_give_alone():
    rng = np.random.default_rng(6)
    total = rng.poisson(4, (60, 2, 3))
    passed, weights, unit = rng.binomial(total, 0.7), rng.uniform(0.5, 2, 60), np.arange(60) // 2
    groups = np.arange(60) // 2 % 3 - 1  # a third is in none
    bootstrap = Bootstrap(n_replicas=50, unit=unit)
    found = event_shares(passed, total, weights, bootstrap, groups=groups, n_groups=2)
    assert found.value.shape == (2, 2, 3)
    for group in (0, 1):
        inside = groups == group
        # Rows of no weight are none, and the others have the replicas of before.
        there = np.where(inside[:, np.newaxis, np.newaxis], total, 0)
        alone = event_shares(passed, there, inside * weights, bootstrap)
        for name in ("value", "low", "high"):
            assert getattr(found, name)[group] == pytest.approx(getattr(alone, name))


def test_dice_is_made_from_the_overlap():
    # 3 in both, 1 true alone, 2 found alone.
    overlap = event_shares([[1], [2]], [[2], [4]], np.ones(2), Bootstrap(n_replicas=20))
    dice = overlap_to_dice(overlap).item(0)
    assert dice.value == pytest.approx(2 * 3 / (4 + 5))
    assert dice.low == pytest.approx(2 * overlap.low[0] / (1 + overlap.low[0]))
    assert dice.high == pytest.approx(2 * overlap.high[0] / (1 + overlap.high[0]))
