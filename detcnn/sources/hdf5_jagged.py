"""HDF5 files with flat constituent columns and the offsets of each event."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.columns import (
    CONSTITUENT_ROLES,
    OFFSET_NAMES,
    find_role,
    in_house_units,
    plain_name,
)
from detcnn.sources.hdf5 import Dataset, open_hdf5, read_rows
from detcnn.sources.hdf5_columns import EventColumns, factor_of, find_event_columns, require

_OFFSETS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class JaggedHdf5:
    """Flat constituent columns with offsets; see `detcnn.sources.base.Source`."""

    path: Path
    layout: Layout
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    factors: Mapping[str, float | None]
    columns: EventColumns
    offsets: str

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop`."""
        with open_hdf5(self.path) as file:
            offsets = read_rows(file, self.offsets, start, stop + 1).astype(np.int64)
            first, last = int(offsets[0]), int(offsets[-1])
            constituents = {
                role: in_house_units(read_rows(file, name, first, last), self.factors[role])
                for role, name in self.layout.constituents.items()
            }
            columns = self.columns.read(file, start, stop)
        return EventTable(offsets - first, constituents, columns, first_row=start)


def find_offsets(layout: Layout, datasets: Mapping[str, Dataset]) -> str | None:
    """Return the dataset that holds the offsets, or None if there is none."""
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


def open_jagged(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], offsets_name: str
) -> JaggedHdf5:
    """Understand a file of flat columns and check its offsets.

    Raises
    ------
    ConfigError
        If a part is not found, or a configured dataset is not there.
    DataError
        If the offsets are not whole numbers, fall, do not start at 0, or do not end at the number
        of constituents.
    """
    found_offsets = require(path, datasets, offsets_name)
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
    with open_hdf5(path) as file:
        n_constituents = _check_offsets(path, file, found_offsets)
        chosen = _find_constituents(
            layout, datasets, n_events=n_events, n_constituents=n_constituents
        )
        for name in chosen.values():
            if require(path, datasets, name).shape != (n_constituents,):
                raise DataError(
                    f"{path}: dataset {name!r} has shape {datasets[name].shape}, but the offsets "
                    f"{offsets_name!r} end at {n_constituents} constituents"
                )
        check_coordinates(path, chosen)
        columns = find_event_columns(
            path, replace(layout, constituents=chosen), datasets, n_events=n_events
        )
        label_names = columns.label_names(file) if layout.class_name is None else {}
    factors = {role: factor_of(path, layout, role, datasets[name]) for role, name in chosen.items()}
    group = offsets_name.rsplit("/", 1)[0] if "/" in offsets_name else path.stem
    return JaggedHdf5(
        path=path,
        layout=replace(
            layout,
            kind="jagged",
            constituents=chosen,
            offsets=offsets_name,
            columns=columns.datasets,
        ),
        samples=(Sample(group, n_events, layout.class_name),),
        label_names=label_names,
        image_shape=None,
        factors=factors,
        columns=columns,
        offsets=offsets_name,
    )


def _find_constituents(
    layout: Layout, datasets: Mapping[str, Dataset], *, n_events: int, n_constituents: int
) -> dict[str, str]:
    """Return the constituent columns by role, configured ones first."""
    chosen = dict(layout.constituents)
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
                chosen.setdefault(role, dataset.name)
    if "pt" not in chosen:
        # Columns as long as nothing else tell a file that was cut short from one of other names.
        for role, dataset in candidates:
            if dataset.shape[0] != n_events:
                chosen.setdefault(role, dataset.name)
    return chosen


def check_coordinates(path: Path, constituents: Mapping[str, str]) -> None:
    """Raise if the constituents cannot be put on an η–φ plane.

    Raises
    ------
    ConfigError
        Naming the part that was not found.
    """
    missing = [role for role in ("pt", "phi") if role not in constituents]
    if not {"eta", "rapidity"} & set(constituents):
        missing.append("eta")
    if missing:
        raise ConfigError(
            f"{path}: no dataset found for {' and '.join(missing)} of the constituents: "
            f"name it in the study as constituents.{missing[0]}"
        )


def _check_offsets(path: Path, file: h5py.File, dataset: Dataset) -> int:
    last = 0
    for start in range(0, dataset.shape[0], _OFFSETS_AT_ONCE):
        block = read_rows(file, dataset.name, start, start + _OFFSETS_AT_ONCE).astype(np.int64)
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
