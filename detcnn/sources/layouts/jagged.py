"""Flat constituent columns with the offsets of each event."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES, OFFSET_NAMES, find_role, plain_name
from detcnn.sources.layouts.constituents import build_table
from detcnn.sources.layouts.event_columns import EventColumns, find_event_columns, misfits
from detcnn.sources.layouts.momenta import check_coordinates
from detcnn.sources.layouts.references import Reference, listing, problems, read_columns, require
from detcnn.sources.layouts.relative import check_jets
from detcnn.sources.layouts.units import find_units

_OFFSETS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Jagged:
    """Flat constituent columns with offsets; see `detcnn.sources.base.Source`."""

    path: Path
    format: Format
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    offsets: str
    constituents: Mapping[str, Reference]
    factors: Mapping[str, float | None]
    columns: EventColumns

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.format.name

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop`."""
        with self.format.open(self.path, self.layout) as container:
            offsets = container.read(self.offsets, start, stop + 1).astype(np.int64)
            first, last = int(offsets[0]), int(offsets[-1])
            read = read_columns(container, self.constituents.values(), first, last)
            columns = self.columns.read(container, start, stop)
        return build_table(
            offsets - first,
            {role: reference.of(read) for role, reference in self.constituents.items()},
            columns,
            factors=self.factors,
            first_row=start,
        )


def find_offsets(layout: Layout, datasets: Mapping[str, Dataset]) -> str | None:
    """Return the column that holds the offsets, or None if there is none."""
    if layout.offsets is not None:
        return layout.offsets
    return next(
        (
            dataset.name
            for dataset in datasets.values()
            if plain_name(dataset.base_name) in OFFSET_NAMES
            and len(dataset.shape) == 1
            and dataset.dtype.kind in "iu"
        ),
        None,
    )


def open_jagged(container: Container, file_format: Format, layout: Layout) -> Jagged | None:
    """Understand a file of flat columns and check its offsets.

    Returns
    -------
    Jagged or None
        None if there are no offsets, and the layout does not say that there should be.

    Raises
    ------
    ConfigError
        If a part is not found, or a configured column is not there.
    DataError
        If the offsets are not whole numbers, fall, do not start at 0, or do not end at the number
        of constituents.
    """
    path, datasets = container.path, container.datasets()
    offsets_name = find_offsets(layout, datasets)
    if offsets_name is None:
        if layout.kind is None:
            return None
        raise ConfigError(
            f"{path}: no offsets of a jagged layout found; there are: {listing(datasets)}; "
            "name them as offsets in the study"
        )
    found_offsets = datasets[require(path, datasets, offsets_name).name]
    if (
        len(found_offsets.shape) != 1
        or found_offsets.shape[0] < 1
        or found_offsets.dtype.kind not in "iu"
    ):
        raise DataError(
            f"{path}: offsets {offsets_name!r} are {found_offsets.dtype} of shape "
            f"{found_offsets.shape}, expected whole numbers of shape (number of events + 1,)"
        )
    n_events = found_offsets.shape[0] - 1
    n_constituents = check_offsets(container, found_offsets)
    chosen = _find_constituents(
        path, layout, datasets, n_events=n_events, n_constituents=n_constituents
    )
    for role, reference in chosen.items():
        if reference.shape(datasets) != (n_constituents,):
            raise DataError(
                f"{path}: dataset {str(reference)!r} has shape {reference.shape(datasets)}, but "
                f"the offsets {offsets_name!r} end at {n_constituents} constituents: the file was "
                "cut short when it was made, or these do not belong together: name the right ones "
                f"as offsets and constituents.{role} in the study"
            )
    check_coordinates(path, chosen, hint=problems(datasets))
    columns = find_event_columns(container, layout, n_events=n_events, taken=[*chosen.values()])
    check_jets(
        path, chosen, columns.references, near=lambda part: misfits(datasets, part, n_events)
    )
    units = find_units(path, layout, datasets, chosen)
    group = offsets_name.rsplit("/", 1)[0] if "/" in offsets_name else path.stem
    return Jagged(
        path=path,
        format=file_format,
        layout=replace(
            layout,
            kind="jagged",
            constituents={role: str(reference) for role, reference in chosen.items()},
            offsets=offsets_name,
            columns=columns.texts,
            one_hot=columns.one_hot_texts,
        ),
        stated_units={**units.stated, **columns.units.stated},
        samples=(Sample(group, n_events, layout.class_name),),
        label_names=columns.label_names if layout.class_name is None else {},
        image_shape=None,
        offsets=offsets_name,
        constituents=chosen,
        factors=units.factors,
        columns=columns,
    )


def _find_constituents(
    path: Path,
    layout: Layout,
    datasets: Mapping[str, Dataset],
    *,
    n_events: int,
    n_constituents: int,
) -> dict[str, Reference]:
    """Return the constituent columns by role, configured ones first."""
    chosen = {role: require(path, datasets, text) for role, text in layout.constituents.items()}
    candidates = [
        (role, dataset)
        for dataset in datasets.values()
        if dataset.is_numeric
        and len(dataset.shape) == 1
        and (role := find_role(dataset.base_name, CONSTITUENT_ROLES))
    ]
    if n_constituents != n_events or n_events == 0:
        for role, dataset in candidates:
            if dataset.shape[0] == n_constituents:
                chosen.setdefault(role, Reference(dataset.name))
    if not {"pt", "px", "pt_rel"} & set(chosen):
        # Columns as long as nothing else tell a file that was cut short from one of other names.
        for role, dataset in candidates:
            if dataset.shape[0] != n_events:
                chosen.setdefault(role, Reference(dataset.name))
    return chosen


def check_offsets(container: Container, dataset: Dataset) -> int:
    """Return where offsets end.

    Raises
    ------
    DataError
        If they do not start at 0, or fall.
    """
    path, last = container.path, 0
    for start in range(0, dataset.shape[0], _OFFSETS_AT_ONCE):
        stop = min(start + _OFFSETS_AT_ONCE, dataset.shape[0])
        block = container.read(dataset.name, start, stop).astype(np.int64)
        steps = np.diff(block, prepend=last)
        if start == 0 and block[0] != 0:
            raise DataError(f"{path}: offsets {dataset.name!r} start at {block[0]}, expected 0")
        if np.any(steps < 0):
            row = int(np.argmax(steps < 0))
            raise DataError(
                f"{path}: offsets {dataset.name!r} fall from {block[row] - steps[row]} to "
                f"{block[row]} at event {start + row - 1}: the file is damaged or this is "
                "another dataset; name the right one as offsets in the study"
            )
        last = int(block[-1])
    return last
