"""Per-pixel statistics of the training split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images, SparseImages
from detcnn.kernels.image_sums import sums_of_lists


@dataclass(frozen=True, slots=True)
class PixelSums:
    """Running sums over images, from which mean and spread follow; blocks add up.

    Parameters
    ----------
    n_images : numpy.ndarray
        int64, shape (n_classes,).
    total : numpy.ndarray
        float64, shape (n_classes, channels, *axes): sum of each pixel over a class.
    squares : numpy.ndarray
        float64, shape (channels, *axes): sum of the squares over all classes.
    """

    n_images: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def __add__(self, other: "PixelSums") -> "PixelSums":
        return PixelSums(
            self.n_images + other.n_images, self.total + other.total, self.squares + other.squares
        )

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each pixel over all images, every image counting the same."""
        return np.asarray(self.total.sum(axis=0) / max(1, int(self.n_images.sum())))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each pixel (divided by n, not n − 1)."""
        variance = self.squares / max(1, int(self.n_images.sum())) - self.mean**2
        return np.sqrt(np.clip(variance, 0, None))

    @property
    def class_mean(self) -> NDArray[np.float64]:
        """Mean image of each class, zero for a class without images."""
        counts = np.clip(self.n_images, 1, None).reshape(-1, *[1] * self.squares.ndim)
        return np.asarray(self.total / counts)


def pixel_sums(images: Images, labels: NDArray[np.int64], *, n_classes: int) -> PixelSums:
    """Add up images, class by class.

    Parameters
    ----------
    images : SparseImages or DenseImages
        The images.
    labels : numpy.ndarray
        int64, shape (n_images,): class index of each.
    n_classes : int
        Number of classes.

    Returns
    -------
    PixelSums
    """
    shape = images.shape
    size = int(np.prod(shape))
    if isinstance(images, SparseImages):
        total, squares = sums_of_lists(
            images.offsets,
            images.pixel,
            images.value,
            labels,
            n_classes=n_classes,
            n_pixels=size,
        )
    else:
        flat = images.values.reshape(len(labels), size).astype(np.float64)
        total = np.stack([flat[labels == k].sum(axis=0) for k in range(n_classes)])
        squares = (flat**2).sum(axis=0)
    return PixelSums(
        n_images=np.bincount(labels, minlength=n_classes).astype(np.int64),
        total=total.reshape(n_classes, *shape),
        squares=squares.reshape(shape),
    )
