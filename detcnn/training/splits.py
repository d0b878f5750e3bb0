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
from detcnn.events.images import Images, SparseImages, beside_filled
from detcnn.events.images import joined as joined_images
from detcnn.events.truth import Points, joined_points
from detcnn.storage.reader import ImageSplit
from detcnn.training.prefetch import prefetched
from detcnn.training.tasks import CLASS, LABEL, Wanted

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
    truth : SparseImages or DenseImages, optional
        A pixel truth, as `Task` describes it.
    points : numpy.ndarray, optional
        Shape (n_images, n_points, 2).
    """

    images: Images
    target: NDArray[Any]
    relative_weight: NDArray[np.float32]
    extra: Extra
    truth: Images | None = None
    points: Points | None = None

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
            truth=None if self.truth is None else self.truth.take(rows),
            points=None if self.points is None else self.points[rows],
        )


def joined(parts: Sequence[Events]) -> Events:
    """Join events of one split into one, in the order given; at least one part."""
    truths = [part.truth for part in parts if part.truth is not None]
    points = [part.points for part in parts if part.points is not None]
    return Events(
        images=joined_images([part.images for part in parts]),
        target=np.concatenate([part.target for part in parts]),
        relative_weight=np.concatenate([part.relative_weight for part in parts]),
        extra=np.concatenate([part.extra for part in parts]),
        truth=joined_images(truths) if truths else None,
        points=joined_points(points) if points else None,
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
    truth, points
        As in `Events`.

    Raises
    ------
    DataError
        If there is no image, the lengths differ, or a pixel or a weight cannot be used.
    """

    images: Images
    target: NDArray[Any]
    weight: NDArray[Any]
    extra: Extra | None = None
    truth: Images | None = None
    points: Points | None = None

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
        return Events(
            self.images, self.target, self.relative_weight, extra, self.truth, self.points
        )


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
    wanted : Wanted
        What is learned.

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
        wanted: Wanted = CLASS,
    ) -> None:
        if stored.n_events == 0:
            raise DataError(_NO_IMAGE)
        self.stored = stored
        self.inputs = tuple(inputs)
        self.wanted = wanted
        self.weights = weights
        total = 0.0
        for start in range(0, self.n_images, _EVENTS_AT_ONCE):
            weight = self._weight(start, min(start + _EVENTS_AT_ONCE, self.n_images))
            _check_weights(weight, first_row=start)
            total += float(weight.sum(dtype=np.float64))
        _check_sum(total)
        self._mean_weight = total / self.n_images
        image_bytes = _nbytes(stored, wanted) / self.n_images
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
            target=stored_target(self.stored, self.wanted, start, stop),
            relative_weight=(self._weight(start, stop) / self._mean_weight).astype(np.float32),
            extra=stored_extra(self.stored, self.inputs, start, stop),
            truth=stored_truth(self.stored, self.wanted, images, start, stop),
            points=stored_points(self.stored, self.wanted, start, stop),
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
    wanted: Wanted = CLASS,
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
    wanted : Wanted
        What is learned.

    Raises
    ------
    DataError
        If there is no image, the store is damaged, there is no such column, or a pixel, a weight or
        a value of a column cannot be used.
    ConfigError
        If the images of `rows` take more than `memory` bytes.
    """
    share = 1.0 if rows is None else len(rows) / max(1, stored.n_events)
    nbytes = _nbytes(stored, wanted) * share
    if nbytes > memory:
        if rows is None:
            return StoredSplit(stored, weights=weights, memory=memory, inputs=inputs, wanted=wanted)
        raise ConfigError(
            f"train.max_events: {len(rows)} images take {nbytes / 2**30:.2g} GiB and have to fit "
            f"into memory: raise train.memory_gib, or choose fewer"
        )
    name = _STORED_WEIGHT.get(weights)
    weight = np.ones(stored.n_events, dtype=np.float32) if name is None else stored.values(name)
    target, extra = stored_target(stored, wanted), stored_extra(stored, inputs)
    points = stored_points(stored, wanted)
    if rows is None:
        images = stored.images()
        return Split(
            images=images,
            target=target,
            weight=weight,
            extra=extra,
            truth=stored_truth(stored, wanted, images),
            points=points,
        )
    images, truth = _chosen(stored, wanted, rows)
    return Split(
        images=images,
        target=target[rows],
        weight=weight[rows],
        extra=extra[rows],
        truth=truth,
        points=None if points is None else points[rows],
    )


def stored_target(
    stored: ImageSplit, wanted: Wanted, start: int = 0, stop: int | None = None
) -> NDArray[Any]:
    """Read the numbers that are learned of events: class indices, or float32 columns.

    Of a task about pixels or points they are class indices, which it has no use for.

    Raises
    ------
    DataError
        If there is no such column, or a value is not a finite float32.
    """
    if not wanted.columns or wanted.columns == CLASS.columns:
        return stored.values("label", start, stop)
    columns = [
        stored.values("label", start, stop).astype(np.float32)
        if name == LABEL
        else _finite_column(stored, name, start, stop, use="what is learned: cut such events")
        for name in wanted.columns
    ]
    return np.stack(columns, axis=1)


def stored_truth(
    stored: ImageSplit, wanted: Wanted, images: Images, start: int = 0, stop: int | None = None
) -> Images | None:
    """Read the pixel truth that is learned, with what counts where only filled pixels do.

    Parameters
    ----------
    stored : ImageSplit
        Where the events are.
    wanted : Wanted
        What is learned.
    images : SparseImages or DenseImages
        Those of the same events.
    start, stop : int
        Which events; all by default.

    Returns
    -------
    SparseImages or DenseImages, optional
        As `Task` describes it; None if no pixels are learned.

    Raises
    ------
    DataError
        If the store is damaged.
    ConfigError
        If there is no such truth.
    """
    if wanted.pixels is None:
        return None
    truth = stored.truth(wanted.pixels, start, stop)
    if not wanted.only_filled:
        return truth
    return beside_filled(truth, images, of_channels=wanted.of_channels)


def stored_points(
    stored: ImageSplit, wanted: Wanted, start: int = 0, stop: int | None = None
) -> Points | None:
    """Read the points that are learned, or None if there are none to learn."""
    return None if wanted.points is None else stored.points(wanted.points, start, stop)


def _nbytes(stored: ImageSplit, wanted: Wanted) -> int:
    """Return the memory that all images take, with the truth of their pixels."""
    if wanted.pixels is None:
        return stored.nbytes
    n_copies = 2 if wanted.only_filled else 1
    return stored.nbytes + n_copies * stored.nbytes_of_truth(wanted.pixels)


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
    use = "what the network is told: leave the column out of train.inputs, or cut such events"
    for i, name in enumerate(names):
        extra[:, i] = _finite_column(stored, name, start, stop, use=use)
    return extra


def _finite_column(
    stored: ImageSplit, name: str, start: int, stop: int | None, *, use: str
) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = stored.column(name, start, stop).astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(
            f"{stored.group.store_path}: column {name!r}, event {start + row}: is not a finite "
            f"number, expected one for {use} with preprocess.select"
        )
    return values


def _chosen(
    stored: ImageSplit, wanted: Wanted, rows: NDArray[np.int64]
) -> tuple[Images, Images | None]:
    images, truths = [], []
    for start, block in stored.iter_images():
        first, last = np.searchsorted(rows, [start, start + block.n_images])
        within = rows[first:last] - start
        images.append(block.take(within))
        truth = stored_truth(stored, wanted, block, start, start + block.n_images)
        if truth is not None:
            truths.append(truth.take(within))
    return joined_images(images), joined_images(truths) if truths else None


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
