"""Images on their way through the steps, with all that has to come along."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.imaging.transforms import Points, Transform, Values

Floats = NDArray[np.float64]


@dataclass(slots=True)
class ImageBlock:
    """Some images, as they are by now; a step replaces what it changes, and changes no array.

    Parameters
    ----------
    values : numpy.ndarray
        float32, shape (B, channels, *axes).
    grid : Grid
        Of the images.
    is_normalised : numpy.ndarray
        bool, shape (channels,): those that hold momenta or energies.
    subjets : numpy.ndarray
        float64, shape (B, 3, 2): the hardest subjets as seen from the middle of the image, on the
        rows' and the columns' axis and in their units; NaN where there are fewer. They give
        directions, and so are not lost outside of the image as points are.
    classes : dict
        Name to the class of each pixel, float32, shape (B, planes, *axes).
    planes : dict
        Name to another number that is true of each pixel, of the same shape.
    points : dict
        Name to float64, shape (B, n, 2), in pixels.
    """

    values: Values
    grid: Grid
    is_normalised: NDArray[np.bool_]
    subjets: Floats
    classes: dict[str, Values]
    planes: dict[str, Values]
    points: dict[str, Points]

    def move(self, transform: Transform) -> None:
        """Move the images, and what is true of them alike.

        Numbers of pixels go as the images do, so that what was a share of an image still is; a
        class is that of one pixel, whatever lies between.
        """
        self.values = transform.images(self.values)
        self.planes = {name: transform.images(plane) for name, plane in self.planes.items()}
        self.classes = {name: transform.masks(plane) for name, plane in self.classes.items()}
        self.points = {name: transform.points(places) for name, places in self.points.items()}

    def by_channel(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values, the channels their last axis, such that they go with the images."""
        return values.reshape(*values.shape, *[1] * (self.values.ndim - 2))

    def intensity(self) -> Floats:
        """Return the sum of the channels of momenta and energies, or of all if there is none."""
        channels = self.is_normalised if self.is_normalised.any() else ~self.is_normalised
        return np.asarray(self.values[:, channels].sum(axis=1, dtype=np.float64))
