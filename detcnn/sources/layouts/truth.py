"""What ready images have beside them: the truth of their pixels, and points."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages
from detcnn.events.truth import Points, Truth
from detcnn.events.units import plain_unit
from detcnn.sources.base import Layout, PixelTruth
from detcnn.sources.container import Container, Dataset
from detcnn.sources.layouts.columns import in_house_units
from detcnn.sources.layouts.references import require

TRUTH, POINTS = "truth", "points"
"""Groups whose datasets are found by themselves."""


@dataclass(frozen=True, slots=True)
class TruthColumns:
    """The columns of a file that tell the truth of its images.

    Parameters
    ----------
    path : Path
        The file.
    pixels : mapping
        Name to column.
    points : mapping
        Name to column.
    channels_last : bool
        Whether planes are the last axis.
    """

    path: Path
    pixels: Mapping[str, PixelTruth]
    points: Mapping[str, str]
    channels_last: bool

    def read(self, container: Container, start: int, stop: int, *, axes: tuple[int, ...]) -> Truth:
        """Read the truth of images `start` to `stop`, whose axes are so long.

        Raises
        ------
        DataError
            If a class is no whole number, a value is not finite, or a point is but half there.
        """
        return Truth(
            pixels={
                name: DenseImages(
                    self._planes(truth, container.read(truth.column, start, stop), start, axes)
                )
                for name, truth in self.pixels.items()
            },
            points={
                name: self._places(column, container.read(column, start, stop), start)
                for name, column in self.points.items()
            },
        )

    def _places(self, column: str, values: NDArray[Any], start: int) -> Points:
        # What float32 cannot hold becomes infinite.
        places = np.asarray(in_house_units(values, None), dtype=np.float32)
        is_there = np.isfinite(places)
        is_good = (is_there.all(axis=2) | np.isnan(values).all(axis=2)).all(axis=1)
        if not is_good.all():
            row = int(np.argmin(is_good))
            number = int(np.argmin(is_there[row].all(axis=1) | np.isnan(values[row]).all(axis=1)))
            raise DataError(
                f"{self.path}: dataset {column!r}, event {start + row}, point {number}: is "
                f"{tuple(values[row, number].tolist())}, expected a finite row and column, or NaN "
                "for both where there is no point"
            )
        return places

    def _planes(
        self, truth: PixelTruth, values: NDArray[Any], start: int, axes: tuple[int, ...]
    ) -> NDArray[np.float32]:
        if values.ndim == len(axes) + 1:
            values = values[:, np.newaxis]
        elif self.channels_last:
            values = np.moveaxis(values, -1, 1)
        # What float32 cannot hold becomes infinite.
        as_stored = np.asarray(in_house_units(values, None), dtype=np.float32)
        is_good = np.isfinite(as_stored if truth.above is None else values)
        expected = "a finite number of float32"
        if truth.classes and truth.above is None:
            is_good &= values == np.floor(values)
            expected = "the whole number of a class"
        if not is_good.all():
            event, *place = np.argwhere(~is_good)[0].tolist()
            raise DataError(
                f"{self.path}: dataset {truth.column!r}, event {start + event}, pixel "
                f"{tuple(place)}: is {values[event, *place]}, expected {expected}"
            )
        stored = as_stored if truth.above is None else values > truth.above
        return np.ascontiguousarray(stored, dtype=np.float32)


def is_truth(layout: Layout, name: str) -> bool:
    """Tell whether a dataset is known to hold no images but what is true of them."""
    named = {truth.column for truth in layout.pixels.values()} | {*layout.points.values()}
    return name in named or name.split("/")[0] in (TRUTH, POINTS)


def find_truth(
    container: Container,
    layout: Layout,
    image: Dataset,
    *,
    axes: tuple[str, ...],
    n_channels: int,
) -> TruthColumns:
    """Find what a file tells of the pixels of its images, of which `image` is all or one channel.

    What the study names comes first; the datasets of a group ``truth`` or ``points`` are found by
    themselves, with the classes that the file states for them.

    Raises
    ------
    ConfigError
        If a column is not there, or is not of the size of the images.
    """
    datasets = container.datasets()
    pixels, points = dict(layout.pixels), dict(layout.points)
    for name in datasets:
        group, _, part = name.partition("/")
        if group == TRUTH and part not in pixels:
            pixels[part] = PixelTruth(name, tuple(container.words(f"classes_of_{part}")))
        if group == POINTS:
            points.setdefault(part, name)
    channels_last = bool(layout.channels_last)
    found = {
        name: datasets[require(container.path, datasets, truth.column).name]
        for name, truth in pixels.items()
    }
    sizes = _sizes(image, len(axes), channels_last=channels_last)
    for dataset in found.values():
        is_right = dataset.shape[:1] == image.shape[:1] and dataset.is_numeric
        n_axes = len(dataset.shape) - 1
        is_right &= n_axes - len(axes) in (0, 1)
        if not is_right or _sizes(dataset, len(axes), channels_last=channels_last) != sizes:
            raise ConfigError(
                f"{container.path}: dataset {dataset.name!r} has shape {dataset.shape}, expected "
                f"the pixels of the images {image.name!r} {image.shape}, with planes in place of "
                "channels or without: name another under pixels"
            )
    n_planes = {
        name: _n_planes(dataset, len(axes), channels_last=channels_last)
        for name, dataset in found.items()
    }
    for name, truth in pixels.items():
        if truth.of == "channels" and n_planes[name] != n_channels:
            raise ConfigError(
                f"{container.path}: dataset {found[name].name!r} has {n_planes[name]} planes and "
                f"the images {n_channels} channels: they are not of one another: set "
                f"pixels.{name}.of to image"
            )
    for name, column in points.items():
        dataset = datasets[require(container.path, datasets, column).name]
        is_right = len(dataset.shape) == 3 and dataset.shape[::2] == (image.shape[0], 2)
        if not is_right or dataset.shape[1] == 0:
            raise ConfigError(
                f"{container.path}: points {name!r}: dataset {dataset.name!r} has shape "
                f"{dataset.shape}, expected ({image.shape[0]}, points, 2): row and column of each, "
                "filled up with NaN"
            )
    return TruthColumns(
        container.path,
        {
            name: replace(
                truth,
                column=found[name].name,
                of=truth.of or ("channels" if n_planes[name] == n_channels else "image"),
                unit="" if truth.classes else plain_unit(found[name].unit),
            )
            for name, truth in pixels.items()
        },
        {name: require(container.path, datasets, column).name for name, column in points.items()},
        channels_last,
    )


def _sizes(dataset: Dataset, n_axes: int, *, channels_last: bool) -> tuple[int, ...]:
    sizes = dataset.shape[1:]
    if len(sizes) == n_axes:
        return sizes
    return sizes[:-1] if channels_last else sizes[1:]


def _n_planes(dataset: Dataset, n_axes: int, *, channels_last: bool) -> int:
    sizes = dataset.shape[1:]
    return 1 if len(sizes) == n_axes else sizes[-1] if channels_last else sizes[0]
