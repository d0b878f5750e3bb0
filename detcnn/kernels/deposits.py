"""Hits to sparse images: sums, means and extremes of what falls into a pixel."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Ints = NDArray[np.int64]


class Rule(IntEnum):
    """What becomes of the numbers that share a pixel."""

    SUM = 0
    MEAN = 1
    MAX = 2
    MIN = 3


class Deposited(NamedTuple):
    """Images as lists of filled pixels, and what lay outside.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,).
    pixel : numpy.ndarray
        Unsigned, shape (n_filled,): rising within each image, through (channel, *axes).
    value : numpy.ndarray
        float32, shape (n_filled,), never 0.
    n_outside : numpy.ndarray
        int64, shape (n_events,): hits that a channel takes and that have no place.
    """

    offsets: Ints
    pixel: NDArray[np.unsignedinteger]
    value: NDArray[np.float32]
    n_outside: Ints


def deposit(
    offsets: Ints,
    place: Ints,
    is_taken: NDArray[np.bool_],
    weight: NDArray[np.float64],
    rules: NDArray[np.int64],
    *,
    n_pixels: int,
    dtype: type[np.unsignedinteger],
) -> Deposited:
    """Make the images of the hits of some events.

    Sums are float64, of hits in the order given. The scratch is one dense channel.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,), from 0 and never falling.
    place : numpy.ndarray
        int64, shape (n_hits,): the pixel of a hit, below `n_pixels`; negative outside.
    is_taken : numpy.ndarray
        bool, shape (channels, n_hits).
    weight : numpy.ndarray
        float64, shape (channels, n_hits), finite where taken.
    rules : numpy.ndarray
        int64, shape (channels,): one of `Rule` for each.
    n_pixels : int
        Of one channel.
    dtype : type
        Of the pixel numbers; must be able to name every pixel of all channels.

    Returns
    -------
    Deposited
    """
    n_events = len(offsets) - 1
    n_most = int(np.count_nonzero(is_taken & (place >= 0)))
    found = Deposited(
        offsets=np.zeros(n_events + 1, dtype=np.int64),
        pixel=np.empty(n_most, dtype=dtype),
        value=np.empty(n_most, dtype=np.float32),
        n_outside=np.zeros(n_events, dtype=np.int64),
    )
    _deposit(
        offsets,
        place,
        is_taken,
        weight,
        rules,
        n_pixels,
        found.offsets,
        found.pixel,
        found.value,
        found.n_outside,
    )
    n_filled = int(found.offsets[-1])
    return found._replace(pixel=found.pixel[:n_filled].copy(), value=found.value[:n_filled].copy())


@compiled
def _deposit(
    offsets: Ints,
    place: Ints,
    is_taken: NDArray[np.bool_],
    weight: NDArray[np.float64],
    rules: NDArray[np.int64],
    n_pixels: int,
    ends: Ints,
    pixel: NDArray[np.unsignedinteger],
    value: NDArray[np.float32],
    n_outside: Ints,
) -> None:
    n_events, n_channels = len(offsets) - 1, len(rules)
    n_most = 0
    for event in range(n_events):
        n_most = max(n_most, offsets[event + 1] - offsets[event])
    held = np.zeros(n_pixels)
    n_held = np.zeros(n_pixels, dtype=np.int64)
    touched = np.empty(n_most, dtype=np.int64)
    n_filled = 0
    for event in range(n_events):
        first, last = offsets[event], offsets[event + 1]
        for channel in range(n_channels):
            rule = rules[channel]
            n_touched = 0
            for k in range(first, last):
                at = place[k]
                if at < 0 or not is_taken[channel, k]:
                    continue
                given = weight[channel, k]
                if n_held[at] == 0:
                    touched[n_touched] = at
                    n_touched += 1
                    held[at] = given
                elif rule == Rule.MAX:
                    held[at] = max(held[at], given)
                elif rule == Rule.MIN:
                    held[at] = min(held[at], given)
                else:
                    held[at] += given
                n_held[at] += 1
            touched[:n_touched].sort()
            for i in range(n_touched):
                at = touched[i]
                total = held[at] / n_held[at] if rule == Rule.MEAN else held[at]
                n_held[at] = 0
                if np.float32(total) != 0:
                    pixel[n_filled] = channel * n_pixels + at
                    value[n_filled] = total
                    n_filled += 1
        for k in range(first, last):
            if place[k] < 0:
                for channel in range(n_channels):
                    if is_taken[channel, k]:
                        n_outside[event] += 1
                        break
        ends[event + 1] = n_filled
