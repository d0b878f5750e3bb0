"""Scoring an image more than once, each time changed at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from detcnn.events.images import Images
from detcnn.imaging.augmentation import Policy
from detcnn.seeding import generator
from detcnn.training.batches import Statistics, changed_images, dense_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Variations:
    """The image as it is, and some draws of random changes of it.

    Parameters
    ----------
    policies : sequence of Policy
        What may happen, in order.
    draws : int
        Changed images for each one.
    seed : int
        Of the changes.
    """

    policies: Sequence[Policy]
    draws: int
    seed: int

    @property
    def n(self) -> int:
        """How often an image is scored."""
        return 1 + self.draws

    def images(
        self,
        images: Images,
        rows: NDArray[np.int64],
        *,
        number: int,
        first_row: int,
        statistics: Statistics,
    ) -> Tensor:
        """Return one variation of chosen images, standardised.

        Parameters
        ----------
        images, rows
            As for `detcnn.training.batches.dense_images`.
        number : int
            0 for the images as they are, 1 to `draws` for changed ones.
        first_row : int
            Which image of its split the first of `rows` is: the changes are a function of it.
        statistics : numpy.ndarray
            Of the model's first layer.
        """
        if number == 0:
            return dense_images(images, rows, statistics=statistics)
        rng = generator(self.seed, "variation", number, first_row)
        return changed_images(images, rows, self.policies, rng, statistics=statistics)


AS_IT_IS = Variations(policies=(), draws=0, seed=0)
"""Every image once."""
