"""Memory for the images of batches, used again when nobody holds a batch that is in it."""

from math import prod
from threading import Lock
from weakref import ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.kernels.densify import Written, nothing_written

_ALIGNMENT = 64
"""Bytes of a cache line."""

_MOST_KEPT = 16
"""Those of a training whose steps add up the gradients of a dozen batches."""

_NOWHERE = torch.from_numpy(np.empty(0, dtype=np.float32))


class ImageBuffers:
    """Memory for batches of dense images, which says where the last images in it are filled.

    A batch has its memory to itself for as long as anybody holds a tensor that lies in it: the
    images, a view of them, what autograd keeps. Only then another batch is written there, of which
    nearly all, the empty pixels, is there already.

    That somebody has written into a batch is known to torch if it was by an operation of torch, in
    place, on the images or a view of them; the next batch is then written as a whole. What goes
    round torch's book-keeping, by ``tensor.numpy()`` or ``tensor.data``, must not write.

    Any number of threads may take from the same buffers.

    Parameters
    ----------
    n_most : int
        How many to keep: what is held beyond that is in memory of its own that is used once.
    """

    def __init__(self, n_most: int = _MOST_KEPT) -> None:
        self._n_most = n_most
        self._kept: list[_Buffer] = []
        self._lock = Lock()

    def take(
        self,
        n_images: int,
        shape: tuple[int, int, int],
        *,
        channels_last: bool,
        statistics: NDArray[np.float32] | None,
    ) -> tuple[Tensor, Written | None]:
        """Return memory for images that nobody else holds.

        Parameters
        ----------
        n_images : int
            Of the batch.
        shape : tuple of int
            (channels, rows, columns).
        channels_last : bool
            Of the layout in memory.
        statistics : numpy.ndarray, optional
            What the images will be standardised by: what was written for other statistics is not
            used, nor what was written for a copy of these.

        Returns
        -------
        torch.Tensor
            float32, shape (n_images, channels, rows, columns).
        Written or None
            What `detcnn.kernels.densify.densify` has to know of it; None if there is nothing.
        """
        form = shape, channels_last
        with self._lock:
            for buffer in self._kept:
                if buffer.is_free and buffer.form == form and len(buffer.images) >= n_images:
                    return buffer.lend(n_images, statistics)
            if len(self._kept) < self._n_most:
                self._kept.append(_Buffer(n_images, shape, channels_last=channels_last))
                return self._kept[-1].lend(n_images, statistics)
        images = empty_images((n_images, *shape), channels_last=channels_last)
        return torch.from_numpy(images), None


ALWAYS_NEW = ImageBuffers(n_most=0)
"""Memory that is used once."""


class _Buffer:
    """The memory of one batch at a time."""

    def __init__(self, n_images: int, shape: tuple[int, int, int], *, channels_last: bool) -> None:
        self.form = shape, channels_last
        self.images = empty_images((n_images, *shape), channels_last=channels_last)
        self._written = nothing_written(n_images, shape)
        self._statistics: NDArray[np.float32] | None = None
        self._lent: ref[NDArray[np.float32]] | None = None
        self._changes: Tensor | None = None

    @property
    def is_free(self) -> bool:
        """Whether no tensor lies in it."""
        return self._lent is None or self._lent() is None

    def lend(self, n_images: int, statistics: NDArray[np.float32] | None) -> tuple[Tensor, Written]:
        """Return the memory of the first images, and what is written there; only if it is free."""
        changes = self._changes
        # torch counts what is done in place, on a tensor and its views together.
        if changes is None or changes._version > 0 or statistics is not self._statistics:  # noqa: SLF001
            self._written.forget()
        self._statistics = statistics
        # An array of its own, which lives as long as any tensor that lies in this memory.
        lent = self.images[:n_images]
        self._lent = ref(lent)
        tensor = torch.from_numpy(lent)
        self._changes = None
        # torch does not count what is done to a tensor that was made for inference.
        if not tensor.is_inference():
            # A tensor with the same count that lies in no memory.
            self._changes = tensor.detach()
            self._changes.data = _NOWHERE
        return tensor, self._written.first(n_images)


def empty_images(shape: tuple[int, ...], *, channels_last: bool) -> NDArray[np.float32]:
    """Return an uninitialised float32 array; with channels last, (B, channels, rows, columns).

    Not by torch: that asks the C library for aligned memory, which takes a larger block than it
    gives back, so the next batch does not fit in where this one was if anything small has come to
    lie behind it. A pass over a million images would take as much memory as all its batches.
    """
    spare = _ALIGNMENT // 4
    memory = np.empty(prod(shape) + spare, dtype=np.float32)
    first = -memory.ctypes.data % _ALIGNMENT // 4
    aligned = memory[first : first + len(memory) - spare]
    if not channels_last:
        return aligned.reshape(shape)
    n, n_channels, n_rows, n_columns = shape
    return aligned.reshape(n, n_rows, n_columns, n_channels).transpose(0, 3, 1, 2)
