"""The images of a split with what is to be learned of them, in memory or left on disk.

Both kinds are made of blocks and are read block by block: a split in memory is one block. What
trains or predicts sees no difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import Images, SparseImages
from detcnn.events.images import joined as joined_images
from detcnn.storage.reader import ImageSplit
from detcnn.training.prefetch import prefetched

Weights = Literal["training", "event", "none"]

_BLOCK_BYTES = 1 << 23
"""Of a block on disk: some chunks of each array, so that few are read for a part of them."""

_BLOCKS_AT_LEAST = 256
"""Shuffled together, where little memory makes blocks smaller, but for blocks of the least size."""

_SMALLEST_BLOCK_BYTES = 1 << 18
"""What takes longer to read than to find."""

_EVENTS_AT_ONCE = 1 << 18

_NO_IMAGE = "a split has no image: check the cuts and the split fractions"

Extra = NDArray[np.float32]

_STORED_WEIGHT: dict[Weights, Literal["weight", "training_weight"]] = {
    "training": "training_weight",
    "event": "weight",
}


@dataclass(frozen=True, slots=True)
class Events:
    """Some events of a split, in memory.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Their images.
    target : numpy.ndarray
        First axis the images; int64 class indices for classification.
    relative_weight : numpy.ndarray
        float32, shape (n_images,): weight over the mean weight of the whole split.
    extra : numpy.ndarray
        float32, shape (n_images, n_extra): what the network is told of each event beside its image.
    """

    images: Images
    target: NDArray[Any]
    relative_weight: NDArray[np.float32]
    extra: Extra

    @property
    def n_images(self) -> int:
        """Number of images."""
        return self.images.n_images

    def take(self, rows: NDArray[np.int64]) -> "Events":
        """Return the events `rows`, in that order, as a copy."""
        return Events(
            images=self.images.take(rows),
            target=self.target[rows],
            relative_weight=self.relative_weight[rows],
            extra=self.extra[rows],
        )


def joined(parts: Sequence[Events]) -> Events:
    """Join events of one split into one, in the order given; at least one part."""
    return Events(
        images=joined_images([part.images for part in parts]),
        target=np.concatenate([part.target for part in parts]),
        relative_weight=np.concatenate([part.relative_weight for part in parts]),
        extra=np.concatenate([part.extra for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Split:
    """A split in memory.

    Parameters
    ----------
    images : SparseImages or DenseImages
        At least one.
    target : numpy.ndarray
        First axis the images; int64 class indices for classification.
    weight : numpy.ndarray
        Shape (n_images,): how much each image counts; event weight times class weight, say. May be
        negative, but the sum must be positive. Only ratios matter.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the network is told of each event beside its image;
        nothing by default.

    Raises
    ------
    DataError
        If there is no image, the lengths differ, or a pixel or a weight cannot be used.
    """

    images: Images
    target: NDArray[Any]
    weight: NDArray[Any]
    extra: Extra | None = None

    def __post_init__(self) -> None:
        n = self.n_images
        if n == 0:
            raise DataError(_NO_IMAGE)
        if len(self.target) != n or len(self.weight) != n:
            raise DataError(
                f"{n} images with {len(self.target)} targets and {len(self.weight)} weights: "
                "make the image store again"
            )
        _check_weights(self.weight, first_row=0)
        _check_sum(self.weight.sum())
        _check_pixels(self.images, first_row=0)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return self.images.n_images

    @property
    def block_sizes(self) -> NDArray[np.int64]:
        """Number of images of each block: there is one."""
        return np.array([self.n_images])

    @property
    def blocks_at_once(self) -> int:
        """How many blocks are in memory together."""
        return 1

    @property
    def relative_weight(self) -> NDArray[np.float32]:
        """Weights over their mean, so that they average to one."""
        weight: NDArray[np.float32] = (self.weight / self.weight.mean()).astype(np.float32)
        return weight

    def read(self, blocks: Sequence[int]) -> Events:
        """Return the events of all blocks."""
        nothing = np.zeros((self.n_images, 0), dtype=np.float32)
        extra = nothing if self.extra is None else self.extra
        return Events(self.images, self.target, self.relative_weight, extra)


class StoredSplit:
    """A split of an image store that is read while it is used.

    Parameters
    ----------
    stored : ImageSplit
        At least one event.
    weights : {"training", "event", "none"}
        How much each image counts: its training weight, its event weight, or the same as others.
    memory : int
        Bytes for images in training: a third for those in use, and two for those that are read
        and put together meanwhile. Kept on average over the blocks, and by one block at least.
    inputs : sequence of str
        Event columns that the network is told of beside the image.

    Raises
    ------
    DataError
        If there is no image, or a weight cannot be used.
    """

    def __init__(
        self,
        stored: ImageSplit,
        *,
        weights: Weights,
        memory: int,
        inputs: Sequence[str] = (),
    ) -> None:
        if stored.n_events == 0:
            raise DataError(_NO_IMAGE)
        self.stored = stored
        self.inputs = tuple(inputs)
        self.weights = weights
        total = 0.0
        for start in range(0, self.n_images, _EVENTS_AT_ONCE):
            weight = self._weight(start, min(start + _EVENTS_AT_ONCE, self.n_images))
            _check_weights(weight, first_row=start)
            total += float(weight.sum(dtype=np.float64))
        _check_sum(total)
        self._mean_weight = total / self.n_images
        image_bytes = stored.nbytes / self.n_images
        in_use = memory / 3
        block_bytes = np.clip(in_use / _BLOCKS_AT_LEAST, _SMALLEST_BLOCK_BYTES, _BLOCK_BYTES)
        n = max(1, int(block_bytes / image_bytes))
        # Not part of a chunk, which would be read again for the next block.
        self._images_per_block = (
            n - n % stored.images_per_chunk if n > stored.images_per_chunk else n
        )
        self._blocks_at_once = max(1, int(in_use / (self._images_per_block * image_bytes)))

    @property
    def n_images(self) -> int:
        """Number of images."""
        return self.stored.n_events

    @property
    def block_sizes(self) -> NDArray[np.int64]:
        """Number of images of each block."""
        return np.diff([*range(0, self.n_images, self._images_per_block), self.n_images])

    @property
    def blocks_at_once(self) -> int:
        """How many blocks are shuffled together."""
        return min(self._blocks_at_once, len(self.block_sizes))

    def read(self, blocks: Sequence[int]) -> Events:
        """Read the events of some blocks, in the order given.

        Raises
        ------
        DataError
            If the store is damaged, or a pixel is not finite.
        """
        size = self._images_per_block
        parts = [self._read(b * size, min((b + 1) * size, self.n_images)) for b in blocks]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _read(self, start: int, stop: int) -> Events:
        images = self.stored.images(start, stop)
        _check_pixels(images, first_row=start)
        return Events(
            images=images,
            target=self.stored.values("label", start, stop),
            relative_weight=(self._weight(start, stop) / self._mean_weight).astype(np.float32),
            extra=stored_extra(self.stored, self.inputs, start, stop),
        )

    def _weight(self, start: int, stop: int) -> NDArray[Any]:
        if self.weights == "none":
            return np.ones(stop - start, dtype=np.float32)
        return self.stored.values(_STORED_WEIGHT[self.weights], start, stop)


AnySplit = Split | StoredSplit


def open_split(
    stored: ImageSplit,
    *,
    weights: Weights,
    memory: int,
    rows: NDArray[np.int64] | None = None,
    inputs: Sequence[str] = (),
) -> AnySplit:
    """Return a split of a store: in memory if its images take no more than `memory` bytes.

    Parameters
    ----------
    stored : ImageSplit
        Where the events are.
    weights : {"training", "event", "none"}
        Which weights they have.
    memory : int
        Bytes that images may take.
    rows : numpy.ndarray, optional
        int64, rising: take these events alone, into memory.
    inputs : sequence of str
        Event columns that the network is told of beside the image.

    Raises
    ------
    DataError
        If there is no image, the store is damaged, there is no such column, or a pixel, a weight or
        a value of a column cannot be used.
    ConfigError
        If the images of `rows` take more than `memory` bytes.
    """
    share = 1.0 if rows is None else len(rows) / max(1, stored.n_events)
    nbytes = stored.nbytes * share
    if nbytes > memory:
        if rows is None:
            return StoredSplit(stored, weights=weights, memory=memory, inputs=inputs)
        raise ConfigError(
            f"train.max_events: {len(rows)} images take {nbytes / 2**30:.2g} GiB and have to fit "
            f"into memory: raise train.memory_gib, or choose fewer"
        )
    name = _STORED_WEIGHT.get(weights)
    weight = np.ones(stored.n_events, dtype=np.float32) if name is None else stored.values(name)
    extra = stored_extra(stored, inputs)
    if rows is None:
        return Split(images=stored.images(), target=stored.label, weight=weight, extra=extra)
    return Split(
        images=_chosen(stored, rows),
        target=stored.label[rows],
        weight=weight[rows],
        extra=extra[rows],
    )


def stored_extra(
    stored: ImageSplit, names: Sequence[str], start: int = 0, stop: int | None = None
) -> Extra:
    """Read what a network is told of events beside their images.

    Parameters
    ----------
    stored : ImageSplit
        Where the events are.
    names : sequence of str
        Event columns.
    start, stop : int
        Which events; all by default.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_events, len(names)).

    Raises
    ------
    DataError
        If there is no such column, or a value is not a finite float32.
    """
    n_events = len(range(stored.n_events)[start:stop])
    extra = np.empty((n_events, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        with np.errstate(over="ignore"):
            extra[:, i] = stored.column(name, start, stop)
        if not np.isfinite(extra[:, i]).all():
            row = int(np.argmin(np.isfinite(extra[:, i])))
            raise DataError(
                f"{stored.group.store_path}: column {name!r}, event {start + row}: is not a finite "
                "number, expected one for what the network is told: leave the column out of "
                "train.inputs, or cut such events with preprocess.select"
            )
    return extra


def _chosen(stored: ImageSplit, rows: NDArray[np.int64]) -> Images:
    parts = []
    for start, block in stored.iter_images():
        first, last = np.searchsorted(rows, [start, start + block.n_images])
        parts.append(block.take(rows[first:last] - start))
    return joined_images(parts)


def iter_events(split: AnySplit) -> Iterator[Events]:
    """Yield all events of a split in their order, a block at a time.

    Of a split on disk, the next block is read while the present one is in use.
    """
    blocks = (split.read([block]) for block in range(len(split.block_sizes)))
    yield from blocks if len(split.block_sizes) == 1 else prefetched(blocks)


def _check_weights(weight: NDArray[Any], *, first_row: int) -> None:
    if not np.isfinite(weight).all():
        row = int(np.argmin(np.isfinite(weight)))
        raise DataError(f"image {first_row + row} has the weight {weight[row]}, expected a number")


def _check_sum(total: float) -> None:
    if total <= 0:
        raise DataError(
            f"the weights of a split sum to {total:g}, expected more than 0: "
            "check the weight column"
        )


def _check_pixels(images: Images, *, first_row: int) -> None:
    values = images.value if isinstance(images, SparseImages) else images.values
    # One sum tells in a single pass without scratch memory whether there is anything to look for.
    if np.isfinite(values.sum(dtype=np.float64)):
        return
    bad = np.flatnonzero(~np.isfinite(values))[0]
    if isinstance(images, SparseImages):
        row = int(np.searchsorted(images.offsets, bad, side="right")) - 1
    else:
        row = int(bad // np.prod(images.shape))
    raise DataError(
        f"image {first_row + row} has a pixel that is not finite: make the image store again"
    )
