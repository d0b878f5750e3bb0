"""Filters made by hand, and what a convolutional layer does with them, step by step.

A filter is moved over the image and at each place the products of its numbers with those below are
added up. As in neural networks it is not turned round first, which mathematics would call a
correlation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError

Kernel = NDArray[np.float64]
Maps = NDArray[np.float64]

FILTERS: Mapping[str, tuple[tuple[float, ...], ...]] = {
    "edge_horizontal": ((1, 1, 1), (0, 0, 0), (-1, -1, -1)),
    "edge_vertical": ((1, 0, -1), (1, 0, -1), (1, 0, -1)),
    "edges": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "blur": ((1 / 9,) * 3,) * 3,
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "angle": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
}
"""Name to rows of numbers: edges that run along a row, edges that run along a column (J. Prewitt,
1970), edges in all directions (a Laplacian), the mean, the image plus its edges, and a line that
climbs from the lower left to the upper right."""


def parse_matrix(text: str) -> Kernel:
    """Return the matrix that a text holds.

    Parameters
    ----------
    text : str
        Rows separated by ``/`` or ``;``, numbers by blanks or commas: ``0 0 1 / 0 1 0 / 1 0 0``.

    Returns
    -------
    numpy.ndarray
        float64, shape (rows, columns).

    Raises
    ------
    ConfigError
        Naming the row that is no row of numbers, or of another length than the first.
    """
    rows = [row.replace(",", " ").split() for row in text.replace(";", "/").split("/")]
    numbers = []
    for i, row in enumerate(rows, start=1):
        try:
            numbers.append([float(number) for number in row])
        except ValueError:
            raise ConfigError(
                f"{text!r}: row {i}, {' '.join(row)!r}, is no row of numbers: expected rows "
                "separated by '/', as in '0 0 1 / 0 1 0 / 1 0 0'"
            ) from None
    return check_matrix(numbers, name=text)


def check_matrix(rows: Any, *, name: str) -> Kernel:
    """Return rows of numbers as a matrix.

    Raises
    ------
    ConfigError
        If a row is empty or of another length than the first, or a number is none or not finite.
    """
    if not (
        isinstance(rows, list | tuple) and rows and all(isinstance(r, list | tuple) for r in rows)
    ):
        raise ConfigError(f"filter {name}: expected a list of rows of numbers")
    for i, row in enumerate(rows, start=1):
        if not row or len(row) != len(rows[0]):
            raise ConfigError(
                f"filter {name}: row {i} has {len(row)} numbers, the first has {len(rows[0])}: "
                "expected at least one, and as many in all rows"
            )
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"filter {name}: expected rows of numbers") from None
    if not np.isfinite(matrix).all():
        raise ConfigError(f"filter {name}: expected finite numbers")
    return matrix


def named_filters(content: Any, *, path: Path) -> dict[str, Kernel]:
    """Return the filters of a file's content: a mapping of names to rows of numbers.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"{path}: expected names of filters with rows of numbers")
    return {str(name): check_matrix(rows, name=f"{path}: {name}") for name, rows in content.items()}


def filtered(
    images: ArrayLike, kernel: Kernel, *, stride: int = 1, padding: int = 0, bias: float = 0.0
) -> Maps:
    """Return the feature maps of images under one filter, each channel on its own.

    Parameters
    ----------
    images : array_like
        Shape (n_images, channels, rows, columns).
    kernel : numpy.ndarray
        Shape (kernel rows, kernel columns).
    stride : int
        Rows and columns from one place of the filter to the next, at least 1.
    padding : int
        Rows and columns of zeros added on each side, at least 0 and below the longer side of the
        filter, which beyond them would see zeros alone.
    bias : float
        Added to every sum.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_images, channels, new rows, new columns).

    Raises
    ------
    ConfigError
        If the filter does not fit into the image, or there is more padding than it can reach.
    """
    if padding >= max(kernel.shape):
        raise ConfigError(
            f"--padding {padding}: a filter of {_times(kernel.shape)} would see zeros alone: "
            f"expected at most {max(kernel.shape) - 1}"
        )
    values = np.asarray(images, dtype=np.float64)
    padded = np.pad(values, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    if any(k > n for k, n in zip(kernel.shape, padded.shape[2:], strict=True)):
        raise ConfigError(
            f"a filter of {_times(kernel.shape)} does not fit into images of "
            f"{_times(values.shape[2:])} with a padding of {padding}: take a smaller filter or "
            "more padding"
        )
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape, axis=(2, 3))
    # What becomes too large is infinite, for the caller to judge.
    with np.errstate(over="ignore", invalid="ignore"):
        sums: Maps = np.einsum("bcrsij,ij->bcrs", windows[:, :, ::stride, ::stride], kernel)
        return sums + bias


def rectified(maps: Maps) -> Maps:
    """Return maps with what is below zero set to zero."""
    return np.maximum(maps, 0.0)


def pooled(maps: Maps, side: int) -> Maps:
    """Return the largest number of each square window; what does not fill a window is left out.

    Parameters
    ----------
    maps : numpy.ndarray
        Shape (n_images, channels, rows, columns).
    side : int
        Of the window, and from one window to the next.

    Raises
    ------
    ConfigError
        If no window fits.
    """
    rows, columns = (n // side for n in maps.shape[2:])
    if min(rows, columns) < 1:
        raise ConfigError(
            f"a pooling window of {side}x{side} does not fit into {_times(maps.shape[2:])} pixels"
        )
    cut = maps[:, :, : rows * side, : columns * side]
    largest: Maps = cut.reshape(*maps.shape[:2], rows, side, columns, side).max(axis=(3, 5))
    return largest


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
