from itertools import pairwise

import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.training.subsets import stratified_rows

LABEL = np.random.default_rng(0).choice(3, 500, p=[0.6, 0.3, 0.1])


def test_every_class_has_its_share():
    for n_events in (10, 50, 333):
        rows = stratified_rows(LABEL, n_events, seed=1)
        assert len(np.unique(rows)) == n_events
        assert (np.diff(rows) > 0).all()
        expected = n_events * np.bincount(LABEL) / 500
        assert np.abs(np.bincount(LABEL[rows]) - expected).max() <= 1


def test_a_smaller_choice_is_part_of_a_larger_one():
    chosen = [set(stratified_rows(LABEL, n, seed=1)) for n in (3, 17, 100, 499, 500)]
    for smaller, larger in pairwise(chosen):
        assert smaller < larger
    assert set(LABEL[list(chosen[0])]) == {0, 1, 2}


def test_the_choice_is_a_function_of_the_seed():
    assert np.array_equal(*(stratified_rows(LABEL, 50, seed=1) for _ in range(2)))
    assert not np.array_equal(
        stratified_rows(LABEL, 50, seed=1), stratified_rows(LABEL, 50, seed=2)
    )
    assert len(stratified_rows(LABEL, 1000, seed=1)) == 500


def test_events_are_chosen_without_regard_to_their_place():
    rows = np.concatenate([stratified_rows(LABEL, 50, seed=s) for s in range(60)])
    assert rows.mean() == pytest.approx(249.5, abs=5 * 500 / np.sqrt(12 * 3000))


def test_there_is_one_of_each_class():
    with pytest.raises(ConfigError, match="2, expected at least one event for each of the 3"):
        stratified_rows(LABEL, 2, seed=1)
