"""Constituents as a list in each row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column, EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.constituents import build_table, family_of, told_first
from detcnn.sources.layouts.event_columns import EventColumns, find_event_columns, misfits
from detcnn.sources.layouts.momenta import check_coordinates, has_coordinates
from detcnn.sources.layouts.references import Reference, listing, problems, require
from detcnn.sources.layouts.relative import check_jets
from detcnn.sources.layouts.units import find_units


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of constituents in each row; see `detcnn.sources.base.Source`."""

    path: Path
    format: Format
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    constituents: Mapping[str, str]
    factors: Mapping[str, float | None]
    columns: EventColumns

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.format.name

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop`."""
        with self.format.open(self.path, self.layout) as container:
            offsets, constituents = read_lists(container, self.constituents, start, stop)
            columns = self.columns.read(container, start, stop)
        return build_table(offsets, constituents, columns, factors=self.factors, first_row=start)


def read_lists(
    container: Container, constituents: Mapping[str, str], start: int, stop: int
) -> tuple[NDArray[np.int64], dict[str, Column]]:
    """Read rows `start` to `stop` of list columns that belong together.

    Parameters
    ----------
    container : Container
        The file.
    constituents : mapping
        Role to column; at least one.
    start, stop : int
        Rows.

    Returns
    -------
    offsets : numpy.ndarray
        int64, shape (n_rows + 1,), from 0.
    constituents : dict
        Role to array of shape (n_constituents,).

    Raises
    ------
    DataError
        If the lists of a row are not equally long, naming the event.
    """
    first, *_ = constituents.values()
    common: NDArray[np.int64] | None = None
    found: dict[str, Column] = {}
    for role, name in constituents.items():
        offsets, found[role] = container.read_ragged(name, start, stop)
        if common is None:
            common = offsets
        if not np.array_equal(offsets, common):
            lengths, expected = np.diff(offsets), np.diff(common)
            row = int(np.argmax(lengths != expected))
            raise DataError(
                f"{container.path}: event {start + row}: {name!r} has {lengths[row]} entries, "
                f"but {first!r} has {expected[row]}: name columns that belong together as "
                f"constituents, or mend the file"
            )
    assert common is not None
    return common, found


def open_lists(container: Container, file_format: Format, layout: Layout) -> Lists | None:
    """Understand a file with a list of constituents in each row.

    Returns
    -------
    Lists or None
        None if there are no such lists, and the layout does not say that there should be.

    Raises
    ------
    ConfigError
        If a part is not found, is no list, or it is not plain which lists are meant.
    DataError
        If the lists have different numbers of rows.
    """
    path, datasets = container.path, container.datasets()
    lists = {name: dataset for name, dataset in datasets.items() if dataset.is_ragged}
    if not lists and layout.kind is None:
        return None
    chosen = _find_lists(path, layout, datasets, lists)
    if layout.kind is None and not layout.constituents and not has_coordinates(chosen):
        return None
    if not chosen:
        raise ConfigError(f"{path}: no columns of lists found; there are: {listing(datasets)}")
    check_coordinates(path, chosen, hint=problems(datasets))
    rows = {name: datasets[name].shape[0] for name in chosen.values()}
    first, n_events = next(iter(rows.items()))
    for name, n_rows in rows.items():
        if n_rows != n_events:
            raise DataError(
                f"{path}: {name!r} has {n_rows} rows, but {first!r} has {n_events}: name columns "
                "that belong together as constituents, or mend the file"
            )
    columns = find_event_columns(container, layout, n_events=n_events)
    check_jets(
        path, chosen, columns.references, near=lambda part: misfits(datasets, part, n_events)
    )
    references = {role: Reference(name) for role, name in chosen.items()}
    units = find_units(path, layout, datasets, references)
    return Lists(
        path=path,
        format=file_format,
        layout=replace(
            layout,
            kind="lists",
            constituents=chosen,
            columns=columns.texts,
            one_hot=columns.one_hot_texts,
        ),
        stated_units={**units.stated, **columns.units.stated},
        samples=(Sample(layout.tree or path.stem, n_events, layout.class_name),),
        label_names=columns.label_names if layout.class_name is None else {},
        image_shape=None,
        constituents=chosen,
        factors=units.factors,
        columns=columns,
    )


def _find_lists(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], lists: Mapping[str, Dataset]
) -> dict[str, str]:
    """Return the list columns by role, configured ones first."""
    told = {role: require(path, datasets, text).name for role, text in layout.constituents.items()}
    for role, name in told.items():
        if name not in lists:
            if layout.kind is None:
                return {}
            raise ConfigError(
                f"{path}: {name!r}, named as constituents.{role}, holds one number in each row, "
                f"not a list; lists are: {listing(lists)}"
            )
    families: dict[str, dict[str, str]] = {}
    for name, dataset in lists.items():
        family, known = family_of(name)
        if known is not None and dataset.is_numeric:
            families.setdefault(family, {}).setdefault(known, name)
    return told_first(path, families, told, meant={family_of(name)[0] for name in told.values()})
