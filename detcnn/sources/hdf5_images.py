"""HDF5 files of ready images: one dataset per class, or one dataset with a label column."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages
from detcnn.events.table import ImageTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.hdf5 import Dataset, open_hdf5, read_rows
from detcnn.sources.hdf5_columns import EventColumns, find_event_columns, require

_MOST_CHANNELS = 16
"""An axis longer than this is not taken for the channels without being told."""


@dataclass(frozen=True, slots=True)
class ImagesHdf5:
    """Ready images; see `detcnn.sources.base.Source`."""

    path: Path
    layout: Layout
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: tuple[int, int, int]
    columns: tuple[EventColumns, ...]

    def read(self, sample: int, start: int, stop: int) -> ImageTable:
        """Read images `start` to `stop` of a sample as (event, channel, row, column)."""
        name = self.samples[sample].name
        with open_hdf5(self.path) as file:
            values = read_rows(file, name, start, stop)
            columns = self.columns[sample].read(file, start, stop)
        if not np.all(np.isfinite(values)):
            event = start + int(
                np.argmin(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
            )
            raise DataError(
                f"{self.path}: dataset {name!r}, event {event}: a pixel is not a finite number"
            )
        if values.ndim == 3:
            values = values[:, np.newaxis]
        elif self.layout.channels_last:
            values = np.moveaxis(values, -1, 1)
        return ImageTable(DenseImages(np.ascontiguousarray(values, dtype=np.float32)), columns)


def find_images(layout: Layout, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the datasets that look like images: three or four axes of numbers."""
    if layout.images:
        return [name.strip("/") for name in layout.images]
    return [
        dataset.name
        for dataset in datasets.values()
        if len(dataset.shape) in (3, 4) and dataset.dtype.kind in "iuf"
    ]


def open_images(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], names: list[str]
) -> ImagesHdf5:
    """Understand a file of images.

    Raises
    ------
    ConfigError
        If the channel axis is not plain to see, the datasets differ in shape, or nothing tells
        the class of an image.
    """
    found = [require(path, datasets, name) for name in names]
    first = found[0]
    for dataset in found:
        if len(dataset.shape) not in (3, 4):
            raise ConfigError(
                f"{path}: dataset {dataset.name!r} has shape {dataset.shape}, expected images "
                "(event, row, column) or with channels first or last"
            )
        if dataset.shape[1:] != first.shape[1:]:
            raise ConfigError(
                f"{path}: images {dataset.name!r} have shape {dataset.shape[1:]} and "
                f"{first.name!r} {first.shape[1:]}: name those of one study as images"
            )
    channels_last = layout.channels_last
    if channels_last is None and len(first.shape) == 4:
        channels_last = _guess_channels_last(path, first)
    columns = tuple(
        find_event_columns(path, layout, datasets, n_events=dataset.shape[0])
        if len(found) == 1
        else EventColumns(path, {}, {})
        for dataset in found
    )
    label_names: dict[int, str] = {}
    class_names: list[str | None] = [layout.class_name]
    if len(found) > 1 or layout.images:
        by_name = {name.strip("/"): class_name for name, class_name in layout.images.items()}
        class_names = [by_name.get(dataset.name, dataset.name) for dataset in found]
    elif layout.class_name is None:
        with open_hdf5(path) as file:
            label_names = columns[0].label_names(file)
        if not label_names:
            raise ConfigError(
                f"{path}: nothing tells the class of the images in {first.name!r}: "
                "name a label dataset as columns.label, or give the source a class"
            )
    rows = first.shape[1:]
    if len(rows) == 2:
        shape = (1, rows[0], rows[1])
    else:
        shape = (rows[2], rows[0], rows[1]) if channels_last else (rows[0], rows[1], rows[2])
    return ImagesHdf5(
        path=path,
        layout=replace(
            layout,
            kind="images",
            images={d.name: c or "" for d, c in zip(found, class_names, strict=True)},
            columns=columns[0].datasets,
            channels_last=channels_last,
        ),
        samples=tuple(
            Sample(dataset.name, dataset.shape[0], class_name)
            for dataset, class_name in zip(found, class_names, strict=True)
        ),
        label_names=label_names,
        image_shape=shape,
        columns=columns,
    )


def _guess_channels_last(path: Path, dataset: Dataset) -> bool:
    _, first, middle, last = dataset.shape
    could_be_last = last <= _MOST_CHANNELS and last < min(first, middle)
    could_be_first = first <= _MOST_CHANNELS and first < min(middle, last)
    if could_be_last == could_be_first:
        raise ConfigError(
            f"{path}: images {dataset.name!r} of shape {dataset.shape}: cannot tell which axis "
            "is the channels: set channels_last to true or false in the study"
        )
    return could_be_last
