"""Batches of a split that is held in memory, in an order that is a function and not a state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.errors import DataError
from detcnn.events.images import Images, SparseImages
from detcnn.imaging.augmentation import Policy, augment
from detcnn.kernels.densify import densify
from detcnn.seeding import generator


@dataclass(frozen=True, slots=True)
class Split:
    """The images of one split with what is to be learned of them.

    Parameters
    ----------
    images : SparseImages or DenseImages
        At least one.
    target : numpy.ndarray
        First axis the images; int64 class indices for classification.
    weight : numpy.ndarray
        Shape (n_images,): how much each image counts; event weight times class weight, say. May be
        negative, but the sum must be positive. Only ratios matter.

    Raises
    ------
    DataError
        If there is no image, the lengths differ, or a pixel or a weight cannot be used.
    """

    images: Images
    target: NDArray[Any]
    weight: NDArray[Any]

    def __post_init__(self) -> None:
        n = self.n_images
        if n == 0:
            raise DataError("a split has no image: check the cuts and the split fractions")
        if len(self.target) != n or len(self.weight) != n:
            raise DataError(
                f"{n} images with {len(self.target)} targets and {len(self.weight)} weights: "
                "make the image store again"
            )
        if not np.isfinite(self.weight).all():
            row = int(np.argmin(np.isfinite(self.weight)))
            raise DataError(f"image {row} has the weight {self.weight[row]}, expected a number")
        if self.weight.sum() <= 0:
            raise DataError(
                f"the weights of a split sum to {self.weight.sum():g}, expected more than 0: "
                "check the weight column"
            )
        bad_image = _first_bad_image(self.images)
        if bad_image is not None:
            raise DataError(
                f"image {bad_image} has a pixel that is not finite: make the image store again"
            )

    @property
    def n_images(self) -> int:
        """Number of images."""
        return self.images.n_images

    @property
    def relative_weight(self) -> NDArray[np.float32]:
        """Weights over their mean, so that they average to one."""
        weight: NDArray[np.float32] = (self.weight / self.weight.mean()).astype(np.float32)
        return weight


@dataclass(frozen=True, slots=True)
class Batch:
    """Images [B, channels, rows, columns], targets [B, ...], relative weights [B]; on the CPU."""

    images: Tensor
    targets: Tensor
    weights: Tensor


def dense_images(images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return chosen images as a new dense array.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Where to choose from.
    rows : numpy.ndarray
        int64, shape (B,), in [0, n_images), in any order.

    Returns
    -------
    numpy.ndarray
        float32, shape (B, channels, rows, columns).
    """
    if isinstance(images, SparseImages):
        values = np.empty((len(rows), *images.shape), dtype=np.float32)
        densify(images.offsets, images.pixel, images.value, rows, out=values)
        return values
    chosen: NDArray[np.float32] = images.values[rows]
    return chosen


class Batches:
    """Shuffled, augmented batches for training.

    The order of an epoch and the changes made to each batch are functions of (seed, epoch, step):
    a run that is taken up again in mid-epoch sees what it would have seen.

    Parameters
    ----------
    split : Split
        The training split.
    batch_size : int
        Images in a batch; the last one of an epoch takes what is left.
    seed : int
        Of the order and of the augmentation.
    policies : sequence of Policy
        Augmentation, in order.
    """

    def __init__(
        self, split: Split, *, batch_size: int, seed: int, policies: Sequence[Policy] = ()
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.policies = tuple(policies)
        self._weight = split.relative_weight

    @property
    def n_steps(self) -> int:
        """Number of batches of an epoch."""
        return -(-self.split.n_images // self.batch_size)

    def iter_batches(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from `start_step` on.

        Every batch has memory of its own: it stays as it is when the next one is asked for.
        """
        order = generator(self.seed, "order", epoch).permutation(self.split.n_images)
        for step in range(start_step, self.n_steps):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            values = dense_images(self.split.images, rows)
            values = augment(values, self.policies, generator(self.seed, "augment", epoch, step))
            yield Batch(
                images=torch.from_numpy(values),
                targets=torch.from_numpy(self.split.target[rows]),
                weights=torch.from_numpy(self._weight[rows]),
            )


def _first_bad_image(images: Images) -> int | None:
    values = images.value if isinstance(images, SparseImages) else images.values
    # One sum tells in a single pass without scratch memory whether there is anything to look for.
    if np.isfinite(values.sum(dtype=np.float64)):
        return None
    bad = np.flatnonzero(~np.isfinite(values))
    if isinstance(images, SparseImages):
        return int(np.searchsorted(images.offsets, bad[0], side="right")) - 1
    return int(bad[0] // np.prod(images.shape))
