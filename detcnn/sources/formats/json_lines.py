"""JSON lines: an event in each line, as an object of named numbers, texts and lists.

A name is a column. Lists of numbers that are of one length in the first lines have that length in
all of them, and others may be of any length; objects inside of objects are named ``outer/inner``;
``null`` and ``NaN`` are numbers that are not known. The photon streams of FACT have ``photons`` and
``arrival_time`` in place of the list of photons of each pixel. Files may be compressed with gzip.
"""

import json
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset, damage_named, damaged
from detcnn.sources.formats.gzipped import open_plain, plain_head
from detcnn.sources.formats.photon_stream import ARRIVAL, PHOTONS, photons_and_times, slice_length
from detcnn.sources.formats.stored_array import named_parts

_LOOKED_AT = 50
_LONGEST_LINE = 1 << 26
_BLANK = b" \t\r\n"

_NUMBERS = {int: "i", float: "f", type(None): "f"}
_DTYPES = {"?": np.bool_, "i": np.int64, "f": np.float64, "if": np.float64, "U": np.str_}
_ALLOWED: Mapping[str, set[type]] = {"b": {bool}, "i": {int}, "f": {*_NUMBERS}, "U": {str}}
_WORDS = {"b": "true or false", "i": "whole numbers", "f": "numbers", "U": "text"}

_MIXED = "its lines hold different kinds of things, or lists of other things than numbers"
_MISSING = "not every line has it"

_damage_named = partial(damage_named, kinds=(OSError, EOFError, zlib.error, MemoryError))


@dataclass(slots=True)
class _Seen:
    """What the first lines have under a name."""

    n_lines: int = 0
    kinds: set[str] = field(default_factory=set)
    lengths: set[int | None] = field(default_factory=set)
    is_photons: bool = False

    def see(self, name: str, value: Any) -> None:
        self.n_lines += 1
        self.lengths.add(len(value) if isinstance(value, list) else None)
        if not isinstance(value, list):
            self.kinds.add(_NUMBERS.get(type(value), {bool: "?", str: "U"}.get(type(value), "O")))
            return
        types = {type(entry) for entry in value}
        self.kinds |= {_NUMBERS.get(kind, "O") for kind in types}
        self.is_photons |= slice_length(name) is not None and types == {list}

    def datasets(self, name: str, *, n_lines: int, n_events: int) -> list[Dataset]:
        """Return the columns that there are of it."""
        lengths = [length for length in self.lengths if length is not None]
        if self.is_photons and len(self.lengths) == 1 and self.n_lines == n_lines:
            holder = name.rpartition("/")[0]
            prefix = f"{holder}/" if holder else ""
            shape, float32 = (n_events, *lengths), np.dtype(np.float32)
            return [
                Dataset(f"{prefix}{PHOTONS}", shape, float32),
                Dataset(f"{prefix}{ARRIVAL}", shape, float32, unit="ns"),
            ]
        dtype = _DTYPES.get("".join(sorted(self.kinds, reverse=True)) or "f")
        dtype = np.float64 if self.kinds == {"i", "f"} else dtype
        problem = _MISSING if self.n_lines < n_lines else None
        if dtype is None or (lengths and (None in self.lengths or dtype is np.str_)):
            return [Dataset(name, (n_events,), np.dtype(object), problem=_MIXED)]
        is_ragged = len(lengths) > 1 or lengths == [0]
        shape = (n_events,) if is_ragged else (n_events, *lengths)
        return [Dataset(name, shape, np.dtype(dtype), is_ragged=is_ragged, problem=problem)]


@dataclass(frozen=True, slots=True)
class _Description:
    """Where the lines of a file are, and what is in them.

    Parameters
    ----------
    starts, numbers : numpy.ndarray
        int64, shape (n_events,): place and number of the line of each event.
    datasets : mapping
        Columns by name.
    origins : mapping
        Column to the name in the lines that it is made of.
    """

    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    datasets: Mapping[str, Dataset]
    origins: Mapping[str, str]


@dataclass(slots=True)
class _Lines:
    """An open file of JSON lines; see `detcnn.sources.container.Container`.

    Reading a line means reading all of it, so every column of one number for each event, and those
    that the study names, are kept of the rows that were read last.
    """

    path: Path
    stream: BufferedIOBase
    description: _Description
    wanted: set[str]
    _rows: tuple[int, int] = (0, 0)
    _kept: dict[str, list[Any]] = field(default_factory=dict)

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every column."""
        return self.description.datasets

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of a column."""
        dataset = self.description.datasets[name]
        values = self._values(name, start, stop)
        if dataset.dtype.kind == "U":
            return np.array(values, dtype=np.str_)
        shape = (len(values), *dataset.shape[1:])
        return np.array(values, dtype=dataset.dtype).reshape(shape)

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a column of lists."""
        rows = self._values(name, start, stop)
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        empty = np.zeros(0, dtype=self.description.datasets[name].dtype)
        return offsets, np.concatenate([empty, *rows])

    def words(self, attribute: str) -> list[str]:
        """Return nothing: the format has no place for it."""
        return []

    def _values(self, name: str, start: int, stop: int) -> list[Any]:
        n_events = len(self.description.starts)
        start, stop = min(start, n_events), min(stop, n_events)
        if self._rows != (start, stop) or name not in self._kept:
            self.wanted.add(name)
            self._kept = {n: [] for n in self.description.datasets if n in self.wanted}
            self._rows = (0, 0)
            for event in range(start, stop):
                self._take(event)
            self._rows = (start, stop)
        return self._kept[name]

    def _take(self, event: int) -> None:
        """Keep what is wanted of the line of an event."""
        place = f"{self.path}: line {self.description.numbers[event]}"
        with _damage_named(place):
            self.stream.seek(int(self.description.starts[event]))
            line = self.stream.readline(_LONGEST_LINE + 1)
        content = dict(_parsed(line, place))
        made: dict[str, tuple[Any, Any]] = {}
        for name, values in self._kept.items():
            origin = self.description.origins[name]
            if origin not in content:
                raise DataError(f"{place}: has no {origin!r}, which the first lines have")
            dataset = self.description.datasets[name]
            try:
                if origin == name:
                    values.append(_value(content[origin], dataset))
                else:
                    if origin not in made:
                        made[origin] = _photons(content[origin], origin, dataset)
                    values.append(made[origin][name.rpartition("/")[2] == ARRIVAL])
            except (ValueError, OverflowError) as error:
                raise DataError(
                    f"{place}: {origin!r}: {error}: mend the line, or leave it out"
                ) from None


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """An object in each line; see `detcnn.sources.container.Format`."""

    name: str = "JSON lines"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by a brace and the beginning of a name, compressed or not."""
        head = plain_head(head).lstrip(_BLANK)
        return head.startswith(b"{") and head[1:].lstrip(_BLANK).startswith(b'"')

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[Container]:
        """Open a file, going through it once to see where its lines are."""
        try:
            status = path.stat()
        except OSError as error:
            raise damaged(f"{path}", error) from None
        description = _describe(path, status.st_mtime_ns, status.st_size)
        datasets = description.datasets
        wanted = {name for name in named_parts(layout) if name in datasets}
        wanted |= {
            name
            for name, dataset in datasets.items()
            if len(dataset.shape) == 1 and not dataset.is_ragged and dataset.problem is None
        }
        with _damage_named(f"{path}"), open_plain(path) as stream:
            yield _Lines(path, stream, description, wanted)


JSON_LINES = JsonLinesFormat()


@lru_cache(maxsize=16)
def _describe(path: Path, changed: int, size: int) -> _Description:
    """Return what a file is; `changed` and `size` tell what has become another since."""
    del changed, size
    starts, numbers = array("q"), array("q")
    seen: dict[str, _Seen] = {}
    place = 0
    with _damage_named(f"{path}"), open_plain(path) as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise DataError(
                    f"{path}: line {number}: is longer than {_LONGEST_LINE:,} bytes: is this a "
                    "file of an object in each line?"
                )
            if line.strip(_BLANK):
                if len(starts) < _LOOKED_AT:
                    for name, value in _parsed(line, f"{path}: line {number}"):
                        seen.setdefault(name, _Seen()).see(name, value)
                starts.append(place)
                numbers.append(number)
            place += len(line)
    n_events = len(starts)
    datasets: dict[str, Dataset] = {}
    origins: dict[str, str] = {}
    for name, what in seen.items():
        for dataset in what.datasets(name, n_lines=min(n_events, _LOOKED_AT), n_events=n_events):
            if dataset.name in datasets:
                raise DataError(f"{path}: has two columns that are called {dataset.name!r}")
            datasets[dataset.name] = dataset
            origins[dataset.name] = name
    return _Description(
        np.array(starts, dtype=np.int64), np.array(numbers, dtype=np.int64), datasets, origins
    )


def _parsed(line: bytes, place: str) -> Iterator[tuple[str, Any]]:
    """Return what a line holds by its full names."""
    try:
        content = json.loads(line)
        if not isinstance(content, dict):
            raise DataError(
                f"{place}: is {line.strip(_BLANK)[:20]!r} …, expected an object in each line"
            )
        yield from _flat(content, "")
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0].rstrip(" .:")
        raise DataError(
            f"{place}: is no JSON ({reason}), expected an object in each line: mend it, or leave "
            "the line out"
        ) from None


def _flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _value(value: Any, dataset: Dataset) -> Any:
    """Return a value as its column has it.

    Raises
    ------
    ValueError, OverflowError
        If it is something else.
    """
    kind = dataset.dtype.kind
    is_list = dataset.is_ragged or len(dataset.shape) > 1
    if dataset.problem is not None:
        raise ValueError(dataset.problem)
    types = {type(entry) for entry in value} if isinstance(value, list) else {type(value)}
    if isinstance(value, list) != is_list or not types <= _ALLOWED[kind]:
        expected = f"a list of {_WORDS[kind]}" if is_list else _WORDS[kind]
        raise ValueError(f"found {str(value)[:40]}, expected {expected} as in the first lines")
    if not is_list:
        return value if kind == "U" else np.array(value, dtype=dataset.dtype)
    if not dataset.is_ragged and len(value) != dataset.shape[1]:
        raise ValueError(
            f"has {len(value)} numbers, expected {dataset.shape[1]} as in the first lines"
        )
    return np.array(value, dtype=dataset.dtype)


def _photons(value: Any, origin: str, dataset: Dataset) -> tuple[Any, Any]:
    slice_ns = slice_length(origin)
    if slice_ns is None or not isinstance(value, list) or len(value) != dataset.shape[1]:
        raise ValueError(f"expected a list for each of {dataset.shape[1]} pixels")
    return photons_and_times(value, slice_ns)
