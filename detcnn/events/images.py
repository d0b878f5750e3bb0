"""A block of images, as pixel lists or as dense arrays.

An image has channels and one to three axes. Whatever looks at pictures of rows and columns takes it
*folded*: each layer of a volume is then a channel of its own, and a waveform a picture of one row.
The pixels stay where they are, and keep their numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError


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
        (channels, *axes) of one image, (channels, rows, columns) for a picture.
    """

    offsets: NDArray[np.int64]
    pixel: NDArray[Any]
    value: NDArray[np.float32]
    shape: tuple[int, ...]

    @property
    def folded(self) -> "SparseImages":
        """The same images as pictures."""
        shape = folded_shape(self.shape)
        return self if shape == self.shape else replace(self, shape=shape)

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

    def take(self, rows: NDArray[np.int64]) -> "SparseImages":
        """Return the images `rows` (int64 indices), in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return SparseImages(offsets, self.pixel[source], self.value[source], self.shape)

    @property
    def occupancy(self) -> float:
        """Share of all pixels that is filled, 0 to 1 (0 for no images)."""
        n_pixels = self.n_images * int(np.prod(self.shape))
        return len(self.pixel) / n_pixels if n_pixels else 0.0


@dataclass(frozen=True, slots=True)
class DenseImages:
    """Images as one array of shape (n_images, channels, *axes), float32."""

    values: NDArray[np.float32]

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *axes) of one image."""
        return self.values.shape[1:]

    @property
    def folded(self) -> "DenseImages":
        """The same images as pictures."""
        return DenseImages(self.values.reshape(self.n_images, *folded_shape(self.shape)))

    def slice(self, start: int, stop: int) -> "DenseImages":
        """Return images `start` to `stop` as a view."""
        return DenseImages(self.values[start:stop])

    def take(self, rows: NDArray[np.int64]) -> "DenseImages":
        """Return the images `rows` (int64 indices), in that order."""
        return DenseImages(self.values[rows])

    @property
    def occupancy(self) -> float:
        """Share of all pixels that is not zero, 0 to 1 (0 for no images)."""
        return np.count_nonzero(self.values) / self.values.size if self.values.size else 0.0


Images = SparseImages | DenseImages


def folded_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (channels, rows, columns) of images of `shape`, (channels, *axes), as pictures."""
    rows = shape[-2] if len(shape) > 2 else 1
    return prod(shape[:-2]) if len(shape) > 2 else shape[0], rows, shape[-1]


def pixel_dtype(shape: tuple[int, ...]) -> type[np.uint16] | type[np.uint32]:
    """Return the smallest dtype that can name every pixel of an image of `shape`."""
    return np.uint16 if int(np.prod(shape)) <= 1 << 16 else np.uint32


def as_sparse(images: Images) -> SparseImages:
    """Return images as pixel lists; a pixel of value zero is left out."""
    if isinstance(images, SparseImages):
        return images
    flat = images.values.reshape(images.n_images, int(np.prod(images.shape)))
    row, pixel = np.nonzero(flat)
    return SparseImages(
        offsets=np.searchsorted(row, np.arange(images.n_images + 1)).astype(np.int64),
        pixel=pixel.astype(pixel_dtype(images.shape)),
        value=flat[row, pixel],
        shape=images.shape,
    )


def as_dense(images: Images) -> DenseImages:
    """Return images as one dense array."""
    if isinstance(images, DenseImages):
        return images
    flat = np.zeros((images.n_images, int(np.prod(images.shape))), dtype=np.float32)
    row = np.repeat(np.arange(images.n_images), np.diff(images.offsets))
    flat[row, images.pixel] = images.value
    return DenseImages(flat.reshape(-1, *images.shape))


def pixel_totals(images: DenseImages) -> NDArray[np.float64]:
    """Return the sum of all pixels of each image, shape (n_images,)."""
    return np.asarray(images.values.sum(axis=tuple(range(1, images.values.ndim)), dtype=np.float64))


def concatenate(
    blocks: Sequence[SparseImages], *, each: Callable[..., Iterable[None]] = map
) -> SparseImages:
    """Join one or more blocks of images of equal shape into one, in the order given.

    Parameters
    ----------
    blocks : sequence of SparseImages
        To join.
    each : callable
        What goes through the blocks: `map`, or that of a pool of threads.
    """
    if len(blocks) == 1:
        return blocks[0]
    images = np.cumsum([0, *(block.n_images for block in blocks)])
    pixels = np.cumsum([0, *(len(block.pixel) for block in blocks)])
    offsets = np.zeros(images[-1] + 1, dtype=np.int64)
    pixel = np.empty(pixels[-1], dtype=blocks[0].pixel.dtype)
    value = np.empty(pixels[-1], dtype=np.float32)

    def copy(block: SparseImages, first_image: int, first_pixel: int) -> None:
        last_image, last_pixel = first_image + block.n_images, first_pixel + len(block.pixel)
        np.add(block.offsets[1:], first_pixel, out=offsets[first_image + 1 : last_image + 1])
        pixel[first_pixel:last_pixel] = block.pixel
        value[first_pixel:last_pixel] = block.value

    for _ in each(copy, blocks, images[:-1], pixels[:-1]):
        pass
    return SparseImages(offsets, pixel, value, blocks[0].shape)


def joined(blocks: Sequence[Images]) -> Images:
    """Join one or more blocks of images of equal shape, in the order given; dense if one is."""
    if all(isinstance(block, SparseImages) for block in blocks):
        return concatenate([as_sparse(block) for block in blocks])
    return DenseImages(np.concatenate([as_dense(block).values for block in blocks]))


def compact(images: Images, *, most_sparse: float) -> Images:
    """Return dense images as pixel lists if no more of their pixels is filled than a share."""
    return as_sparse(images) if images.occupancy <= most_sparse else images


def filled_planes(images: Images, planes: int, *, of_channels: bool) -> SparseImages:
    """Return which pixels of each plane are filled: images of shape (planes, *axes), 1 there.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Shape (channels, *axes).
    planes : int
        Number of planes.
    of_channels : bool
        Whether a pixel of a plane is filled where that of the channel of its place is, with as many
        channels as planes; or where that of any channel is.

    Raises
    ------
    DataError
        If there are not as many channels as planes that are of them.
    """
    if of_channels and images.shape[0] != planes:
        raise DataError(
            f"{planes} planes are of the channels of images that have {images.shape[0]}: make the "
            "images, or train the model, again"
        )
    sparse = as_sparse(images)
    axes = images.shape[1:]
    row = np.repeat(np.arange(sparse.n_images), np.diff(sparse.offsets))
    pixel = sparse.pixel.astype(np.int64)
    if not of_channels:
        # In one plane, each pixel once, and then in all.
        n_pixels = prod(axes)
        place = np.unique(row * n_pixels + pixel % n_pixels)
        row, pixel = place // n_pixels, place % n_pixels
        pixel = (pixel[:, np.newaxis] + n_pixels * np.arange(planes)).reshape(-1)
        row = np.repeat(row, planes)
        order = np.argsort(row * (planes * n_pixels) + pixel, kind="stable")
        row, pixel = row[order], pixel[order]
    shape = (planes, *axes)
    return SparseImages(
        offsets=np.searchsorted(row, np.arange(sparse.n_images + 1)).astype(np.int64),
        pixel=pixel.astype(pixel_dtype(shape)),
        value=np.ones(len(pixel), dtype=np.float32),
        shape=shape,
    )


def beside_filled(truth: Images, images: Images, *, of_channels: bool) -> Images:
    """Return a pixel truth, and after its planes as many that are 1 where the image is filled.

    Parameters
    ----------
    truth : SparseImages or DenseImages
        Shape (planes, *axes).
    images : SparseImages or DenseImages
        Of the same events and axes.
    of_channels : bool
        As of `filled_planes`.

    Returns
    -------
    SparseImages or DenseImages
        Shape (2 * planes, *axes); sparse if both are.
    """
    planes, *axes = truth.shape
    filled = filled_planes(images, planes, of_channels=of_channels)
    if not (isinstance(truth, SparseImages) and isinstance(images, SparseImages)):
        parts = [as_dense(truth).values, as_dense(filled).values]
        return DenseImages(np.concatenate(parts, axis=1))
    shape = (2 * planes, *axes)
    rows = [np.repeat(np.arange(part.n_images), np.diff(part.offsets)) for part in (truth, filled)]
    pixels = [truth.pixel.astype(np.int64), filled.pixel.astype(np.int64) + prod(truth.shape)]
    row, pixel = np.concatenate(rows), np.concatenate(pixels)
    order = np.argsort(row * prod(shape) + pixel, kind="stable")
    return SparseImages(
        offsets=np.searchsorted(row[order], np.arange(truth.n_images + 1)).astype(np.int64),
        pixel=pixel[order].astype(pixel_dtype(shape)),
        value=np.concatenate([truth.value, filled.value])[order],
        shape=shape,
    )
