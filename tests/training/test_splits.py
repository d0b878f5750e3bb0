"""Splits that stay on disk, beside the same in memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, as_dense
from detcnn.imaging.augmentation import DropPixels
from detcnn.imaging.geometric_policies import Flip, Shift
from detcnn.storage import writer
from detcnn.storage.reader import open_store
from detcnn.storage.schema import ChannelInfo, Schema
from detcnn.training import splits
from detcnn.training.batches import Batches
from detcnn.training.loop import FitOptions, fit
from detcnn.training.splits import Split, StoredSplit, iter_events, open_split
from detcnn.training.tasks import Classification

N = 50


@pytest.fixture(params=["sparse", "dense"])
def store(request, values, to_sparse, tmp_path, monkeypatch):
    """Return a function that writes a store and gives its train split."""
    monkeypatch.setattr(writer, "_EVENTS_PER_CHUNK", 8)
    monkeypatch.setattr(writer, "_PIXELS_PER_CHUNK", 2 * 162)
    monkeypatch.setattr(splits, "_SMALLEST_BLOCK_BYTES", 1)
    monkeypatch.setattr(splits, "_BLOCKS_AT_LEAST", 3)

    def write(weight=None, values=values):
        schema = Schema(
            encoding=request.param,
            grid=Grid(Axis("eta", 9, -1, 1), Axis("phi", 9, -1, 1, unit="rad")),
            channels=(ChannelInfo("a", "GeV", "sum"), ChannelInfo("b", "GeV", "sum")),
            classes=tuple(map(str, range(N))),
        )
        path = tmp_path / "images.zarr"
        group = writer.create_store(path, schema)
        writer.write_statistics(group, mean=np.zeros((2, 9, 9)), std=np.ones((2, 9, 9)))
        for name in ("train", "validation", "test"):
            n = N if name == "train" else 0
            images = to_sparse(values) if request.param == "sparse" else DenseImages(values)
            split = writer.SplitWriter(
                group, name, schema, n_events=n, n_filled=np.count_nonzero(values[:n]), columns={}
            )
            if n:
                given = np.arange(1.0, n + 1) if weight is None else weight
                split.append(
                    images,
                    label=np.arange(n),
                    weight=given,
                    training_weight=given[::-1],
                    columns={},
                )
            split.close()
        return open_store(path).splits["train"]

    return write


def on_disk(stored, share=0.5, weights="training"):
    split = open_split(stored, weights=weights, memory=int(share * stored.nbytes))
    assert isinstance(split, StoredSplit)
    return split


@pytest.mark.parametrize("weights", ["training", "event", "none"])
def test_what_is_read_is_what_is_in_memory(store, values, weights):
    stored = store()
    whole = open_split(stored, weights=weights, memory=stored.nbytes)
    assert isinstance(whole, Split)
    split = on_disk(stored, weights=weights)
    assert split.n_images == whole.n_images == N
    (expected,) = iter_events(whole)
    parts = list(iter_events(split))
    assert len(parts) == len(split.block_sizes) > 3
    assert [part.n_images for part in parts] == split.block_sizes.tolist()
    found = splits.joined(parts)
    assert np.array_equal(found.target, expected.target)
    np.testing.assert_allclose(found.relative_weight, expected.relative_weight, rtol=1e-6)
    given = {"training": np.arange(N, 0, -1.0), "event": np.arange(1.0, N + 1), "none": np.ones(N)}
    np.testing.assert_allclose(found.relative_weight, given[weights] / given[weights].mean(), 1e-6)
    batches = Batches(split, batch_size=N, seed=1)
    (batch,) = batches.iter_batches(1)
    assert np.array_equal(batch.images.numpy(), values[batch.targets])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 64])
def test_an_epoch_is_a_permutation_with_every_image_whole(store, values, share, batch_size):
    batches = Batches(on_disk(store(), share), batch_size=batch_size, seed=2)
    seen = list(batches.iter_batches(1))
    assert len(seen) == batches.n_steps
    assert all(len(batch.targets) == batch_size for batch in seen[:-1])
    rows = torch.cat([batch.targets for batch in seen]).numpy()
    assert sorted(rows) == list(range(N))
    assert np.array_equal(torch.cat([batch.images for batch in seen]).numpy(), values[rows])
    weights = torch.cat([batch.weights for batch in seen]).numpy()
    np.testing.assert_allclose(weights, (N - rows) / np.arange(1, N + 1).mean(), rtol=1e-6)


def test_the_order_is_a_function_of_seed_and_epoch(store):
    stored = store()

    def order(seed, epoch):
        batches = Batches(on_disk(stored), batch_size=16, seed=seed)
        return torch.cat([batch.targets for batch in batches.iter_batches(epoch)]).tolist()

    assert order(1, 1) == order(1, 1)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (1, 2)}) == 4


@pytest.mark.parametrize("batch_size", [7, 12])
def test_an_epoch_taken_up_again_goes_on_identically(store, batch_size, monkeypatch):
    split = on_disk(store())
    batches = Batches(
        split, batch_size=batch_size, seed=1, policies=[Shift(), Flip(), DropPixels()]
    )
    whole = list(batches.iter_batches(3))
    read = []
    monkeypatch.setattr(
        StoredSplit,
        "read",
        lambda self, blocks, original=StoredSplit.read: read.append(1) or original(self, blocks),
    )
    list(batches.iter_batches(3))
    n_all = len(read)
    for start in range(len(whole) + 1):
        read.clear()
        again = list(batches.iter_batches(3, start_step=start))
        assert len(again) == len(whole) - start
        for one, other in zip(whole[start:], again, strict=True):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.targets, other.targets)
    # At the end of an epoch there is nothing to read.
    assert n_all > 2
    assert read == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_memory_is_bounded(store, share):
    stored = store()
    split = on_disk(stored, share)
    image_bytes = stored.nbytes / N
    at_once = split.blocks_at_once * split.block_sizes[0] * image_bytes
    limit = share * stored.nbytes / 3
    # Or by a block of one chunk, or one image.
    assert at_once <= max(limit, image_bytes)
    assert 2 * at_once > limit
    largest = max(
        events.n_images
        for events, _ in Batches(split, batch_size=4, seed=1)._iter_shuffled(1, skip=0)
    )
    assert largest == split.blocks_at_once * split.block_sizes[0]


def test_blocks_end_where_chunks_end(store):
    split = on_disk(store(), 0.9)
    per_chunk = split.stored.images_per_chunk
    assert all(size % per_chunk == 0 for size in split.block_sizes[:-1])


def test_every_image_comes_anywhere_and_neighbours_part(store):
    """The worst order of a store, all of one kind first, is gone from an epoch."""
    split = on_disk(store(), 0.5)
    batches = Batches(split, batch_size=10, seed=1)
    place = np.empty((60, N))
    for epoch in range(60):
        rows = torch.cat([batch.targets for batch in batches.iter_batches(epoch)])
        place[epoch, rows] = np.arange(N)
    # Uniform in 0 to 49, but for the blocks: a mean of 24.5 ± 2.
    assert np.all(np.abs(place.mean(axis=0) - 24.5) < 6)
    correlation = [np.corrcoef(np.arange(N), places)[0, 1] for places in place]
    # The blocks are few: 0 ± 0.05.
    assert abs(np.mean(correlation)) < 0.1


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.where(np.arange(N) == 9, np.nan, 1.0), "image 9 has the weight nan"),
        (np.zeros(N), "sum to 0, expected more than 0"),
    ],
)
def test_unusable_weights_are_refused(store, weight, message):
    with pytest.raises(DataError, match=message):
        on_disk(store(weight), weights="event")


def test_a_bad_pixel_is_named_when_it_is_read(store, values):
    values[37, 1, 8, 8] = np.nan
    batches = Batches(on_disk(store(values=values)), batch_size=8, seed=1)
    with pytest.raises(DataError, match="image 37 has a pixel that is not finite"):
        list(batches.iter_batches(1))


def test_a_training_from_disk_validates_as_one_from_memory(store, new_state):
    stored = store()
    options = FitOptions(epochs=1)
    task = Classification(2)
    whole = open_split(stored, weights="training", memory=stored.nbytes)
    halves = Split(whole.images, whole.target % 2, whole.weight)
    batches = Batches(halves, batch_size=16, seed=1)
    losses = []
    for validation in (halves, Halved(stored)):
        (*_, record) = fit(
            new_state(options), task, train=batches, validation=validation, options=options
        )
        losses.append(record.validation)
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-6)
    assert losses[0]["auc"] == pytest.approx(losses[1]["auc"], rel=1e-6)


class Halved(StoredSplit):
    """Even and odd images as two classes."""

    def __init__(self, stored):
        super().__init__(stored, weights="training", memory=stored.nbytes // 2)

    def read(self, blocks):
        events = super().read(blocks)
        return replace(events, target=events.target % 2)


def test_chosen_events_are_read_into_memory(store, values):
    stored = store()
    rows = np.array([0, 3, 7, 8, 40, 49])
    split = open_split(stored, weights="event", memory=stored.nbytes, rows=rows)
    assert isinstance(split, Split)
    events = split.read([0])
    np.testing.assert_array_equal(as_dense(events.images).values, values[rows])
    np.testing.assert_array_equal(split.target, rows)
    np.testing.assert_array_equal(split.weight, 1 + rows)
    with pytest.raises(ConfigError, match="6 images take .* raise train.memory_gib"):
        open_split(stored, weights="event", memory=stored.nbytes // 50, rows=rows)
