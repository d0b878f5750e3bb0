"""Ready images: one dataset per class, or one dataset with a label column."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import PICTURE
from detcnn.events.images import DenseImages
from detcnn.events.table import ImageTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.channel_words import find_channels
from detcnn.sources.layouts.columns import in_house_units
from detcnn.sources.layouts.event_columns import EventColumns, find_event_columns, misfits
from detcnn.sources.layouts.references import Reference, listing, problems, require
from detcnn.sources.layouts.truth import TruthColumns, find_truth, is_truth

_MOST_CHANNELS = 16
"""An axis longer than this is not taken for the channels without being told."""


@dataclass(frozen=True, slots=True)
class ReadyImages:
    """Ready images; see `detcnn.sources.base.Source`."""

    path: Path
    format: Format
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: tuple[int, ...]
    columns: EventColumns
    truth: TruthColumns
    planes: tuple[Reference, ...] = ()

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.format.name

    def read(self, sample: int, start: int, stop: int) -> ImageTable:
        """Read images `start` to `stop` of a sample as (event, channel, *axes)."""
        with self.format.open(self.path, self.layout) as container:
            if self.planes:
                planes = [self._pixels(container, plane, start, stop) for plane in self.planes]
                values = np.stack(planes, axis=1)
            else:
                name = self.samples[sample].name
                values = self._pixels(container, Reference(name), start, stop)
            columns = self.columns.read(container, start, stop)
            truth = self.truth.read(container, start, stop, axes=self.image_shape[1:])
        if values.ndim == len(self.image_shape):
            values = values[:, np.newaxis]
        elif self.layout.channels_last:
            values = np.moveaxis(values, -1, 1)
        images = DenseImages(np.ascontiguousarray(values, dtype=np.float32))
        return ImageTable(images, columns, truth)

    def _pixels(
        self, container: Container, column: Reference, start: int, stop: int
    ) -> NDArray[Any]:
        name = column.name
        values = column.of({name: in_house_units(container.read(name, start, stop), None)})
        is_finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if not is_finite.all():
            event = start + int(np.argmin(is_finite))
            raise DataError(
                f"{self.path}: dataset '{column}', event {event}: a pixel is not a finite number "
                "of float32"
            )
        return values


def find_images(layout: Layout, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the datasets that look like images: as many axes of numbers as those have."""
    return list(layout.images) or [
        dataset.name
        for dataset in datasets.values()
        if _axes(layout, dataset) and dataset.is_numeric and not dataset.is_ragged
        if not is_truth(layout, dataset.name)
    ]


def _axes(layout: Layout, dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the axes of the images in a dataset, none if it can hold no images."""
    n_axes = len(dataset.shape) - 1
    if layout.axes:
        return layout.axes if n_axes - len(layout.axes) in (0, 1) else ()
    return {2: PICTURE[1:], 3: PICTURE[1:], 4: PICTURE}.get(n_axes, ())


def open_images(container: Container, file_format: Format, layout: Layout) -> ReadyImages | None:
    """Understand a file of images.

    Returns
    -------
    ReadyImages or None
        None if there are none, and the layout does not say that there should be.

    Raises
    ------
    ConfigError
        If the channel axis is not plain to see, the datasets differ in shape, or it is not plain
        what tells the class of an image.
    """
    path, datasets = container.path, container.datasets()
    _refuse_two_classes(path, layout)
    planes = _planes(path, layout, datasets)
    names = [plane.name for plane in planes[:1]] or find_images(layout, datasets)
    if not names:
        if layout.kind is None:
            return None
        raise ConfigError(f"{path}: no images found; there are: {listing(datasets)}")
    found = [datasets[require(path, datasets, name).name] for name in names]
    if planes:
        found = [replace(found[0], shape=planes[0].shape(datasets))]
    first = found[0]
    for dataset in found:
        if not _axes(layout, dataset) or 0 in dataset.shape[1:]:
            expected = ", ".join(("event", *(layout.axes or PICTURE[1:])))
            raise ConfigError(
                f"{path}: dataset {dataset.name!r} has shape {dataset.shape}, expected images "
                f"({expected}) or with channels first or last; waveforms and volumes need the "
                "names of their axes as axes"
            )
        if dataset.shape[1:] != first.shape[1:]:
            raise ConfigError(
                f"{path}: images {dataset.name!r} have shape {dataset.shape[1:]} and "
                f"{first.name!r} {first.shape[1:]}: name those of one study as images"
            )
    _refuse_constituents(path, layout, first)
    axes = _axes(layout, first)
    has_channels = len(first.shape) == len(axes) + 2
    channels_last = layout.channels_last
    if channels_last is None and has_channels:
        channels_last = _guess_channels_last(path, first)
    n_events = first.shape[0]
    classes = [layout.images.get(name) or layout.class_name for name in names]
    # Where each has its class, labels do not count.
    told_class = layout.class_name if None in classes else classes[0]
    columns = find_event_columns(
        container, replace(layout, class_name=told_class), n_events=n_events
    )
    label_names: Mapping[int, str] = {}
    if len(found) > 1:
        told = [*layout.columns, *layout.event_id]
        if told or (None in classes and ("label" in columns.references or columns.one_hot)):
            raise ConfigError(
                f"{path}: several datasets of images ({', '.join(names)}) cannot share the columns "
                f"{', '.join(told or ['label'])}: name one of them as images in the study"
            )
        columns = EventColumns(path)
        classes = [given or name for given, name in zip(classes, names, strict=True)]
    elif classes == [None]:
        label_names = columns.label_names
        if not label_names and n_events and not layout.may_lack_truth:
            raise ConfigError(
                f"{path}: nothing tells the class of the images in {first.name!r}"
                f"{misfits(datasets, 'label', n_events)}: name a label dataset as columns.label, "
                f"or give the source a class{problems(datasets)}"
            )
    layout = replace(layout, channels_last=channels_last)
    shape = first.shape[1:]
    if not has_channels:
        shape = (len(layout.channels) or 1, *shape)
    elif channels_last:
        shape = (shape[-1], *shape[:-1])
    truth = find_truth(container, layout, first, axes=axes, n_channels=shape[0])
    if len(found) > 1 and (truth.pixels or truth.points):
        raise ConfigError(
            f"{path}: several datasets of images ({', '.join(names)}) cannot share the truth "
            f"{', '.join((*truth.pixels, *truth.points))}: name one of them as images in the study"
        )
    return ReadyImages(
        path=path,
        format=file_format,
        layout=replace(
            layout,
            kind="images",
            images=(
                {}
                if layout.channels
                else {name: given or "" for name, given in zip(names, classes, strict=True)}
            ),
            channels={k: str(plane) for k, plane in zip(layout.channels, planes, strict=True)},
            columns=columns.texts,
            one_hot=columns.one_hot_texts,
            channel_units=find_channels(container, layout, first, planes, n=shape[0]),
            axes=axes,
            pixels=truth.pixels,
            points=truth.points,
        ),
        stated_units=columns.units.stated,
        samples=tuple(
            Sample(dataset.name, dataset.shape[0], class_name)
            for dataset, class_name in zip(found, classes, strict=True)
        ),
        label_names=label_names,
        image_shape=shape,
        columns=columns,
        truth=truth,
        planes=planes,
    )


def _refuse_two_classes(path: Path, layout: Layout) -> None:
    """Raise if a class and a label are both named for the same images."""
    label = layout.columns.get("label") or ", ".join(layout.one_hot)
    for name, class_name in layout.images.items():
        if class_name and label:
            raise ConfigError(
                f"{path}: images names {class_name!r} as the class of all of {name!r}, and {label} "
                f"as their label: give images as {{{name}: ''}}, or leave the label out"
            )


def _planes(path: Path, layout: Layout, datasets: Mapping[str, Dataset]) -> tuple[Reference, ...]:
    """Return the columns that are to be channels, none where an image comes as one column.

    Raises
    ------
    ConfigError
        If they do not make images together.
    """
    if layout.channels and layout.images:
        raise ConfigError(
            f"{path}: both channels and images are named: channels alone say what the images are, "
            "and a class or columns.label tells their class"
        )
    planes = tuple(require(path, datasets, text) for text in layout.channels.values())
    shapes = [plane.shape(datasets) for plane in planes]
    axes = layout.axes or PICTURE[1:]
    for plane, shape in zip(planes, shapes, strict=True):
        if datasets[plane.name].is_ragged or len(shape) != len(axes) + 1:
            raise ConfigError(
                f"{path}: channel '{plane}' has shape {shape}, expected "
                f"({', '.join(('event', *axes))}): name other axes as axes"
            )
        if shape != shapes[0]:
            raise ConfigError(
                f"{path}: channel '{plane}' has shape {shape} and '{planes[0]}' {shapes[0]}: "
                "the channels of an image are of one shape"
            )
    return planes


def _refuse_constituents(path: Path, layout: Layout, dataset: Dataset) -> None:
    is_told = layout.kind == "images" or layout.images or layout.channels or layout.axes
    if not dataset.shape[0]:
        return
    if len(dataset.shape) == 3 and dataset.shape[2] <= _MOST_CHANNELS and not is_told:
        raise ConfigError(
            f"{path}: dataset {dataset.name!r} of shape {dataset.shape} could be images or the "
            "features of padded constituents: set layout in the study, to images or to padded "
            f"with constituents such as pt: '{dataset.name}[..., 0]'"
            f"{f'; {dataset.problem}' if dataset.problem else ''}"
        )


def _guess_channels_last(path: Path, dataset: Dataset) -> bool:
    _, first, *middle, last = dataset.shape
    could_be_last = last <= _MOST_CHANNELS and last < min([first, *middle])
    could_be_first = first <= _MOST_CHANNELS and first < min([*middle, last])
    if could_be_last == could_be_first:
        raise ConfigError(
            f"{path}: images {dataset.name!r} of shape {dataset.shape}: cannot tell which axis "
            "is the channels: set channels_last to true or false in the study"
        )
    return could_be_last
