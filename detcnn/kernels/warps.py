"""Geometric changes of dense images, each image by its own amount.

All take a batch of shape (B, channels, rows, columns), float32, and leave it as it is; the result
goes into `out`, which is allocated if it is not given and must not overlap the input. All channels
of an image move together. They are serial and release the interpreter lock; drawing the amounts is
left to the caller.
"""

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Images = NDArray[np.float32]


def shift(
    images: Images,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    *,
    out: Images | None = None,
) -> Images:
    """Move images by whole pixels; what leaves is lost, what enters is 0.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    rows, columns : numpy.ndarray
        int64, shape (B,): pixels towards higher row and column numbers; of any size.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`.

    Raises
    ------
    ValueError
        If the parameters or `out` do not fit the images.
    """
    _check_parameters(images, rows, columns)
    out = _buffer(images, out)
    _shift(images, rows.astype(np.int64), columns.astype(np.int64), out)
    return out


def flip(
    images: Images,
    rows: NDArray[np.bool_],
    columns: NDArray[np.bool_],
    *,
    out: Images | None = None,
) -> Images:
    """Mirror images: reverse the order of their rows, of their columns, or of both.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    rows, columns : numpy.ndarray
        bool, shape (B,): which images are mirrored along each axis.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`.

    Raises
    ------
    ValueError
        If the parameters or `out` do not fit the images.
    """
    _check_parameters(images, rows, columns)
    out = _buffer(images, out)
    _flip(images, rows.astype(np.bool_), columns.astype(np.bool_), out)
    return out


def rotate(
    images: Images,
    angles: NDArray[np.float64],
    *,
    aspect: float = 1.0,
    out: Images | None = None,
) -> Images:
    """Rotate images about their centre, with bilinear interpolation and 0 outside.

    The content turns from the row axis towards the column axis: by a quarter turn, what lies at
    higher rows comes to lie at higher columns. Interpolation smooths, and what turns out of the
    image is lost: the sum of an image is not kept.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    angles : numpy.ndarray
        float64, shape (B,), in rad.
    aspect : float
        Width of a pixel along the rows' axis (from row to row) over its width along the columns'
        axis, so that the turn is one in physical units; greater than 0.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`.

    Raises
    ------
    ValueError
        If the parameters or `out` do not fit the images.
    """
    _check_parameters(images, angles)
    if not (aspect > 0 and np.isfinite(aspect)):
        raise ValueError(f"aspect {aspect}: expected a finite number above 0")
    if not np.isfinite(angles).all():
        raise ValueError("angles must be finite")
    out = _buffer(images, out)
    _rotate(images, angles.astype(np.float64), float(aspect), out)
    return out


def drop(
    images: Images,
    keys: NDArray[np.uint64],
    probability: float,
    *,
    out: Images | None = None,
) -> Images:
    """Set a random part of the pixels to 0, in all channels of an image at once.

    The choice is a pure function of the image's key and of the pixel's row and column
    (SplitMix64: Steele, Lea & Flood, OOPSLA 2014), so it costs no random numbers for empty pixels
    and does not depend on the other images of the batch.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    keys : numpy.ndarray
        uint64, shape (B,): random, from the caller's generator.
    probability : float
        That a pixel is dropped, 0 to 1.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`.

    Raises
    ------
    ValueError
        If the parameters or `out` do not fit the images.
    """
    _check_parameters(images, keys)
    if not 0 <= probability <= 1:
        raise ValueError(f"probability {probability}: expected 0 to 1")
    out = _buffer(images, out)
    _drop(images, keys.astype(np.uint64), float(probability), out)
    return out


def _check_parameters(images: Images, *parameters: NDArray[np.generic]) -> None:
    for parameter in parameters:
        if parameter.shape != images.shape[:1]:
            raise ValueError(
                f"parameters of shape {parameter.shape} for {len(images)} images: "
                "expected one for each"
            )


def _buffer(images: Images, out: Images | None) -> Images:
    if images.ndim != 4 or images.dtype != np.float32:
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}: "
            "expected float32 of shape (images, channels, rows, columns)"
        )
    if out is None:
        return np.empty(images.shape, dtype=np.float32)
    if out.shape != images.shape or out.dtype != np.float32 or np.may_share_memory(images, out):
        raise ValueError(
            f"out is {out.dtype} of shape {out.shape}: "
            f"expected float32 of shape {images.shape} that does not overlap the images"
        )
    return out


@compiled
def _shift(
    images: Images, rows: NDArray[np.int64], columns: NDArray[np.int64], out: Images
) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    out[:] = 0.0
    for i in range(n_images):
        down, right = rows[i], columns[i]
        # The source columns [first, last) stay inside the image.
        first, last = max(0, -right), min(n_columns, n_columns - right)
        if first >= last:
            continue
        for channel in range(n_channels):
            for row in range(max(0, -down), min(n_rows, n_rows - down)):
                target = out[i, channel, row + down, first + right : last + right]
                source = images[i, channel, row, first:last]
                for column in range(len(source)):
                    target[column] = source[column]


@compiled
def _flip(images: Images, rows: NDArray[np.bool_], columns: NDArray[np.bool_], out: Images) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    for i in range(n_images):
        for channel in range(n_channels):
            for row in range(n_rows):
                source = images[i, channel, n_rows - 1 - row if rows[i] else row]
                target = out[i, channel, row]
                if columns[i]:
                    for column in range(n_columns):
                        target[column] = source[n_columns - 1 - column]
                else:
                    for column in range(n_columns):
                        target[column] = source[column]


@compiled
def _rotate(images: Images, angles: NDArray[np.float64], aspect: float, out: Images) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    middle_row = (n_rows - 1) / 2
    middle_column = (n_columns - 1) / 2
    # A frame of zeros spares the interpolation every question about the border.
    framed = np.zeros((n_channels, n_rows + 2, n_columns + 2), dtype=np.float32)
    for i in range(n_images):
        framed[:, 1:-1, 1:-1] = images[i]
        cosine, sine = np.cos(angles[i]), np.sin(angles[i])
        for row in range(n_rows):
            for column in range(n_columns):
                # Turned back, in units of the pixel's width along the columns' axis.
                down = (row - middle_row) * aspect
                right = column - middle_column
                source_row = middle_row + (cosine * down + sine * right) / aspect + 1
                source_column = middle_column + cosine * right - sine * down + 1
                is_inside = source_row >= 0 and source_row < n_rows + 1
                if not (is_inside and source_column >= 0 and source_column < n_columns + 1):
                    for channel in range(n_channels):
                        out[i, channel, row, column] = 0.0
                    continue
                top, left = np.uint64(source_row), np.uint64(source_column)
                next_row, next_column = top + np.uint64(1), left + np.uint64(1)
                below, beside = source_row - top, source_column - left
                for channel in range(n_channels):
                    upper = (1 - beside) * framed[channel, top, left]
                    upper += beside * framed[channel, top, next_column]
                    lower = (1 - beside) * framed[channel, next_row, left]
                    lower += beside * framed[channel, next_row, next_column]
                    out[i, channel, row, column] = (1 - below) * upper + below * lower


@compiled
def _drop(images: Images, keys: NDArray[np.uint64], probability: float, out: Images) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    for i in range(n_images):
        for channel in range(n_channels):
            for row in range(n_rows):
                source = images[i, channel, row]
                target = out[i, channel, row]
                for column in range(n_columns):
                    place = row * n_columns + column
                    is_dropped = source[column] != 0 and _uniform(keys[i], place) < probability
                    target[column] = 0.0 if is_dropped else source[column]


@compiled
def _uniform(key: np.uint64, counter: int) -> float:
    """Return number `counter` of the SplitMix64 stream `key`, in [0, 1)."""
    word = key + np.uint64(counter + 1) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return float(word >> np.uint64(11)) * 2.0**-53
