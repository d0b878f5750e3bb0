"""Hits: what a detector recorded, with whatever was measured of each.

A hit has free roles: a position, a time, a charge, the number of a sensor. They are a list in each
row of the events, or flat columns with offsets, or a table with a row for each hit that names the
event it belongs to. Such a table is matched with that of the events by the number, not by the
order, so events without hits are there with none.

Positions are taken as they are. Where hits and truth are in different frames, as in files whose
axes were permuted on the way, the study says so by its names: with hit x along the true z, hit y
along y and hit z against x, ``columns: {vertex_z: 'TruthData[..., 1]', …}`` calls the truth by what
the image measures, and an axis ``of: x, name: vertex_z`` calls the image by what the truth does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column, EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.columns import in_house_units
from detcnn.sources.layouts.event_columns import EventColumns, find_event_columns
from detcnn.sources.layouts.jagged import check_offsets
from detcnn.sources.layouts.lists import read_lists
from detcnn.sources.layouts.references import Reference, listing, read_columns, require
from detcnn.sources.layouts.units import find_units

Ints = NDArray[np.int64]

_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Hits:
    """Hits of events; see `detcnn.sources.base.Source`.

    Parameters
    ----------
    hits : mapping
        Role to column.
    rows : numpy.ndarray, optional
        int64, shape (n_events, 2): the first row of each event's hits and the one after the last;
        None where hits are a list in each row.
    numbers : numpy.ndarray, optional
        int64, shape (n_events,): what the hits call their event, where nothing else does.
    """

    path: Path
    format: Format
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    hits: Mapping[str, Reference]
    rows: Ints | None
    numbers: Ints | None
    factors: Mapping[str, float | None]
    columns: EventColumns

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.format.name

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop`."""
        with self.format.open(self.path, self.layout) as container:
            if self.rows is None:
                named = {role: reference.name for role, reference in self.hits.items()}
                offsets, hits = read_lists(container, named, start, stop)
            else:
                rows = self.rows[start:stop]
                offsets = np.concatenate([[0], np.cumsum(rows[:, 1] - rows[:, 0])])
                hits = self._read_rows(container, rows)
            columns = self.columns.read(container, start, stop)
        if self.numbers is not None:
            columns.setdefault("event_id", self.numbers[start:stop])
        return EventTable(
            offsets=offsets.astype(np.int64),
            constituents={
                role: in_house_units(values, self.factors[role]) for role, values in hits.items()
            },
            columns=columns,
            first_row=start,
        )

    def _read_rows(self, container: Container, rows: Ints) -> dict[str, Column]:
        """Read the hits of some events, at once where they follow each other in the table."""
        spans: list[list[int]] = []
        for first, last in rows[rows[:, 0] < rows[:, 1]].tolist():
            if spans and spans[-1][1] == first:
                spans[-1][1] = last
            else:
                spans.append([first, last])
        parts = [
            read_columns(container, self.hits.values(), first, last)
            for first, last in spans or [[0, 0]]
        ]
        return {
            role: np.concatenate([reference.of(part) for part in parts])
            for role, reference in self.hits.items()
        }


def open_hits(container: Container, file_format: Format, layout: Layout) -> Hits | None:
    """Understand a file of hits, of which the study names every column.

    Returns
    -------
    Hits or None
        None if the study names no hits, and does not say that there should be some.

    Raises
    ------
    ConfigError
        If a column is not there, or nothing tells which event a hit belongs to.
    DataError
        If columns are not equally long, hits of one event lie apart or belong to no event, two
        events have one number, or an event number is not whole.
    """
    path, datasets = container.path, container.datasets()
    if not layout.hits:
        if layout.kind is None:
            return None
        raise ConfigError(
            f"{path}: hits are named by the study alone, as hits: {{x: COLUMN, …}}; "
            f"there are: {listing(datasets)}"
        )
    hits = {role: require(path, datasets, text) for role, text in layout.hits.items()}
    rows = numbers = None
    if datasets[next(iter(hits.values())).name].is_ragged:
        n_events = _common_length(path, datasets, hits)
    else:
        rows, numbers = _find_rows(container, layout, hits)
        n_events = len(rows)
    if layout.event_number is not None and not layout.event_id:
        layout = replace(layout, columns={"event_id": layout.event_number, **layout.columns})
    columns = find_event_columns(container, layout, n_events=n_events, taken=[*hits.values()])
    units = find_units(path, layout, datasets, hits)
    return Hits(
        path=path,
        format=file_format,
        layout=replace(
            layout,
            kind="hits",
            hits={role: str(reference) for role, reference in hits.items()},
            columns=columns.texts,
            one_hot=columns.one_hot_texts,
        ),
        stated_units={**units.stated, **columns.units.stated},
        samples=(Sample(layout.tree or path.stem, n_events, layout.class_name),),
        label_names=columns.label_names if layout.class_name is None else {},
        image_shape=None,
        hits=hits,
        rows=rows,
        numbers=numbers,
        factors=units.factors,
        columns=columns,
    )


def _find_rows(
    container: Container, layout: Layout, hits: Mapping[str, Reference]
) -> tuple[Ints, Ints | None]:
    """Return the rows of each event's hits; and its number, if the hits alone tell it."""
    path, datasets = container.path, container.datasets()
    n_hits = _common_length(path, datasets, hits)
    if layout.offsets is not None:
        dataset = datasets[require(path, datasets, layout.offsets).name]
        n_told = check_offsets(container, dataset)
        if n_told != n_hits:
            raise DataError(
                f"{path}: offsets {layout.offsets!r} end at {n_told}, but there are {n_hits} hits: "
                "name what belongs together as offsets and hits in the study"
            )
        offsets = container.read(dataset.name, 0, dataset.shape[0]).astype(np.int64)
        return np.stack([offsets[:-1], offsets[1:]], axis=1), None
    if layout.hit_event is None:
        raise ConfigError(
            f"{path}: nothing tells which event a hit belongs to: name the column of the hits that "
            "does as hit_event in the study, or offsets"
        )
    told = require(path, datasets, layout.hit_event)
    _common_length(path, datasets, {**hits, "hit_event": told})
    found, rows = _runs(container, told, n_hits)
    if layout.event_number is None:
        return rows, found
    number = require(path, datasets, layout.event_number)
    shape = number.shape(datasets)
    if len(shape) != 1 or datasets[number.name].is_ragged:
        raise ConfigError(
            f"{path}: {str(number)!r}, named as event_number, has the shape {shape}, expected one "
            f"number for each event: name one feature, as '{number.name}[..., 0]'"
        )
    numbers = np.concatenate([*_whole_blocks(container, number, shape[0]), np.zeros(0, np.int64)])
    return _matched(path, found, rows, numbers=numbers, names=(told, number)), None


def _common_length(
    path: Path, datasets: Mapping[str, Dataset], columns: Mapping[str, Reference]
) -> int:
    """Return how long columns are that must be equally long."""
    expected: tuple[int, ...] | None = None
    for role, reference in columns.items():
        dataset = datasets[reference.name]
        shape = reference.shape(datasets)
        if expected is None:
            expected, is_ragged = shape, dataset.is_ragged
        if len(shape) != 1 or shape != expected or dataset.is_ragged != is_ragged:
            kind = "lists" if dataset.is_ragged else "numbers"
            raise DataError(
                f"{path}: {str(reference)!r}, named as {role}, is {kind} of the shape {shape}, "
                f"expected {'lists' if is_ragged else 'numbers'} of the shape {expected[:1]}: "
                "name columns that belong together as hits"
            )
    assert expected is not None
    return expected[0]


def _runs(container: Container, told: Reference, n_hits: int) -> tuple[Ints, Ints]:
    """Return the events that hits belong to, as they come, and the rows of each."""
    numbers: list[Ints] = []
    starts: list[Ints] = []
    last: int | None = None
    row = 0
    for block in _whole_blocks(container, told, n_hits):
        is_new = np.ones(len(block), dtype=np.bool_)
        is_new[1:] = block[1:] != block[:-1]
        is_new[0] = block[0] != last
        starts.append(row + np.flatnonzero(is_new))
        numbers.append(block[is_new])
        last, row = int(block[-1]), row + len(block)
    start = np.concatenate([*starts, [n_hits]]).astype(np.int64)
    number = np.concatenate([*numbers, np.zeros(0, np.int64)])
    order = np.argsort(number, kind="stable")
    again = np.flatnonzero(np.diff(number[order]) == 0)
    if len(again):
        i, k = order[again[0]], order[again[0] + 1]
        raise DataError(
            f"{container.path}: {str(told)!r}: the hits of event {number[i]} lie apart, from row "
            f"{start[i]} and again from row {start[k]}: sort the table by the event"
        )
    return number, np.stack([start[:-1], start[1:]], axis=1)


def _matched(
    path: Path, found: Ints, rows: Ints, *, numbers: Ints, names: Sequence[Reference]
) -> Ints:
    """Return the rows of the hits of each event, by its number."""
    of_hits, of_events = map(str, names)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    again = np.flatnonzero(np.diff(ordered) == 0)
    if len(again):
        i, k = order[again[0]], order[again[0] + 1]
        raise DataError(
            f"{path}: {of_events!r}: the events in rows {i} and {k} both have the number "
            f"{numbers[i]}, expected each its own: name the number of the event as event_number"
        )
    place = np.searchsorted(ordered, found)
    is_known = np.append(ordered, 0)[place] == found
    is_known &= place < len(ordered)
    if not is_known.all():
        unknown = np.flatnonzero(~is_known)
        n_hits = int((rows[unknown, 1] - rows[unknown, 0]).sum())
        raise DataError(
            f"{path}: {of_hits!r}: {n_hits:,} hits of {len(unknown):,} events, the first of them "
            f"{found[unknown[0]]}, belong to no event of {of_events!r}: name columns that belong "
            "together as hit_event and event_number, or drop these hits"
        )
    matched = np.zeros((len(numbers), 2), dtype=np.int64)
    matched[order[place]] = rows
    return matched


def _whole_blocks(container: Container, column: Reference, n_rows: int) -> list[Ints]:
    """Return a column of event numbers in blocks, of which none is empty."""
    blocks = []
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        read = read_columns(container, [column], start, min(start + _ROWS_AT_ONCE, n_rows))
        blocks.append(_whole(container.path, column, column.of(read), start))
    return blocks


def _whole(path: Path, column: Reference, values: NDArray[Any], start: int) -> Ints:
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    # Beyond, two whole numbers are one number.
    largest = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    is_good = (values == np.rint(values)) & (np.abs(values) < largest)
    if not is_good.all():
        row = int(np.argmin(is_good))
        raise DataError(
            f"{path}: {str(column)!r}, row {start + row}: {values[row]} is no event number, "
            f"expected a whole number below {largest:.0f} ({values.dtype})"
        )
    return values.astype(np.int64)
