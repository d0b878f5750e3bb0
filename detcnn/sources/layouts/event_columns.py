"""Event columns of a file: one value per event."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
_ROWS_AT_ONCE = 1 << 22
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
    """

    path: Path
    references: Mapping[str, Reference] = field(default_factory=dict)
    units: Units = field(default_factory=Units)
    event_id: tuple[Reference, ...] = ()
    one_hot: Mapping[str, Reference] = field(default_factory=dict)

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

    def label_names(self, container: Container, n_events: int) -> dict[int, str]:
        """Return the name of every label value that occurs, in rising order of the value.

        Raises
        ------
        ConfigError
            If there are more values than a classifier could have classes.
        DataError
            If a label is not a whole number, or a one-hot label is none.
        """
        if not self.one_hot and "label" not in self.references:
            return {}
        label = EventColumns(
            self.path,
            {name: reference for name, reference in self.references.items() if name == "label"},
            one_hot=self.one_hot,
        )
        values = np.zeros(0, dtype=np.int64)
        for start in range(0, n_events, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, n_events)
            values = np.union1d(values, label.read(container, start, stop)["label"])
            if len(values) > _MOST_CLASSES:
                raise ConfigError(
                    f"{self.path}: dataset {str(self.references['label'])!r} has more than "
                    f"{_MOST_CLASSES} different values, too many for class labels: "
                    "name another one as columns.label"
                )
        names = dict(enumerate(self.one_hot)) or class_names(container.words("classes"))
        return {int(value): names.get(int(value), str(value)) for value in values}

    def _whole(self, reference: Reference, values: Column, start: int) -> NDArray[np.int64]:
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

    def _hot(self, flags: Column, start: int) -> NDArray[np.int64]:
        is_one_hot = np.all((flags == 0) | (flags == 1), axis=1) & (np.sum(flags == 1, axis=1) == 1)
        if not np.all(is_one_hot):
            row = int(np.argmin(is_one_hot))
            found = ", ".join(
                f"{reference} {value}"
                for reference, value in zip(self.one_hot.values(), flags[row], strict=True)
            )
            raise DataError(
                f"{self.path}: event {start + row}: expected 1 in exactly one label column, "
                f"found {found}: name the label as columns.label, or its columns as one_hot"
            )
        return np.asarray(np.argmax(flags, axis=1), dtype=np.int64)


def find_event_columns(
    path: Path,
    layout: Layout,
    datasets: Mapping[str, Dataset],
    *,
    n_events: int,
    taken: Sequence[Columns] = (),
) -> EventColumns:
    """Find the columns that have one value per event.

    Configured columns come first; of the others, every column of one number for each of `n_events`
    rows is taken under its own name. Labels do not count where the class of all events is given.

    Parameters
    ----------
    path : Path
        The file, for messages.
    layout : Layout
        What is known of it.
    datasets : mapping
        Its columns by name.
    n_events : int
        Number of rows.
    taken : sequence
        Columns that play another part.

    Raises
    ------
    ConfigError
        If a configured column is not there, or a unit does not fit its column.
    DataError
        If a configured column has another number of rows.
    """
    chosen = {name: require(path, datasets, text) for name, text in layout.columns.items()}
    event_id = tuple(require(path, datasets, text) for text in layout.event_id)
    one_hot = {_class_of(text): require(path, datasets, text) for text in layout.one_hot}
    used = {*_single(taken), *chosen.values(), *event_id, *one_hot.values()}
    free = {
        name: reference
        for name, reference in named_columns(datasets).items()
        if reference not in used and reference.shape(datasets) == (n_events,)
    }
    has_label = bool(one_hot) or "label" in chosen or layout.class_name is not None
    roles = {text: _role(text, datasets) for text in free}
    hot = {text: m["name"] for text in free if (m := _ONE_HOT.match(text.rpartition("/")[2]))}
    if not has_label and len(hot) > 1 and "label" not in roles.values():
        one_hot = {name: free[text] for text, name in hot.items()}
        free = {text: reference for text, reference in free.items() if text not in hot}
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
                f"expected ({n_events},): one value per event"
            )
    return EventColumns(path, chosen, find_units(path, layout, datasets, chosen), event_id, one_hot)


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
