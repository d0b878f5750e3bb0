"""Several files of one layout, read one after the other."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages
from detcnn.events.table import EventTable, ImageTable
from detcnn.events.truth import joined_truth
from detcnn.sources.base import Layout, Sample, Source
from detcnn.sources.opening import open_source, understand

_LIST = "@"
_WILD = frozenset("*?[")


def expand_paths(given: str | Sequence[str], *, base: Path) -> tuple[Path, ...]:
    """Return the files that a study names, in its order, those of a pattern by their names.

    Numbers in names count as numbers: ``event2`` comes before ``event10``.

    Parameters
    ----------
    given : str or sequence of str
        A path; a pattern (``*``, ``?``, ``[…]``, ``**`` for any folders); ``@list.txt`` for a file
        with one of these in each line, relative to its own folder, where blank lines and those that
        begin with ``#`` do not count; or several of all these.
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    ConfigError
        If a pattern finds no file, a list cannot be read, or a file is named twice.
    """
    found: list[Path] = []
    for entry in [given] if isinstance(given, str) else given:
        found += _expand(entry, base)
    if not found:
        raise ConfigError("expected at least one input file, found none")
    twice = [path for path, n in Counter(found).items() if n > 1]
    if twice:
        raise ConfigError(f"{twice[0]}: named twice among the files of one source: leave out one")
    return tuple(found)


def open_sources(paths: Sequence[Path], layout: Layout | None = None) -> Source:
    """Open the files of one source, read one after the other.

    Parameters
    ----------
    paths : sequence of Path
        One or more files.
    layout : Layout, optional
        What is known of them; the rest is detected in each.

    Returns
    -------
    Source

    Raises
    ------
    DataError, ConfigError, MissingExtraError
        As `detcnn.sources.opening.open_source`, or if a file does not have what the first has.
    """
    if len(paths) == 1:
        return open_source(paths[0], layout)
    parts = tuple(understand(path, layout) for path in paths)
    label_names: dict[int, str] = {}
    for part in parts:
        _check_alike(parts[0], part)
        for value, name in part.label_names.items():
            if label_names.setdefault(value, name) != name:
                raise ConfigError(
                    f"{part.path}: label {value} is called {name!r} here and "
                    f"{label_names[value]!r} in another file of the source"
                )
    chain = Chain(parts, dict(sorted(label_names.items())))
    if not any(sample.n_events for sample in chain.samples):
        raise DataError(f"{chain.path}: hold no events: name files that have some")
    return chain


@dataclass(frozen=True, slots=True)
class Chain:
    """Files read one after the other; see `detcnn.sources.base.Source`."""

    parts: tuple[Source, ...]
    label_names: Mapping[int, str]

    @property
    def path(self) -> Path:
        """What the files are called together."""
        first, last = self.parts[0].path, self.parts[-1].path
        return first.with_name(f"{first.name} … {last.name} ({len(self.parts)} files)")

    @property
    def format_name(self) -> str:
        """What the formats of the files are called."""
        return ", ".join(dict.fromkeys(part.format_name for part in self.parts))

    @property
    def layout(self) -> Layout:
        """The layout of the first file."""
        return self.parts[0].layout

    @property
    def stated_units(self) -> Mapping[str, str]:
        """Units of the first file."""
        return self.parts[0].stated_units

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Those of the first file, with the events of all."""
        return tuple(
            replace(sample, n_events=sum(part.samples[i].n_events for part in self.parts))
            for i, sample in enumerate(self.parts[0].samples)
        )

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(channels, *axes) of ready images, or None for constituents."""
        return self.parts[0].image_shape

    def read(self, sample: int, start: int, stop: int) -> EventTable | ImageTable:
        """Read rows `start` to `stop`, counted through all files."""
        tables = []
        first = 0
        for part in self.parts:
            last = first + part.samples[sample].n_events
            if start < last and stop > first:
                tables.append(part.read(sample, max(start, first) - first, min(stop, last) - first))
            first = last
        return _joined(tables or [self.parts[0].read(sample, 0, 0)], start)


def _expand(entry: str, base: Path) -> list[Path]:
    if entry.startswith(_LIST):
        path = base / entry.removeprefix(_LIST)
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise ConfigError(f"{path}: the list of files cannot be read: {reason}") from None
        named = [line for line in lines if line and not line.startswith(("#", _LIST))]
        return [found for line in named for found in _expand(line, path.parent)]
    path = base / entry
    if not _WILD & set(entry) or path.exists():
        return [path]
    start = Path(path.anchor)
    found = sorted(
        (
            match
            for match in start.glob(str(path.relative_to(start)))
            if match.is_file() and not match.name.startswith(".")
        ),
        key=_in_counting_order,
    )
    if not found:
        raise ConfigError(f"{path}: no file is called like this")
    return found


def _in_counting_order(path: Path) -> tuple[list[tuple[int, str]], Path]:
    parts = re.split(r"([0-9]+)", str(path))
    return [(int(part) if i % 2 else 0, part) for i, part in enumerate(parts)], path


def _check_alike(first: Source, other: Source) -> None:
    """Raise if a file does not have what the first has."""
    for what, expected, found in (
        ("layout", [first.layout.kind], [other.layout.kind]),
        ("image shape", [first.image_shape], [other.image_shape]),
        ("constituents", first.layout.constituents, other.layout.constituents),
        ("hits", first.layout.hits, other.layout.hits),
        ("channels", _channels(first), _channels(other)),
        ("event columns", first.layout.columns, other.layout.columns),
        ("classes", [s.class_name for s in first.samples], [s.class_name for s in other.samples]),
        ("truth of pixels", [*first.layout.pixels], [*other.layout.pixels]),
        ("points", [*first.layout.points], [*other.layout.points]),
        ("stated units", first.stated_units, other.stated_units),
    ):
        if list(map(str, sorted(found, key=str))) != list(map(str, sorted(expected, key=str))):
            raise ConfigError(
                f"{other.path}: {what}: found {_listed(found)}, but {first.path.name} has "
                f"{_listed(expected)}: files of one source must be alike"
            )


def _channels(source: Source) -> list[str]:
    return [f"{name} [{unit or 'no unit'}]" for name, unit in source.layout.channel_units.items()]


def _listed(values: Mapping[str, str] | Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def _joined(tables: list[EventTable | ImageTable], first_row: int) -> EventTable | ImageTable:
    columns = {
        name: np.concatenate([table.columns[name] for table in tables])
        for name in tables[0].columns
    }
    pictures = [table for table in tables if isinstance(table, ImageTable)]
    if pictures:
        images = DenseImages(np.concatenate([table.images.values for table in pictures]))
        return ImageTable(images, columns, joined_truth([table.truth for table in pictures]))
    events = [table for table in tables if isinstance(table, EventTable)]
    counts = np.concatenate([np.diff(table.offsets) for table in events])
    return EventTable(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        constituents={
            role: np.concatenate([table.constituents[role] for table in events])
            for role in events[0].constituents
        },
        columns=columns,
        first_row=first_row,
    )
