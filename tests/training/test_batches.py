import numpy as np
import pytest
import torch

from detcnn.errors import DataError
from detcnn.events.images import DenseImages, as_sparse
from detcnn.imaging.augmentation import Augmented, DropPixels, Noise, augment, augment_together
from detcnn.imaging.geometric_policies import Flip, Rotate, Shift
from detcnn.models.standardise import Standardise
from detcnn.seeding import generator
from detcnn.training.batches import Batches, Shuffle, changed_events, dense_images, feed
from detcnn.training.splits import Events, Split


def split_of(images, weight=None):
    n = images.n_images
    return Split(images, np.arange(n), np.ones(n) if weight is None else weight)


def test_chosen_images_are_dense_in_either_encoding(images, values):
    rows = np.array([7, 0, 7, 49])
    assert np.array_equal(dense_images(images, rows), values[rows])


def test_every_image_comes_once_an_epoch_with_its_own_target_and_weight(images, values):
    weight = np.arange(1.0, 51.0)
    batches = Batches(split_of(images, weight), batch_size=16, seed=1)
    assert batches.n_steps == 4
    seen = list(batches.iter_batches(1))
    assert [len(batch.images) for batch in seen] == [16, 16, 16, 2]
    rows = torch.cat([batch.targets for batch in seen]).numpy()
    assert sorted(rows) == list(range(50))
    assert not np.array_equal(rows, np.arange(50))
    assert np.array_equal(torch.cat([batch.images for batch in seen]).numpy(), values[rows])
    weights = torch.cat([batch.weights for batch in seen]).numpy()
    np.testing.assert_allclose(weights, weight[rows] / 25.5, rtol=1e-6)


def test_the_order_is_a_function_of_seed_and_epoch(images):
    def order(seed, epoch):
        batches = Batches(split_of(images), batch_size=16, seed=seed)
        return torch.cat([batch.targets for batch in batches.iter_batches(epoch)]).tolist()

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


@pytest.mark.parametrize("start", range(5))
def test_an_epoch_taken_up_again_goes_on_identically(images, start):
    policies = [Shift(), Flip(), DropPixels()]
    batches = Batches(split_of(images), batch_size=12, seed=1, policies=policies)
    whole = list(batches.iter_batches(3))
    again = list(batches.iter_batches(3, start_step=start))
    assert len(again) == 5 - start
    for one, other in zip(whole[start:], again, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)


def test_batches_share_no_memory(images):
    stream = Batches(split_of(images), batch_size=10, seed=1).iter_batches(1)
    first = next(stream)
    before = first.images.clone()
    first_address = first.images.data_ptr()
    assert next(stream).images.data_ptr() != first_address
    assert torch.equal(first.images, before)


POLICIES = {
    "none": [],
    "moves": [Shift(), Flip()],
    "moves first": [Flip(), Shift(max_pixels=2), DropPixels(), Rotate()],
    "moves last": [Noise(), Flip()],
}


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("is_standardised", [False, True])
def test_batches_are_those_of_the_plain_steps(images, values, policies, is_standardised):
    rng = np.random.default_rng(3)
    # Of values up to 1.6, the limits cut some.
    layer = Standardise(rng.random((2, 9, 9)), rng.random((2, 9, 9)) + 0.5, limit=[0.5, 0.9])
    assert (np.abs(values) > 0.9).any(axis=(0, 2, 3)).all()
    batches = Batches(split_of(images), batch_size=16, seed=1, policies=policies)
    stream = batches.iter_batches(2, standardise=layer if is_standardised else None)
    for step, batch in enumerate(stream):
        plain = values[batch.targets]
        expected = augment(plain, policies, generator(1, "augment", 2, step))
        expected = torch.from_numpy(expected)
        if is_standardised:
            torch.testing.assert_close(batch.images, layer(expected), rtol=1e-6, atol=1e-6)
        else:
            assert torch.equal(batch.images, expected)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
def test_both_encodings_give_the_same_bits(values, to_sparse, policies):
    layer = Standardise(np.full((2, 1, 1), 0.2), np.full((2, 1, 1), 0.3), limit=[0.6, 0.9])
    streams = [
        Batches(split_of(images), batch_size=16, seed=1, policies=policies).iter_batches(
            1, standardise=layer
        )
        for images in (to_sparse(values), DenseImages(values))
    ]
    for sparse, dense in zip(*streams, strict=True):
        assert torch.equal(sparse.images, dense.images)


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("encodings", ["both lists", "lists and dense", "dense and lists", "dense"])
def test_masks_go_with_their_images_in_every_encoding(values, to_sparse, policies, encodings):
    """As by the plain steps; and what is brightest keeps its label wherever it comes to lie."""
    masks = np.float32(3) * (values[:, :1] > 0.9) + (values[:, :1] > 0.5)
    as_given = {
        "both lists": (to_sparse(values), to_sparse(masks)),
        "lists and dense": (to_sparse(values), DenseImages(masks)),
        "dense and lists": (DenseImages(values), to_sparse(masks)),
        "dense": (DenseImages(values), DenseImages(masks)),
    }
    images, truth = as_given[encodings]
    nothing = np.zeros(len(values), dtype=np.float32)
    events = Events(images, nothing, nothing, nothing[:, np.newaxis], truth=truth)
    rows = np.array([4, 0, 4, 31, 7])
    changed = changed_events(events, rows, policies, np.random.default_rng(9))
    plain = Augmented(values[rows], masks[rows])
    if policies:
        plain = augment_together(plain, policies, np.random.default_rng(9))
    np.testing.assert_array_equal(changed.images.numpy(), plain.values)
    np.testing.assert_array_equal(changed.targets.numpy(), plain.masks)
    assert set(np.unique(changed.targets)) == {0, 1, 4}
    if policies in (POLICIES["none"], POLICIES["moves"]):
        shown = changed.images.numpy()[:, :1]
        moved = np.float32(3) * (shown > 0.9) + (shown > 0.5)
        np.testing.assert_array_equal(changed.targets.numpy(), moved)


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_points_go_with_their_images(values, to_sparse, policies, is_sparse):
    """A pixel of its own brightness takes its point along, wherever it comes to lie."""
    rng = np.random.default_rng(4)
    places = np.stack([rng.integers(0, 9, (50, 3)), rng.integers(0, 9, (50, 3))], axis=2)
    points = places.astype(np.float64)
    points[::5, 2] = np.nan
    images = to_sparse(values) if is_sparse else DenseImages(values)
    nothing = np.zeros(50, dtype=np.float32)
    events = Events(images, nothing, nothing, nothing[:, np.newaxis], points=points)
    rows = np.arange(50)
    changed = changed_events(events, rows, policies, np.random.default_rng(9))
    plain = Augmented(values, None, points)
    if policies:
        plain = augment_together(plain, policies, np.random.default_rng(9))
    np.testing.assert_array_equal(changed.targets.numpy(), plain.points.astype(np.float32))
    is_there = changed.targets.isfinite().all(dim=2).numpy()
    assert not is_there[::5, 2].any()
    assert is_there.mean() > 0.6
    if policies in (POLICIES["none"], POLICIES["moves"]):
        image, point = np.nonzero(is_there)
        row, column = changed.targets[is_there].long().T
        old_row, old_column = places[image, point].T
        np.testing.assert_array_equal(
            changed.images.numpy()[image, :, row, column], values[image, :, old_row, old_column]
        )


def test_what_a_thread_makes_is_the_same(images):
    batches = Batches(split_of(images), batch_size=12, seed=1, policies=[Flip(), DropPixels()])
    fed = feed(batches.iter_batches(3), torch.device("cpu"))
    for here, there in zip(batches.iter_batches(3), fed, strict=True):
        assert torch.equal(here.images, there.images)
        assert torch.equal(here.targets, there.targets)
        assert torch.equal(here.weights, there.weights)


def test_batches_in_memory_are_truly_shuffled(images):
    shuffle = Batches(split_of(images), batch_size=12, seed=1).shuffle
    assert shuffle.is_true
    assert shuffle.pairs_that_meet == 1


@pytest.mark.parametrize(("n_blocks", "at_once"), [(1, 1), (7, 2), (12, 3), (5, 4), (4, 9)])
def test_pairs_that_meet_by_counting(n_blocks, at_once):
    group = np.arange(n_blocks) // at_once
    expected = np.mean(group[:, None] == group)
    assert Shuffle(n_blocks, at_once).pairs_that_meet == pytest.approx(expected)


def test_augmentation_leaves_the_split_alone(values):
    before = values.copy()
    batches = Batches(split_of(DenseImages(values)), batch_size=8, seed=1, policies=[Shift()])
    augmented = torch.cat([batch.images for batch in batches.iter_batches(1)])
    assert np.array_equal(values, before)
    assert not np.array_equal(np.sort(augmented.sum((1, 2, 3))), np.sort(values.sum((1, 2, 3))))


def test_negative_weights_are_kept(images):
    weight = np.where(np.arange(50) % 5 == 0, -1.0, 1.0)
    assert split_of(images, weight).relative_weight.mean() == pytest.approx(1)
    assert split_of(images, weight).relative_weight.min() < 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"weight": np.zeros(50)}, "sum to 0, expected more than 0"),
        ({"weight": np.where(np.arange(50) == 9, np.nan, 1)}, "image 9 has the weight nan"),
        ({"weight": np.ones(49)}, "50 images with 50 targets and 49 weights"),
        ({"target": np.ones(3)}, "50 images with 3 targets"),
    ],
)
def test_unusable_splits_are_refused(images, fault, message):
    with pytest.raises(DataError, match=message):
        Split(**({"images": images, "target": np.zeros(50), "weight": np.ones(50)} | fault))


def test_a_split_without_images_is_refused(images):
    with pytest.raises(DataError, match="no image"):
        Split(images.slice(0, 0), np.zeros(0), np.ones(0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("encoding", ["sparse", "dense"])
def test_the_image_with_a_bad_pixel_is_named(values, to_sparse, bad, encoding):
    values[17, 1, 8, 8] = bad
    images = to_sparse(values) if encoding == "sparse" else DenseImages(values)
    with pytest.raises(DataError, match="image 17 has a pixel that is not finite"):
        split_of(images)


@pytest.mark.parametrize("shape", [(2, 30), (2, 3, 4, 5)])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_images_of_one_and_three_axes(shape, is_sparse):
    rng = np.random.default_rng(3)
    values = rng.random((20, *shape), dtype=np.float32)
    values[rng.random(values.shape) < 0.6] = 0
    dense = DenseImages(values)
    images = as_sparse(dense) if is_sparse else dense
    layer = Standardise(values.mean(axis=0), values.std(axis=0) + 1, limit=[0.7] * shape[0])
    # All layers are mirrored and turned alike, as if each were a picture of its own.
    pictures = DenseImages(values).folded
    policies = [Flip(), Rotate(max_degrees=90)] if len(shape) == 4 else [Flip()]
    for chosen in ([], policies):
        batches = Batches(split_of(images), batch_size=8, seed=2, policies=chosen)
        expected = Batches(split_of(pictures), batch_size=8, seed=2, policies=chosen)
        for one, other in zip(batches.iter_batches(1), expected.iter_batches(1), strict=True):
            assert one.images.shape[1:] == shape
            assert torch.equal(one.images, other.images.reshape(one.images.shape))
        standardised = batches.iter_batches(1, standardise=layer)
        for one, raw in zip(standardised, batches.iter_batches(1), strict=True):
            torch.testing.assert_close(one.images, layer(raw.images))
