"""Event columns of an HDF5 file: one value per event, in a dataset each."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.identity import mix
from detcnn.events.table import Column
from detcnn.sources.base import Layout
from detcnn.sources.columns import EVENT_ROLES, find_role, in_house_units, plain_name, unit_factor
from detcnn.sources.hdf5 import Dataset, read_rows, read_words

_WHOLE = ("label", "event_id")
_MOST_CLASSES = 1000
_ROWS_AT_ONCE = 1 << 22
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}$")


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
            If a weight or pT is not finite, or a label or an event id is not a whole number.
        """
        columns = {
            name: self._whole(file, dataset, start, stop)
            if name in _WHOLE
            else in_house_units(read_rows(file, dataset, start, stop), self.factors[name])
            for name, dataset in self.datasets.items()
        }
        for name in ("weight", "pt"):
            if name in columns and not np.all(np.isfinite(columns[name])):
                row = int(np.argmin(np.isfinite(columns[name])))
                raise DataError(
                    f"{self.path}: dataset {self.datasets[name]!r}, event {start + row}: "
                    f"the {name} is {columns[name][row]}, expected a finite number"
                )
        if self.event_id:
            columns["event_id"] = combine_ids(
                [self._whole(file, name, start, stop) for name in self.event_id]
            )
        return columns

    def label_names(self, file: h5py.File) -> dict[int, str]:
        """Return the name of every label value that occurs, in rising order of the value.

        Raises
        ------
        ConfigError
            If there are more values than a classifier could have classes.
        DataError
            If a label is not a whole number.
        """
        if "label" not in self.datasets:
            return {}
        dataset = self.datasets["label"]
        values = np.zeros(0, dtype=np.int64)
        for start in range(0, len(file[dataset]), _ROWS_AT_ONCE):
            values = np.union1d(values, self._whole(file, dataset, start, start + _ROWS_AT_ONCE))
            if len(values) > _MOST_CLASSES:
                raise ConfigError(
                    f"{self.path}: dataset {dataset!r} has more than {_MOST_CLASSES} different "
                    "values, too many for class labels: name another one as columns.label"
                )
        names = class_names(read_words(file, "classes"))
        return {int(value): names.get(int(value), str(value)) for value in values}

    def _whole(self, file: h5py.File, dataset: str, start: int, stop: int) -> NDArray[np.int64]:
        values = read_rows(file, dataset, start, stop)
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.int64)
        is_whole = whole == values
        if values.dtype.kind == "f" and not np.all(is_whole):
            row = int(np.argmin(is_whole))
            raise DataError(
                f"{self.path}: dataset {dataset!r}, event {start + row}: {values[row]} is neither "
                "a class label nor an event id, expected a whole number"
            )
        return whole


def find_event_columns(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], *, n_events: int
) -> EventColumns:
    """Find the columns that have one value per event.

    Configured columns come first; of the others, every one-dimensional dataset of numbers with
    `n_events` rows is taken under its own name. Labels do not count where the class of all events
    is given.

    Raises
    ------
    ConfigError
        If a configured dataset is not there, or a unit does not fit its column.
    DataError
        If a configured dataset has another number of rows.
    """
    chosen = dict(layout.columns)
    taken = {*layout.constituents.values(), *chosen.values(), *layout.event_id}
    for dataset in datasets.values():
        if dataset.shape != (n_events,) or not dataset.is_numeric or dataset.name in taken:
            continue
        name = find_role(dataset.base_name, EVENT_ROLES) or plain_name(dataset.base_name)
        is_told = (name == "event_id" and layout.event_id) or (
            name == "label" and layout.class_name is not None
        )
        if not is_told:
            chosen.setdefault(name, dataset.name)
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
        If it is not in the file, where the message lists those that are, or holds no numbers.
    """
    if name not in datasets:
        raise ConfigError(
            f"{path}: no dataset {name!r}; there are: {', '.join(datasets) or 'none'}"
        )
    if not datasets[name].is_numeric:
        raise ConfigError(f"{path}: dataset {name!r} is {datasets[name].dtype}, expected numbers")
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


def class_names(words: Sequence[str]) -> dict[int, str]:
    """Return the class names that a file states in its ``classes`` attribute, by label value.

    Several words name the labels from 0; a single one is a JSON list or object, or states nothing.
    """
    if len(words) != 1:
        return dict(enumerate(words))
    try:
        stated = json.loads(words[0])
    except (ValueError, RecursionError):
        return {}
    if isinstance(stated, list):
        return dict(enumerate(map(str, stated)))
    if isinstance(stated, dict):
        return {int(key): str(name) for key, name in stated.items() if _WHOLE_NUMBER.match(key)}
    return {}


def combine_ids(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one id for each tuple of numbers (run, luminosity block, event).

    A single number is its own id. Of several, tuples that differ in the last number alone never
    share an id, and others do so as seldom as random 64-bit numbers.
    """
    first, *others = (part.view(np.uint64) for part in parts)
    combined = first
    for part in others:
        combined = mix(combined) ^ part
    return combined.view(np.int64)
