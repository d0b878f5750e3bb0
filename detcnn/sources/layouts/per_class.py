"""Files in which every class has a group, or a dataset, of its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import EventTable, ImageTable
from detcnn.sources.base import Layout, Sample, Source
from detcnn.sources.container import Container, Dataset
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES, EVENT_ROLES, find_role
from detcnn.sources.layouts.momenta import has_coordinates
from detcnn.sources.layouts.references import listing, named_columns

PLACE = "{class}"
"""What stands for the name of a class in the columns that a study names."""

_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}


@dataclass(frozen=True, slots=True)
class PerClass:
    """One source for each class of a file; see `detcnn.sources.base.Source`."""

    parts: tuple[Source, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.parts[0].path

    @property
    def format_name(self) -> str:
        """What the format of the file is called."""
        return self.parts[0].format_name

    @property
    def layout(self) -> Layout:
        """The layout of the first class."""
        return self.parts[0].layout

    @property
    def stated_units(self) -> Mapping[str, str]:
        """Units of all classes."""
        return {text: unit for part in self.parts for text, unit in part.stated_units.items()}

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Those of every class."""
        return tuple(
            replace(sample, name=part.layout.class_name or sample.name)
            for part in self.parts
            for sample in part.samples
        )

    @property
    def label_names(self) -> Mapping[int, str]:
        """Nothing: every sample has its class."""
        return {}

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(channels, rows, columns) of ready images, or None for constituents."""
        return self.parts[0].image_shape

    def read(self, sample: int, start: int, stop: int) -> EventTable | ImageTable:
        """Read events `start` to `stop` of a sample."""
        of_all = [(part, i) for part in self.parts for i in range(len(part.samples))]
        part, i = of_all[sample]
        return part.read(i, start, stop)


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the columns of an open file; see `detcnn.sources.container.Container`."""

    container: Container
    names: frozenset[str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.container.path

    def datasets(self) -> Mapping[str, Dataset]:
        """Return the columns that are selected."""
        found = self.container.datasets()
        return {name: dataset for name, dataset in found.items() if name in self.names}

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows of a column."""
        return self.container.read(name, start, stop)

    def read_ragged(self, name: str, start: int, stop: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read rows of a column of lists."""
        return self.container.read_ragged(name, start, stop)

    def words(self, attribute: str) -> list[str]:
        """Return what the file states."""
        return self.container.words(attribute)


def find_classes(container: Container, layout: Layout) -> dict[str, tuple[Selection, Layout]]:
    """Return the classes that have a part of a file for themselves, in alphabetical order.

    Where the study names columns with ``{class}`` in them, whatever stands in its place is a class.
    Where it names none, groups of the same content are classes, and so are datasets that have the
    same features of constituents.

    Parameters
    ----------
    container : Container
        The file.
    layout : Layout
        What is known of it.

    Returns
    -------
    dict
        Class name to its columns and its layout; empty if the file is not made so.

    Raises
    ------
    ConfigError
        If no column is called as the study says, or the groups are not classes.
    """
    path, datasets = container.path, container.datasets()
    templates = [text for text in _texts(layout) if PLACE in text]
    if templates:
        if layout.class_name is not None:
            raise ConfigError(
                f"{path}: class: {layout.class_name} cannot be the class of all events where "
                f"{templates[0]!r} says that each has its own: leave out one of them"
            )
        names = sorted(_matches(templates[0], {*datasets, *named_columns(datasets)}))
        if not names:
            raise ConfigError(
                f"{path}: no dataset is called {templates[0]!r} with the name of a class; "
                f"there are: {listing(datasets)}"
            )
    elif layout.class_name is None and not list(_texts(layout)):
        names = _alike(path, datasets)
    else:
        names = []
    return {
        name: (
            Selection(container, frozenset(_own(datasets, name, names))),
            replace(_filled_in(layout, name), class_name=name),
        )
        for name in names
    }


def _texts(layout: Layout) -> Iterator[str]:
    yield from layout.constituents.values()
    yield from layout.columns.values()
    yield from layout.event_id
    yield from layout.images
    yield from layout.channels.values()
    yield from layout.one_hot
    yield from layout.hits.values()
    for text in (layout.offsets, layout.hit_event, layout.event_number):
        if text is not None:
            yield text


def _matches(template: str, names: set[str]) -> set[str]:
    before, _, after = template.partition("[")[0].partition(PLACE)
    after = re.escape(after).replace(re.escape(PLACE), "(?P=name)")
    pattern = re.compile(f"{re.escape(before)}(?P<name>[^/]+){after}$")
    return {match["name"] for name in names if (match := pattern.match(name))}


def _filled_in(layout: Layout, name: str) -> Layout:
    return replace(
        layout,
        constituents={k: text.replace(PLACE, name) for k, text in layout.constituents.items()},
        columns={k: text.replace(PLACE, name) for k, text in layout.columns.items()},
        event_id=tuple(text.replace(PLACE, name) for text in layout.event_id),
        images={text.replace(PLACE, name): "" for text in layout.images},
        channels={k: text.replace(PLACE, name) for k, text in layout.channels.items()},
        offsets=layout.offsets and layout.offsets.replace(PLACE, name),
        hits={k: text.replace(PLACE, name) for k, text in layout.hits.items()},
        hit_event=layout.hit_event and layout.hit_event.replace(PLACE, name),
        event_number=layout.event_number and layout.event_number.replace(PLACE, name),
    )


def _own(datasets: Mapping[str, Dataset], name: str, names: list[str]) -> list[str]:
    others = set(names) - {name}
    return [text for text in datasets if not others & set(text.split("/"))]


def _alike(path: Path, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the groups of the same content, or the datasets with the same constituents."""
    events = {text: found for text, found in datasets.items() if found.shape and found.is_numeric}
    if len(events) > 1 and all(_has_constituents(found) for found in events.values()):
        kinds = {(found.features, found.shape[1:]) for found in events.values()}
        return list(events) if len(kinds) == 1 else []
    groups: dict[str, dict[str, Dataset]] = {}
    for text, found in events.items():
        group, slash, inside = text.partition("/")
        groups.setdefault(group if slash else "", {})[inside or group] = found
    contents = {
        tuple(
            (text, found.dtype.kind, found.is_ragged, found.features)
            for text, found in inside.items()
        )
        for inside in groups.values()
    }
    if len(groups) < 2 or "" in groups or len(contents) > 1 or not _holds_events(events):
        return []
    if _SPLITS & {group.lower() for group in groups}:
        raise ConfigError(
            f"{path}: the groups {', '.join(groups)} look like splits, which detcnn makes itself: "
            f"name the one to read in the study, as tree: {next(iter(groups))}"
        )
    if any(find_role(found.base_name, EVENT_ROLES) == "label" for found in events.values()):
        raise ConfigError(
            f"{path}: the groups {', '.join(groups)} have the same content with labels of their "
            f"own: name the one to read in the study, as tree: {next(iter(groups))}"
        )
    return list(groups)


def _has_constituents(dataset: Dataset) -> bool:
    roles = {find_role(feature, CONSTITUENT_ROLES) for feature in dataset.features}
    return len(dataset.shape) == 3 and has_coordinates([role for role in roles if role])


def _holds_events(events: Mapping[str, Dataset]) -> bool:
    roles = {find_role(found.base_name, CONSTITUENT_ROLES) for found in events.values()}
    return has_coordinates([role for role in roles if role]) or any(
        len(found.shape) in (3, 4) for found in events.values()
    )
