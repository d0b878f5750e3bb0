"""Pixel lists to dense images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.kernels.compilation import compiled


def densify(
    offsets: NDArray[np.int64],
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    rows: NDArray[np.int64],
    *,
    out: NDArray[np.float32],
) -> None:
    """Write chosen images of a store of pixel lists into a dense buffer.

    Serial, and without the interpreter lock: made to feed a training loop from its own thread.
    Every index is checked on the way, at no cost beside the writing of the zeros.

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
        float32, shape (B, channels, rows, columns), C-contiguous; overwritten as a whole.

    Raises
    ------
    ValueError
        If `out` does not fit, `pixel` is not unsigned, or an index in `rows` names no image.
    DataError
        If the offsets or the pixel of a chosen image point outside their range. What `out` then
        holds is undefined.
    """
    if len(out) != len(rows) or not out.flags.c_contiguous or out.dtype != np.float32:
        raise ValueError(
            f"out is {out.dtype} of shape {out.shape}: "
            f"expected C-contiguous float32 with {len(rows)} images"
        )
    if pixel.dtype.kind != "u":
        raise ValueError(f"pixel is {pixel.dtype}: expected unsigned integers")
    if len(pixel) != len(value):
        raise DataError(f"pixel lists with {len(pixel)} pixels but {len(value)} values")
    n_pixels = int(np.prod(out.shape[1:]))
    bad = _densify(offsets, pixel, value, rows, out.reshape(len(out), n_pixels))
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


@compiled
def _densify(
    offsets: NDArray[np.int64],
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
) -> int:
    """Return the position in `rows` of the first image that cannot be, -1 if all can."""
    n_images = len(offsets) - 1
    n_pixels = out.shape[1]
    for i in range(len(rows)):
        image = rows[i]
        if image < 0 or image >= n_images:
            return i
        first = offsets[image]
        last = offsets[image + 1]
        if first < 0 or last < first or last > len(pixel):
            return i
        dense = out[i]
        dense[:] = 0.0
        for k in range(first, last):
            if pixel[k] >= n_pixels:
                return i
            dense[pixel[k]] = value[k]
    return -1
