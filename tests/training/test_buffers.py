import gc
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import DataError
from detcnn.events.images import DenseImages, SparseImages, as_sparse
from detcnn.imaging.augmentation import DropPixels
from detcnn.imaging.geometric_policies import Flip, Shift
from detcnn.kernels.moves import unmoved
from detcnn.models.standardise import Standardise
from detcnn.training.batches import Batches, dense_images, feed, statistics_of
from detcnn.training.buffers import ImageBuffers
from detcnn.training.splits import Split

CPU = torch.device("cpu")


@pytest.fixture
def values():
    """Of 162 pixels about two are filled: few enough to be emptied one by one."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=(50, 2, 9, 9)).astype(np.float32)
    values[rng.random(values.shape) < 0.99] = 0
    assert np.count_nonzero(values, axis=(1, 2, 3)).max() <= 162 // 32
    return values


@pytest.fixture
def images(values):
    return as_sparse(DenseImages(values))


def layer_of(seed, shape=(2, 9, 9)):
    rng = np.random.default_rng(seed)
    return Standardise(rng.normal(size=shape), rng.random(shape) + 0.5, [0.8] * shape[0])


def taken(buffers, n=4, shape=(2, 9, 9), statistics=None):
    return buffers.take(n, shape, channels_last=True, statistics=statistics)[0]


def place(tensor):
    return tensor.untyped_storage().data_ptr()


WAYS_TO_HOLD = {
    "itself": lambda images: images,
    "a view": lambda images: images[1:, :1],
    "detached": lambda images: images.detach(),
    "an array": lambda images: images.numpy()[::2],
    "a view of an array": lambda images: torch.from_numpy(images.numpy()[2:]),
    "for a gradient": lambda images: images * torch.ones(9, requires_grad=True),
    "flat": lambda images: images.permute(0, 2, 3, 1).reshape(-1),
    "storage": lambda images: images.untyped_storage(),
}


@pytest.mark.parametrize("hold", WAYS_TO_HOLD.values(), ids=WAYS_TO_HOLD)
def test_memory_that_is_held_is_given_to_nobody(hold):
    buffers = ImageBuffers()
    images = taken(buffers)
    first = place(images)
    held = hold(images)
    del images
    others = [taken(buffers) for _ in range(3)]
    assert first not in map(place, others)
    del held
    assert place(taken(buffers)) == first


def test_memory_is_given_again_and_again():
    buffers = ImageBuffers()
    places = set()
    for _ in range(10):
        images = taken(buffers)
        places.add(place(images))
    # One is still there when the next one is made.
    assert len(places) == 2


def test_no_more_memory_is_kept_than_was_asked_for():
    buffers = ImageBuffers(n_most=2)
    held = [taken(buffers) for _ in range(5)]
    kept = {place(images) for images in held[:2]}
    assert len({place(images) for images in held}) == 5
    del held
    again = [taken(buffers) for _ in range(2)]
    assert {place(images) for images in again} == kept


def test_memory_fits_what_it_is_given_to():
    buffers = ImageBuffers()
    small = place(taken(buffers, n=3))
    assert place(taken(buffers, n=4)) != small
    assert place(taken(buffers, n=2)) == small
    assert taken(buffers, n=2).shape == (2, 2, 9, 9)
    assert place(taken(buffers, n=3, shape=(3, 9, 9))) != small
    in_order, _ = buffers.take(3, (2, 9, 9), channels_last=False, statistics=None)
    assert place(in_order) != small
    assert in_order.is_contiguous()
    assert taken(buffers, n=3).is_contiguous(memory_format=torch.channels_last)


WAYS_TO_WRITE = {
    "in place": lambda images: images.relu_(),
    "into a view": lambda images: images[1, 0].view(-1)[3:4].fill_(7),
    "detached": lambda images: images.detach().mul_(2),
    "without gradients": torch.no_grad()(lambda images: images.add_(1)),
    "for inference": torch.inference_mode()(lambda images: images[:, :, 2].zero_()),
    "by index": lambda images: images.index_fill_(0, torch.tensor([2]), 9.0),
    "as an output": lambda images: torch.neg(images, out=images),
    "by a layer": torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Flatten()),
}


@pytest.mark.parametrize("write", WAYS_TO_WRITE.values(), ids=WAYS_TO_WRITE)
@pytest.mark.parametrize("is_for_inference", [False, True])
def test_what_was_written_into_is_written_as_a_whole(images, write, is_for_inference):
    """With statistics, for then empty pixels are no zeros, and every way changes some of them."""
    buffers, statistics = ImageBuffers(), statistics_of(layer_of(3), images.shape)
    rows = np.array([0, 1, 2])
    with torch.inference_mode(is_for_inference):
        changed = dense_images(images, rows, statistics=statistics, buffers=buffers)
        first, before = place(changed), changed.clone()
        write(changed)
        assert not torch.equal(changed, before)
        # Also if the view is what is left of it.
        changed = changed[2:]
        del changed
        again = dense_images(images, rows + 5, statistics=statistics, buffers=buffers)
    assert place(again) == first
    assert torch.equal(again, dense_images(images, rows + 5, statistics=statistics))


def test_what_was_written_into_after_the_batch_itself_was_gone(images, values):
    buffers = ImageBuffers()
    batch = dense_images(images, np.array([0, 1, 2]), buffers=buffers)
    kept = batch.detach()[:2]
    first = place(batch)
    del batch
    kept.fill_(5)
    del kept
    again = dense_images(images, np.array([5, 6, 7]), buffers=buffers)
    assert place(again) == first
    assert np.array_equal(again, values[5:8])


def test_what_stays_empty_is_not_written(images, values):
    """Seen by a change that nobody may make, for torch does not count it."""
    buffers = ImageBuffers()
    chosen = dense_images(images, np.array([0, 1, 2]), buffers=buffers)
    channel, row, column = np.argwhere((values[:6] == 0).all(axis=0))[0]
    chosen.data[1, channel, row, column] = 7
    del chosen
    again = dense_images(images, np.array([3, 4, 5]), buffers=buffers)
    expected = values[3:6]
    expected[1, channel, row, column] = 7
    assert np.array_equal(again, expected)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), is_picture=st.booleans())
def test_batches_in_used_memory_equal_new_ones(seed, is_picture):
    """Whatever was there before, and whatever is held."""
    rng = np.random.default_rng(seed)
    shape = (2, 8, 10) if is_picture else (2, 2, 4, 10)
    layers = [None, *(statistics_of(layer_of(i, shape), shape) for i in range(2))]
    buffers, held = ImageBuffers(n_most=3), []
    for _ in range(10):
        n = int(rng.integers(1, 9))
        # Some with more pixels than are emptied one by one, and some that have one twice.
        offsets = np.concatenate([[0], np.cumsum(rng.integers(0, rng.choice([1, 6, 40]), n))])
        pixel = rng.integers(0, 160, offsets[-1]).astype(np.uint16)
        value = rng.normal(size=len(pixel)).astype(np.float32)
        images, rows = SparseImages(offsets, pixel, value, shape), rng.integers(0, n, n)
        moves = unmoved(n, shape[-2:])
        if is_picture and rng.random() < 0.5:
            moves = moves.then_flip(rng.random(n) < 0.5, rng.random(n) < 0.5)
            moves = moves.then_shift(rng.integers(-3, 4, n), rng.integers(-3, 4, n))
        options = {"moves": moves, "statistics": layers[rng.integers(3)]}
        chosen = dense_images(images, rows, buffers=buffers, **options)
        expected = dense_images(images, rows, **options)
        assert chosen.numpy().tobytes() == expected.numpy().tobytes()
        held.append((chosen, expected))
        del chosen
        for one, other in held:
            assert torch.equal(one, other)
        while rng.random() < 0.6 and held:
            one, _ = held.pop(int(rng.integers(len(held))))
            if rng.random() < 0.3:
                one[:, :1].add_(1)
            del one


def split_of(images):
    return Split(images, np.arange(images.n_images), np.ones(images.n_images))


@pytest.mark.parametrize("policies", [[], [Flip(), Shift()], [Flip(), DropPixels()]])
@pytest.mark.parametrize("is_fed", [False, True])
def test_epochs_in_used_memory_are_those_in_new_memory(images, policies, is_fed):
    def stream(batches, epoch):
        made = batches.iter_batches(epoch, standardise=layer_of(epoch // 3))
        return feed(made, CPU) if is_fed else made

    def new():
        return Batches(split_of(images), batch_size=8, seed=1, policies=policies)

    batches, places = new(), set()
    for epoch in range(1, 5):
        expected = list(stream(new(), epoch))
        for batch, other in zip(stream(batches, epoch), expected, strict=True):
            assert torch.equal(batch.images, other.images)
            places.add(place(batch.images))
            # As a network whose first layer works in place.
            if len(places) % 2:
                batch.images.relu_()
    if policies != [Flip(), DropPixels()]:
        assert len(places) <= 5


@pytest.mark.parametrize("n_at_once", [1, 3])
def test_batches_that_are_collected_stay_as_they_are(images, n_at_once):
    """As for a step that adds up the gradients of several; and written into only then."""
    batches = Batches(split_of(images), batch_size=4, seed=1)
    expected = [batch.images.clone() for batch in batches.iter_batches(2)]
    for _ in range(2):
        fed, seen = feed(batches.iter_batches(2), CPU), []
        while group := list(islice(fed, n_at_once)):
            for batch in group:
                seen.append(batch.images.clone())
                batch.images.fill_(3)
        assert len(seen) == 13
        assert all(map(torch.equal, seen, expected))
    kept = [batch.images for batch in feed(batches.iter_batches(2), CPU)]
    assert all(map(torch.equal, kept, expected))
    assert len({place(batch) for batch in kept}) == 13


def test_two_epochs_at_once_do_not_disturb_each_other(images):
    batches = Batches(split_of(images), batch_size=4, seed=1)
    expected = [[b.images.clone() for b in batches.iter_batches(epoch)] for epoch in (1, 2)]
    streams = [feed(batches.iter_batches(epoch), CPU) for epoch in (1, 2)]
    for one, other, *both in zip(*streams, *expected, strict=True):
        assert torch.equal(one.images, both[0])
        assert torch.equal(other.images, both[1])


def test_memory_is_free_again_after_a_failure(images):
    corrupt = SparseImages(
        offsets=images.offsets,
        pixel=np.full_like(images.pixel, 999),
        value=images.value,
        shape=images.shape,
    )
    buffers, rows = ImageBuffers(), np.arange(3)
    first = place(dense_images(images, rows, buffers=buffers))
    with pytest.raises(DataError, match="is corrupt"):
        dense_images(corrupt, rows, buffers=buffers)
    gc.collect()
    again = dense_images(images, rows, buffers=buffers)
    assert place(again) == first
    assert torch.equal(again, dense_images(images, rows))
