"""What is known to be true of an image beyond one number for each event: pixels and points.

A *pixel truth* has the axes of the image and one or more planes of its own in place of the
channels: the class of each pixel of each view, or the energy that was deposited there. Classes are
whole numbers from 0, the background, held as float32 like all images; a number beyond the classes
marks pixels that do not count. *Points* are places in pixels, (row, column), with the centre of the
first pixel at (0, 0); events of fewer points than others are filled up with NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images, joined

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


def filled_up(points: Points, n: int) -> Points:
    """Return points with as many places for each event as `n`, the new ones NaN."""
    missing = ((0, 0), (0, n - points.shape[1]), (0, 0))
    return np.pad(points, missing, constant_values=np.nan)


def gathered(points: Points) -> Points:
    """Return points with those of each event first, in their order, and no place that none fills.

    Parameters
    ----------
    points : numpy.ndarray
        Shape (n_events, n_places, n_values): row, column, and what else is said of a point.

    Returns
    -------
    numpy.ndarray
        Shape (n_events, n, n_values), with n the points of the fullest event, 1 at least.
    """
    is_there = ~np.isnan(points[..., 0])
    most = max(1, int(is_there.sum(axis=1).max(initial=0)))
    order = np.argsort(~is_there, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(points, order[..., np.newaxis], axis=1)


def joined_points(parts: Sequence[Points]) -> Points:
    """Join points of one name of several blocks of events, in the order given."""
    most = max(part.shape[1] for part in parts)
    return np.concatenate([filled_up(part, most) for part in parts])


def joined_truth(parts: Sequence[Truth]) -> Truth:
    """Join the truth of several blocks of events, in the order given: what all of them know."""
    first = parts[0]
    return Truth(
        pixels={
            name: joined([part.pixels[name] for part in parts])
            for name in first.pixels
            if all(name in part.pixels for part in parts)
        },
        points={
            name: joined_points([part.points[name] for part in parts])
            for name in first.points
            if all(name in part.points for part in parts)
        },
    )
