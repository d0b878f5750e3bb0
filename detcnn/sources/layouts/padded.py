"""A fixed number of constituents per event, filled up with zeros."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column, EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES, find_role
from detcnn.sources.layouts.constituents import build_table, family_of, told_first
from detcnn.sources.layouts.event_columns import EventColumns, find_event_columns, misfits
from detcnn.sources.layouts.momenta import check_coordinates
from detcnn.sources.layouts.references import (
    Columns,
    Reference,
    named_columns,
    number_through,
    problems,
    read_columns,
    require_numbered,
)
from detcnn.sources.layouts.relative import check_jets
from detcnn.sources.layouts.units import find_units

_NUMBERED = re.compile(r"^(?P<stem>.*[^0-9])_(?P<number>\d{1,6})$")
_MOMENTA = ("pt", "energy", "px", "py", "pz", "pt_rel")


@dataclass(frozen=True, slots=True)
class Padded:
    """Constituents padded with zeros; see `detcnn.sources.base.Source`.

    Padding is what the mask is 0 for; without a mask, what has neither momentum nor energy,
    wherever it stands.
    """

    path: Path
    format: Format
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    constituents: Mapping[str, Columns]
    factors: Mapping[str, float | None]
    columns: EventColumns

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.format.name

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop` without their padding."""
        with self.format.open(self.path, self.layout) as container:
            read = read_columns(container, self.constituents.values(), start, stop)
            columns = self.columns.read(container, start, stop)
        padded = {role: column.of(read) for role, column in self.constituents.items()}
        is_real = _is_real(padded)
        offsets = np.zeros(len(is_real) + 1, dtype=np.int64)
        np.cumsum(is_real.sum(axis=1), out=offsets[1:])
        return build_table(
            offsets,
            {role: values[is_real] for role, values in padded.items()},
            columns,
            factors=self.factors,
            first_row=start,
        )


def _is_real(padded: Mapping[str, Column]) -> NDArray[np.bool_]:
    if "mask" in padded:
        return np.asarray(padded["mask"] != 0)
    given = [padded[role] != 0 for role in _MOMENTA if role in padded]
    return np.asarray(np.any(given, axis=0))


def find_features(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset]
) -> dict[str, Columns]:
    """Return the padded columns of a file by role, configured ones first.

    Raises
    ------
    ConfigError
        If a configured column is not there, or it is not plain which ones are meant.
    """
    told: dict[str, Columns] = {
        role: require_numbered(path, datasets, text) for role, text in layout.constituents.items()
    }
    families: dict[str, dict[str, Columns]] = {}
    numbered: dict[str, dict[int, Reference]] = {}
    for dataset in datasets.values():
        if not dataset.is_numeric or dataset.is_ragged:
            continue
        if len(dataset.shape) == 2 and not dataset.features:
            family, role = family_of(dataset.name)
            if role is not None:
                families.setdefault(family, {}).setdefault(role, Reference(dataset.name))
        elif len(dataset.shape) == 3 and len(dataset.features) == dataset.shape[2]:
            for index, feature in enumerate(dataset.features):
                role = find_role(feature, CONSTITUENT_ROLES)
                if role:
                    roles = families.setdefault(dataset.name, {})
                    roles.setdefault(role, Reference(dataset.name, index))
    for name, reference in named_columns(datasets).items():
        match = _NUMBERED.match(name)
        if match and family_of(match["stem"])[1] is not None:
            numbered.setdefault(match["stem"], {})[int(match["number"])] = reference
    for stem, by_number in numbered.items():
        family, role = family_of(stem)
        column = number_through(f"{stem}_*", by_number)
        if role is not None and column is not None and len(by_number) > 1:
            families.setdefault(f"{family}*", {}).setdefault(role, column)
    names = {name for column in told.values() for name in column.names}
    meant = {
        family
        for family, roles in families.items()
        if names & {name for column in roles.values() for name in column.names}
    }
    return told_first(path, families, told, meant=meant)


def open_padded(container: Container, file_format: Format, layout: Layout) -> Padded | None:
    """Understand a file of padded constituents.

    Returns
    -------
    Padded or None
        None if there are no such columns, and the layout does not say that there should be.

    Raises
    ------
    ConfigError
        If a part is not found, or a configured one is not there.
    DataError
        If the parts have different shapes.
    """
    path, datasets = container.path, container.datasets()
    chosen = find_features(path, layout, datasets)
    if layout.kind is None and not {"pt", "px", "pt_rel"} & set(chosen):
        return None
    check_coordinates(path, chosen, hint=_unnamed(datasets) + problems(datasets))
    shapes = {role: column.shape(datasets) for role, column in chosen.items()}
    first = next(role for role in _MOMENTA if role in chosen)
    for role, shape in shapes.items():
        if len(shape) != 2:
            raise ConfigError(
                f"{path}: dataset {str(chosen[role])!r} has shape {shape}, expected (events, "
                f"constituents); for one feature of three axes write {chosen[role].names[0]}"
                "[..., 0]"
            )
    for role, shape in shapes.items():
        if shape != shapes[first]:
            raise DataError(
                f"{path}: dataset {str(chosen[role])!r} has shape {shape} for {role}, "
                f"but {first} has {shapes[first]} (events, constituents): name columns that belong "
                f"together as constituents.{first} and .{role}, or mend the file"
            )
    n_events = shapes[first][0]
    columns = find_event_columns(container, layout, n_events=n_events, taken=[*chosen.values()])
    check_jets(
        path, chosen, columns.references, near=lambda part: misfits(datasets, part, n_events)
    )
    units = find_units(path, layout, datasets, chosen)
    return Padded(
        path=path,
        format=file_format,
        layout=replace(
            layout,
            kind="padded",
            constituents={role: str(column) for role, column in chosen.items()},
            columns=columns.texts,
            one_hot=columns.one_hot_texts,
        ),
        stated_units={**units.stated, **columns.units.stated},
        samples=(Sample(chosen[first].names[0], n_events, layout.class_name),),
        label_names=columns.label_names if layout.class_name is None else {},
        image_shape=None,
        constituents=chosen,
        factors=units.factors,
        columns=columns,
    )


def _unnamed(datasets: Mapping[str, Dataset]) -> str:
    """Return what to say of a table whose columns have lost their names."""
    for dataset in datasets.values():
        if len(dataset.shape) == 2 and dataset.shape[1] > 3 and not dataset.features:
            name, n = dataset.name, dataset.shape[1]
            return (
                f"; {name!r} has {n} columns without names, of which a study takes every fourth, "
                f"beginning with the second, as '{name}[..., 1:{n}:4]'"
            )
    return ""
