"""Naming a column, a part of one, or several that belong together."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES, EVENT_ROLES, find_role
from detcnn.sources.layouts.momenta import has_coordinates

_PART = re.compile(r"^(?P<name>.+?)\[\s*\.\.\.\s*,\s*(?P<first>\d+)\s*(?P<run>:\d+(:\d+)?)?\s*\]$")


@dataclass(frozen=True, slots=True)
class Reference:
    """A column, one of the features along its last axis, or a regular run of them.

    Parameters
    ----------
    name : str
        The column.
    index : int or range, optional
        Which features; all of the column if left out.
    """

    name: str
    index: int | range | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (self.name,)

    def of(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return the part of the columns that is meant."""
        values = columns[self.name]
        if self.index is None:
            return values
        if isinstance(self.index, int):
            return values[..., self.index]
        return values[..., slice(self.index.start, self.index.stop, self.index.step)]

    def shape(self, datasets: Mapping[str, Dataset]) -> tuple[int, ...]:
        """Return the shape of the part that is meant."""
        shape = datasets[self.name].shape
        if self.index is None:
            return shape
        return shape[:-1] if isinstance(self.index, int) else (*shape[:-1], len(self.index))

    def __str__(self) -> str:
        match self.index:
            case None:
                return self.name
            case range(start=start, stop=stop, step=step):
                return f"{self.name}[..., {start}:{stop}:{step}]"
        return f"{self.name}[..., {self.index}]"


@dataclass(frozen=True, slots=True)
class Numbered:
    """Columns numbered through, one for each constituent: ``PT_*`` for PT_0, PT_1 and so on."""

    pattern: str
    names: tuple[str, ...]

    def of(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return the columns side by side, shape (events, constituents)."""
        return np.stack([columns[name] for name in self.names], axis=1)

    def shape(self, datasets: Mapping[str, Dataset]) -> tuple[int, ...]:
        """Return the shape of them side by side."""
        return (*datasets[self.names[0]].shape, len(self.names))

    def __str__(self) -> str:
        return self.pattern


Columns = Reference | Numbered
"""What a role of a padded constituent can stand for."""


def require(
    path: Path, datasets: Mapping[str, Dataset], text: str, *, or_text: bool = False
) -> Reference:
    """Return a column that the study names: ``name``, ``name[..., 2]``, or a feature by its name.

    With `or_text` it may hold text in place of numbers.

    Raises
    ------
    ConfigError
        If it is not in the file, where the message lists those that are, or holds no numbers.
    """
    match = None if text in datasets else _PART.match(text)
    name = match["name"] if match else text
    if name not in datasets:
        by_name = named_columns(datasets).get(text)
        if by_name is not None:
            return by_name
        there = listing(datasets, like=name)
        raise ConfigError(f"{path}: no dataset {name!r}; there are: {there}")
    found = datasets[name]
    if not found.is_numeric and not (or_text and found.is_text):
        kind = "text" if found.is_text else str(found.dtype)
        remedy = found.problem or "name another one"
        raise ConfigError(f"{path}: dataset {name!r} is {kind}, expected numbers: {remedy}")
    if match is None:
        return Reference(name)
    first = int(match["first"])
    index: int | range = first
    if match["run"]:
        stop, step = ([*map(int, match["run"][1:].split(":")), 1])[:2]
        index = range(first, stop, step or 1)
    n_features = found.shape[-1] if len(found.shape) > 1 else 0
    last = index if isinstance(index, int) else max(index, default=n_features)
    if last >= n_features:
        raise ConfigError(f"{path}: {text!r} is outside of the dataset's shape {found.shape}")
    return Reference(name, index)


def what_is_there(datasets: Mapping[str, Dataset], layout: Layout) -> Layout:
    """Return a layout without the columns, pixel truths and points that a file has not."""
    names = named_columns(datasets)

    def is_there(text: str) -> bool:
        match = _PART.match(text)
        return (
            text in datasets or text in names or (match is not None and match["name"] in datasets)
        )

    return replace(
        layout,
        columns={name: text for name, text in layout.columns.items() if is_there(text)},
        pixels={name: truth for name, truth in layout.pixels.items() if is_there(truth.column)},
        points={name: text for name, text in layout.points.items() if is_there(text)},
    )


def require_numbered(path: Path, datasets: Mapping[str, Dataset], text: str) -> Columns:
    """Return what a study names for padded constituents, where ``PT_*`` means PT_0, PT_1, ….

    Raises
    ------
    ConfigError
        As `require`, or if the numbers are not consecutive.
    """
    if "*" not in text or text in datasets:
        return require(path, datasets, text)
    prefix, _, suffix = text.partition("*")
    pattern = re.compile(rf"{re.escape(prefix)}(\d{{1,6}}){re.escape(suffix)}$")
    by_number = {
        int(match[1]): reference
        for name, reference in named_columns(datasets).items()
        if (match := pattern.match(name))
    }
    found = number_through(text, by_number)
    if found is None:
        raise ConfigError(
            f"{path}: {text!r}: expected columns numbered through, there are "
            f"{len(by_number)} of the name; all: {listing(datasets)}"
        )
    return found


def number_through(pattern: str, by_number: Mapping[int, Reference]) -> Columns | None:
    """Return numbered columns as one, or None if the numbers have gaps or nothing is there."""
    numbers = sorted(by_number)
    if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        return None
    references = [by_number[number] for number in numbers]
    if all(reference.index is None for reference in references):
        return Numbered(pattern, tuple(reference.name for reference in references))
    indices = [reference.index for reference in references if isinstance(reference.index, int)]
    if len({reference.name for reference in references}) > 1 or len(indices) < len(references):
        return None
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    run = range(indices[0], indices[-1] + 1, step) if step > 0 else range(0)
    return Reference(references[0].name, run) if list(run) == indices else None


def named_columns(datasets: Mapping[str, Dataset]) -> dict[str, Reference]:
    """Return every column of one number a row by name: a dataset, or a named feature of one.

    A feature goes by the name of what its dataset is in: ``table/E_0`` for the feature ``E_0`` of
    ``table/values_block_0``.
    """
    found = {}
    for dataset in datasets.values():
        if not dataset.is_numeric or dataset.is_ragged:
            continue
        if len(dataset.shape) == 1:
            found[dataset.name] = Reference(dataset.name)
        elif len(dataset.shape) == 2 and len(dataset.features) == dataset.shape[1]:
            holder = dataset.name.rpartition("/")[0]
            for index, feature in enumerate(dataset.features):
                name = f"{holder}/{feature}" if holder else feature
                found.setdefault(name, Reference(dataset.name, index))
    return found


def read_columns(
    container: Container, references: Iterable[Columns], start: int, stop: int
) -> dict[str, NDArray[Any]]:
    """Read rows of every column that is meant, each once.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    names = dict.fromkeys(name for reference in references for name in reference.names)
    return {name: container.read(name, start, stop) for name in names}


def problems(datasets: Mapping[str, Dataset]) -> str:
    """Return what is wrong with columns that hold no numbers, the first of them, for a message."""
    found = next((d for d in datasets.values() if d.problem), None)
    return f"; {found.name!r}: {found.problem}" if found else ""


def long_table_hint(datasets: Mapping[str, Dataset]) -> str:
    """Return what to do with a table that has a row for each constituent; empty if it is none."""
    roles = CONSTITUENT_ROLES | {"event_id": EVENT_ROLES["event_id"]}
    found = {text: find_role(text.rpartition("/")[2], roles) for text in named_columns(datasets)}
    constituents = [text for text, role in found.items() if role not in (None, "event_id")]
    ids = [text for text, role in found.items() if role == "event_id"]
    if not ids or not has_coordinates([found[text] or "" for text in constituents]):
        return ""
    parts = ", ".join(f"{text!r}: list" for text in constituents)
    return (
        f"; if every row is one constituent of the event that {ids[0]!r} tells, make one row of "
        f"every event, with pandas: table.groupby({ids[0]!r}).agg({{{parts}, 'label': 'first'}})"
        ".to_parquet('events.parquet')"
    )


def listing(datasets: Mapping[str, Dataset], *, like: str = "") -> str:
    """Return the columns that there are for a message; of many, a hundred, or those named alike."""
    names = list(datasets)
    if len(names) <= 100:
        return ", ".join(names) or "none"
    shown = get_close_matches(like, names, n=10, cutoff=0) if like else names[:100]
    return f"{', '.join(shown)}, … ({len(names)} in all)"
