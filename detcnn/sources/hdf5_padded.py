"""HDF5 files with a fixed number of constituents per event, filled up with zeros."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.columns import CONSTITUENT_ROLES, find_role, in_house_units
from detcnn.sources.hdf5 import Dataset, open_hdf5, read_rows
from detcnn.sources.hdf5_columns import EventColumns, factor_of, find_event_columns, require
from detcnn.sources.hdf5_jagged import check_coordinates

_FEATURE = re.compile(r"^(?P<dataset>.+)\[\s*\.\.\.\s*,\s*(?P<index>\d+)\s*\]$")


@dataclass(frozen=True, slots=True)
class Feature:
    """A padded column: a dataset of two axes, or one feature of a dataset of three."""

    dataset: str
    index: int | None

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the column, shape (events, constituents), of the dataset's values."""
        return values if self.index is None else values[..., self.index]

    def __str__(self) -> str:
        return self.dataset if self.index is None else f"{self.dataset}[..., {self.index}]"


@dataclass(frozen=True, slots=True)
class PaddedHdf5:
    """Constituents padded with zeros; see `detcnn.sources.base.Source`.

    A constituent of pT = 0 is padding, wherever it stands.
    """

    path: Path
    layout: Layout
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    features: Mapping[str, Feature]
    factors: Mapping[str, float | None]
    columns: EventColumns

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read events `start` to `stop` without their padding."""
        with open_hdf5(self.path) as file:
            arrays = {
                name: read_rows(file, name, start, stop)
                for name in {feature.dataset for feature in self.features.values()}
            }
            columns = self.columns.read(file, start, stop)
        padded = {
            role: feature.of(arrays[feature.dataset]) for role, feature in self.features.items()
        }
        is_real = padded["pt"] != 0
        offsets = np.zeros(stop - start + 1, dtype=np.int64)
        np.cumsum(is_real.sum(axis=1), out=offsets[1:])
        constituents = {
            role: in_house_units(values[is_real], self.factors[role])
            for role, values in padded.items()
        }
        return EventTable(offsets, constituents, columns, first_row=start)


def find_features(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset]
) -> dict[str, Feature]:
    """Return the padded columns of a file by role, configured ones first.

    Raises
    ------
    ConfigError
        If a configured dataset or feature is not there.
    """
    found = {
        role: _parse_feature(path, text, datasets) for role, text in layout.constituents.items()
    }
    for dataset in datasets.values():
        if not dataset.is_numeric:
            continue
        if len(dataset.shape) == 2:
            role = find_role(dataset.base_name, CONSTITUENT_ROLES)
            if role:
                found.setdefault(role, Feature(dataset.name, None))
        elif len(dataset.shape) == 3 and len(dataset.features) == dataset.shape[2]:
            for index, name in enumerate(dataset.features):
                role = find_role(name, CONSTITUENT_ROLES)
                if role:
                    found.setdefault(role, Feature(dataset.name, index))
    return found


def open_padded(path: Path, layout: Layout, datasets: Mapping[str, Dataset]) -> PaddedHdf5:
    """Understand a file of padded constituents.

    Raises
    ------
    ConfigError
        If a part is not found, or a configured one is not there.
    DataError
        If the parts have different shapes.
    """
    features = find_features(path, layout, datasets)
    check_coordinates(path, {role: feature.dataset for role, feature in features.items()})
    shapes = {role: datasets[feature.dataset].shape[:2] for role, feature in features.items()}
    for role, shape in shapes.items():
        if shape != shapes["pt"]:
            raise DataError(
                f"{path}: dataset {features[role].dataset!r} has shape {shape} for {role}, "
                f"but pt has {shapes['pt']} (events, constituents)"
            )
    n_events = shapes["pt"][0]
    columns = find_event_columns(path, layout, datasets, n_events=n_events)
    with open_hdf5(path) as file:
        label_names = columns.label_names(file) if layout.class_name is None else {}
    names = {role: str(feature) for role, feature in features.items()}
    return PaddedHdf5(
        path=path,
        layout=replace(layout, kind="padded", constituents=names, columns=columns.datasets),
        samples=(Sample(features["pt"].dataset, n_events, layout.class_name),),
        label_names=label_names,
        image_shape=None,
        features=features,
        factors={
            role: factor_of(path, layout, role, datasets[feature.dataset])
            for role, feature in features.items()
        },
        columns=columns,
    )


def _parse_feature(path: Path, text: str, datasets: Mapping[str, Dataset]) -> Feature:
    match = _FEATURE.match(text)
    if match is None:
        found = require(path, datasets, text)
        if len(found.shape) != 2:
            raise ConfigError(
                f"{path}: dataset {text!r} has shape {found.shape}, expected (events, "
                f"constituents); for one feature of three axes write {text}[..., 0]"
            )
        return Feature(found.name, None)
    found = require(path, datasets, match["dataset"])
    index = int(match["index"])
    if len(found.shape) != 3 or index >= found.shape[2]:
        raise ConfigError(f"{path}: {text!r} is outside of the dataset's shape {found.shape}")
    return Feature(found.name, index)
