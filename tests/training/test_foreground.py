import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.events.images import DenseImages, as_sparse
from detcnn.training.foreground import favoured_order, foreground_rows


def test_foreground_by_hand():
    values = np.zeros((4, 1, 2, 3), dtype=np.float32)
    values[1, 0, 0, 2] = 1
    values[2, 0, 1, 1] = 2
    values[3, 0, 1, 2] = 255
    for truth in (DenseImages(values), as_sparse(DenseImages(values))):
        assert foreground_rows(truth, [1]).tolist() == [False, True, False, False]
        assert foreground_rows(truth, [2, 1]).tolist() == [False, True, True, False]
        assert foreground_rows(truth, [3]).tolist() == [False] * 4


def test_background_is_no_foreground():
    with pytest.raises(ValueError, match="numbers from 1"):
        foreground_rows(DenseImages(np.zeros((1, 1, 2, 2), dtype=np.float32)), [0, 1])


@given(
    is_foreground=st.lists(st.booleans(), max_size=40),
    share=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_a_share_has_foreground_and_the_rest_stays(is_foreground, share, seed):
    is_foreground = np.array(is_foreground, dtype=bool)
    n, n_foreground = len(is_foreground), int(is_foreground.sum())
    order = np.random.default_rng(seed).permutation(n)
    rng = np.random.default_rng(seed + 1)
    favoured = favoured_order(order, is_foreground, share=share, rng=rng)
    assert len(favoured) == n
    n_shown = int(is_foreground[favoured].sum())
    assert n_shown == (max(round(share * n), n_foreground) if n_foreground else 0)
    has_moved = favoured != order
    assert not is_foreground[order[has_moved]].any()
    counts = np.bincount(favoured, minlength=n)
    assert counts[~is_foreground].max(initial=0) <= 1
    if n_foreground:
        assert np.ptp(counts[is_foreground]) <= 1


def test_places_and_copies_are_fair():
    """Every place and every foreground image gets the same number of turns, within chance."""
    is_foreground = np.arange(10) < 3
    at_place, of_image, n = np.zeros(10), np.zeros(10), 4000
    for epoch in range(n):
        rng = np.random.default_rng(epoch)
        favoured = favoured_order(rng.permutation(10), is_foreground, share=0.7, rng=rng)
        at_place += is_foreground[favoured]
        of_image += np.bincount(favoured, minlength=10)
    np.testing.assert_allclose(at_place / n, 0.7, atol=0.04)
    np.testing.assert_allclose(of_image / n, np.where(is_foreground, 7 / 3, 3 / 7), atol=0.04)


def test_the_order_is_a_function_of_the_generator():
    is_foreground = np.arange(50) % 10 == 0
    orders = [
        favoured_order(
            np.arange(50), is_foreground, share=0.5, rng=np.random.default_rng(seed)
        ).tolist()
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
