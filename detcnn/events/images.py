"""A block of images, as pixel lists or as dense arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseImages:
    """Images as lists of their filled pixels.

    Image ``i`` has the pixels ``pixel[offsets[i]:offsets[i + 1]]``, in rising order and each at
    most once; ``pixel`` counts through (channel, row, column) with the column running fastest.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_images + 1,).
    pixel : numpy.ndarray
        Unsigned integers, shape (n_filled,): see `pixel_dtype`.
    value : numpy.ndarray
        float32, shape (n_filled,).
    shape : tuple of int
        (channels, rows, columns) of one image.
    """

    offsets: NDArray[np.int64]
    pixel: NDArray[Any]
    value: NDArray[np.float32]
    shape: tuple[int, int, int]

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.offsets) - 1

    def slice(self, start: int, stop: int) -> "SparseImages":
        """Return images `start` to `stop` as views."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return SparseImages(
            offsets=self.offsets[start : stop + 1] - first,
            pixel=self.pixel[first:last],
            value=self.value[first:last],
            shape=self.shape,
        )

    @property
    def occupancy(self) -> float:
        """Share of all pixels that is filled, 0 to 1 (0 for no images)."""
        n_pixels = self.n_images * int(np.prod(self.shape))
        return len(self.pixel) / n_pixels if n_pixels else 0.0


@dataclass(frozen=True, slots=True)
class DenseImages:
    """Images as one array of shape (n_images, channels, rows, columns), float32."""

    values: NDArray[np.float32]

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of one image."""
        _, channels, rows, columns = self.values.shape
        return channels, rows, columns

    def slice(self, start: int, stop: int) -> "DenseImages":
        """Return images `start` to `stop` as a view."""
        return DenseImages(self.values[start:stop])

    @property
    def occupancy(self) -> float:
        """Share of all pixels that is not zero, 0 to 1 (0 for no images)."""
        return np.count_nonzero(self.values) / self.values.size if self.values.size else 0.0


Images = SparseImages | DenseImages


def pixel_dtype(shape: tuple[int, int, int]) -> type[np.uint16] | type[np.uint32]:
    """Return the smallest dtype that can name every pixel of an image of `shape`."""
    return np.uint16 if int(np.prod(shape)) <= 1 << 16 else np.uint32


def concatenate(blocks: Sequence[SparseImages]) -> SparseImages:
    """Join blocks of one or more images of equal shape into one, in the order given."""
    lengths = [np.diff(block.offsets) for block in blocks]
    return SparseImages(
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        pixel=np.concatenate([block.pixel for block in blocks]),
        value=np.concatenate([block.value for block in blocks]),
        shape=blocks[0].shape,
    )
