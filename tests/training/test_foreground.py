from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detcnn.events.images import DenseImages, as_sparse
from detcnn.training.batches import Batches
from detcnn.training.foreground import Favour, favoured_order, foreground_rows
from detcnn.training.splits import Events, Split


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


def test_planes_that_say_what_counts_are_no_foreground():
    values = np.zeros((3, 4, 2, 3), dtype=np.float32)
    values[0, 1, 1, 2] = 1
    values[1, 2, 0, 0] = 1
    for truth in (DenseImages(values), as_sparse(DenseImages(values))):
        assert foreground_rows(truth, [1], planes=2).tolist() == [True, False, False]
        assert foreground_rows(truth, [1]).tolist() == [True, True, False]


N, RARE = 60, 6


@dataclass(frozen=True)
class Parts:
    """Twelve blocks of five images each, of which four are in memory together."""

    events: Events
    block_sizes = np.full(12, 5)
    blocks_at_once = 4
    n_images = N

    def read(self, blocks):
        return self.events.take(np.concatenate([np.arange(5 * b, 5 * b + 5) for b in blocks]))


def rare_split(*, parts):
    """Images that are told by their target; each tenth has the rare class 2, all have class 1."""
    values = np.zeros((N, 1, 3, 3), dtype=np.float32)
    values[:, 0, 0, 0] = 1
    truth = np.concatenate([values, values], axis=1)
    truth[::10, 0, 2, 1] = 2
    images, truths = as_sparse(DenseImages(values)), as_sparse(DenseImages(truth))
    if not parts:
        return Split(images, np.arange(N), np.ones(N), truth=truths)
    extra = np.zeros((N, 0), dtype=np.float32)
    return Parts(Events(images, np.arange(N), np.ones(N, np.float32), extra, truth=truths))


def drawn(batches, epoch, start_step=0):
    """Return the images of an epoch in the order they are taken."""
    shuffled = batches._iter_shuffled(epoch, skip=start_step * batches.batch_size)
    return [image for events, order in shuffled for image in events.target[order].tolist()]


FAVOUR = Favour(classes=(2,), share=0.5, planes=1)


@pytest.mark.parametrize("parts", [False, True])
def test_an_epoch_shows_the_share_in_an_order_that_can_be_taken_up_again(parts):
    batches = Batches(rare_split(parts=parts), batch_size=8, seed=3, favour=FAVOUR)
    plain = Batches(rare_split(parts=parts), batch_size=8, seed=3)
    whole = drawn(batches, 1)
    assert len(whole) == N
    is_rare = np.array(whole) % 10 == 0
    if parts:
        # Half of each part that has any: three parts of twenty, drawn by the blocks.
        by_part = is_rare.reshape(3, 20).sum(axis=1)
        has_rare = (np.array(drawn(plain, 1)).reshape(3, 20) % 10 == 0).any(axis=1)
        assert by_part.tolist() == np.where(has_rare, 10, 0).tolist()
    else:
        assert is_rare.sum() == N // 2
        assert set(np.bincount(whole, minlength=N)[::10]) == {N // 2 // RARE}
    # What has kept its place has it without a favour, too.
    assert np.array_equal(np.array(whole)[~is_rare], np.array(drawn(plain, 1))[~is_rare])
    assert drawn(batches, 1) == whole
    assert drawn(batches, 2) != whole
    other = Batches(rare_split(parts=parts), batch_size=8, seed=4, favour=FAVOUR)
    assert drawn(other, 1) != whole
    for step in range(8):
        assert drawn(batches, 1, step) == whole[8 * step :]


def test_batches_show_what_is_favoured():
    batches = Batches(rare_split(parts=False), batch_size=16, seed=3, favour=FAVOUR)
    truths = torch.cat([batch.targets for batch in batches.iter_batches(1)])
    assert int((truths[:, 0] == 2).any(dim=(1, 2)).sum()) == N // 2
