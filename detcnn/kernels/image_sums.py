"""Sums over many images, pixel by pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import borrowing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def sums_of_lists(
    offsets: Ints,
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    labels: Ints,
    *,
    n_classes: int,
    n_pixels: int,
) -> tuple[Floats, Floats]:
    """Add up images that are lists of filled pixels, in their order.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_images + 1,): where the pixels of each image are.
    pixel, value : numpy.ndarray
        Integers and float32, shape (n_filled,): which pixels are filled, and with what.
    labels : numpy.ndarray
        int64, shape (n_images,): class of each image.
    n_classes, n_pixels : int
        How many there are.

    Returns
    -------
    total : numpy.ndarray
        float64, shape (n_classes, n_pixels): sum of each pixel over a class.
    squares : numpy.ndarray
        float64, shape (n_pixels,): sum of the squares over all classes.

    Raises
    ------
    IndexError
        If there is no class, or no pixel, of such a number.
    """
    for name, index, size in (("class", labels, n_classes), ("pixel", pixel, n_pixels)):
        if len(index) and not 0 <= index.min() <= index.max() < size:
            raise IndexError(f"{name} {index.min()} to {index.max()}, expected 0 to {size - 1}")
    total, squares = np.zeros((n_classes, n_pixels)), np.zeros(n_pixels)
    _add_lists(offsets, pixel, value, labels, total, squares)
    return total, squares


@borrowing
def _add_lists(
    offsets: Ints,
    pixel: NDArray[Any],
    value: NDArray[np.float32],
    labels: Ints,
    total: Floats,
    squares: Floats,
) -> None:
    for i in range(len(labels)):
        label = labels[i]
        for k in range(offsets[i], offsets[i + 1]):
            known = np.float64(value[k])
            total[label, pixel[k]] += known
            squares[pixel[k]] += known * known
