"""Event columns of a file: one value per event."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.identity import mix
from detcnn.events.table import Column
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset
from detcnn.sources.layouts.columns import EVENT_ROLES, find_role, in_house_units, plain_name
from detcnn.sources.layouts.references import (
    Columns,
    Reference,
    named_columns,
    read_columns,
    require,
)
from detcnn.sources.layouts.units import Units, find_units

_WHOLE = ("label", "event_id")
_MOST_CLASSES = 1000
_MOST_TOLD = 6
_ROWS_AT_ONCE = 1 << 20
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}$")
_ONE_HOT = re.compile(r"^label_(?P<name>.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The event columns of a file.

    Parameters
    ----------
    path : Path
        The file.
    references : mapping
        Column name to what it is in the file.
    units : Units
        Their units.
    event_id : tuple of Reference
        Columns that name an event together.
    one_hot : mapping
        Class name to the column that is 1 for it, in the order of the labels.
    label_names : mapping
        Name of every label value that occurs, in rising order of the value. A label of text has
        the place of its name among all that occur in the file, in alphabetical order.
    """

    path: Path
    references: Mapping[str, Reference] = field(default_factory=dict)
    units: Units = field(default_factory=Units)
    event_id: tuple[Reference, ...] = ()
    one_hot: Mapping[str, Reference] = field(default_factory=dict)
    label_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """Column name to column, as a study names it."""
        return {name: str(reference) for name, reference in self.references.items()}

    @property
    def one_hot_texts(self) -> tuple[str, ...]:
        """Columns of a one-hot label, as a study names them."""
        return tuple(str(reference) for reference in self.one_hot.values())

    def read(self, container: Container, start: int, stop: int) -> dict[str, Column]:
        """Read rows `start` to `stop` of every column.

        Raises
        ------
        DataError
            If a weight or pT is not finite, a label or an event id is not a whole number, or not
            exactly one of the columns of a one-hot label is 1.
        """
        needed = [*self.references.values(), *self.event_id, *self.one_hot.values()]
        read = read_columns(container, needed, start, stop)
        columns = {
            name: self._whole(reference, reference.of(read), start)
            if name in _WHOLE
            else in_house_units(reference.of(read), self.units.factors[name])
            for name, reference in self.references.items()
        }
        for name in ("weight", "pt"):
            if name in columns and not np.all(np.isfinite(columns[name])):
                row = int(np.argmin(np.isfinite(columns[name])))
                raise DataError(
                    f"{self.path}: dataset {str(self.references[name])!r}, event {start + row}: "
                    f"the {name} is {columns[name][row]}, expected a finite number"
                )
        if self.event_id:
            columns["event_id"] = combine_ids(
                [self._whole(reference, reference.of(read), start) for reference in self.event_id]
            )
        if self.one_hot:
            flags = [reference.of(read) for reference in self.one_hot.values()]
            columns["label"] = self._hot(np.stack(flags, axis=1), start)
        return columns

    def _whole(self, reference: Reference, values: Column, start: int) -> NDArray[np.int64]:
        if values.dtype.kind == "U":
            return self._coded(reference, values)
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.int64)
        is_whole = whole == values
        if values.dtype.kind == "f" and not np.all(is_whole):
            row = int(np.argmin(is_whole))
            raise DataError(
                f"{self.path}: dataset {str(reference)!r}, event {start + row}: {values[row]} is "
                "neither a class label nor an event id, expected a whole number"
            )
        return whole

    def _coded(self, reference: Reference, values: NDArray[np.str_]) -> NDArray[np.int64]:
        names = np.array(list(self.label_names.values()), dtype=np.str_)
        codes = np.searchsorted(names, values)
        if not np.array_equal(np.append(names, "")[codes], values):
            raise DataError(
                f"{self.path}: dataset {str(reference)!r} has other labels than when it was "
                "opened: start again"
            )
        return np.asarray(codes, dtype=np.int64)

    def _hot(self, flags: Column, start: int) -> NDArray[np.int64]:
        is_one_hot = np.all((flags == 0) | (flags == 1), axis=1) & (np.sum(flags == 1, axis=1) == 1)
        if not np.all(is_one_hot):
            row = int(np.argmin(is_one_hot))
            told = [
                f"{text} {value}"
                for text, value in zip(self.one_hot_texts, flags[row], strict=True)
            ]
            found = ", ".join(told[:_MOST_TOLD]) + (", …" if len(told) > _MOST_TOLD else "")
            raise DataError(
                f"{self.path}: event {start + row}: expected 1 in exactly one label column, "
                f"found {found}: name the label as columns.label, or its columns as one_hot"
            )
        return np.asarray(np.argmax(flags, axis=1), dtype=np.int64)


def find_event_columns(
    container: Container, layout: Layout, *, n_events: int, taken: Sequence[Columns] = ()
) -> EventColumns:
    """Find the columns that have one value per event, and read which labels there are.

    Configured columns come first; of the others, every column of one number for each of `n_events`
    rows is taken under its own name. Labels may be numbers, text or one-hot, in columns of their
    own or along the last axis of one; they do not count where the class of all events is given.

    Parameters
    ----------
    container : Container
        The file.
    layout : Layout
        What is known of it.
    n_events : int
        Number of rows.
    taken : sequence
        Columns that play another part.

    Raises
    ------
    ConfigError
        If a configured column is not there, a unit does not fit its column, or there are more
        labels than a classifier could have classes.
    DataError
        If a configured column has another number of rows, a label is not a whole number, or a
        one-hot label is none.
    """
    path, datasets = container.path, container.datasets()
    chosen = {
        name: require(path, datasets, text, or_text=name == "label")
        for name, text in layout.columns.items()
    }
    event_id = tuple(require(path, datasets, text) for text in layout.event_id)
    one_hot: dict[str, Reference] = {}
    for text in layout.one_hot:
        reference = require(path, datasets, text)
        one_hot |= _unfolded(container, reference) or {_class_of(text): reference}
    if "label" in chosen and (unfolded := _unfolded(container, chosen["label"])):
        one_hot |= unfolded
        del chosen["label"]
    used = {*_single(taken), *chosen.values(), *event_id, *one_hot.values()}
    free = {
        name: reference
        for name, reference in named_columns(datasets).items()
        if reference not in used and reference.shape(datasets) == (n_events,)
    }
    has_label = bool(one_hot) or "label" in chosen or layout.class_name is not None
    roles = {text: _role(text, datasets) for text in free}
    hot = {text: m["name"] for text in free if (m := _ONE_HOT.match(text.rpartition("/")[2]))}
    if not has_label and "label" not in roles.values():
        if len(hot) > 1:
            one_hot = {name: free[text] for text, name in hot.items()}
            free = {text: reference for text, reference in free.items() if text not in hot}
        else:
            label, one_hot = _other_label(container, n_events)
            chosen |= {} if label is None else {"label": label}
    for text, reference in free.items():
        name = roles[text]
        is_told = (name == "event_id" and event_id) or (
            name == "label" and (one_hot or layout.class_name is not None)
        )
        if not is_told:
            chosen.setdefault(name, reference)
    for reference in [*chosen.values(), *event_id, *one_hot.values()]:
        if reference.shape(datasets) != (n_events,):
            raise DataError(
                f"{path}: dataset {str(reference)!r} has shape {reference.shape(datasets)}, "
                f"expected ({n_events},): one value per event: mend the file, or name another"
            )
    units = find_units(path, layout, datasets, chosen)
    names = _label_names(container, chosen.get("label"), one_hot, n_events)
    return EventColumns(path, chosen, units, event_id, one_hot, names)


def misfits(datasets: Mapping[str, Dataset], name: str, n_events: int) -> str:
    """Return what is to be said of columns called like an event column, but of another shape.

    Parameters
    ----------
    datasets : mapping
        The columns of a file.
    name : str
        The event column that was looked for.
    n_events : int
        Number of rows.

    Returns
    -------
    str
        The end of a message; empty if there is none.
    """
    named = named_columns(datasets)
    shapes = {text: reference.shape(datasets) for text, reference in named.items()}
    if name == "label":
        shapes |= {
            found.name: found.shape
            for found in datasets.values()
            if (found.is_numeric or found.is_text) and found.shape
        }
    for text, shape in shapes.items():
        if _role(text, datasets) != name:
            continue
        if text in datasets and datasets[text].is_ragged:
            return f" ({text!r} is a list in each row, expected one value or one-hot)"
        if shape != (n_events,):
            kind = " or one-hot" if name == "label" else ""
            column = str(named.get(text, text))
            return f" ({column!r} has the shape {shape}, expected ({n_events},){kind})"
    return ""


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


def _role(text: str, datasets: Mapping[str, Dataset]) -> str:
    holder, slash, base = text.rpartition("/")
    if base == "y" and f"{holder}{slash}X" in datasets:
        # As in all of machine learning, and not the rapidity of the jet.
        return "label"
    return find_role(base, EVENT_ROLES) or plain_name(base)


def _other_label(
    container: Container, n_events: int
) -> tuple[Reference | None, dict[str, Reference]]:
    """Return a label that is text, or one that is one-hot along its last axis, if one is there."""
    datasets = container.datasets()
    for found in datasets.values():
        if _role(found.name, datasets) != "label" or found.is_ragged:
            continue
        reference = Reference(found.name)
        if found.is_text and found.shape == (n_events,):
            return reference, {}
        if not found.is_numeric or found.shape != (n_events, *found.shape[1:2]):
            continue
        if found.shape[1:] == (1,):
            return Reference(found.name, 0), {}
        hot = _unfolded(container, reference)
        try:
            _label_names(container, None, hot, n_events)
        except DataError:
            # Numbers of something else.
            continue
        return None, hot
    return None, {}


def _unfolded(container: Container, reference: Reference) -> dict[str, Reference]:
    """Return the columns of a one-hot label along its last axis, by class; none if it is none."""
    dataset = container.datasets()[reference.name]
    is_flat = reference.index is not None or dataset.is_ragged or not dataset.is_numeric
    if is_flat or len(dataset.shape) != 2 or not 2 <= dataset.shape[1] <= _MOST_CLASSES:
        return {}
    stated = class_names(container.words("classes"))
    numbers = range(dataset.shape[1])
    names = [_class_of(word) for word in dataset.features] or [stated.get(i, "") for i in numbers]
    if len(set(names)) < len(numbers):
        names = [str(i) for i in numbers]
    return {name: Reference(dataset.name, i) for i, name in zip(numbers, names, strict=True)}


def _label_names(
    container: Container,
    label: Reference | None,
    one_hot: Mapping[str, Reference],
    n_events: int,
) -> dict[int, str]:
    """Return the name of every label value that occurs, in rising order of the value."""
    if label is None and not one_hot:
        return {}
    path = container.path
    columns = EventColumns(path, {} if label is None else {"label": label}, one_hot=one_hot)
    is_text = label is not None and container.datasets()[label.name].is_text
    values: set[Any] = set()
    for start in range(0, n_events, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, n_events)
        block = (
            label.of(read_columns(container, [label], start, stop))
            if label is not None and is_text
            else columns.read(container, start, stop)["label"]
        )
        values |= set(np.unique(block).tolist())
        if len(values) > _MOST_CLASSES:
            raise ConfigError(
                f"{path}: dataset {str(label)!r} has more than {_MOST_CLASSES} different values, "
                "too many for class labels: name another one as columns.label"
            )
    if is_text:
        return dict(enumerate(sorted(values)))
    names = dict(enumerate(one_hot)) or class_names(container.words("classes"))
    return {value: names.get(value, str(value)) for value in sorted(values)}


def _class_of(text: str) -> str:
    base = text.rpartition("/")[2]
    match = _ONE_HOT.match(base)
    return match["name"] if match else base


def _single(columns: Sequence[Columns]) -> list[Reference]:
    """Return every single column of those that hold several."""
    found = []
    for column in columns:
        if isinstance(column, Reference):
            indices = column.index if isinstance(column.index, range) else [column.index]
            found += [Reference(column.name, index) for index in indices]
        else:
            found += [Reference(name) for name in column.names]
    return found
