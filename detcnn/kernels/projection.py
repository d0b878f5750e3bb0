"""Events to sparse images in one pass: align, find the pixel, add up, normalise."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.alignment import LANES, align, padded
from detcnn.kernels.angles import turned
from detcnn.kernels.bits import count_bits
from detcnn.kernels.compilation import borrowing, compiled, summing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Entries = NDArray[np.uint32]
Places = NDArray[np.int32]


class Norm(IntEnum):
    """What the scaled channels of an image are divided by."""

    NONE = 0
    PT_SUM = 1
    L1 = 2
    L2 = 3
    MAX = 4


class Weight(IntEnum):
    """What a channel adds up, where it is no row of `Deposits.weights`."""

    PT = 0
    COUNT = 1


_N_KNOWN = len(Weight)


class Plan(NamedTuple):
    """How events become images.

    Parameters
    ----------
    steps : numpy.ndarray
        float64, shape (n_steps, 5): see `detcnn.kernels.alignment.align`.
    row_edges, column_edges : numpy.ndarray
        float64, rising in equal steps: pixels are half-open, [low, high).
    selection_of_channel : numpy.ndarray
        int64, shape (channels,): which bit of `Deposits.membership` says what a channel takes.
    weight_of_channel : numpy.ndarray
        int64, shape (channels,): one of `Weight`, or ``len(Weight)`` and as many more as the row of
        `Deposits.weights` that each channel adds up.
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
    selection_of_channel: Ints
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
        Unsigned, shape (n_constituents,): bit ``s`` is set if selection ``s`` takes the
        constituent.
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
    scratch is some numbers for each constituent, and one bit for each pixel, of a few events.

    Parameters
    ----------
    deposits : Deposits
        Left as they are.
    plan : Plan
        At most 64 selections.
    dtype : type
        Of the pixel numbers; must be able to name every pixel.

    Returns
    -------
    PixelLists or None
        None if a momentum is negative, or a value NaN or beyond ±`LARGEST`. An event without
        constituents gives an image without pixels; an image whose norm is 0 stays as it is.
    """
    n_events = len(deposits.offsets) - 1
    # Whole vectors are written behind the last pixel.
    n_most = _n_taken(deposits.membership, plan.selection_of_channel) + LANES
    lists = PixelLists(
        offsets=np.zeros(n_events + 1, dtype=np.int64),
        pixel=np.empty(n_most, dtype=dtype),
        value=np.empty(n_most, dtype=np.float32),
        n_outside=np.zeros(n_events, dtype=np.int64),
        pt_outside=np.zeros(n_events),
        subjets=np.full((n_events, 3, 2), np.nan),
    )
    # One by one, for numba takes half a millisecond to look at named tuples.
    arguments: tuple[Any, ...] = (*deposits, *plan, *lists)
    if not _project(*arguments):
        return None
    n_filled = int(lists.offsets[-1])
    pixel, value = lists.pixel[:n_filled], lists.value[:n_filled]
    # Few constituents share a pixel in most images: what is cut off is not worth a copy.
    if 2 * n_filled < n_most:
        pixel, value = pixel.copy(), value.copy()
    return lists._replace(pixel=pixel, value=value)


_EVENTS_AT_ONCE = 32
"""What is needed at a time is done for so many events: long loops over few bytes."""

_BITS_AT_ONCE = 2**17
"""And for fewer where their pixels would not stay in the fastest cache; there is one bit each."""


# How constituents become lists of pixels, rising and without a search. Every selection of an event
# has a bit for each pixel. A constituent sets the bit of its pixel. The place of a pixel in the
# list is then the number of bits set before its own: those of the words before, which are added up
# once, and those of its own word, which one instruction counts. So each constituent knows where in
# the list it adds to, and nothing is ever sorted, looked up, or cleared but the bits.


@compiled
def _project(
    offsets: Ints,
    given_pt: NDArray[np.floating],
    given_x: NDArray[np.floating],
    given_y: NDArray[np.floating],
    given_axes: Floats,
    membership: NDArray[np.unsignedinteger],
    given_weights: Floats,
    steps: Floats,
    row_edges: Floats,
    column_edges: Floats,
    selection_of_channel: Ints,
    weight_of_channel: Ints,
    is_scaled: NDArray[np.bool_],
    norm: int,
    subjet_radius: float,
    until_event: Ints,
    pixel: NDArray[np.unsignedinteger],
    value: NDArray[np.float32],
    n_outside: Ints,
    pt_outside: Floats,
    subjets: Floats,
) -> bool:
    """Fill `PixelLists` and return True, or False at a value that cannot be used."""
    n_events, n_channels = len(offsets) - 1, len(selection_of_channel)
    n_given = len(given_weights)
    n_pixels = (len(row_edges) - 1) * (len(column_edges) - 1)
    n_words = (n_pixels + 63) // 64
    n_selections = selection_of_channel.max() + 1
    n_at_once = max(1, min(_EVENTS_AT_ONCE, _BITS_AT_ONCE // (64 * n_words * n_selections)))

    n_most = _most_at_once(offsets, n_at_once)
    # Where the constituents of each event are in what follows.
    first, last = np.zeros(n_at_once, dtype=np.int64), np.zeros(n_at_once, dtype=np.int64)
    axes = np.empty((2, n_at_once))
    hardest = np.empty(n_at_once, dtype=np.int64)
    # pT, ones, and what else channels add up.
    weights = np.ones((_N_KNOWN + n_given, n_most))
    pt = weights[Weight.PT]
    x, y = np.empty(n_most), np.empty(n_most)
    label = np.empty(n_most, dtype=np.int64)
    place = np.empty(n_most, dtype=np.int32)
    entries = np.empty(n_most, dtype=np.uint64)
    # One for each selection that takes a constituent, and one that may be written in vain.
    taken = np.empty(n_most * n_selections + 1, dtype=np.uint64)
    rank = np.empty(n_most * n_selections + 1, dtype=np.uint32)
    n_until = np.zeros(n_at_once * n_selections + 1, dtype=np.int64)
    is_filled = np.zeros(n_at_once * n_selections * n_words, dtype=np.uint64)
    n_before = np.zeros(len(is_filled) + 1, dtype=np.uint64)
    sums = np.empty((n_most + n_at_once * LANES) * n_channels)
    first_sum = np.empty(n_at_once * n_channels, dtype=np.int64)
    n_sums = np.empty(n_at_once * n_channels, dtype=np.int64)

    n_done = 0
    for start in range(0, n_events, n_at_once):
        n_now = min(n_at_once, n_events - start)
        at = offsets[start]
        n = 0
        for event in range(n_now):
            first[event] = n
            last[event] = n + offsets[start + event + 1] - offsets[start + event]
            n = padded(last[event])
            axes[0, event] = given_axes[0, start + event]
            axes[1, event] = given_axes[1, start + event]
        now = slice(0, n_now)
        first_now, last_now, x_now, y_now = first[now], last[now], x[:n], y[:n]
        end = offsets[start + n_now]
        is_usable = (
            _are_usable(given_pt, at, end, 0.0)
            and _are_usable(given_x, at, end, -LARGEST)
            and _are_usable(given_y, at, end, -LARGEST)
        )
        for row in range(n_given):
            is_usable &= _are_usable(given_weights[row], at, end, -LARGEST)
        if not is_usable:
            return False
        _load(given_pt, at, first_now, last_now, pt)
        _load(given_x, at, first_now, last_now, x)
        _load(given_y, at, first_now, last_now, y)
        for row in range(n_given):
            _load(given_weights[row], at, first_now, last_now, weights[_N_KNOWN + row])
        _turn(y_now)
        align(
            first_now,
            last_now,
            pt[:n],
            x_now,
            y_now,
            axes,
            steps,
            subjet_radius,
            hardest,
            label,
            subjets[start : start + n_now],
        )
        find_pixels(x_now, y_now, row_edges, column_edges, place[:n])
        _enter(
            membership,
            at,
            first_now,
            last_now,
            place,
            pt,
            n_selections * n_words,
            entries,
            start,
            n_outside,
            pt_outside,
        )
        n_taken = _take(
            membership, at, first_now, last_now, entries, n_words, n_selections, taken, n_until
        )
        is_filled_now = is_filled[: n_now * n_selections * n_words]
        _fill(taken, n_taken, is_filled_now)
        _count_before(is_filled_now, n_before)
        _rank(taken, n_taken, is_filled_now, n_before, rank)
        is_filled_now[:] = 0
        _add_up(
            n_now,
            taken,
            rank,
            n_until,
            n_before,
            n_words,
            weights,
            weight_of_channel,
            selection_of_channel,
            n_selections,
            n_pixels,
            n_done,
            pixel,
            sums,
            first_sum,
            n_sums,
        )
        n_done = _write(
            first_now,
            last_now,
            pt,
            sums,
            first_sum,
            n_sums,
            is_scaled,
            norm,
            n_done,
            pixel,
            value,
            until_event[start + 1 : start + 1 + n_now],
        )
    return True


@compiled
def _most_at_once(offsets: Ints, n_at_once: int) -> int:
    """Return the most constituents of as many events, fillers included."""
    n_most = 0
    for start in range(0, len(offsets) - 1, n_at_once):
        n = 0
        for event in range(start, min(start + n_at_once, len(offsets) - 1)):
            n += padded(offsets[event + 1] - offsets[event])
        n_most = max(n_most, n)
    return n_most


@compiled
def _n_taken(membership: NDArray[np.unsignedinteger], selection_of_channel: Ints) -> int:
    """Return how many constituents all channels take together."""
    n_of_selection = np.zeros(selection_of_channel.max() + 1, dtype=np.int64)
    for selection in range(len(n_of_selection)):
        n_of_selection[selection] = _n_members(membership, selection)
    n_taken = 0
    for selection in selection_of_channel:
        n_taken += n_of_selection[selection]
    return n_taken


# Each of the following is a loop of its own, over arrays that it is given, so that the compiler
# sees that they do not overlap and makes vector instructions of it.


@borrowing
def _n_members(membership: NDArray[np.unsignedinteger], selection: int) -> int:
    mask = membership.dtype.type(np.uint64(1) << np.uint64(selection))
    n = np.uint32(0)
    for k in range(len(membership)):
        n += np.uint32(1) if membership[k] & mask else np.uint32(0)
    return int(n)


@borrowing
def _are_usable(given: NDArray[np.floating], start: int, stop: int, lowest: float) -> bool:
    """Tell whether no value is NaN, below `lowest` or above `LARGEST`."""
    n_bad = np.uint32(0)
    low, high = given.dtype.type(lowest), given.dtype.type(LARGEST)
    for k in range(np.uint64(start), np.uint64(stop)):
        # Written such that NaN is bad, too.
        is_good = (given[k] >= low) & (given[k] <= high)
        n_bad += np.uint32(0) if is_good else np.uint32(1)
    return int(n_bad) == 0


@borrowing
def _load(given: NDArray[np.floating], at: int, first: Ints, last: Ints, values: Floats) -> None:
    """Copy the values of some events, the first of them `at`, with 0 for fillers."""
    for event in range(len(first)):
        # Unsigned, so that it need not be asked whether they count from the end.
        start, source = np.uint64(first[event]), np.uint64(at)
        n = np.uint64(last[event] - first[event])
        whole = np.uint64(padded(last[event] - first[event]))
        # What is read beyond the event is not used, but must be there.
        n_read = whole if source + whole <= np.uint64(len(given)) else n
        for k in range(n_read):
            value = np.float64(given[source + k])
            values[start + k] = value if k < n else 0.0
        for k in range(n_read, whole):
            values[start + k] = 0.0
        at += last[event] - first[event]


@borrowing
def _turn(y: Floats) -> None:
    """Bring azimuths into [−π, π)."""
    are_fine = True
    for k in range(len(y)):
        are_fine &= (y[k] >= -np.pi) & (y[k] < np.pi)
    if not are_fine:
        for k in range(len(y)):
            y[k] = turned(y[k])


# A word about a constituent: whether it is inside the grid in the highest bit, its own number in 31
# more, and the bit of its pixel in the lower half.
_HALF, _HIGHEST = np.uint64(32), np.uint64(63)
_BIT, _NUMBER = np.uint64(2**32 - 1), np.uint64(2**31 - 1)


@borrowing
def _enter(
    membership: NDArray[np.unsignedinteger],
    at: int,
    first: Ints,
    last: Ints,
    place: Places,
    pt: Floats,
    n_words_of_event: int,
    entries: Words,
    first_event: int,
    n_outside: Ints,
    pt_outside: Floats,
) -> None:
    """Write the words about constituents, and what is outside the grid."""
    for event in range(len(first)):
        first_bit = np.uint64(event * n_words_of_event * 64)
        start = np.uint64(first[event])
        n_inside = np.uint64(0)
        n_padded = np.uint64(padded(last[event] - first[event]))
        for k in range(start, start + n_padded):
            is_inside = np.uint64(1) if place[k] >= 0 else np.uint64(0)
            n_inside += is_inside
            bit = (first_bit + np.uint64(place[k])) & _BIT
            entries[k] = (is_inside << _HIGHEST) | (k << _HALF) | bit
        if n_inside < n_padded:
            for k in range(first[event], last[event]):
                if place[k] < 0 and membership[at + k - first[event]] != 0:
                    n_outside[first_event + event] += 1
                    pt_outside[first_event + event] += pt[k]
        at += last[event] - first[event]


@borrowing
def _take(
    membership: NDArray[np.unsignedinteger],
    at: int,
    first: Ints,
    last: Ints,
    entries: Words,
    n_words: int,
    n_selections: int,
    taken: Words,
    n_until: Ints,
) -> int:
    """List the words of what the selections of each event take, and return how many there are.

    Writes how many there are until the end of each selection as well.
    """
    n = np.uint64(0)
    for event in range(len(first)):
        to_member = np.uint64(at - first[event])
        for selection in range(n_selections):
            first_bit, shift = np.uint64(selection * n_words * 64), np.uint64(selection)
            for k in range(np.uint64(first[event]), np.uint64(last[event])):
                # Written in any case, and kept if the count goes on: no branch to guess.
                entry = entries[k]
                taken[n] = entry + first_bit
                n += (np.uint64(membership[k + to_member]) >> shift) & (entry >> _HIGHEST)
            n_until[event * n_selections + selection + 1] = n
        at += last[event] - first[event]
    return int(n)


@borrowing
def _fill(taken: Words, n_taken: int, is_filled: Words) -> None:
    """Set the bits of the entries."""
    for i in range(np.uint64(n_taken)):
        bit = taken[i] & _BIT
        is_filled[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@borrowing
def _count_before(is_filled: Words, n_before: Words) -> None:
    """Write how many bits are set before each word, and before the end."""
    n = np.uint64(0)
    for word in range(len(is_filled)):
        n_before[word] = n
        n += count_bits(is_filled[word])
    n_before[len(is_filled)] = n


@borrowing
def _rank(taken: Words, n_taken: int, is_filled: Words, n_before: Words, rank: Entries) -> None:
    """Write how many bits are set before those of the entries."""
    for i in range(np.uint64(n_taken)):
        bit = taken[i] & _BIT
        word = bit >> np.uint64(6)
        lower = (np.uint64(1) << (bit & np.uint64(63))) - np.uint64(1)
        rank[i] = n_before[word] + count_bits(is_filled[word] & lower)


@borrowing
def _add_up(
    n_events: int,
    taken: Words,
    rank: Entries,
    n_until: Ints,
    n_before: Words,
    n_words: int,
    weights: Floats,
    weight_of_channel: Ints,
    selection_of_channel: Ints,
    n_selections: int,
    n_pixels: int,
    n_done: int,
    pixel: NDArray[np.unsignedinteger],
    sums: Floats,
    first_sum: Ints,
    n_sums: Ints,
) -> None:
    """Append the pixels of the channels, one after the other, of each event.

    Writes their sums as well, each channel's from a multiple of `LANES` on, and where they are.
    """
    plane = at = 0
    for event in range(n_events):
        for selection in selection_of_channel:
            source = event * n_selections + selection
            first_sum[plane] = at
            n_sums[plane] = n_before[(source + 1) * n_words] - n_before[source * n_words]
            at += padded(n_sums[plane])
            plane += 1
    for i in range(np.uint64(at)):
        sums[i] = 0.0
    plane = 0
    for event in range(n_events):
        for channel in range(len(selection_of_channel)):
            source = event * n_selections + selection_of_channel[channel]
            # Unsigned, so that it need not be asked whether they count from the end.
            first_bit, first_rank = np.uint64(source * n_words * 64), n_before[source * n_words]
            to_pixel = np.uint64(channel * n_pixels) - first_bit
            to_list = np.uint64(n_done) - first_rank
            to_sum = np.uint64(first_sum[plane]) - first_rank
            row = weight_of_channel[channel]
            for i in range(np.uint64(n_until[source]), np.uint64(n_until[source + 1])):
                entry, before = taken[i], np.uint64(rank[i])
                pixel[before + to_list] = (entry & _BIT) + to_pixel
                sums[before + to_sum] += weights[row, (entry >> _HALF) & _NUMBER]
            n_done += n_sums[plane]
            plane += 1


@borrowing
def _write(
    first: Ints,
    last: Ints,
    pt: Floats,
    sums: Floats,
    first_sum: Ints,
    n_sums: Ints,
    is_scaled: NDArray[np.bool_],
    kind: int,
    n_done: int,
    pixel: NDArray[np.unsignedinteger],
    value: NDArray[np.float32],
    offsets: Ints,
) -> int:
    """Append the values of each event, and return how many pixels there are then."""
    n_channels = len(is_scaled)
    n_written = n_done
    for event in range(len(first)):
        norm = 0.0
        for channel in range(n_channels):
            plane = event * n_channels + channel
            start, stop = first_sum[plane], first_sum[plane] + padded(n_sums[plane])
            if not is_scaled[channel]:
                continue
            if kind == Norm.L1:
                norm += _sum_of_sizes(sums, start, stop)
            elif kind == Norm.L2:
                norm += _sum_of_squares(sums, start, stop)
            elif kind == Norm.MAX:
                norm = max(norm, _largest(sums, start, stop))
        if kind == Norm.L2:
            norm = np.sqrt(norm)
        elif kind == Norm.PT_SUM:
            norm = _sum_of_sizes(pt, first[event], last[event])
        # A product is several times as fast, and the same in float32 but for one in 10⁸ or so.
        inverse = 1.0 / norm if norm > 0 else 1.0
        for channel in range(n_channels):
            plane = event * n_channels + channel
            start, n = np.uint64(first_sum[plane]), np.uint64(padded(n_sums[plane]))
            target = np.uint64(n_written)
            factor = inverse if is_scaled[channel] else 1.0
            if factor < np.inf:
                for i in range(n):
                    value[target + i] = sums[start + i] * factor
            else:
                for i in range(n):
                    value[target + i] = sums[start + i] / norm
            n_written += n_sums[plane]
        offsets[event] = n_written
    if _n_zeros(value, n_done, n_written) > 0:
        n_written = _keep_filled(pixel, value, n_done, offsets)
    return n_written


@summing
def _sum_of_sizes(values: Floats, start: int, stop: int) -> float:
    total = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        total += abs(values[i])
    return total


@summing
def _sum_of_squares(values: Floats, start: int, stop: int) -> float:
    total = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        total += values[i] * values[i]
    return total


@borrowing
def _largest(values: Floats, start: int, stop: int) -> float:
    largest = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        largest = max(largest, abs(values[i]))
    return largest


@borrowing
def _n_zeros(value: NDArray[np.float32], start: int, stop: int) -> int:
    n_zeros = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        n_zeros += np.uint32(1) if value[i] == 0 else np.uint32(0)
    return int(n_zeros)


@borrowing
def _keep_filled(
    pixel: NDArray[np.unsignedinteger],
    value: NDArray[np.float32],
    start: int,
    offsets: Ints,
) -> int:
    """Move what is not 0 to the front, and return where it ends."""
    kept = start
    for event in range(len(offsets)):
        for i in range(start, offsets[event]):
            pixel[kept], value[kept] = pixel[i], value[i]
            kept += 1 if value[i] != 0 else 0
        start, offsets[event] = offsets[event], kept
    return kept


@borrowing
def find_pixels(
    x: Floats, y: Floats, row_edges: Floats, column_edges: Floats, place: Places
) -> None:
    """Find the pixels that points lie in; exact at the edges themselves.

    Parameters
    ----------
    x, y : numpy.ndarray
        float64, shape (n,), finite.
    row_edges, column_edges : numpy.ndarray
        float64, rising in equal steps, of fewer than 2³¹ pixels.
    place : numpy.ndarray
        int32, shape (n,): takes row · columns + column, or −1 outside.
    """
    n_rows, n_columns = len(row_edges) - 1, len(column_edges) - 1
    is_clear = _divide_into_pixels(
        x,
        y,
        row_edges[0],
        column_edges[0],
        _density(row_edges),
        _density(column_edges),
        float(n_rows),
        float(n_columns),
        _margin(row_edges),
        _margin(column_edges),
        place,
    )
    if not is_clear:
        for k in range(len(place)):
            if place[k] == _UNCLEAR:
                row = _pixel_of(x[k], row_edges)
                column = _pixel_of(y[k], column_edges)
                place[k] = row * n_columns + column if row >= 0 and column >= 0 else -1


_UNCLEAR = -2


@borrowing
def _divide_into_pixels(
    x: Floats,
    y: Floats,
    low_x: float,
    low_y: float,
    density_x: float,
    density_y: float,
    n_rows: float,
    n_columns: float,
    margin_x: float,
    margin_y: float,
    place: Places,
) -> bool:
    """Write pixels, or `_UNCLEAR` so close to an edge that rounding decides; False if any is."""
    half_rows, half_columns = 0.5 * n_rows, 0.5 * n_columns
    clear = 0.5 - max(margin_x, margin_y)
    n_unclear = 0
    for k in range(len(place)):
        row, column = (x[k] - low_x) * density_x, (y[k] - low_y) * density_y
        whole_row, whole_column = np.floor(row), np.floor(column)
        is_clear = (abs(row - whole_row - 0.5) < clear) & (abs(column - whole_column - 0.5) < clear)
        # An edge is not clear: which side of it counts as inside makes no difference here.
        is_inside = (abs(row - half_rows) < half_rows) & (abs(column - half_columns) < half_columns)
        number = np.int32(whole_row * n_columns + whole_column)
        number = number if is_inside else np.int32(-1)
        place[k] = number if is_clear else np.int32(_UNCLEAR)
        n_unclear += 0 if is_clear else 1
    return n_unclear == 0


@borrowing
def _margin(edges: Floats) -> float:
    """Return how close to an edge [pixels] rounding may put a point on the wrong side of it."""
    largest = max(abs(edges[0]), abs(edges[-1]))
    return float(1e-9 + 16 * 2.0**-52 * largest * _density(edges))


@borrowing
def _density(edges: Floats) -> float:
    """Return the number of pixels in a unit of length."""
    return (len(edges) - 1) / (edges[-1] - edges[0])  # type: ignore[no-any-return]


@borrowing
def _pixel_of(position: float, edges: Floats) -> int:
    """Return the pixel of a position, −1 outside the edges."""
    if not edges[0] <= position < edges[-1]:
        return -1
    pixel = min(int((position - edges[0]) * _density(edges)), len(edges) - 2)
    if position < edges[pixel]:
        return pixel - 1
    if position >= edges[pixel + 1]:
        return pixel + 1
    return pixel
