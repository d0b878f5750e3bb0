"""How the score goes with the content of each pixel."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.evaluation.inputs import event_column, event_weights
from detcnn.evaluation.intervals import effective_count
from detcnn.events.images import Images, SparseImages

# A pixel whose relative variance is below the rounding of its sums has the same value throughout.
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class PixelCorrelation:
    """The correlation coefficient of each pixel with the score.

    Parameters
    ----------
    coefficient : numpy.ndarray
        float64, shape (channels, rows, columns), in [−1, 1]; NaN where a pixel has the same value
        in all images, because it is never filled for example.
    n_effective : float
        Number of images, as the effective count (Σw)² / Σw².
    """

    coefficient: NDArray[np.float64]
    n_effective: float

    @property
    def noise(self) -> float:
        """Standard deviation of a coefficient if score and pixel had nothing in common, 1/√N."""
        return 1 / math.sqrt(self.n_effective) if self.n_effective > 0 else math.nan


def pixel_correlation(
    blocks: Iterable[Images], score: ArrayLike, *, weights: ArrayLike | None = None
) -> PixelCorrelation:
    """Return Pearson's correlation coefficient of each pixel with the score.

    Parameters
    ----------
    blocks : iterable of SparseImages or DenseImages
        The images, in the order of the scores; one block at a time is held in memory.
    score : array_like
        Shape (n_images,).
    weights : array_like, optional
        Shape (n_images,), one each by default; may be negative.

    Returns
    -------
    PixelCorrelation
        Over all classes together: a pixel in which they differ correlates with any score that
        tells them apart.

    Raises
    ------
    DataError
        If there is no image, the numbers of images and scores differ, or one is not finite.
    """
    value = np.asarray(score, dtype=np.float64)
    value = event_column("score", value, len(value))
    weight = event_weights(weights, len(value))
    n_effective = float(effective_count(weight.sum(), (weight**2).sum()))
    if n_effective == 0:
        raise DataError(f"{len(value)} scores with weights that do not sum to more than 0")
    share = weight / weight.sum()
    # About the mean, so that no digits are lost in a difference of large sums.
    centred = value - np.sum(share * value)

    start, shape, sums = 0, None, np.zeros((3, 0))
    for block in blocks:
        if shape is None:
            shape, sums = block.shape, np.zeros((3, int(np.prod(block.shape))))
        rows = slice(start, start + block.n_images)
        start = rows.stop
        if start > len(value):
            break
        sums += _sums(block, share[rows], centred[rows])
    if shape is None or start != len(value):
        raise DataError(
            f"{len(value):,} scores and another number of images: make the scores again"
        )
    mean, squares, products = sums
    variance = squares - mean**2
    spread = np.sum(share * centred**2)
    varies = (variance > _LEAST_VARIANCE * squares) & (spread > 0)
    coefficient = np.full(len(mean), np.nan)
    np.divide(
        products, np.sqrt(np.where(varies, variance * spread, 1)), out=coefficient, where=varies
    )
    return PixelCorrelation(np.clip(coefficient, -1, 1).reshape(shape), n_effective)


def _sums(
    images: Images, share: NDArray[np.float64], centred: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Σ p·x, Σ p·x² and Σ p·x·s over the images for each pixel: shape (3, n_pixels)."""
    size = int(np.prod(images.shape))
    if isinstance(images, SparseImages):
        lengths = np.diff(images.offsets)
        x = images.value.astype(np.float64)
        p, s = np.repeat(share, lengths), np.repeat(centred, lengths)
        terms: tuple[Any, ...] = (p * x, p * x**2, p * x * s)
        return np.stack([np.bincount(images.pixel, term, minlength=size) for term in terms])
    flat = images.values.reshape(images.n_images, size).astype(np.float64)
    return np.stack([share @ flat, share @ flat**2, (share * centred) @ flat])
