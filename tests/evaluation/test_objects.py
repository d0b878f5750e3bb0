from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.intervals import clopper_pearson
from detcnn.evaluation.objects import (
    MatchedObjects,
    evaluate_objects,
    find_objects,
    match_objects,
)


def mask(*rows):
    return np.array([[pixel != "." for pixel in row] for row in rows])


TRUE = mask("aa...", "....b", "...b.", "c....")
FOUND = mask("aa..x", ".....", "...b.", ".....")


def test_objects_by_hand():
    values = np.arange(20.0).reshape(4, 5)
    found = find_objects(TRUE, values)
    assert len(found) == 3
    # Pixels that touch at a corner are one object.
    np.testing.assert_array_equal(found.n_pixels, [2, 2, 1])
    np.testing.assert_array_equal(found.row, [0, 1.5, 3])
    np.testing.assert_array_equal(found.column, [0.5, 3.5, 0])
    np.testing.assert_array_equal(found.value, [0 + 1, 9 + 13, 15])
    np.testing.assert_array_equal(find_objects(TRUE).value, [2, 2, 1])
    assert len(find_objects(np.zeros((3, 3), bool))) == 0


def test_matching_by_hand():
    both = np.stack([TRUE, ~TRUE & False]), np.stack([FOUND, TRUE])
    found = match_objects(*both)
    assert found.n_events == 2
    np.testing.assert_array_equal(found.true_event, [0, 0, 0])
    np.testing.assert_array_equal(found.is_found, [True, True, False])
    np.testing.assert_array_equal(found.found_event, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found.is_true, [True, False, True, False, False, False])
    # Half of b is found.
    strict = match_objects(*both, least_overlap=0.6)
    np.testing.assert_array_equal(strict.is_found, [True, False, False])
    large = match_objects(*both, least_pixels=2)
    np.testing.assert_array_equal(large.is_found, [True, False, False])
    np.testing.assert_array_equal(large.found_event, [0, 1, 1])


def test_one_found_object_belongs_to_one_true_one():
    true, found = mask("aa.bbb"), mask("xxxxxx")
    matched = match_objects(true[np.newaxis], found[np.newaxis])
    np.testing.assert_array_equal(matched.is_found, [False, True])
    np.testing.assert_array_equal(matched.is_true, [True])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.5), st.sampled_from([0.0, 0.2, 0.5]))
def test_pairs_have_the_overlap_of_the_dense_assignment(seed, filled, least_overlap):
    rng = np.random.default_rng(seed)
    true = rng.random((1, 12, 12)) < filled
    found = np.where(rng.random(true.shape) < 0.6, true, rng.random(true.shape) < filled)
    there, seen = find_objects(true[0]), find_objects(found[0])
    overlap = np.zeros((len(there), len(seen)))
    for i, j in np.ndindex(overlap.shape):
        one, other = there.labels == i + 1, seen.labels == j + 1
        overlap[i, j] = (one & other).sum() / (one | other).sum()
    overlap[overlap < least_overlap] = 0
    rows, columns = optimize.linear_sum_assignment(overlap, maximize=True)
    kept = overlap[rows, columns] > 0
    matched = match_objects(true, found, least_overlap=least_overlap)
    assert matched.is_found.sum() == matched.is_true.sum()
    # Choices of equal overlap may be of other objects; those chosen must allow as much.
    among = overlap[np.ix_(matched.is_found, matched.is_true)]
    best = optimize.linear_sum_assignment(among, maximize=True)
    assert among[best].sum() == pytest.approx(overlap[rows[kept], columns[kept]].sum())
    assert (among[best] > 0).all()


def test_objects_are_those_of_a_plane():
    # In two planes at the same place; only in the second is one found.
    true = np.stack([mask("aa.", "..."), mask("aa.", "...")])[np.newaxis]
    found = np.stack([mask("...", "..x"), mask("a..", "...")])[np.newaxis]
    charge = np.stack([np.full((2, 3), 1.0), np.full((2, 3), 10.0)])[np.newaxis]
    matched = match_objects(true, found, charge)
    assert matched.n_events == 1
    np.testing.assert_array_equal(matched.true_event, [0, 0])
    np.testing.assert_array_equal(matched.true_value, [2, 20])
    np.testing.assert_array_equal(matched.is_found, [False, True])
    np.testing.assert_array_equal(matched.found_value, [1, 10])
    np.testing.assert_array_equal(matched.is_true, [False, True])


def test_blocks_give_the_same():
    rng = np.random.default_rng(0)
    true, found = rng.random((6, 8, 8)) < 0.2, rng.random((6, 8, 8)) < 0.2
    whole = match_objects(true, found)
    joined = MatchedObjects.joined(
        [match_objects(true[rows], found[rows]) for rows in (slice(0, 2), slice(2, 6))]
    )
    for name in ("true_event", "is_found", "found_event", "is_true", "true_value"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def counted(n_events=400, *, efficiency=0.8, purity=0.9, seed=0):
    """Events of Poisson numbers of true objects, some found, and found ones that are not true."""
    rng = np.random.default_rng(seed)
    n_true = rng.poisson(2.0, n_events)
    true_event = np.repeat(np.arange(n_events), n_true)
    is_found = rng.random(len(true_event)) < efficiency
    n_false = rng.poisson(2.0 * efficiency * (1 / purity - 1), n_events)
    found_event = np.r_[true_event[is_found], np.repeat(np.arange(n_events), n_false)]
    return MatchedObjects(
        n_events=n_events,
        true_event=true_event,
        true_value=rng.uniform(1, 10, len(true_event)),
        is_found=is_found,
        found_event=found_event,
        found_value=rng.uniform(1, 10, len(found_event)),
        is_true=np.arange(len(found_event)) < is_found.sum(),
    )


def test_shares_of_objects_that_are_found_by_chance():
    objects = counted()
    result = evaluate_objects(objects, name="decay", value_name="energy", edges=[1, 4, 10])
    low, binned = objects.true_value < 4, result.efficiency_by_value
    assert binned.n_entries[0, 0] == low.sum()
    for found, passed in (
        (result.efficiency, objects.is_found),
        (result.purity, objects.is_true),
        (binned.measure.item(0, 0), objects.is_found[low]),
    ):
        exact = clopper_pearson(passed.sum(), len(passed)).item()
        assert found.value == exact.value
        assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.2)
    # Of a sum over events, whose number fluctuates as well: Σ n², of which half is counted.
    error = np.sqrt((np.bincount(objects.found_event) ** 2).sum() / 2)
    assert result.found_count.value == pytest.approx(len(objects.found_event) / 2, rel=0.1)
    assert result.found_count.high - result.found_count.low == pytest.approx(2 * error, rel=0.15)


def test_frames_that_fail_as_a_whole():
    # In three of thirty frames none of ten objects is found: an error of thirty, not of 300.
    event = np.repeat(np.arange(30), 10)
    is_found = event >= 3
    objects = MatchedObjects(
        n_events=30,
        true_event=event,
        true_value=np.ones(300),
        is_found=is_found,
        found_event=event[is_found],
        found_value=np.ones(270),
        is_true=np.ones(270, bool),
    )
    result = evaluate_objects(objects, name="hit")
    of_frames = clopper_pearson(27, 30).item()
    assert result.efficiency.value == 0.9
    assert result.efficiency.high - result.efficiency.low == pytest.approx(
        of_frames.high - of_frames.low, rel=0.15
    )
    # All found ones are true: as if each frame had one.
    assert (result.purity.value, result.purity.high) == (1, 1)
    assert result.purity.low == pytest.approx(clopper_pearson(27, 27).item().low)
    # Ten rows of each of three events are three events, the first with fewer objects.
    thirds = evaluate_objects(objects, name="hit", bootstrap=Bootstrap(unit=np.arange(30) // 10))
    n_alike = 270**2 / (70**2 + 100**2 + 100**2)
    assert thirds.purity.low == pytest.approx(clopper_pearson(n_alike, n_alike).item().low)


def test_corrected_count_by_hand():
    # Event 0: 2 true, 1 found, of 2 seen; event 1: 4 true, 3 found, of 3 seen.
    objects = MatchedObjects(
        n_events=2,
        true_event=np.array([0, 0, 1, 1, 1, 1]),
        true_value=np.ones(6),
        is_found=np.array([1, 0, 1, 1, 1, 0], bool),
        found_event=np.array([0, 0, 1, 1, 1]),
        found_value=np.ones(5),
        is_true=np.array([1, 0, 1, 1, 1], bool),
    )
    result = evaluate_objects(objects, name="decay", bootstrap=Bootstrap(n_replicas=50))
    # Event 1 corrected by event 0, 3 · (1/2) / (1/2), or the reverse, 2 · 1 / (3/4).
    expected = {4: (3, 3), 2: (2, 8 / 3)}[result.true_count.value]
    assert (result.found_count.value, result.corrected_count.value) == pytest.approx(expected)
    assert result.closure.value == pytest.approx(expected[1] / result.true_count.value)
    assert result.value_ratio.mean.value == pytest.approx((2 / 2 + 3 / 4) / 2)


def test_the_count_does_not_hang_on_the_order_of_events():
    objects = counted(60)
    order = np.random.default_rng(3).permutation(60)
    place = np.argsort(order)
    moved = replace(
        objects,
        true_event=place[objects.true_event],
        found_event=place[objects.found_event],
    )
    ids = np.random.default_rng(4).integers(0, 2**40, 60)
    first, second = (
        evaluate_objects(of, name="x", bootstrap=Bootstrap(n_replicas=20, unit=unit))
        for of, unit in ((objects, ids), (moved, ids[order]))
    )
    for quantity in ("efficiency", "purity", "found_count", "corrected_count", "closure"):
        a, b = getattr(first, quantity), getattr(second, quantity)
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


def test_halves_do_not_follow_what_repeats_every_other_event():
    # Events of even number are found well, those of odd number badly: each half has both.
    event = np.arange(4000)
    is_found = event % 2 == 0
    is_found[::20] = False
    objects = MatchedObjects(
        n_events=4000,
        true_event=event,
        true_value=np.ones(4000),
        is_found=is_found,
        found_event=event[is_found],
        found_value=np.ones(is_found.sum()),
        is_true=np.ones(is_found.sum(), bool),
    )
    closure = evaluate_objects(objects, name="x", bootstrap=Bootstrap(n_replicas=5)).closure
    assert closure.value == pytest.approx(1, abs=0.1)


def test_closure_covers_one_as_often_as_it_says():
    pulls = []
    for seed in range(60):
        closure = evaluate_objects(
            counted(seed=seed), name="x", bootstrap=Bootstrap(n_replicas=100, seed=seed)
        ).closure
        pulls.append((closure.value - 1) / ((closure.high - closure.low) / 2))
    assert np.std(pulls) == pytest.approx(1, abs=0.35)
    assert np.mean(pulls) == pytest.approx(0, abs=0.4)
    assert stats.kstest(pulls, "norm").pvalue > 1e-3


def test_weights_are_those_of_events():
    objects = counted(50)
    weights = np.random.default_rng(0).uniform(0.5, 2, 50)
    result = evaluate_objects(objects, name="x", weights=weights, bootstrap=Bootstrap(n_replicas=5))
    of = weights[objects.true_event]
    assert result.efficiency.value == pytest.approx(of @ objects.is_found / of.sum())
    doubled = evaluate_objects(
        objects, name="x", weights=2 * weights, bootstrap=Bootstrap(n_replicas=5)
    )
    assert doubled.efficiency.low == pytest.approx(result.efficiency.low)
    assert doubled.corrected_count.value == pytest.approx(2 * result.corrected_count.value)
    assert doubled.closure.value == pytest.approx(result.closure.value)


def test_bad_input():
    nothing = np.zeros((2, 3, 3), bool)
    with pytest.raises(DataError, match="no event of 2 has a true object of 'decay'"):
        evaluate_objects(match_objects(nothing, ~nothing), name="decay")
    with pytest.raises(ConfigError, match="least overlap 2: expected a number from 0 to 1"):
        match_objects(nothing, nothing, least_overlap=2)
    with pytest.raises(DataError, match="expected the same"):
        match_objects(nothing, nothing[:1])
    with pytest.raises(DataError, match="expected events, perhaps planes, two axes"):
        match_objects(nothing[0], nothing[0])
    with pytest.raises(DataError, match="expected two axes"):
        find_objects(nothing)
