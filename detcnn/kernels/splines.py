"""Rotation of dense images with cubic splines."""

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Images = NDArray[np.float32]
Floats = NDArray[np.float64]

_POLE = np.sqrt(3.0) - 2.0
_FRAME = 12
"""Pixels of zeros around an image: a pixel's share in a coefficient so far away is below 1e-6."""


def rotate(images: Images, angles: NDArray[np.float64], *, aspect: float = 1.0) -> Images:
    """Rotate images about their centre, interpolating with a cubic spline, with 0 outside.

    The spline goes through every pixel's value and has continuous second derivatives (B-spline
    coefficients by recursive filters: Unser, IEEE Signal Processing Magazine 16 (1999) 22, box 2).
    It swings below 0 beside a bright pixel; what turns out of the image is lost, so the sum of an
    image is not kept. The content turns from the row axis towards the column axis: by a quarter
    turn, what lies at higher rows comes to lie at higher columns.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (B, channels, rows, columns); left as they are.
    angles : numpy.ndarray
        float64, shape (B,), in rad; an image turned by exactly 0 comes back unchanged.
    aspect : float
        Width of a pixel along the rows' axis (from row to row) over its width along the columns'
        axis, so that the turn is one in physical units; greater than 0.

    Returns
    -------
    numpy.ndarray
        float32, of the images' shape.

    Raises
    ------
    ValueError
        If there is not one finite angle for each image, or the aspect is not above 0.
    """
    if angles.shape != images.shape[:1] or not np.isfinite(angles).all():
        raise ValueError(f"angles of shape {angles.shape}: expected {len(images)} finite numbers")
    if not (aspect > 0 and np.isfinite(aspect)):
        raise ValueError(f"aspect {aspect}: expected a finite number above 0")
    out = np.empty(images.shape, dtype=np.float32)
    _rotate(images.astype(np.float32), angles.astype(np.float64), float(aspect), out)
    return out


@compiled
def _rotate(images: Images, angles: Floats, aspect: float, out: Images) -> None:
    n_images, n_channels, n_rows, n_columns = images.shape
    middle_row, middle_column = (n_rows - 1) / 2, (n_columns - 1) / 2
    framed = np.empty((n_rows + 2 * _FRAME, n_columns + 2 * _FRAME))
    row_weight, column_weight = np.empty(4), np.empty(4)
    for i in range(n_images):
        if angles[i] == 0:
            out[i] = images[i]
            continue
        cosine, sine = np.cos(angles[i]), np.sin(angles[i])
        for channel in range(n_channels):
            framed[:] = 0.0
            framed[_FRAME:-_FRAME, _FRAME:-_FRAME] = images[i, channel]
            _to_coefficients(framed)
            for row in range(n_rows):
                for column in range(n_columns):
                    # Turned back, in units of the pixel's width along the columns' axis.
                    down, right = (row - middle_row) * aspect, column - middle_column
                    y = middle_row + (cosine * down + sine * right) / aspect + _FRAME
                    x = middle_column + cosine * right - sine * down + _FRAME
                    top, left = int(np.floor(y)) - 1, int(np.floor(x)) - 1
                    value = 0.0
                    if (
                        top >= 0
                        and left >= 0
                        and top + 4 <= framed.shape[0]
                        and left + 4 <= framed.shape[1]
                    ):
                        _weights(y - np.floor(y), row_weight)
                        _weights(x - np.floor(x), column_weight)
                        for j in range(4):
                            for k in range(4):
                                weight = row_weight[j] * column_weight[k]
                                value += weight * framed[top + j, left + k]
                    out[i, channel, row, column] = value


@compiled
def _to_coefficients(framed: Floats) -> None:
    """Turn the samples of an image, zero all round, into its spline coefficients, in place."""
    for row in range(framed.shape[0]):
        _filter(framed[row])
    for column in range(framed.shape[1]):
        _filter(framed[:, column])


@compiled
def _filter(line: Floats) -> None:
    n = len(line)
    for k in range(1, n):
        line[k] += _POLE * line[k - 1]
    line[n - 1] *= -6 * _POLE / (1 - _POLE * _POLE)
    for k in range(n - 2, -1, -1):
        line[k] = _POLE * (line[k + 1] - 6 * line[k])


@compiled
def _weights(beyond: float, weight: Floats) -> None:
    """Write the four cubic B-splines at a point `beyond` the second of their centres."""
    before = 1 - beyond
    weight[0] = before**3 / 6
    weight[1] = 2 / 3 - beyond * beyond * (2 - beyond) / 2
    weight[2] = 2 / 3 - before * before * (2 - before) / 2
    weight[3] = beyond**3 / 6
