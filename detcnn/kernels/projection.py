"""Events to sparse images in one pass: align, find the pixel, add up, normalise."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.alignment import align
from detcnn.kernels.angles import turned
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


class Weight(IntEnum):
    """What a channel adds up, where it is no row of `Deposits.weights`."""

    PT = -1
    COUNT = -2


class Plan(NamedTuple):
    """How events become images.

    Parameters
    ----------
    steps : numpy.ndarray
        float64, shape (n_steps, 5): see `detcnn.kernels.alignment.align`.
    row_edges, column_edges : numpy.ndarray
        float64, rising in equal steps: pixels are half-open, [low, high).
    weight_of_channel : numpy.ndarray
        int64, shape (channels,): one of `Weight`, or which row of `Deposits.weights` each channel
        adds up.
    is_scaled : numpy.ndarray
        bool, shape (channels,): which channels make the norm together and are divided by it.
    norm : int
        One of `Norm`.
    subjet_radius : float
        R of the subjets that are looked for in the aligned event; 0 for none.
    """

    steps: Floats
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
        float32 or float64, all three alike, shape (n_constituents,): `pt` [GeV], and `y` an azimuth
        of any turn [rad].
    axes : numpy.ndarray
        float64, shape (2, n_events), finite: x and y of the jet axes, with y in [−π, π).
    membership : numpy.ndarray
        Unsigned, shape (n_constituents,): bit ``c`` is set if channel ``c`` takes the constituent.
    weights : numpy.ndarray
        float64, shape (n_weights, n_constituents): what `Weight` does not know.
    """

    offsets: Ints
    pt: NDArray[np.floating]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    axes: Floats
    membership: NDArray[np.unsignedinteger]
    weights: Floats


class PixelLists(NamedTuple):
    """Images as lists of filled pixels, and what lay outside.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,).
    pixel : numpy.ndarray
        Unsigned, shape (n_filled,): rising within each image, through (channel, row, column).
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
    pixel: NDArray[np.unsignedinteger]
    value: NDArray[np.float32]
    n_outside: Ints
    pt_outside: Floats
    subjets: Floats


LARGEST = 1e30
"""Coordinates, momenta and weights beyond it cannot be used: sums leave the range of float32."""


def project(
    deposits: Deposits, plan: Plan, *, dtype: type[np.unsignedinteger]
) -> PixelLists | None:
    """Make the images of some events.

    Serial and without the interpreter lock: threads take different events. Sums are float64. The
    scratch is one dense image and some numbers for each constituent of one event.

    Parameters
    ----------
    deposits : Deposits
        Left as they are.
    plan : Plan
        At most 64 channels.
    dtype : type
        Of the pixel numbers; must be able to name every pixel.

    Returns
    -------
    PixelLists or None
        None if a momentum is negative, or a value NaN or beyond ±`LARGEST`. An event without
        constituents gives an image without pixels; an image whose norm is 0 stays as it is.
    """
    n_events = len(deposits.offsets) - 1
    n_most = len(deposits.pt) * len(plan.weight_of_channel) + _LANES
    lists = PixelLists(
        offsets=np.zeros(n_events + 1, dtype=np.int64),
        pixel=np.empty(n_most, dtype=dtype),
        value=np.empty(n_most, dtype=np.float32),
        n_outside=np.zeros(n_events, dtype=np.int64),
        pt_outside=np.zeros(n_events),
        subjets=np.full((n_events, 3, 2), np.nan),
    )
    if not _project(deposits, plan, lists):
        return None
    n_filled = int(lists.offsets[-1])
    return lists._replace(pixel=lists.pixel[:n_filled].copy(), value=lists.value[:n_filled].copy())


_LANES = 8
"""Numbers in a vector: loops over whole ones end where the processor expects it."""

_EVENTS_AT_ONCE = 128
"""What one constituent needs at a time is done for so many events: long loops over few bytes."""


@compiled
def _project(deposits: Deposits, plan: Plan, out: PixelLists) -> bool:
    """Fill `out` and return True, or False at a value that cannot be used."""
    # Named tuples are slow to hand to a function: what it needs of them is named here.
    offsets, is_scaled = deposits.offsets, plan.is_scaled
    pixel, value = out.pixel, out.value
    n_events = len(offsets) - 1
    n_channels = len(plan.weight_of_channel)
    n_columns = len(plan.column_edges) - 1
    n_pixels = (len(plan.row_edges) - 1) * n_columns

    n_most = n_most_at_once = 0
    for event in range(n_events):
        n_most = max(n_most, offsets[event + 1] - offsets[event])
    for event in range(0, n_events, _EVENTS_AT_ONCE):
        last = min(event + _EVENTS_AT_ONCE, n_events)
        n_most_at_once = max(n_most_at_once, offsets[last] - offsets[event])
    all_pt = np.empty(n_most_at_once)
    all_x, all_y = np.empty(n_most_at_once), np.empty(n_most_at_once)
    all_places = np.empty(n_most_at_once, dtype=np.int64)
    all_weights = np.empty((n_channels, n_most_at_once))
    # Channels of a pixel side by side: what a constituent adds to them shares a cache line.
    # One pixel more than there are stays empty.
    image = np.zeros((n_pixels + 1, n_channels))
    # One bit a pixel: the set ones come out sorted, without a sort and without a search.
    is_touched = np.zeros((n_pixels + 63) // 64, dtype=np.uint64)
    touched = np.empty(n_most + _LANES, dtype=np.uint64)
    contents = np.empty((n_channels, n_most + _LANES))
    axes = np.empty((2, _EVENTS_AT_ONCE))

    n_filled = 0
    for start in range(0, n_events, _EVENTS_AT_ONCE):
        stop = min(start + _EVENTS_AT_ONCE, n_events)
        first, last = offsets[start], offsets[stop]
        n = last - first
        pt, x, y, place = all_pt[:n], all_x[:n], all_y[:n], all_places[:n]
        weights = all_weights[:, :n]
        members = deposits.membership[first:last]
        is_usable = (
            _load(deposits.pt[first:last], 0.0, pt)
            and _load(deposits.x[first:last], -LARGEST, x)
            and _load(deposits.y[first:last], -LARGEST, y)
        )
        if not is_usable:
            return False
        _turn(y)
        for event in range(start, stop):
            axes[0, event - start] = deposits.axes[0, event]
            axes[1, event - start] = deposits.axes[1, event]
        align(
            offsets[start : stop + 1],
            pt,
            x,
            y,
            axes[:, : stop - start],
            plan.steps,
            plan.subjet_radius,
            out.subjets[start:stop],
        )
        find_pixels(x, y, plan.row_edges, plan.column_edges, place)
        for channel in range(n_channels):
            row = plan.weight_of_channel[channel]
            if row == Weight.PT:
                _weigh(pt, members, channel, weights[channel])
            elif row == Weight.COUNT:
                _count(members, channel, weights[channel])
            else:
                given = deposits.weights[row, first:last]
                if not _load(given, -LARGEST, weights[channel]):
                    return False
                _weigh(given, members, channel, weights[channel])

        for event in range(start, stop):
            for k in range(offsets[event] - first, offsets[event + 1] - first):
                if place[k] < 0:
                    if members[k] != 0:
                        out.n_outside[event] += 1
                        out.pt_outside[event] += pt[k]
                    continue
                # Unsigned, so that it need not be asked whether it counts from the end.
                at = np.uint64(place[k])
                is_touched[at >> np.uint64(6)] |= np.uint64(1) << (at & np.uint64(63))
                for channel in range(n_channels):
                    image[at, channel] += weights[channel, k]
            n_touched = _collect(is_touched, touched, n_pixels)
            _take(image, touched, n_touched, contents)
            if plan.norm == Norm.PT_SUM:
                norm = 0.0
                for k in range(offsets[event] - first, offsets[event + 1] - first):
                    norm += pt[k]
            else:
                norm = _norm(contents, n_touched, is_scaled, plan.norm)
            n_filled = _emit(
                contents, touched, n_touched, is_scaled, norm, n_pixels, pixel, value, n_filled
            )
            out.offsets[event + 1] = n_filled
    return True


# Each of the following is a loop of its own, over arrays that it is given, so that the compiler
# sees that they do not overlap and makes vector instructions of it.


@compiled
def _load(given: NDArray[np.floating], lowest: float, values: Floats) -> bool:
    """Copy values; False if one is NaN, below `lowest` or above `LARGEST`."""
    n_bad = 0
    for k in range(len(values)):
        value = np.float64(given[k])
        values[k] = value
        # Written such that NaN is bad, too.
        n_bad += 0 if (value >= lowest) & (value <= LARGEST) else 1
    return n_bad == 0


@compiled
def _turn(y: Floats) -> None:
    """Bring azimuths into [−π, π)."""
    are_fine = True
    for k in range(len(y)):
        are_fine &= (y[k] >= -np.pi) & (y[k] < np.pi)
    if not are_fine:
        for k in range(len(y)):
            y[k] = turned(y[k])


@compiled
def _weigh(
    given: Floats, members: NDArray[np.unsignedinteger], channel: int, weights: Floats
) -> None:
    """Write the weights of the constituents that a channel takes, and 0 for the others."""
    mask = np.uint64(1) << np.uint64(channel)
    for k in range(len(weights)):
        weight = given[k]
        is_taken = (members[k] & mask) != 0
        weights[k] = weight if is_taken else 0.0


@compiled
def _count(members: NDArray[np.unsignedinteger], channel: int, weights: Floats) -> None:
    """Write 1 for the constituents that a channel takes, and 0 for the others."""
    mask = np.uint64(1) << np.uint64(channel)
    for k in range(len(weights)):
        is_taken = (members[k] & mask) != 0
        weights[k] = 1.0 if is_taken else 0.0


@compiled
def _collect(is_touched: NDArray[np.uint64], touched: NDArray[np.uint64], empty: int) -> int:
    """Write the numbers of the set bits, rising, clear them, and return how many there are.

    The number of an empty pixel fills them up to whole vectors.
    """
    n_touched = 0
    for word in range(len(is_touched)):
        bits = is_touched[word]
        is_touched[word] = 0
        while bits:
            touched[n_touched] = np.uint64(word * 64 + _lowest_bit(bits))
            n_touched += 1
            bits &= bits - np.uint64(1)
    for i in range(_LANES):
        touched[n_touched + i] = empty
    return (n_touched + _LANES - 1) // _LANES * _LANES


@compiled
def _take(image: Floats, touched: NDArray[np.uint64], n_touched: int, contents: Floats) -> None:
    """Move what the touched pixels hold out of the image, which is empty then."""
    for channel in range(len(contents)):
        for start in range(0, n_touched, _LANES):
            for i in range(start, start + _LANES):
                contents[channel, i] = image[touched[i], channel]
        for start in range(0, n_touched, _LANES):
            for i in range(start, start + _LANES):
                image[touched[i], channel] = 0.0


@compiled
def _emit(
    contents: Floats,
    touched: NDArray[np.uint64],
    n_touched: int,
    is_scaled: NDArray[np.bool_],
    norm: float,
    n_pixels: int,
    pixel: NDArray[np.unsignedinteger],
    value: NDArray[np.float32],
    n_filled: int,
) -> int:
    """Append what is not 0 to the lists, and return how long they are then."""
    at = np.uint64(n_filled)
    for channel in range(len(contents)):
        first_pixel = np.uint64(channel * n_pixels)
        if is_scaled[channel] and norm > 0:
            for start in range(0, n_touched, _LANES):
                for i in range(start, start + _LANES):
                    contents[channel, i] /= norm
        for start in range(0, n_touched, _LANES):
            for i in range(start, start + _LANES):
                # Written in any case, and kept if the count goes on: no branch to guess.
                total = np.float32(contents[channel, i])
                pixel[at] = first_pixel + touched[i]
                value[at] = total
                at += np.uint64(1) if total != 0 else np.uint64(0)
    return int(at)


@compiled
def find_pixels(x: Floats, y: Floats, row_edges: Floats, column_edges: Floats, place: Ints) -> None:
    """Find the pixels that points lie in; exact at the edges themselves.

    Parameters
    ----------
    x, y : numpy.ndarray
        float64, shape (n,), finite.
    row_edges, column_edges : numpy.ndarray
        float64, rising in equal steps.
    place : numpy.ndarray
        int64, shape (n,): takes row · columns + column, or −1 outside.
    """
    n_rows, n_columns = len(row_edges) - 1, len(column_edges) - 1
    low_x, high_x, density_x = row_edges[0], row_edges[n_rows], _density(row_edges)
    low_y, high_y, density_y = column_edges[0], column_edges[n_columns], _density(column_edges)
    # Where a division cannot tell the pixel for rounding, the edges themselves decide.
    margin_x, margin_y = _margin(row_edges), _margin(column_edges)
    is_clear = True
    for k in range(len(place)):
        is_inside = (x[k] >= low_x) & (x[k] < high_x) & (y[k] >= low_y) & (y[k] < high_y)
        row = (x[k] - low_x) * density_x if is_inside else 0.5
        column = (y[k] - low_y) * density_y if is_inside else 0.5
        is_clear &= abs(row - np.rint(row)) > margin_x
        is_clear &= abs(column - np.rint(column)) > margin_y
        number = np.int64(row) * n_columns + np.int64(column)
        place[k] = number if is_inside else -1
    if not is_clear:
        for k in range(len(place)):
            if place[k] >= 0:
                row_number = _pixel_of(x[k], row_edges, density_x)
                place[k] = row_number * n_columns + _pixel_of(y[k], column_edges, density_y)


@compiled
def _margin(edges: Floats) -> float:
    """Return how close to an edge [pixels] rounding may put a point on the wrong side of it."""
    largest = max(abs(edges[0]), abs(edges[-1]))
    return float(1e-9 + 16 * 2.0**-52 * largest * _density(edges))


@compiled
def _density(edges: Floats) -> float:
    """Return the number of pixels in a unit of length."""
    return (len(edges) - 1) / (edges[-1] - edges[0])  # type: ignore[no-any-return]


@compiled
def _pixel_of(position: float, edges: Floats, density: float) -> int:
    """Return the pixel of a position inside the edges."""
    pixel = min(int((position - edges[0]) * density), len(edges) - 2)
    if position < edges[pixel]:
        return pixel - 1
    if position >= edges[pixel + 1]:
        return pixel + 1
    return pixel


@compiled
def _norm(contents: Floats, n_touched: int, is_scaled: NDArray[np.bool_], kind: int) -> float:
    """Return the norm of the scaled channels, 0 if there is none."""
    norm = 0.0
    if kind == Norm.MAX:
        for channel in range(len(contents)):
            for i in range(n_touched if is_scaled[channel] else 0):
                norm = max(norm, abs(contents[channel, i]))
    elif kind != Norm.NONE:
        is_square = kind == Norm.L2
        # In four sums, for one would have to wait for every addition before the next.
        a = b = c = d = 0.0
        for channel in range(len(contents)):
            n = n_touched if is_scaled[channel] else 0
            for i in range(0, n, 4):
                a += _size(contents[channel, i], is_square)
                b += _size(contents[channel, i + 1], is_square)
                c += _size(contents[channel, i + 2], is_square)
                d += _size(contents[channel, i + 3], is_square)
        norm = a + b + c + d
        if is_square:
            norm = np.sqrt(norm)
    return norm


@compiled
def _size(value: float, is_square: bool) -> float:
    return value * value if is_square else abs(value)


_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_OF_HASH = np.empty(64, dtype=np.int64)
_BIT_OF_HASH[[(int(_DE_BRUIJN) << bit) % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@compiled
def _lowest_bit(bits: np.uint64) -> int:
    """Return the position of the lowest set bit (Leiserson, Prokop & Randall, 1998)."""
    lowest = bits & (~bits + np.uint64(1))
    return _BIT_OF_HASH[(lowest * _DE_BRUIJN) >> np.uint64(58)]  # type: ignore[no-any-return]
