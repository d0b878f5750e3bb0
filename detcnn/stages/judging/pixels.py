"""What is true and what was said of the pixels of whole frames, some frames at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.stages.frames import FrameMaps
from detcnn.stages.judging.case import Case


@dataclass(frozen=True, slots=True)
class Pixels:
    """Whole frames.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (n_frames, channels, *axes).
    truth, maps : numpy.ndarray
        float32, shape (n_frames, planes, *axes): what is true, and what was said.
    valid : numpy.ndarray
        bool, shape (n_frames, planes, *axes): of which pixels something was said.
    """

    images: NDArray[np.float32]
    truth: NDArray[np.float32]
    maps: NDArray[np.float32]
    valid: NDArray[np.bool_]


def iter_pixels(case: Case, maps: FrameMaps) -> Iterator[Pixels]:
    """Yield all frames, as many at once as are held in memory."""
    for start, stop in maps.iter_ranges():
        yield read_pixels(case, maps, start, stop)


def read_pixels(case: Case, maps: FrameMaps, start: int, stop: int) -> Pixels:
    """Return the pixels of frames `start` to `stop`."""
    return Pixels(
        images=case.frames.images(start, stop),
        truth=case.frames.truth(case.task["truth"], start, stop),
        maps=maps.read(start, stop),
        valid=maps.valid(start, stop),
    )


def of_planes(
    images: NDArray[np.float32], planes: int, *, of_channels: bool
) -> NDArray[np.float32]:
    """Return what each plane holds: its channel, or all channels together.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (n_frames, channels, *axes).
    planes : int
        Number of planes.
    of_channels : bool
        Whether each is of the channel of its place.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_frames, planes, *axes).
    """
    if of_channels:
        return images
    return np.repeat(images.sum(axis=1, keepdims=True), planes, axis=1)
