"""Collections of reconstructed objects in events, as CMS NanoAOD and Delphes files keep them.

Such files have hundreds of columns of which few are of use for images, so that here, unlike in
files of jets, only the columns that a study names become columns of events.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column
from detcnn.sources.base import Layout, Source
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.layouts.lists import open_lists, read_lists
from detcnn.sources.layouts.references import require

ID = "id"
"""The role of the number that references of other objects give for an object."""

_CANDIDATES = ("PFCands", "PFCand")
# Towers of hadrons are massless like their ET, and so of no species: one would have a mass.
_ENERGY_FLOW: Mapping[str, Mapping[str, int]] = {
    "EFlowTrack": {},
    "EFlowPhoton": {"charge": 0, "pdgid": 22},
    "EFlowNeutralHadron": {"charge": 0, "pdgid": 0},
}
_PARTICLES = "Particle"
_NAMES = {
    "pt": ("pt", "et"),
    "eta": ("eta",),
    "phi": ("phi",),
    "mass": ("mass",),
    "charge": ("charge",),
    "pdgid": ("pdgid", "pid"),
    ID: ("funiqueid",),
}
_COORDINATES = ("pt", "eta", "phi")
_EVENT_ID = ("run", "luminosityBlock", "event")


@dataclass(frozen=True, slots=True)
class Objects:
    """Collections of objects that are taken together.

    Parameters
    ----------
    collections : tuple of mapping
        For each collection, role to the column it is in, or to the number that all of them have.
    """

    collections: tuple[Mapping[str, str | int], ...]

    @property
    def texts(self) -> dict[str, str]:
        """Role to what plays it, for the roles that all collections have."""
        first, *others = self.collections
        return {
            role: ", ".join(str(roles[role]) for roles in self.collections)
            for role in first
            if role != ID and all(role in roles for roles in others)
        }

    @property
    def has_ids(self) -> bool:
        """Whether every object has an id that others can refer to."""
        return all(ID in roles for roles in self.collections)

    def read(
        self, container: Container, start: int, stop: int, *, with_ids: bool = False
    ) -> tuple[NDArray[np.int64], dict[str, Column]]:
        """Read the objects of events `start` to `stop`, those of an event one after the other.

        Returns
        -------
        offsets : numpy.ndarray
            int64, shape (n_events + 1,), from 0.
        columns : dict
            Role to array of shape (n_objects,).

        Raises
        ------
        DataError
            If they cannot be read, or the columns of a collection are not equally long.
        """
        parts = []
        for roles in self.collections:
            wanted = {r: roles[r] for r in [*self.texts, *([ID] if with_ids else [])]}
            offsets, columns = read_lists(
                container, {r: c for r, c in wanted.items() if isinstance(c, str)}, start, stop
            )
            numbers = {r: c for r, c in wanted.items() if not isinstance(c, str)}
            columns |= {r: np.full(offsets[-1], c, dtype=np.int32) for r, c in numbers.items()}
            parts.append((offsets, columns))
        return parts[0] if len(parts) == 1 else _merged(parts)


def members(datasets: Mapping[str, Dataset], collection: str) -> dict[str, str]:
    """Return the columns of a collection by what follows its name: ``Jet_pt``, ``Jet.PT``."""
    starts = (f"{collection}_", f"{collection}.", f"{collection}/{collection}.", f"{collection}/")
    return {
        name.removeprefix(start): name
        for start in starts
        for name in datasets
        if name.startswith(start)
    }


def roles_of(datasets: Mapping[str, Dataset], collection: str) -> dict[str, str]:
    """Return the list columns of a collection by role; empty if it has no pT, η and φ.

    ET counts as pT, as it is for objects without mass.
    """
    by_name = {
        member.lower(): name
        for member, name in members(datasets, collection).items()
        if datasets[name].is_ragged
    }
    found = {
        role: by_name[name]
        for role, names in _NAMES.items()
        for name in reversed(names)
        if name in by_name
    }
    return found if all(role in found for role in _COORDINATES) else {}


def find_objects(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], *, of_truth: bool = False
) -> Objects | None:
    """Return the objects that are constituents: those a study names, of Delphes, or of CMS.

    Parameters
    ----------
    path : Path
        The file, for messages.
    layout : Layout
        What is known of it.
    datasets : mapping
        Its columns.
    of_truth : bool
        Whether to take the generated particles of Delphes.

    Raises
    ------
    ConfigError
        If a named column is not there, or a collection of Delphes is not complete.
    """
    if layout.constituents:
        told = {role: require(path, datasets, n).name for role, n in layout.constituents.items()}
        return Objects((told,)) if all(datasets[name].is_ragged for name in told.values()) else None
    if of_truth:
        particles = roles_of(datasets, _PARTICLES)
        return Objects((particles,)) if particles else None
    for name in _ENERGY_FLOW:
        if members(datasets, name) and not roles_of(datasets, name):
            raise ConfigError(
                f"{path}: {name} has no lists of pT, eta and phi, and without it a part of the "
                "energy flow would be missing: name the constituents in the study, as "
                "constituents.pt and so on, or copy the file with all of its columns"
            )
    flow: list[Mapping[str, str | int]] = [
        {**roles, **numbers}
        for name, numbers in _ENERGY_FLOW.items()
        if (roles := roles_of(datasets, name))
    ]
    if flow:
        return Objects(tuple(flow))
    candidates = (roles_of(datasets, name) for name in _CANDIDATES)
    return next((Objects(({**roles},)) for roles in candidates if roles), None)


def open_objects(container: Container, file_format: Format, layout: Layout) -> Source | None:
    """Understand a file of events with objects of CMS or Delphes; a row is an event.

    Returns
    -------
    Source or None
        None if no such objects are in it, or the study names its constituents.

    Raises
    ------
    ConfigError
        If a column that the study names is not there.
    """
    path, datasets = container.path, container.datasets()
    objects = None if layout.constituents else find_objects(path, layout, datasets)
    if objects is None or layout.kind not in (None, "lists"):
        return None
    told = replace(layout, kind="lists", constituents=objects.texts)
    layout = with_event_id(told, datasets)
    if not layout.event_id and len(objects.collections) == 1:
        # A small tree of jets whose constituents have the names of CMS: all columns are of use.
        return open_lists(container, file_format, told)
    view = EventRows(container, objects, named_datasets(path, layout, datasets))
    return open_lists(view, ObjectsFormat(file_format, objects, view.columns), layout)


def with_event_id(layout: Layout, datasets: Mapping[str, Dataset]) -> Layout:
    """Return the layout with run, luminosity block and event as the id, where they are there."""
    is_told = layout.event_id or "event_id" in layout.columns
    if is_told or any(name not in datasets for name in _EVENT_ID):
        return layout
    return replace(layout, event_id=_EVENT_ID)


def named_datasets(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset]
) -> dict[str, Dataset]:
    """Return the columns that a layout names as those of events.

    Raises
    ------
    ConfigError
        If one is not there, or holds no numbers.
    """
    texts = [*layout.columns.values(), *layout.event_id, *layout.one_hot]
    names = dict.fromkeys(require(path, datasets, text).name for text in texts)
    return {name: datasets[name] for name in names}


@dataclass(frozen=True, slots=True)
class EventRows:
    """A container of which a row is an event, and in which objects have one column a role.

    Objects without pT are left out, like the padding that a constituent of pT = 0 elsewhere is:
    Delphes writes tracks that its particle flow has merged into others with PT = 0.

    Parameters
    ----------
    container : Container
        The file.
    objects : Objects
        What becomes list columns.
    columns : mapping
        The columns of the file that are to be seen besides.
    """

    container: Container
    objects: Objects
    columns: Mapping[str, Dataset]
    _read: dict[tuple[int, int], tuple[NDArray[np.int64], dict[str, Column]]] = field(
        default_factory=dict, init=False
    )

    @property
    def path(self) -> Path:
        """The file."""
        return self.container.path

    def datasets(self) -> dict[str, Dataset]:
        """Return the columns that are to be seen, and those of the objects."""
        seen = {name: replace(d, is_ragged=False) for name, d in self.columns.items()}
        datasets = self.container.datasets()
        for role, text in self.objects.texts.items():
            parts = [roles[role] for roles in self.objects.collections]
            named = next((part for part in parts if isinstance(part, str)), None)
            # Where it is a number for all of them, it is one in lists like those of pT.
            of = datasets[str(self.objects.collections[0]["pt"] if named is None else named)]
            seen[text] = replace(of, name=text, dtype=of.dtype if named else np.dtype(np.int32))
        return seen

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read one number for each event; a list must have one entry."""
        if not self.columns[name].is_ragged:
            return self.container.read(name, start, stop)
        offsets, content = self.container.read_ragged(name, start, stop)
        check_lengths(self.path, name, offsets, np.arange(len(offsets)), start)
        return content

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read the column of objects that plays a role."""
        if (start, stop) not in self._read:
            self._read.clear()
            read = self.objects.read(self.container, start, stop)
            self._read[start, stop] = without_zeros(*read)
        offsets, columns = self._read[start, stop]
        role = next(role for role, text in self.objects.texts.items() if text == name)
        return offsets, columns[role]

    def words(self, attribute: str) -> list[str]:
        """Return what the file states."""
        return self.container.words(attribute)


@dataclass(frozen=True, slots=True)
class ObjectsFormat:
    """A format seen as `EventRows`; see `detcnn.sources.container.Format`."""

    inner: Format
    objects: Objects
    columns: Mapping[str, Dataset]

    @property
    def name(self) -> str:
        """What the file's format is called."""
        return self.inner.name

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell whether a file is of the format."""
        return self.inner.recognises(path, head)

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[EventRows]:
        """Open a file for reading."""
        with self.inner.open(path, layout) as container:
            yield EventRows(container, self.objects, self.columns)


def check_lengths(
    path: Path, name: str, offsets: NDArray[np.int64], expected: NDArray[np.int64], start: int
) -> None:
    """Raise if lists are not as long as they should be.

    Raises
    ------
    DataError
        Naming the first event where they are not.
    """
    found, wanted = np.diff(offsets), np.diff(expected)
    if not np.array_equal(found, wanted):
        row = int(np.argmax(found != wanted))
        raise DataError(
            f"{path}: column {name!r}, event {start + row}: has {found[row]} entries, "
            f"expected {wanted[row]}: name another column, or mend the file"
        )


def without_zeros(
    offsets: NDArray[np.int64], columns: Mapping[str, Column]
) -> tuple[NDArray[np.int64], dict[str, Column]]:
    """Return lists of objects without those that have pT = 0."""
    if "pt" not in columns or np.all(columns["pt"] != 0):
        return offsets, dict(columns)
    is_real = columns["pt"] != 0
    kept = np.concatenate([[0], np.cumsum(is_real)])
    return kept[offsets], {role: values[is_real] for role, values in columns.items()}


def _merged(
    parts: Sequence[tuple[NDArray[np.int64], Mapping[str, Column]]],
) -> tuple[NDArray[np.int64], dict[str, Column]]:
    """Join lists of several collections, event by event."""
    offsets = np.sum([part for part, _ in parts], axis=0)
    places = []
    filled = offsets[:-1].copy()
    for part, _ in parts:
        counts = np.diff(part)
        places.append(np.arange(part[-1]) + np.repeat(filled - part[:-1], counts))
        filled += counts
    order = np.argsort(np.concatenate(places))
    roles = parts[0][1]
    return offsets, {
        role: np.concatenate([columns[role] for _, columns in parts])[order] for role in roles
    }
