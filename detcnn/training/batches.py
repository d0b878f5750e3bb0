"""Batches of a split, in an order that is a function and not a state."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.events.images import Images, SparseImages, folded_shape
from detcnn.imaging.augmentation import Augmented, Policy, augment_together, leading_moves
from detcnn.imaging.clipping import UNLIMITED
from detcnn.kernels.densify import densify
from detcnn.kernels.moves import Moves, unmoved
from detcnn.models.standardise import Standardise
from detcnn.seeding import generator
from detcnn.training.buffers import ALWAYS_NEW, ImageBuffers, empty_images
from detcnn.training.foreground import Favour
from detcnn.training.prefetch import prefetched
from detcnn.training.splits import AnySplit, Events, joined

Statistics = NDArray[np.float32]
"""Mean, scale and limit of each pixel of folded images, shape (channels, rows, columns, 3)."""


_PICTURE = 3
"""Length of the shape of an image of two axes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images [B, channels, *axes], targets [B, ...], relative weights [B], extra [B, n_extra].

    Targets are what `Task` says.
    Images of two axes lie in memory with channels last, the faster layout for their convolutions.
    """

    images: Tensor
    targets: Tensor
    weights: Tensor
    extra: Tensor

    def pinned(self) -> "Batch":
        """Return a copy in memory that a GPU can fetch from by itself."""
        return self._each(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device) -> "Batch":
        """Return it on that device; what is pinned is fetched while the caller goes on."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        tensors = (self.images, self.targets, self.weights, self.extra)
        return Batch(*map(change, tensors))


def statistics_of(layer: Standardise, shape: tuple[int, ...]) -> Statistics:
    """Return what a layer does to images of `shape`, laid out as those of a batch."""
    folded = folded_shape(shape)
    statistics = empty_images((*folded, 3), channels_last=False)
    if len(shape) == _PICTURE:
        n_channels, n_rows, n_columns = folded
        statistics = statistics.reshape(n_rows, n_columns, n_channels, 3).transpose(2, 0, 1, 3)
    statistics[..., 2] = UNLIMITED
    for i, values in enumerate((layer.mean, layer.scale, layer.limit)):
        if values is not None:
            statistics[..., i] = np.broadcast_to(values[0].cpu().numpy(), shape).reshape(folded)
    return statistics


def dense_images(
    images: Images,
    rows: NDArray[np.int64],
    *,
    moves: Moves | None = None,
    statistics: Statistics | None = None,
    buffers: ImageBuffers = ALWAYS_NEW,
) -> Tensor:
    """Return chosen images as a dense tensor in memory of its own.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Where to choose from.
    rows : numpy.ndarray
        int64, shape (B,), in [0, n_images), in any order.
    moves : Moves, optional
        How each of the B images is mirrored and shifted; of pixel lists only.
    statistics : numpy.ndarray, optional
        From `statistics_of`: the images are standardised as by that layer.
    buffers : ImageBuffers
        Where to take the memory from, of pixel lists only.

    Returns
    -------
    torch.Tensor
        float32, shape (B, channels, *axes), with channels last if there are two axes.
    """
    chosen = _dense(images, rows, moves=moves, statistics=statistics, buffers=buffers)
    return _unfolded(chosen, images.shape)


def _unfolded(chosen: Tensor, shape: tuple[int, ...]) -> Tensor:
    return chosen if len(shape) == _PICTURE else chosen.reshape(len(chosen), *shape)


def _dense(
    images: Images,
    rows: NDArray[np.int64],
    *,
    moves: Moves | None = None,
    statistics: Statistics | None = None,
    buffers: ImageBuffers = ALWAYS_NEW,
) -> Tensor:
    """Return chosen images as `dense_images` does, folded."""
    shape, channels_last = folded_shape(images.shape), len(images.shape) == _PICTURE
    images = images.folded
    if isinstance(images, SparseImages):
        chosen, written = buffers.take(
            len(rows), shape, channels_last=channels_last, statistics=statistics
        )
        densify(
            images.offsets,
            images.pixel,
            images.value,
            rows,
            out=chosen.numpy(),
            moves=moves,
            statistics=statistics,
            written=written,
        )
        return chosen
    return _standardised(images.values[rows], statistics, channels_last=channels_last)


class Batches:
    """Shuffled, augmented batches for training.

    The order of an epoch and the changes made to each batch are functions of (seed, epoch, step):
    a run that is taken up again in mid-epoch sees what it would have seen.

    A split in memory is shuffled as a whole: every order is equally likely. One that stays on disk
    is shuffled twice: its blocks, and then the images of as many blocks as are in memory together.
    See `Shuffle` for what that is worth.

    Parameters
    ----------
    split : Split or StoredSplit
        The training split.
    batch_size : int
        Images in a batch; the last one of an epoch takes what is left.
    seed : int
        Of the order and of the augmentation.
    policies : sequence of Policy
        Augmentation, in order.
    favour : Favour, optional
        Which images of a split with a truth of pixels come more often: in an epoch of as many
        images, they take the places of others.
    """

    def __init__(
        self,
        split: AnySplit,
        *,
        batch_size: int,
        seed: int,
        policies: Sequence[Policy] = (),
        favour: Favour | None = None,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.policies = tuple(policies)
        self.favour = favour
        # Not those of an epoch, for the next one has use for them.
        self._buffers = ImageBuffers()

    @property
    def n_steps(self) -> int:
        """Number of batches of an epoch."""
        return -(-self.split.n_images // self.batch_size)

    @property
    def shuffle(self) -> "Shuffle":
        """How well the images are mixed."""
        return Shuffle(len(self.split.block_sizes), self.split.blocks_at_once)

    def iter_batches(
        self, epoch: int, *, start_step: int = 0, standardise: Standardise | None = None
    ) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch, from `start_step` on.

        Parameters
        ----------
        epoch : int
            Which epoch.
        start_step : int
            How many batches to leave out.
        standardise : Standardise, optional
            Apply this layer to the images: up to rounding, what the layer itself would give, but at
            next to no cost where the images are pixel lists.

        Yields
        ------
        Batch
            In memory of its own for as long as it is held, or a view of it: it stays as it is when
            the next one is asked for. The memory of one that is not held any more is used for
            another: see `detcnn.training.buffers.ImageBuffers` for what may write into images.
        """
        statistics = None
        begun: Events | None = None
        step = start_step
        shuffled = self._iter_shuffled(epoch, skip=start_step * self.batch_size)
        # While the images of some blocks are in use, the next ones are read.
        for events, order in shuffled if self.shuffle.is_true else prefetched(shuffled):
            if statistics is None and standardise is not None:
                statistics = statistics_of(standardise, events.images.shape)
            if begun is not None:
                missing = self.batch_size - begun.n_images
                begun = joined([begun, events.take(order[:missing])])
                order = order[missing:]
                if begun.n_images == self.batch_size:
                    yield self._batch(begun, np.arange(self.batch_size), epoch, step, statistics)
                    step += 1
                    begun = None
            n_whole = len(order) // self.batch_size * self.batch_size
            for rows in order[:n_whole].reshape(-1, self.batch_size):
                yield self._batch(events, rows, epoch, step, statistics)
                step += 1
            if n_whole < len(order):
                # A copy, so that the memory of these events is free when the next ones come.
                begun = events.take(order[n_whole:])
        if begun is not None:
            yield self._batch(begun, np.arange(begun.n_images), epoch, step, statistics)

    def _iter_shuffled(
        self, epoch: int, *, skip: int
    ) -> Generator[tuple[Events, NDArray[np.int64]], None, None]:
        """Yield events that are in memory together, and the order to take them in.

        The first `skip` images of the epoch are left out, and not read if that can be.
        """
        sizes, at_once = self.split.block_sizes, self.split.blocks_at_once
        rng = generator(self.seed, "order", epoch)
        blocks = rng.permutation(len(sizes))
        for start in range(0, len(blocks), at_once):
            chosen = blocks[start : start + at_once]
            n_images = int(sizes[chosen].sum())
            order = rng.permutation(n_images)
            if skip < n_images:
                events = self.split.read(chosen.tolist())
                if self.favour is not None and events.truth is not None:
                    # Numbers of their own, for parts that are skipped draw none.
                    own = generator(self.seed, "favour", epoch, start)
                    order = self.favour.order(order, events.truth, rng=own)
                yield events, order[skip:]
            skip = max(0, skip - n_images)

    def _batch(
        self,
        events: Events,
        rows: NDArray[np.int64],
        epoch: int,
        step: int,
        statistics: Statistics | None,
    ) -> Batch:
        if self.policies:
            rng = generator(self.seed, "augment", epoch, step)
            changed = changed_events(
                events, rows, self.policies, rng, statistics=statistics, buffers=self._buffers
            )
        else:
            changed = unchanged_events(events, rows, statistics=statistics, buffers=self._buffers)
        return Batch(
            images=changed.images,
            targets=changed.targets,
            weights=torch.from_numpy(events.relative_weight[rows]),
            extra=torch.from_numpy(events.extra[rows]),
        )


def target_tensor(events: Events, rows: NDArray[np.int64]) -> Tensor:
    """Return what is to be learned of chosen events, as they are, see `Task`."""
    if events.truth is not None:
        return dense_images(events.truth, rows)
    if events.points is not None:
        return torch.from_numpy(events.points[rows])
    return torch.from_numpy(events.target[rows])


@dataclass(frozen=True, slots=True)
class Changed:
    """Images [B, channels, *axes] and their targets [B, ...], changed alike."""

    images: Tensor
    targets: Tensor


def unchanged_events(
    events: Events,
    rows: NDArray[np.int64],
    *,
    statistics: Statistics | None = None,
    buffers: ImageBuffers = ALWAYS_NEW,
) -> Changed:
    """Return chosen images and their targets as `changed_events` does where there is no policy."""
    images = dense_images(events.images, rows, statistics=statistics, buffers=buffers)
    return Changed(images, target_tensor(events, rows))


def changed_images(
    images: Images,
    rows: NDArray[np.int64],
    policies: Sequence[Policy],
    rng: np.random.Generator,
    *,
    statistics: Statistics | None = None,
) -> Tensor:
    """Return chosen images, changed by random policies, as `changed_events` changes them."""
    n = images.n_images
    nothing = np.zeros(n, dtype=np.float32)
    events = Events(images, nothing, nothing, nothing[:, np.newaxis])
    return changed_events(events, rows, policies, rng, statistics=statistics).images


def changed_events(
    events: Events,
    rows: NDArray[np.int64],
    policies: Sequence[Policy],
    rng: np.random.Generator,
    *,
    statistics: Statistics | None = None,
    buffers: ImageBuffers = ALWAYS_NEW,
) -> Changed:
    """Return chosen images as a dense tensor, changed by random policies, and their targets.

    Parameters
    ----------
    events : Events
        Where to choose from. What is true of pixels, and points, move with their images.
    rows, statistics, buffers
        As for `dense_images`.
    policies : sequence of Policy
        Augmentation, in order.
    rng : numpy.random.Generator
        All randomness comes from it.

    Returns
    -------
    Changed
        Images float32, shape (B, channels, *axes), with channels last if there are two axes. What
        is done to rows and columns is done to all layers of a volume alike.
    """
    images, truth, points = events.images, events.truth, events.points
    if not policies:
        return unchanged_events(events, rows, statistics=statistics, buffers=buffers)
    shape = images.shape
    are_lists = isinstance(images, SparseImages) and (
        truth is None or isinstance(truth, SparseImages)
    )
    moving = leading_moves(policies) if are_lists and points is None else ()
    _, n_rows, n_columns = folded_shape(shape)
    moves = unmoved(len(rows), (n_rows, n_columns))
    for policy in moving:
        moves = policy.after(moves, rng)
    rest = policies[len(moving) :]
    if not rest:
        return Changed(
            dense_images(images, rows, moves=moves, statistics=statistics, buffers=buffers),
            target_tensor(events, rows)
            if truth is None
            else dense_images(truth, rows, moves=moves),
        )
    masks = None if truth is None else _dense(truth, rows, moves=moves).contiguous().numpy()
    marked = augment_together(
        Augmented(
            _dense(images, rows, moves=moves).contiguous().numpy(),
            masks,
            None if points is None else points[rows].astype(np.float64),
        ),
        rest,
        rng,
    )
    changed = _standardised(marked.values, statistics, channels_last=len(shape) == _PICTURE)
    if truth is not None and marked.masks is not None:
        targets = _unfolded(torch.from_numpy(marked.masks), truth.shape)
    elif marked.points is not None:
        targets = torch.from_numpy(marked.points.astype(np.float32))
    else:
        targets = target_tensor(events, rows)
    return Changed(_unfolded(changed, shape), targets)


def feed(
    batches: Generator[Batch, None, None], device: torch.device
) -> Generator[Batch, None, None]:
    """Yield batches on a device, made in a thread while the device computes.

    To a GPU they go through pinned memory, and the copy waits for nothing but the GPU.
    """
    is_gpu = device.type == "cuda"
    for batch in prefetched(batch.pinned() if is_gpu else batch for batch in batches):
        yield batch.to(device)


@dataclass(frozen=True, slots=True)
class Shuffle:
    """How well a split is mixed that is shuffled by blocks.

    In every epoch the blocks come in a random order, so a batch is drawn from `blocks_at_once`
    blocks that are a random sample of all. In whatever order the store has its events, by class
    say, the composition of what is drawn from scatters as that of a sample of so many independent
    events at least; a batch of a true shuffle is a sample of as many events as it holds.

    Parameters
    ----------
    n_blocks : int
        Of the split.
    blocks_at_once : int
        That are shuffled together; all of them is a true shuffle.
    """

    n_blocks: int
    blocks_at_once: int

    @property
    def is_true(self) -> bool:
        """Whether all orders are equally likely."""
        return self.blocks_at_once >= self.n_blocks

    @property
    def pairs_that_meet(self) -> float:
        """Share of the pairs of blocks, and so of events, that are mixed in an epoch; 0 to 1.

        Two events can share a batch only if they are mixed.
        """
        if self.is_true:
            return 1.0
        whole, rest = divmod(self.n_blocks, self.blocks_at_once)
        pairs = whole * self.blocks_at_once**2 + rest**2
        return pairs / self.n_blocks**2


def _standardised(
    values: NDArray[np.float32], statistics: Statistics | None, *, channels_last: bool
) -> Tensor:
    """Return folded images in the layout of a batch, standardised if there is what to do it by."""
    out = empty_images(values.shape, channels_last=channels_last)
    if statistics is None:
        out[...] = values
    else:
        # NumPy's arithmetic, for torch would start its threads once more for a thread that it
        # does not know.
        mean, scale, limit = np.moveaxis(statistics, -1, 0)
        if (limit < UNLIMITED).any():
            # One more pass over the batch.
            values = np.clip(values, -limit, limit, out=out)
        np.subtract(values, mean, out=out)
        np.divide(out, scale, out=out)
    return torch.from_numpy(out)
