"""Pixel lists to dense images, moved and standardised on the way."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.kernels.compilation import compiled
from detcnn.kernels.copying import copy_into, finish_streams, stream_into
from detcnn.kernels.moves import Moves

_NO_MOVE = np.empty((4, 0), dtype=np.int64)

_UNKNOWN = -1

_CACHED = 2**25
"""Bytes of a buffer that may still be in the caches when it is read: a larger one is written past
them."""

_PIXELS_PER_FILLED = 32
"""At least: two cache lines. With more filled pixels than one in as many, to make them empty one by
one takes as long as to write the whole image, if they do not lie close together."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where a buffer of dense images is filled, so that it can be filled again without the rest.

    Nearly all pixels of an image are empty, and writing them takes more than half of the time. In a
    buffer that holds images already, those that are filled are made empty again, and the others
    are as they should be.

    It speaks of one buffer, in one layout, and of one choice of statistics: who writes anything
    else there, or takes other statistics, has to `forget`.

    Parameters
    ----------
    places : numpy.ndarray
        uint16 or uint32, shape (B, n_most + 1): where in its line of the buffer each image is
        filled. The last is for an image with more than n_most of them, of which none is kept.
    counts : numpy.ndarray
        int64, shape (B,): how many places each image has; -1 if that is not known, and the image
        has to be written as a whole.
    """

    places: NDArray[Any]
    counts: NDArray[np.int64]

    def first(self, n_images: int) -> "Written":
        """Return what is known of the first images, to be kept up where only they are written."""
        if n_images == len(self.counts):
            return self
        return Written(self.places[:n_images], self.counts[:n_images])

    def forget(self) -> None:
        """Have every image written as a whole next time."""
        self.counts.fill(_UNKNOWN)


def nothing_written(n_images: int, shape: tuple[int, int, int]) -> Written:
    """Return what is known of a new buffer of images of `shape`, (channels, rows, columns)."""
    return _unknown(n_images, shape, n_most=int(np.prod(shape)) // _PIXELS_PER_FILLED)


def _unknown(n_images: int, shape: tuple[int, int, int], *, n_most: int) -> Written:
    return Written(
        places=np.empty((n_images, n_most + 1), dtype=_place_dtype(shape)),
        counts=np.full(n_images, _UNKNOWN, dtype=np.int64),
    )


def densify(
    offsets: NDArray[np.int64],
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    rows: NDArray[np.int64],
    *,
    out: NDArray[np.float32],
    moves: Moves | None = None,
    statistics: NDArray[np.float32] | None = None,
    written: Written | None = None,
) -> None:
    """Write chosen images of a store of pixel lists into a dense buffer.

    Serial, and without the interpreter lock: made to feed a training loop from its own thread.
    Every index is checked on the way, and the images are moved and standardised: all at hardly any
    cost beside the writing of the empty pixels, which a buffer that is used again does without.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_images + 1,); image ``i`` has the pixels
        ``pixel[offsets[i]:offsets[i + 1]]``.
    pixel : numpy.ndarray
        uint16 or uint32, shape (n_filled,); counts through (channel, row, column) with the column
        running fastest. Where a pixel occurs twice in an image, the later value stays.
    value : numpy.ndarray
        float32, shape (n_filled,).
    rows : numpy.ndarray
        int64, shape (B,): which images, each in [0, n_images), in any order, also repeated.
    out : numpy.ndarray
        float32, shape (B, channels, rows, columns); overwritten as a whole. Either C-contiguous or
        channels last: a view of an array that is contiguous as (B, rows, columns, channels).
    moves : Moves, optional
        How each of the B images is mirrored and shifted.
    statistics : numpy.ndarray, optional
        float32, shape (channels, rows, columns, 3): mean, scale and limit, above 0, of each pixel;
        the images, after the moves, are cut to absolute values up to the limit and then become
        (image − mean) / scale. Nothing is copied where its axes lie in memory as those of `out` do.
    written : Written, optional
        What is known of the B images in `out`; it is kept up, also where this fails.

    Raises
    ------
    ValueError
        If a parameter does not fit `out`, `pixel` is not unsigned, or an index in `rows` names no
        image.
    DataError
        If the offsets or the pixel of a chosen image point outside their range. What `out` then
        holds is undefined.
    """
    flat, strides = _flat(out, len(rows))
    if pixel.dtype.kind != "u":
        raise ValueError(f"pixel is {pixel.dtype}: expected unsigned integers")
    if len(pixel) != len(value):
        raise DataError(f"pixel lists with {len(pixel)} pixels but {len(value)} values")
    n_pixels = flat.shape[1]
    # The buffer to write in: one image that each is copied out of, where they go past the caches.
    buffer = flat
    if written is None:
        if out.nbytes > _CACHED and len(rows) > 1:
            buffer, written = np.empty((1, n_pixels), np.float32), nothing_written(1, out.shape[1:])
        else:
            written = _unknown(len(rows), out.shape[1:], n_most=0)
    elif len(written.counts) != len(rows):
        raise ValueError(f"{len(written.counts)} images written: expected {len(rows)}")
    if moves is not None and (moves.n_images != len(rows) or moves.shape != out.shape[2:]):
        raise ValueError(
            f"moves of {moves.n_images} images of {moves.shape}: expected {len(rows)} "
            f"of {out.shape[2:]}"
        )
    indices, places = _tables(out.shape[1:], strides)
    row_moves, column_moves = (_NO_MOVE, _NO_MOVE) if moves is None else (moves.rows, moves.columns)
    bad = _densify(
        offsets,
        pixel,
        value,
        rows,
        places,
        indices,
        strides,
        row_moves,
        column_moves,
        _in_order(statistics, out),
        written.places,
        written.counts,
        buffer,
        flat,
    )
    if bad < 0:
        return
    image, n_images = int(rows[bad]), len(offsets) - 1
    if not 0 <= image < n_images:
        raise ValueError(f"no image {image}: expected 0 to {n_images - 1}")
    raise DataError(
        f"image {image} of the pixel lists is corrupt: its offsets "
        f"{offsets[image]}, {offsets[image + 1]} must rise within 0 to {len(pixel)}, "
        f"and its pixels lie below {n_pixels}; make the images again"
    )


def _flat(
    out: NDArray[np.float32], n_images: int
) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """Return `out` with one line an image, and the strides of channel, row and column in it."""
    _, n_channels, n_rows, n_columns = out.shape
    n_pixels = n_channels * n_rows * n_columns
    by_channel = out.transpose(0, 2, 3, 1)
    if len(out) == n_images and out.dtype == np.float32:
        if out.flags.c_contiguous:
            return out.reshape(n_images, n_pixels), (n_rows * n_columns, n_columns, 1)
        if by_channel.flags.c_contiguous:
            strides = 1, n_columns * n_channels, n_channels
            return by_channel.reshape(n_images, n_pixels), strides
    raise ValueError(
        f"out is {out.dtype} of shape {out.shape} and strides {out.strides}: "
        f"expected C-contiguous float32 with {n_images} images, or the same with channels last"
    )


def _in_order(
    statistics: NDArray[np.float32] | None, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return mean, scale and limit of the pixels as they lie in `out`, shape (n_pixels, 3)."""
    shape = out.shape[1:]
    if statistics is None:
        n_pixels = int(np.prod(shape))
        return np.broadcast_to(np.array([0, 1, np.inf], np.float32), (n_pixels, 3)).copy()
    if statistics.shape != (*shape, 3):
        raise ValueError(f"statistics of shape {statistics.shape}: expected {(*shape, 3)}")
    ordered = statistics if out.flags.c_contiguous else statistics.transpose(1, 2, 0, 3)
    return np.ascontiguousarray(ordered, dtype=np.float32).reshape(-1, 3)


@lru_cache(maxsize=8)
def _tables(
    shape: tuple[int, int, int], strides: tuple[int, int, int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return channel, row and column of each pixel number, (n_pixels, 3), and its place in `out`.

    They are small, so that they stay in the fastest cache.
    """
    indices = np.indices(shape).reshape(3, -1).T
    places = indices @ np.array(strides)
    dtype = _place_dtype(shape)
    return indices.astype(dtype, order="C"), places.astype(dtype)


def _place_dtype(shape: tuple[int, int, int]) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if int(np.prod(shape)) <= np.iinfo(np.uint16).max else np.uint32


@compiled
def _densify(
    offsets: NDArray[np.int64],
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    rows: NDArray[np.int64],
    places: NDArray[Any],
    indices: NDArray[Any],
    strides: tuple[int, int, int],
    row_moves: NDArray[np.int64],
    column_moves: NDArray[np.int64],
    statistics: NDArray[np.float32],
    written: NDArray[Any],
    n_written: NDArray[np.int64],
    buffer: NDArray[np.float32],
    out: NDArray[np.float32],
) -> int:
    """Return the position in `rows` of the first image that cannot be, -1 if all can."""
    n_images = len(offsets) - 1
    n_pixels = out.shape[1]
    channel_stride, row_stride, column_stride = strides
    # Where all lists lie is found first: looking one place up does not wait for another, and the
    # lists are then fetched ahead of the writing.
    spans = np.empty((len(rows), 2), dtype=np.int64)
    for i in range(len(rows)):
        image = rows[i]
        if image < 0 or image >= n_images:
            return i
        first, last = offsets[image], offsets[image + 1]
        if first < 0 or last < first or last > len(pixel):
            return i
        spans[i, 0], spans[i, 1] = first, last
    empty = (np.float32(0) - statistics[:, 0]) / statistics[:, 1]
    is_streamed = len(buffer) < len(out)
    for i in range(len(rows)):
        line = 0 if is_streamed else i
        dense, filled = buffer[line], written[line]
        if n_written[line] < 0:
            copy_into(dense, empty)
        else:
            for k in range(np.uint64(n_written[line])):
                dense[filled[k]] = empty[filled[k]]
        # Until all of it is written.
        n_written[line] = _UNKNOWN
        # Without a sign, for numba looks out for negative indices.
        first, last, n_filled = np.uint64(spans[i, 0]), np.uint64(spans[i, 1]), np.uint64(0)
        # Of an image with too many, each goes over the one before.
        step = np.uint64(last - first < len(filled))
        if row_moves.shape[1] == 0:
            for k in range(first, last):
                if pixel[k] >= n_pixels:
                    return i
                place = places[pixel[k]]
                dense[place] = _standardised(value[k], statistics, place)
            # Not while they are written: stores are made in their order, and those of the pixels
            # have to wait for memory, the more of them together the better.
            for k in range(step * (last - first)):
                filled[k] = places[pixel[first + k]]
            n_filled = last - first
        else:
            row_step = row_moves[0, i] * row_stride
            column_step = column_moves[0, i] * column_stride
            start = row_moves[1, i] * row_stride + column_moves[1, i] * column_stride
            first_row, stop_row = row_moves[2, i], row_moves[3, i]
            first_column, stop_column = column_moves[2, i], column_moves[3, i]
            for k in range(first, last):
                if pixel[k] >= n_pixels:
                    return i
                channel, row, column = indices[pixel[k]]
                if first_row <= row < stop_row and first_column <= column < stop_column:
                    across = row * row_step + column * column_step
                    moved = np.uint64(start + channel * channel_stride + across)
                    dense[moved] = _standardised(value[k], statistics, moved)
                    filled[n_filled] = moved
                    n_filled += step
        if step:
            n_written[line] = n_filled
        if is_streamed:
            stream_into(out[i], dense)
    if is_streamed:
        finish_streams()
    return -1


@compiled
def _standardised(
    value: np.float32, statistics: NDArray[np.float32], place: int | np.uint64
) -> np.float32:
    limit = statistics[place, 2]
    # Not by min and max, which may hide a NaN.
    if value > limit:
        value = limit
    elif value < -limit:
        value = -limit
    standardised: np.float32 = (value - statistics[place, 0]) / statistics[place, 1]
    return standardised
