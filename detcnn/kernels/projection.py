"""Events to sparse images in one pass: align, find the pixel, add up, normalise."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.alignment import align
from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Norm(IntEnum):
    """What the scaled channels of an image are divided by."""

    NONE = 0
    PT_SUM = 1
    L1 = 2
    L2 = 3
    MAX = 4


class Plan(NamedTuple):
    """How events become images.

    Parameters
    ----------
    steps : numpy.ndarray
        Of dtype `detcnn.kernels.alignment.STEP`.
    row_edges, column_edges : numpy.ndarray
        float64, rising in equal steps: pixels are half-open, [low, high).
    weight_of_channel : numpy.ndarray
        int64, shape (channels,): which row of `Deposits.weights` each channel adds up.
    is_scaled : numpy.ndarray
        bool, shape (channels,): which channels make the norm together and are divided by it.
    norm : int
        One of `Norm`.
    subjet_radius : float
        R of the subjets that are looked for in the aligned event; 0 for none.
    """

    steps: NDArray[np.void]
    row_edges: Floats
    column_edges: Floats
    weight_of_channel: Ints
    is_scaled: NDArray[np.bool_]
    norm: int
    subjet_radius: float


class Deposits(NamedTuple):
    """The constituents of some events.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,), from 0 and never falling.
    pt, x, y : numpy.ndarray
        float64, shape (n_constituents,), finite; `pt` [GeV] at least 0, `y` in [−π, π).
    axis_x, axis_y : numpy.ndarray
        float64, shape (n_events,): the jet axes, likewise.
    membership : numpy.ndarray
        uint64, shape (n_constituents,): bit ``c`` is set if channel ``c`` takes the constituent.
    weights : numpy.ndarray
        float64, shape (n_weights, n_constituents), finite.
    """

    offsets: Ints
    pt: Floats
    x: Floats
    y: Floats
    axis_x: Floats
    axis_y: Floats
    membership: NDArray[np.uint64]
    weights: Floats


class PixelLists(NamedTuple):
    """Images as lists of filled pixels, and what lay outside.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,).
    pixel : numpy.ndarray
        uint32, shape (n_filled,): rising within each image, through (channel, row, column).
    value : numpy.ndarray
        float32, shape (n_filled,), never 0.
    n_outside : numpy.ndarray
        int64, shape (n_events,): constituents of any channel outside the grid.
    pt_outside : numpy.ndarray
        float64, shape (n_events,): their pT [GeV].
    subjets : numpy.ndarray
        float64, shape (n_events, 3, 2): where the hardest subjets of the aligned events lie, see
        `detcnn.kernels.alignment.align`; NaN if none are looked for.
    """

    offsets: Ints
    pixel: NDArray[np.uint32]
    value: NDArray[np.float32]
    n_outside: Ints
    pt_outside: Floats
    subjets: Floats


@compiled
def project(deposits: Deposits, plan: Plan) -> PixelLists:
    """Make the images of some events.

    Serial and without the interpreter lock: threads take different events. Sums are float64. The
    scratch is one dense image and one slot for each constituent and channel.

    Parameters
    ----------
    deposits : Deposits
        Left as they are.
    plan : Plan
        At most 64 channels.

    Returns
    -------
    PixelLists
        An event without constituents gives an image without pixels; an image whose norm is 0
        stays as it is.
    """
    n_events = len(deposits.offsets) - 1
    n_channels = len(plan.weight_of_channel)
    n_columns = len(plan.column_edges) - 1
    n_pixels = (len(plan.row_edges) - 1) * n_columns
    rows_per_unit = _density(plan.row_edges)
    columns_per_unit = _density(plan.column_edges)

    n_most = 0
    for event in range(n_events):
        n_most = max(n_most, deposits.offsets[event + 1] - deposits.offsets[event])
    x_scratch, y_scratch = np.empty(n_most + 1), np.empty(n_most + 1)
    image = np.zeros((n_channels, n_pixels))
    # One bit a pixel: the set ones come out sorted, without a sort and without a search.
    is_filled = np.zeros((n_channels, (n_pixels + 63) // 64), dtype=np.uint64)

    offsets = np.zeros(n_events + 1, dtype=np.int64)
    pixel = np.empty(len(deposits.pt) * n_channels, dtype=np.uint32)
    value = np.empty(len(deposits.pt) * n_channels, dtype=np.float32)
    n_outside = np.zeros(n_events, dtype=np.int64)
    pt_outside = np.zeros(n_events)
    subjets = np.empty((n_events, 3, 2))
    n_filled = 0
    for event in range(n_events):
        first, last = deposits.offsets[event], deposits.offsets[event + 1]
        n = last - first
        x, y = x_scratch[: n + 1], y_scratch[: n + 1]
        for k in range(n):
            x[k], y[k] = deposits.x[first + k], deposits.y[first + k]
        x[n], y[n] = deposits.axis_x[event], deposits.axis_y[event]
        pt = deposits.pt[first:last]
        subjets[event] = align(pt, x, y, plan.steps, plan.subjet_radius)

        for k in range(n):
            channels = deposits.membership[first + k]
            if channels == 0:
                continue
            row = _pixel_of(x[k], plan.row_edges, rows_per_unit)
            column = _pixel_of(y[k], plan.column_edges, columns_per_unit)
            if row < 0 or column < 0:
                n_outside[event] += 1
                pt_outside[event] += pt[k]
                continue
            place = row * n_columns + column
            bit = np.uint64(1) << np.uint64(place & 63)
            for channel in range(n_channels):
                if channels >> np.uint64(channel) & np.uint64(1):
                    weight = plan.weight_of_channel[channel]
                    image[channel, place] += deposits.weights[weight, first + k]
                    is_filled[channel, place >> 6] |= bit

        norm = _norm(image, is_filled, pt, plan)
        for channel in range(n_channels):
            divisor = norm if plan.is_scaled[channel] else 1.0
            for word in range(is_filled.shape[1]):
                bits = is_filled[channel, word]
                is_filled[channel, word] = 0
                while bits:
                    place = word * 64 + _lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    total = np.float32(image[channel, place] / divisor)
                    image[channel, place] = 0.0
                    if total != 0:
                        pixel[n_filled] = channel * n_pixels + place
                        value[n_filled] = total
                        n_filled += 1
        offsets[event + 1] = n_filled
    return PixelLists(
        offsets, pixel[:n_filled].copy(), value[:n_filled].copy(), n_outside, pt_outside, subjets
    )


@compiled
def _density(edges: Floats) -> float:
    """Return the number of pixels in a unit of length."""
    return (len(edges) - 1) / (edges[-1] - edges[0])  # type: ignore[no-any-return]


@compiled
def _pixel_of(position: float, edges: Floats, density: float) -> int:
    """Return the pixel of a position, -1 outside; exact at the edges themselves."""
    n = len(edges) - 1
    if not (position >= edges[0] and position < edges[n]):
        return -1
    pixel = min(int((position - edges[0]) * density), n - 1)
    if position < edges[pixel]:
        return pixel - 1
    if position >= edges[pixel + 1]:
        return pixel + 1
    return pixel


@compiled
def _norm(image: Floats, is_filled: NDArray[np.uint64], pt: Floats, plan: Plan) -> float:
    """Return what the scaled channels are divided by."""
    if plan.norm == Norm.NONE:
        return 1.0
    norm = 0.0
    if plan.norm == Norm.PT_SUM:
        norm = pt.sum()
    else:
        for channel in range(len(image)):
            if not plan.is_scaled[channel]:
                continue
            for word in range(is_filled.shape[1]):
                bits = is_filled[channel, word]
                while bits:
                    content = abs(image[channel, word * 64 + _lowest_bit(bits)])
                    bits &= bits - np.uint64(1)
                    if plan.norm == Norm.L1:
                        norm += content
                    elif plan.norm == Norm.L2:
                        norm += content * content
                    else:
                        norm = max(norm, content)
        if plan.norm == Norm.L2:
            norm = np.sqrt(norm)
    return norm if norm > 0 else 1.0


_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_OF_HASH = np.empty(64, dtype=np.int64)
_BIT_OF_HASH[[(int(_DE_BRUIJN) << bit) % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@compiled
def _lowest_bit(bits: np.uint64) -> int:
    """Return the position of the lowest set bit (Leiserson, Prokop & Randall, 1998)."""
    lowest = bits & (~bits + np.uint64(1))
    return _BIT_OF_HASH[(lowest * _DE_BRUIJN) >> np.uint64(58)]  # type: ignore[no-any-return]
