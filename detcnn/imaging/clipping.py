"""How large a pixel may be: a quantile of those that are filled, channel by channel."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import DenseImages, Images, SparseImages

UNLIMITED = np.finfo(np.float32).max
"""The limit that nothing is above; finite, so that it can be averaged with others of its kind."""

_HALF = 16
"""Bits of half a float32."""


def clip_limits(
    read: Callable[[], Iterable[Images]], *, n_channels: int, share: float
) -> NDArray[np.float32]:
    """Return the quantile of the absolute values of filled pixels of each channel, exactly.

    The numbers that are not negative are in the order of their bits. One pass counts the upper
    halves of these, which tells that of the quantile; another one the lower halves beside it.

    Parameters
    ----------
    read : callable
        Gives all images, in blocks, each time it is called; that is twice.
    n_channels : int
        Of an image.
    share : float
        Above 0, at most 1: of the filled pixels, so many are no larger than the limit, which is
        the value of one of them (definition 1 of Hyndman & Fan, Am. Stat. 50 (1996) 361, which
        NumPy calls ``"inverted_cdf"``).

    Returns
    -------
    numpy.ndarray
        float32, shape (n_channels,); `UNLIMITED` for a channel that is always empty.
    """
    counts = sum(
        (_counts(channel, bits >> _HALF, n_channels) for channel, bits in map(_filled, read())),
        start=np.zeros((n_channels, 1 << _HALF), dtype=np.int64),
    )
    n_filled = counts.sum(axis=1)
    place = np.clip(np.ceil(share * n_filled - 1).astype(np.int64), 0, None)
    upper, place = _find(counts, place)
    counts = np.zeros_like(counts)
    for channel, bits in map(_filled, read()):
        is_beside = bits >> _HALF == upper[channel]
        lower = bits[is_beside] & (1 << _HALF) - 1
        counts += _counts(channel[is_beside], lower, n_channels)
    lower, _ = _find(counts, place)
    limits = (upper << _HALF | lower).astype(np.uint32).view(np.float32)
    return np.where(n_filled > 0, limits, UNLIMITED)


def clipped(images: Images, limits: NDArray[np.float32]) -> Images:
    """Return images whose pixels are cut to absolute values up to the limits of their channels.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Shape (channels, *axes).
    limits : numpy.ndarray
        float32, shape (channels,).
    """
    if isinstance(images, SparseImages):
        limit = limits[_channels(images)]
        value = np.clip(images.value, -limit, limit)
        return SparseImages(images.offsets, images.pixel, value, images.shape)
    limit = limits.reshape(-1, *[1] * (len(images.shape) - 1))
    return DenseImages(np.clip(images.values, -limit, limit))


def _filled(images: Images) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the channel of each filled pixel, and the bits of its absolute value."""
    if isinstance(images, SparseImages):
        value, channel = images.value, _channels(images)
    else:
        place = np.nonzero(images.values)
        value, channel = images.values[place], place[1]
    is_filled = value != 0
    bits = np.abs(value[is_filled]).view(np.uint32).astype(np.int64)
    return channel[is_filled], bits


def _channels(images: SparseImages) -> NDArray[np.int64]:
    n_pixels = int(np.prod(images.shape[1:]))
    return images.pixel.astype(np.int64) // n_pixels


def _counts(
    channel: NDArray[np.int64], half: NDArray[np.int64], n_channels: int
) -> NDArray[np.int64]:
    key = (channel << _HALF) + half
    return np.bincount(key, minlength=n_channels << _HALF).reshape(n_channels, -1)


def _find(
    counts: NDArray[np.int64], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bin that the value at a place in order is in, and its place in that bin."""
    below = np.cumsum(counts, axis=1)
    found = (below <= place[:, np.newaxis]).sum(axis=1)
    found = np.minimum(found, counts.shape[1] - 1)
    channel = np.arange(len(counts))
    return found, place - (below - counts)[channel, found]
