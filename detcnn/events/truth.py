"""What is known to be true of an image beyond one number for each event: pixels and points.

A *pixel truth* has the axes of the image and one or more planes of its own in place of the
channels: the class of each pixel of each view, or the energy that was deposited there. Classes are
whole numbers from 0, the background, held as float32 like all images; a number beyond the classes
marks pixels that do not count. *Points* are places in pixels, (row, column), with the centre of the
first pixel at (0, 0); events of fewer points than others are filled up with NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images

Points = NDArray[np.float32]
"""Shape (n_events, n_points, 2)."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of a block of events, each part by its name.

    Parameters
    ----------
    pixels : mapping
        Name to images of shape (planes, *axes).
    points : mapping
        Name to float32 of shape (n_events, n_points, 2), in pixels; NaN where there is none.
    """

    pixels: Mapping[str, Images] = field(default_factory=dict)
    points: Mapping[str, Points] = field(default_factory=dict)

    def take(self, rows: NDArray[np.int64]) -> "Truth":
        """Return the truth of the events `rows`, in that order."""
        return Truth(
            pixels={name: images.take(rows) for name, images in self.pixels.items()},
            points={name: points[rows] for name, points in self.points.items()},
        )


NO_TRUTH = Truth()
"""Of events about which nothing is known but numbers."""
