"""Geometric changes of dense images, each image by its own amount.

All take a batch of shape (B, channels, rows, columns), float32, and leave it as it is; the result
goes into `out`, which is allocated if it is not given and must not overlap the input. All channels
of an image move together. They are serial and release the interpreter lock; drawing the amounts is
left to the caller.

Turns, zooms, shears and shifts by parts of a pixel are one operation, `affine`, and with `elastic`
it shares one kernel: for each pixel of the result, a place in the image that it is read from. Of
label images, which `affine_labels` and `elastic_labels` take, the nearest pixel is read.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Images = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]
Reals = NDArray[np.float64]

_NO_FIELD = np.empty((0, 2, 0, 0))


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
    return affine(images, turns(angles), aspect=aspect, out=out)


def zoom(images: Images, factors: Reals, *, out: Images | None = None) -> Images:
    """Enlarge images about their centre, with bilinear interpolation and 0 outside.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    factors : numpy.ndarray
        float64, shape (B,), above 0: how many times as long as before distances become.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`; pixels are not divided among more or fewer, so the sum of an image grows with the
        square of its factor.

    Raises
    ------
    ValueError
        If the parameters or `out` do not fit the images.
    """
    _check_parameters(images, factors)
    return affine(images, zooms(factors), out=out)


def shear(images: Images, rows: Reals, columns: Reals, *, out: Images | None = None) -> Images:
    """Shear images about their centre, with bilinear interpolation and 0 outside.

    What lies ``r`` rows and ``c`` columns from the centre goes to ``r + rows·c`` and
    ``c + columns·r``.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    rows, columns : numpy.ndarray
        float64, shape (B,): pixels along each axis for a pixel along the other; their product is
        not 1.
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
    return affine(images, shears(rows, columns), out=out)


def turns(angles: Reals) -> Reals:
    """Return the matrices for `affine` that turn by angles in rad, shape (B, 2, 2).

    The content turns from the row axis towards the column axis, see `rotate`.
    """
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1)


def zooms(factors: Reals) -> Reals:
    """Return the matrices for `affine` that enlarge by factors above 0, shape (B, 2, 2)."""
    if not (np.asarray(factors) > 0).all():
        raise ValueError("factors must be above 0")
    return np.multiply.outer(1 / np.asarray(factors, dtype=np.float64), np.eye(2))


def shears(rows: Reals, columns: Reals) -> Reals:
    """Return the matrices for `affine` that shear, see `shear`, shape (B, 2, 2)."""
    one = np.ones(len(rows))
    determinant = 1 - np.asarray(rows) * np.asarray(columns)
    if (determinant == 0).any():
        raise ValueError("the product of the slopes must not be 1")
    # The inverse, by Cramer's rule: exactly the unit matrix where both slopes are 0.
    inverse = np.array([[one, -rows], [-columns, one]]) / determinant
    return inverse.transpose(2, 0, 1)


def affine(
    images: Images,
    matrices: Reals,
    *,
    offsets: Reals | None = None,
    aspect: float = 1.0,
    out: Images | None = None,
) -> Images:
    """Read every pixel from a place that is an affine function of its own, bilinearly.

    Where p is the place of a pixel of the result and m the centre of the image, it is read from
    m + D⁻¹ M D (p − m) + o with D = diag(aspect, 1); what lies outside is 0. Interpolation smooths,
    and what leaves the image is lost: the sum of an image is not kept. The unit matrix without an
    offset gives the same bits.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    matrices : numpy.ndarray
        float64, shape (B, 2, 2): M, from (row, column) of the result to those of the image; of
        what moves the content, the inverse.
    offsets : numpy.ndarray, optional
        float64, shape (B, 2): o, in pixels along (rows, columns); 0 if left out.
    aspect : float
        Width of a pixel along the rows' axis (from row to row) over its width along the columns'
        axis, for matrices that are meant in physical units; greater than 0.
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
    _check_images(images)
    out = _buffer(images, out)
    _warp(images, *_affine_parameters(len(images), matrices, offsets, aspect), _NO_FIELD, out)
    return out


def affine_labels(
    labels: Labels,
    matrices: Reals,
    *,
    offsets: Reals | None = None,
    aspect: float = 1.0,
    fill: int = 0,
) -> Labels:
    """Read every pixel of label images from the pixel nearest to where `affine` reads it.

    Parameters
    ----------
    labels : numpy.ndarray
        Numbers, shape (B, rows, columns).
    matrices, offsets, aspect
        As for `affine`.
    fill : int
        The label of what comes in from outside.

    Returns
    -------
    numpy.ndarray
        Of the type and shape of `labels`.

    Raises
    ------
    ValueError
        If the parameters do not fit the labels, or these are no numbers.
    """
    out = _label_buffer(labels)
    parameters = _affine_parameters(len(labels), matrices, offsets, aspect)
    _warp_labels(labels, *parameters, _NO_FIELD, fill, out)
    return out


def elastic(images: Images, displacements: Reals, *, out: Images | None = None) -> Images:
    """Read every pixel from a place of its own choice, with bilinear interpolation and 0 outside.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    displacements : numpy.ndarray
        float64, shape (B, 2, rows, columns): from each pixel of the result to the place it is read
        from, in pixels along (rows, columns); smooth fields deform the image as if it was drawn on
        rubber.
    out : numpy.ndarray, optional
        Takes the result.

    Returns
    -------
    numpy.ndarray
        `out`.

    Raises
    ------
    ValueError
        If the displacements or `out` do not fit the images.
    """
    _check_images(images)
    field = _field(displacements, (len(images), *images.shape[2:]))
    out = _buffer(images, out)
    _warp(images, *_affine_parameters(len(images), None, None, 1.0), field, out)
    return out


def elastic_labels(labels: Labels, displacements: Reals, *, fill: int = 0) -> Labels:
    """Read every pixel of label images from the pixel nearest to where `elastic` reads it.

    Parameters
    ----------
    labels : numpy.ndarray
        Integers, shape (B, rows, columns).
    displacements
        As for `elastic`.
    fill : int
        The label of what comes in from outside.

    Returns
    -------
    numpy.ndarray
        Of the type and shape of `labels`.

    Raises
    ------
    ValueError
        If the displacements do not fit the labels, or these are no integers.
    """
    out = _label_buffer(labels)
    field = _field(displacements, labels.shape)
    _warp_labels(labels, *_affine_parameters(len(labels), None, None, 1.0), field, fill, out)
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


def _affine_parameters(
    n_images: int, matrices: Reals | None, offsets: Reals | None, aspect: float
) -> tuple[Reals, Reals, float]:
    if matrices is None:
        matrices = np.broadcast_to(np.eye(2), (n_images, 2, 2))
    if offsets is None:
        offsets = np.zeros((n_images, 2))
    for values, shape in ((matrices, (2, 2)), (offsets, (2,))):
        if values.shape != (n_images, *shape):
            raise ValueError(
                f"parameters of shape {values.shape} for {n_images} images: "
                f"expected one for each, {(n_images, *shape)}"
            )
        if not np.isfinite(values).all():
            raise ValueError("angles, matrices and offsets must be finite")
    if not (aspect > 0 and np.isfinite(aspect)):
        raise ValueError(f"aspect {aspect}: expected a finite number above 0")
    return (
        np.ascontiguousarray(matrices, dtype=np.float64),
        np.ascontiguousarray(offsets, dtype=np.float64),
        float(aspect),
    )


def _field(displacements: Reals, shape: tuple[int, ...]) -> Reals:
    expected = (shape[0], 2, *shape[1:])
    if displacements.shape != expected:
        raise ValueError(
            f"displacements of shape {displacements.shape} for {shape[0]} images: "
            f"expected one for each, {expected}"
        )
    if not np.isfinite(displacements).all():
        raise ValueError("displacements must be finite")
    return np.ascontiguousarray(displacements, dtype=np.float64)


def _label_buffer(labels: Labels) -> Labels:
    if labels.ndim != 3 or not np.issubdtype(labels.dtype, np.number):
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}: "
            "expected numbers of shape (images, rows, columns)"
        )
    return np.empty(labels.shape, dtype=labels.dtype)


def _check_images(images: Images) -> None:
    if images.ndim != 4 or images.dtype != np.float32:
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}: "
            "expected float32 of shape (images, channels, rows, columns)"
        )


def _buffer(images: Images, out: Images | None) -> Images:
    _check_images(images)
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
def _warp(
    images: Images, matrices: Reals, offsets: Reals, aspect: float, field: Reals, out: Images
) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    has_field = len(field) > 0
    middle_row = (n_rows - 1) / 2
    middle_column = (n_columns - 1) / 2
    # A frame of zeros spares the interpolation every question about the border.
    framed = np.zeros((n_channels, n_rows + 2, n_columns + 2), dtype=np.float32)
    for i in range(n_images):
        framed[:, 1:-1, 1:-1] = images[i]
        for row in range(n_rows):
            for column in range(n_columns):
                # In units of the pixel's width along the columns' axis.
                down = (row - middle_row) * aspect
                right = column - middle_column
                source_row = middle_row
                source_row += (matrices[i, 0, 0] * down + matrices[i, 0, 1] * right) / aspect
                source_column = middle_column
                source_column += matrices[i, 1, 1] * right
                source_column += matrices[i, 1, 0] * down
                source_row += offsets[i, 0]
                source_column += offsets[i, 1]
                if has_field:
                    source_row += field[i, 0, row, column]
                    source_column += field[i, 1, row, column]
                source_row += 1
                source_column += 1
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
def _warp_labels(
    labels: Labels,
    matrices: Reals,
    offsets: Reals,
    aspect: float,
    field: Reals,
    fill: int,
    out: Labels,
) -> None:
    n_images, n_rows, n_columns = labels.shape
    has_field = len(field) > 0
    middle_row = (n_rows - 1) / 2
    middle_column = (n_columns - 1) / 2
    for i in range(n_images):
        for row in range(n_rows):
            for column in range(n_columns):
                down = (row - middle_row) * aspect
                right = column - middle_column
                source_row = middle_row + offsets[i, 0]
                source_row += (matrices[i, 0, 0] * down + matrices[i, 0, 1] * right) / aspect
                source_column = middle_column + offsets[i, 1]
                source_column += matrices[i, 1, 0] * down + matrices[i, 1, 1] * right
                if has_field:
                    source_row += field[i, 0, row, column]
                    source_column += field[i, 1, row, column]
                nearest_row = np.floor(source_row + 0.5)
                nearest_column = np.floor(source_column + 0.5)
                is_inside = nearest_row >= 0 and nearest_row < n_rows
                if is_inside and nearest_column >= 0 and nearest_column < n_columns:
                    out[i, row, column] = labels[i, int(nearest_row), int(nearest_column)]
                else:
                    out[i, row, column] = fill


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
