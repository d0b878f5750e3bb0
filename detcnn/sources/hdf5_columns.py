"""Event columns of an HDF5 file: one value per event, in a dataset each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column
from detcnn.sources.base import Layout
from detcnn.sources.columns import EVENT_ROLES, find_role, in_house_units, plain_name, unit_factor
from detcnn.sources.hdf5 import Dataset, read_rows


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The event columns of a file: column name to dataset, and what to multiply it by."""

    path: Path
    datasets: Mapping[str, str]
    factors: Mapping[str, float | None]
    event_id: tuple[str, ...] = ()

    def read(self, file: h5py.File, start: int, stop: int) -> dict[str, Column]:
        """Read rows `start` to `stop` of every column.

        Raises
        ------
        DataError
            If a weight or a label is not a number, or a label is not whole.
        """
        columns = {
            name: in_house_units(read_rows(file, dataset, start, stop), self.factors[name])
            for name, dataset in self.datasets.items()
        }
        for name in ("label", "weight"):
            if name in columns and not np.all(np.isfinite(columns[name])):
                row = start + int(np.argmin(np.isfinite(columns[name])))
                raise DataError(
                    f"{self.path}: dataset {self.datasets[name]!r}, event {row}: "
                    f"{columns[name][row - start]} is no {name}"
                )
        if "label" in columns:
            columns["label"] = self._whole(columns["label"], start)
        if self.event_id:
            parts = [read_rows(file, name, start, stop).astype(np.int64) for name in self.event_id]
            columns["event_id"] = combine_ids(parts)
        return columns

    def label_names(self, file: h5py.File) -> dict[int, str]:
        """Return the name of every label value that occurs, in rising order of the value."""
        if "label" not in self.datasets:
            return {}
        dataset = file[self.datasets["label"]]
        values = np.unique(self._whole(read_rows(file, dataset.name, 0, len(dataset)), 0))
        if len(values) > 1000:
            raise ConfigError(
                f"{self.path}: dataset {self.datasets['label']!r} has {len(values)} different "
                "values, too many for class labels: name another one as columns.label"
            )
        names = class_names(file.attrs.get("classes"))
        return {int(value): names.get(int(value), str(value)) for value in values}

    def _whole(self, labels: Column, start: int) -> Column:
        whole = labels.astype(np.int64)
        if not np.array_equal(whole, labels):
            row = int(np.argmax(whole != labels))
            raise DataError(
                f"{self.path}: dataset {self.datasets['label']!r}, event {start + row}: "
                f"{labels[row]} is no class label, expected a whole number"
            )
        return whole


def find_event_columns(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], *, n_events: int
) -> EventColumns:
    """Find the columns that have one value per event.

    Configured columns come first; of the others, every one-dimensional dataset of numbers with
    `n_events` rows is taken under its own name.

    Raises
    ------
    ConfigError
        If a configured dataset is not there, or a unit does not fit its column.
    DataError
        If a configured dataset has another number of rows.
    """
    chosen = dict(layout.columns)
    taken = {*chosen.values(), *layout.event_id, layout.offsets}
    for dataset in datasets.values():
        if dataset.shape != (n_events,) or dataset.dtype.kind not in "iufb":
            continue
        name = find_role(dataset.name.rsplit("/", 1)[-1], EVENT_ROLES) or plain_name(
            dataset.base_name
        )
        if name == "event_id" and layout.event_id:
            continue
        if dataset.name not in taken and name not in chosen:
            chosen[name] = dataset.name
    for dataset_name in [*chosen.values(), *layout.event_id]:
        found = require(path, datasets, dataset_name)
        if found.shape != (n_events,):
            raise DataError(
                f"{path}: dataset {dataset_name!r} has shape {found.shape}, "
                f"expected ({n_events},): one value per event"
            )
    factors = {
        name: factor_of(path, layout, name, datasets[dataset]) for name, dataset in chosen.items()
    }
    return EventColumns(path, chosen, factors, layout.event_id)


def require(path: Path, datasets: Mapping[str, Dataset], name: str) -> Dataset:
    """Return a dataset that the configuration names.

    Raises
    ------
    ConfigError
        If it is not in the file; the message lists those that are.
    """
    name = name.strip("/")
    if name not in datasets:
        raise ConfigError(
            f"{path}: no dataset {name!r}; there are: {', '.join(sorted(datasets)) or 'none'}"
        )
    return datasets[name]


def factor_of(path: Path, layout: Layout, role: str, dataset: Dataset) -> float | None:
    """Return what a column is multiplied by; the configuration overrules the file's attribute.

    Raises
    ------
    ConfigError
        If the unit does not fit the quantity.
    """
    try:
        return unit_factor(role, layout.units.get(role, dataset.unit))
    except ConfigError as error:
        raise ConfigError(
            f"{path}: dataset {dataset.name!r}: {error}; set units.{role} in the study"
        ) from None


def class_names(attribute: Any) -> dict[int, str]:
    """Return the class names that a file states in its ``classes`` attribute, by label value.

    A JSON list or object, or an array of strings; anything else states nothing.
    """
    if isinstance(attribute, bytes):
        attribute = attribute.decode(errors="replace")
    if isinstance(attribute, str):
        try:
            attribute = json.loads(attribute)
        except ValueError:
            return {}
    if isinstance(attribute, dict):
        return {int(key): str(name) for key, name in attribute.items() if str(key).isdigit()}
    if isinstance(attribute, list | np.ndarray):
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in attribute]
        return dict(enumerate(names))
    return {}


def combine_ids(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one id for each tuple of numbers (run, luminosity block, event)."""
    combined = np.zeros(len(parts[0]), dtype=np.uint64)
    for part in parts:
        # 64-bit FNV prime: distinct tuples of small numbers stay distinct.
        combined = combined * np.uint64(0x100000001B3) ^ part.astype(np.uint64)
    return combined.astype(np.int64)
