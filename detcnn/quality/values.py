"""Numbers that are none: NaN, infinities, and less than nothing."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images, SparseImages
from detcnn.events.table import Column, EventTable
from detcnn.quality.findings import Finding, Place

NEVER_NEGATIVE = ("pt", "energy")
"""Columns of which no value can be below zero, of constituents and of events."""

_FAULTS = {"nan": "NaN", "infinity": "infinite values", "negative": "values below zero"}
_LARGEST = 1e30


def constituent_value_findings(table: EventTable, place: Place) -> tuple[Finding, ...]:
    """Look at every number of the constituents of a block.

    NaN and infinities are trouble in any column, and values below zero in pT and energy. The
    threshold is zero itself: no rounding takes the root of a sum of squares below it.

    Parameters
    ----------
    table : EventTable
        The block.
    place : Place
        Where it comes from.

    Returns
    -------
    tuple of Finding
        One a column and fault, counting values; `where` is the first event, and the constituent.
    """
    findings = []
    for role, values in table.constituents.items():
        for check, bad in _faults(values, may_be_negative=role not in NEVER_NEGATIVE):
            event = int(np.searchsorted(table.offsets, bad[0], side="right")) - 1
            where = f"{place.event(event)}, constituent {bad[0] - table.offsets[event]}"
            dataset = place.constituents.get(role, f"the constituents' {role}")
            findings.append(_finding(check, len(bad), where, dataset))
    return tuple(findings)


def column_value_findings(columns: Mapping[str, Column], place: Place) -> tuple[Finding, ...]:
    """Look at every number of the event columns of a block.

    As `constituent_value_findings`, for columns of shape (n_events,).
    """
    return tuple(
        _finding(check, len(bad), place.event(int(bad[0])), place.columns.get(name, name))
        for name, values in columns.items()
        for check, bad in _faults(values, may_be_negative=name not in NEVER_NEGATIVE)
    )


def pixel_value_findings(
    images: Images, place: Place, *, channels: Sequence[str], is_signed: Sequence[bool]
) -> tuple[Finding, ...]:
    """Look at every pixel of a block of images.

    NaN and infinities are trouble, and pixels below zero in channels that cannot have any.

    Parameters
    ----------
    images : SparseImages or DenseImages
        The block.
    place : Place
        Where it comes from.
    channels : sequence of str
        Name of each channel.
    is_signed : sequence of bool
        Channels whose pixels may be negative: sums of charges.

    Returns
    -------
    tuple of Finding
        One a channel and fault, counting pixels; `where` is the first event, and the pixel.
    """
    _, n_rows, n_columns = images.shape
    values = images.value if isinstance(images, SparseImages) else images.values.ravel()
    findings = []
    for check, bad in _faults(values, may_be_negative=all(is_signed)):
        if isinstance(images, SparseImages):
            event = np.searchsorted(images.offsets, bad, side="right") - 1
            pixel = images.pixel[bad].astype(np.int64)
        else:
            event, pixel = np.divmod(bad, int(np.prod(images.shape)))
        channel, place_in_channel = np.divmod(pixel, n_rows * n_columns)
        for c in np.unique(channel).tolist():
            if check == "negative" and is_signed[c]:
                continue
            mine = np.flatnonzero(channel == c)
            row, column = divmod(int(place_in_channel[mine[0]]), n_columns)
            where = f"{place.event(int(event[mine[0]]))}, row {row}, column {column}"
            findings.append(_finding(check, len(mine), where, f"the pixels of {channels[c]}"))
    return tuple(findings)


def sound_events(table: EventTable) -> NDArray[np.bool_]:
    """Tell which events can have an image: all finite, with no pT or energy below zero.

    Parameters
    ----------
    table : EventTable
        The block.

    Returns
    -------
    numpy.ndarray
        bool, shape (n_events,).
    """
    bad = np.zeros(table.n_constituents, dtype=np.bool_)
    for role, values in table.constituents.items():
        bad |= _is_unusable(values)
        if role in NEVER_NEGATIVE:
            bad |= values < 0
    owner = np.repeat(np.arange(table.n_events), np.diff(table.offsets))
    is_sound = np.bincount(owner[bad], minlength=table.n_events) == 0
    for name in ("eta", "rapidity", "phi"):
        if name in table.columns:
            is_sound &= ~_is_unusable(table.columns[name])
    return np.asarray(is_sound)


def selected_events(table: EventTable, chosen: NDArray[np.bool_]) -> EventTable:
    """Return the events of a block that are chosen, by a mask of shape (n_events,)."""
    lengths = np.diff(table.offsets)
    kept = np.repeat(chosen, lengths)
    return EventTable(
        offsets=np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64),
        constituents={role: values[kept] for role, values in table.constituents.items()},
        columns={name: values[chosen] for name, values in table.columns.items()},
    )


def _is_unusable(values: Column) -> NDArray[np.bool_]:
    if values.dtype.kind != "f":
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(~(np.abs(values) <= _LARGEST))


def _faults(values: Column, *, may_be_negative: bool) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each fault that occurs with the indices of the values that have it."""
    marked = {}
    if values.dtype.kind == "f":
        marked = {"nan": np.isnan(values), "infinity": np.isinf(values)}
    if not may_be_negative and values.dtype.kind in "if":
        marked["negative"] = (values < 0) & np.isfinite(values)
    for check, is_bad in marked.items():
        if is_bad.any():
            yield check, np.flatnonzero(is_bad)


def _finding(check: str, count: int, where: str, holder: str) -> Finding:
    message = f"{_FAULTS[check]} in {holder}"
    return Finding(check, "trouble", count, where, message, "mend or drop these events")
