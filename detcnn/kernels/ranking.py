"""Weighted events of two classes in the order of a discriminant, and their running sums."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]
Records = NDArray[np.int64]

_ALL_BUT_THE_SIGN = 0x7FFFFFFFFFFFFFFF

# A pass puts records into at most 2¹² buckets; if they are spread evenly, into some 2² to a bucket.
_MOST_BITS = 12
_FEW_BITS = 2
_SHORT = 24
# Each level of the sort uses up b bits of 64 and leaves at most 2ᵇ parts to do.
_STACK = 1 << 15


class RunningSums(NamedTuple):
    """Sums of the weights at or above each value that occurs.

    Parameters
    ----------
    value : numpy.ndarray
        float64, shape (n_values + 1,): the distinct values, falling, after an infinite one.
    signal, background : numpy.ndarray
        float64, shape (n_values + 1,): Σw over the events of either class at or above it.
    """

    value: Floats
    signal: Floats
    background: Floats


def running_sums(value: Floats, is_signal: NDArray[np.bool_], weight: Floats) -> RunningSums:
    """Return the running sums of weights from the largest value down.

    Exact: values are compared bit by bit and never rounded. A radix sort whose first pass goes
    straight from the events to buckets small enough for the cache; after it a bucket is sorted,
    merged and summed up before the next one is looked at. Linear in the number of events.

    Parameters
    ----------
    value : numpy.ndarray
        float64, shape (n,), without NaN; 0 and −0 are one value.
    is_signal : numpy.ndarray
        bool, shape (n,).
    weight : numpy.ndarray
        float64, shape (n,).

    Returns
    -------
    RunningSums
        Besides it, 32 bytes an event are taken.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if not value.shape == is_signal.shape == weight.shape == (len(value),):
        raise ValueError(
            f"shapes {value.shape}, {is_signal.shape} and {weight.shape}: expected one and the same"
        )
    n = len(value)
    keys_and_weights = np.empty((n, 2), np.int64)
    out = RunningSums(np.empty(n + 1), np.empty(n + 1), np.empty(n + 1))
    n_points = _running_sums(
        np.ascontiguousarray(value, np.float64).view(np.int64),
        np.ascontiguousarray(is_signal, np.bool_),
        np.ascontiguousarray(weight, np.float64).view(np.int64),
        keys_and_weights,
        keys_and_weights.view(np.float64),
        out.value,
        out.value.view(np.int64),
        out.signal,
        out.background,
    )
    return RunningSums(*(array[:n_points] for array in out))


@compiled
def _key(bits: int) -> int:
    """Return an integer that sorts as the float with these bits does; −0 as 0."""
    return bits if bits >= 0 else (bits ^ _ALL_BUT_THE_SIGN) + 1


@compiled
def _n_bits(number: np.uint64) -> int:
    n = 0
    while number > 0:
        number >>= np.uint64(1)
        n += 1
    return n


@compiled
def _bucket(key: int, lowest: int, shift: np.uint64) -> int:
    # The difference may be beyond int64, not beyond uint64.
    place: int = np.int64((np.uint64(key) - np.uint64(lowest)) >> shift)  # type: ignore[assignment]  # int64 is numba's int
    return place


@compiled
def _running_sums(
    bits: NDArray[np.int64],
    is_signal: NDArray[np.bool_],
    weight: NDArray[np.int64],
    records: Records,
    weights: Floats,
    out_value: Floats,
    out_bits: NDArray[np.int64],
    out_signal: Floats,
    out_background: Floats,
) -> int:
    n = len(bits)
    out_value[0] = np.inf
    out_signal[0] = out_background[0] = 0.0
    if n == 0:
        return 1
    lowest = highest = _key(bits[0])
    for i in range(n):
        key = _key(bits[i])
        lowest, highest = min(lowest, key), max(highest, key)
    n_bits = _n_bits(np.uint64(highest) - np.uint64(lowest))
    wanted = max(1, min(_n_bits(np.uint64(n)) - _FEW_BITS, _MOST_BITS))
    shift = np.uint64(max(0, n_bits - wanted))
    n_buckets = _bucket(highest, lowest, shift) + 1

    # Of each bucket first the signal, then the background.
    start = np.zeros(2 * n_buckets + 1, np.int64)
    for i in range(n):
        side = 0 if is_signal[i] else 1
        start[2 * _bucket(_key(bits[i]), lowest, shift) + side + 1] += 1
    longest = 0
    for cell in range(2 * n_buckets):
        longest = max(longest, start[cell + 1])
        start[cell + 1] += start[cell]
    place = start.copy()
    for i in range(n):
        key = _key(bits[i])
        cell = 2 * _bucket(key, lowest, shift) + (0 if is_signal[i] else 1)
        at = place[cell]
        place[cell] = at + 1
        records[at, 0], records[at, 1] = key, weight[i]

    spare = np.empty((longest, 2), np.int64)
    stack = np.empty((_STACK, 2), np.int64)
    start_of_bucket = np.empty((1 << _MOST_BITS) + 1, np.int64)
    signal = background = 0.0
    n_points = 1
    for bucket in range(n_buckets - 1, -1, -1):
        first, middle, end = start[2 * bucket], start[2 * bucket + 1], start[2 * bucket + 2]
        _sort(records[first:middle], spare, stack, start_of_bucket)
        _sort(records[middle:end], spare, stack, start_of_bucket)
        i, j = middle - 1, end - 1
        while i >= first or j >= middle:
            key = records[i, 0] if i >= first else records[j, 0]
            if j >= middle:
                key = max(key, records[j, 0])
            while i >= first and records[i, 0] == key:
                signal += weights[i, 1]
                i -= 1
            while j >= middle and records[j, 0] == key:
                background += weights[j, 1]
                j -= 1
            out_signal[n_points], out_background[n_points] = signal, background
            out_bits[n_points] = key if key >= 0 else (key - 1) ^ _ALL_BUT_THE_SIGN
            n_points += 1
    return n_points


@compiled
def _sort(
    records: Records, spare: Records, stack: NDArray[np.int64], start: NDArray[np.int64]
) -> None:
    """Sort by the first column, rising: by leading bits while there are many, then by insertion."""
    n_left = 1
    stack[0, 0], stack[0, 1] = 0, len(records)
    while n_left > 0:
        n_left -= 1
        first, end = stack[n_left]
        n = end - first
        if n <= _SHORT:
            continue
        lowest = highest = records[first, 0]
        for i in range(first, end):
            lowest, highest = min(lowest, records[i, 0]), max(highest, records[i, 0])
        if lowest == highest:
            continue
        wanted = min(_n_bits(np.uint64(n)) - _FEW_BITS, _MOST_BITS)
        shift = np.uint64(max(0, _n_bits(np.uint64(highest) - np.uint64(lowest)) - wanted))
        n_buckets = _bucket(highest, lowest, shift) + 1
        start[: n_buckets + 1] = 0
        for i in range(first, end):
            start[_bucket(records[i, 0], lowest, shift) + 1] += 1
        for bucket in range(n_buckets):
            if start[bucket + 1] > _SHORT:
                at = first + start[bucket]
                stack[n_left, 0], stack[n_left, 1] = at, at + start[bucket + 1]
                n_left += 1
            start[bucket + 1] += start[bucket]
        for i in range(first, end):
            bucket = _bucket(records[i, 0], lowest, shift)
            at = start[bucket]
            start[bucket] = at + 1
            spare[at, 0], spare[at, 1] = records[i, 0], records[i, 1]
        for i in range(n):
            records[first + i, 0], records[first + i, 1] = spare[i, 0], spare[i, 1]
    for i in range(1, len(records)):
        key, weight = records[i, 0], records[i, 1]
        at = i
        while at > 0 and records[at - 1, 0] > key:
            records[at, 0], records[at, 1] = records[at - 1, 0], records[at - 1, 1]
            at -= 1
        records[at, 0], records[at, 1] = key, weight
