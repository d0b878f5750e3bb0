"""Jets inside of events: a file of events seen as a file of jets.

How a jet's constituents are found, in this order:

1. within ``radius`` of the nearest jet axis, where a study gives one;
2. in lists of lists (``vector<vector<float>>``), one inner list for each jet;
3. by the index links of CMS NanoAOD: ``FatJetPFCands_jetIdx`` and ``FatJetPFCands_pFCandsIdx`` say
   which of ``PFCands`` is in which of ``FatJet``;
4. by the references of Delphes: ``Jet.Constituents`` (a TRefArray) gives the ``fUniqueID`` of the
   energy-flow objects, or of the generated particles where the jets are called ``Gen…``.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.identity import content_ids
from detcnn.events.table import Column
from detcnn.sources.base import Layout, Source
from detcnn.sources.container import Container, Dataset, Format
from detcnn.sources.formats.objects import (
    ID,
    Objects,
    check_lengths,
    find_objects,
    members,
    named_datasets,
    open_objects,
    roles_of,
    with_event_id,
    without_zeros,
)
from detcnn.sources.formats.root import RootContainer
from detcnn.sources.layouts.columns import unit_factor
from detcnn.sources.layouts.constituents import build_table, choose_family, family_of
from detcnn.sources.layouts.lists import open_lists, read_lists
from detcnn.sources.layouts.units import told_unit

_JET_COLUMNS = ("pt", "eta", "phi", "mass")
_FLAVOUR = re.compile(r"flavou?r", re.IGNORECASE)
_CONTENT = "content of the event"
_EVENTS_AT_ONCE = 1 << 16
_EVENTS_PER_MARK = 256

Offsets = NDArray[np.int64]


class Constituents(Protocol):
    """How the constituents of jets are found."""

    @property
    def texts(self) -> dict[str, str]:
        """Role to the column that plays it."""
        ...

    def read(
        self, container: Container, start: int, stop: int, jets: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        """Read the constituents of the jets of events `start` to `stop`.

        Parameters
        ----------
        container : Container
            The file.
        start, stop : int
            Events.
        jets : numpy.ndarray
            int64, shape (n_events + 1,), from 0: offsets of the jets of each event.

        Returns
        -------
        offsets : numpy.ndarray
            int64, shape (n_jets + 1,), from 0.
        columns : dict
            Role to array of shape (n_constituents,).

        Raises
        ------
        DataError
            If they cannot be read, or a link leads nowhere.
        """
        ...


@dataclass(frozen=True, slots=True)
class Nested:
    """One list for each jet, in lists for each event: role to column."""

    texts: dict[str, str]

    def read(
        self, container: Container, start: int, stop: int, jets: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        """Read the constituents of the jets of events `start` to `stop`."""
        first, *_ = self.texts.values()
        common: Offsets | None = None
        columns = {}
        for role, name in self.texts.items():
            rows, offsets, columns[role] = _nested(container).read_nested(name, start, stop)
            check_lengths(container.path, name, rows, jets, start)
            if common is not None and not np.array_equal(offsets, common):
                jet = int(np.argmax(np.diff(offsets) != np.diff(common)))
                raise DataError(
                    f"{container.path}: {_place(jet, jets, start)}: {name!r} has "
                    f"{np.diff(offsets)[jet]} entries, but {first!r} has {np.diff(common)[jet]}"
                )
            common = offsets
        assert common is not None
        return common, columns


@dataclass(frozen=True, slots=True)
class IndexLinks:
    """Links by number: constituents of each event that belong to jets of it.

    Objects may be in several jets, or in one of them more than once.

    Parameters
    ----------
    objects : Objects
        What the links lead to.
    jet, index : str
        Columns of the number of the jet and of the object within the event.
    """

    objects: Objects
    jet: str
    index: str

    @property
    def texts(self) -> dict[str, str]:
        """Role to the column that plays it."""
        return self.objects.texts

    def read(
        self, container: Container, start: int, stop: int, jets: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        """Read the constituents of the jets of events `start` to `stop`."""
        offsets, columns = self.objects.read(container, start, stop)
        names = {"jet": self.jet, "index": self.index}
        links, read = read_lists(container, names, start, stop)
        event = np.repeat(np.arange(len(links) - 1), np.diff(links))
        with np.errstate(invalid="ignore"):
            jet, index = (read[role].astype(np.int64) for role in names)
        for name, values, given, to, things in (
            (self.jet, jet, read["jet"], jets, "jets"),
            (self.index, index, read["index"], offsets, "constituents"),
        ):
            n_there = np.diff(to)[event]
            is_bad = (values < 0) | (values >= n_there) | (values != given)
            if np.any(is_bad):
                row = int(np.argmax(is_bad))
                raise DataError(
                    f"{container.path}: event {start + event[row]}, jet {jet[row]}: {name!r} says "
                    f"{given[row]}, but the event has {n_there[row]} {things}: the file is "
                    "damaged or was skimmed without its links"
                )
        return _gathered(jets[event] + jet, offsets[event] + index, int(jets[-1]), columns)


@dataclass(frozen=True, slots=True)
class References:
    """Links by the unique ids that arrays of references give.

    Parameters
    ----------
    objects : Objects
        What is referred to.
    references : str
        Column of the references of each jet.
    """

    objects: Objects
    references: str

    @property
    def texts(self) -> dict[str, str]:
        """Role to the column that plays it."""
        return self.objects.texts

    def read(
        self, container: Container, start: int, stop: int, jets: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        """Read the constituents of the jets of events `start` to `stop`."""
        offsets, columns = self.objects.read(container, start, stop, with_ids=True)
        read = _nested(container).read_nested(self.references, start, stop)
        rows, of_jets, wanted = read
        check_lengths(container.path, self.references, rows, jets, start)
        jet = np.repeat(np.arange(jets[-1]), np.diff(of_jets))
        event = np.repeat(np.arange(len(jets) - 1), np.diff(jets))[jet]
        there = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        # Ids have 32 bits and are unique within an event.
        known = (there << 32) | columns[ID].astype(np.int64)
        asked = (event << 32) | wanted.astype(np.int64)
        order = np.argsort(known, kind="stable")
        place = np.searchsorted(known[order], asked)
        is_found = place < len(known)
        is_found[is_found] = known[order][place[is_found]] == asked[is_found]
        if not np.all(is_found):
            row = int(np.argmin(is_found))
            raise DataError(
                f"{container.path}: {_place(int(jet[row]), jets, start)}: {self.references!r} "
                f"refers to object {wanted[row]}, which is none of {self.texts['pt']}: give a "
                "radius, to take what is near the axis of the jet"
            )
        return _gathered(jet, order[place], int(jets[-1]), columns)


@dataclass(frozen=True, slots=True)
class NearestAxis:
    """No links: an object belongs to the jet whose axis is nearest to it in η–φ, or to none.

    Parameters
    ----------
    objects : Objects
        What is shared out.
    eta, phi : str
        Columns of the axes of the jets.
    radius : float
        Distance from which on an object belongs to no jet.
    angle, axis_angle : float
        What the objects' and the jets' φ are multiplied by to be in rad.
    """

    objects: Objects
    eta: str
    phi: str
    radius: float
    angle: float
    axis_angle: float

    @property
    def texts(self) -> dict[str, str]:
        """Role to the column that plays it."""
        return self.objects.texts

    def read(
        self, container: Container, start: int, stop: int, jets: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        """Read the constituents of the jets of events `start` to `stop`."""
        # Here, because numba comes with it, which opening a file does without.
        from detcnn.kernels.angles import wrapped

        offsets, columns = self.objects.read(container, start, stop)
        names = {"eta": self.eta, "phi": self.phi}
        of_jets, axes = read_lists(container, names, start, stop)
        check_lengths(container.path, self.eta, of_jets, jets, start)
        event = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        eta = columns["eta"].astype(np.float64)
        phi = columns["phi"].astype(np.float64) * self.angle
        nearest = np.full(len(event), -1, dtype=np.int64)
        distance = np.full(len(event), self.radius, dtype=np.float64)
        n_jets = np.diff(jets)
        axis_eta = axes["eta"].astype(np.float64)
        axis_phi = axes["phi"].astype(np.float64) * self.axis_angle
        # Over the number of the jet in its event, so that memory is set by the objects alone.
        for number in range(int(n_jets.max(initial=0))):
            rows = np.flatnonzero(n_jets[event] > number)
            jet = jets[event[rows]] + number
            delta = np.hypot(eta[rows] - axis_eta[jet], wrapped(phi[rows] - axis_phi[jet]))
            is_nearer = delta < distance[rows]
            nearest[rows[is_nearer]] = jet[is_nearer]
            distance[rows[is_nearer]] = delta[is_nearer]
        taken = np.flatnonzero(nearest >= 0)
        return _gathered(nearest[taken], taken, int(jets[-1]), columns)


@dataclass(frozen=True, slots=True, eq=False)
class Jets:
    """The jets of a file, and where to find what belongs to them.

    Parameters
    ----------
    pt : str
        A column of theirs, whose lists say how many there are in each event.
    marks : numpy.ndarray
        int64: jets before every 256th event, and all jets.
    n_events : int
        Number of events.
    constituents : Constituents
        How their constituents are found.
    columns : mapping
        The columns of jets and events that are to be seen.
    has_content_ids : bool
        Whether there is a column besides them that names an event by a hash of its content.
    """

    pt: str
    marks: NDArray[np.int64]
    n_events: int
    constituents: Constituents
    columns: Mapping[str, Dataset]
    has_content_ids: bool

    @property
    def n_jets(self) -> int:
        """Number of jets."""
        return int(self.marks[-1])


@dataclass(frozen=True, slots=True)
class JetRows:
    """A container of events as one of jets: a row is a jet.

    A column with one entry for each jet is theirs; one with one for each event is repeated for its
    jets. Constituents of pT = 0 are left out.
    """

    container: Container
    jets: Jets
    _counts: dict[tuple[int, int], tuple[int, int, Offsets]] = field(
        default_factory=dict, init=False
    )
    _found: dict[tuple[int, int], tuple[Offsets, dict[str, Column]]] = field(
        default_factory=dict, init=False
    )

    @property
    def path(self) -> Path:
        """The file."""
        return self.container.path

    def datasets(self) -> dict[str, Dataset]:
        """Return the columns that are to be seen, and those of the constituents."""
        n_jets = self.jets.n_jets
        seen = {
            name: replace(d, shape=(n_jets, *d.shape[1:]), is_ragged=False)
            for name, d in self.jets.columns.items()
        }
        if self.jets.has_content_ids:
            seen[_CONTENT] = Dataset(_CONTENT, (n_jets,), np.dtype(np.int64))
        for text in self.jets.constituents.texts.values():
            seen[text] = Dataset(text, (n_jets,), np.dtype(np.float32), is_ragged=True)
        return seen

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read one number for each jet."""
        stop = min(stop, self.jets.n_jets)
        first, last, counts, rows = self._events(start, stop)
        if name == _CONTENT:
            offsets, columns = self._constituents(first, last, counts)
            table = build_table(offsets[counts], columns, {}, factors={}, first_row=first)
            return np.repeat(content_ids(table), np.diff(counts))[rows]
        if self.jets.columns[name].is_ragged:
            offsets, values = self.container.read_ragged(name, first, last)
            if np.array_equal(offsets, counts):
                return values[rows]
            if not np.all(np.diff(offsets) == 1):
                check_lengths(self.path, name, offsets, counts, first)
        else:
            values = self.container.read(name, first, last)
        return np.repeat(values, np.diff(counts), axis=0)[rows]

    def read_ragged(self, name: str, start: int, stop: int) -> tuple[Offsets, NDArray[Any]]:
        """Read a column of the constituents of each jet."""
        stop = min(stop, self.jets.n_jets)
        first, last, counts, rows = self._events(start, stop)
        offsets, columns = self._constituents(first, last, counts)
        offsets = offsets[rows.start : rows.stop + 1]
        role = next(r for r, text in self.jets.constituents.texts.items() if text == name)
        return offsets - offsets[0], columns[role][offsets[0] : offsets[-1]]

    def words(self, attribute: str) -> list[str]:
        """Return what the file states."""
        return self.container.words(attribute)

    def _events(self, start: int, stop: int) -> tuple[int, int, Offsets, slice]:
        """Return the events that jets are in: first, last, offsets of jets, and which those are."""
        marks = self.jets.marks
        if (start, stop) not in self._counts:
            low = int(np.searchsorted(marks, start, side="right")) - 1
            high = max(int(np.searchsorted(marks, stop, side="left")), low)
            first = min(low * _EVENTS_PER_MARK, self.jets.n_events)
            last = min(high * _EVENTS_PER_MARK, self.jets.n_events)
            counts, _ = self.container.read_ragged(self.jets.pt, first, last)
            if counts[-1] != marks[min(high, len(marks) - 1)] - marks[min(low, len(marks) - 1)]:
                raise DataError(f"{self.path}: has changed since it was opened: start again")
            self._counts.clear()
            self._counts[start, stop] = (first, last, counts)
        first, last, counts = self._counts[start, stop]
        before = int(marks[first // _EVENTS_PER_MARK]) if first < self.jets.n_events else start
        return first, last, counts, slice(start - before, stop - before)

    def _constituents(
        self, first: int, last: int, counts: Offsets
    ) -> tuple[Offsets, dict[str, Column]]:
        if (first, last) not in self._found:
            self._found.clear()
            read = self.jets.constituents.read(self.container, first, last, counts)
            self._found[first, last] = without_zeros(*read)
        return self._found[first, last]


@dataclass(frozen=True, slots=True)
class JetsFormat:
    """A format seen as `JetRows`; see `detcnn.sources.container.Format`."""

    inner: Format
    jets: Jets

    @property
    def name(self) -> str:
        """What the file's format is called."""
        return self.inner.name

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell whether a file is of the format."""
        return self.inner.recognises(path, head)

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[JetRows]:
        """Open a file for reading."""
        with self.inner.open(path, layout) as container:
            yield JetRows(container, self.jets)


def open_collections(container: Container, file_format: Format, layout: Layout) -> Source | None:
    """Understand a file of events with collections of objects.

    A row is a jet where the layout names a collection of them. Its pT, η, φ, mass and flavours
    become columns, and what else the study names. All jets of an event have its id: of run,
    luminosity block and event where they are there, else of the content of the event. Without a
    collection a row is an event.

    Returns
    -------
    Source or None
        None if no collection is asked for, and none of CMS or Delphes is there.

    Raises
    ------
    ConfigError
        If there is no such collection, a column that the study names is not there, or nothing says
        what its constituents are.
    DataError
        If there are no jets.
    """
    collection = layout.collection
    if collection is None:
        if layout.radius is not None:
            raise ConfigError(f"{container.path}: a radius is given, but no collection of jets")
        return open_objects(container, file_format, layout)
    path, datasets = container.path, container.datasets()
    axes = roles_of(datasets, collection)
    if not axes:
        raise ConfigError(
            f"{path}: no collection {collection!r} with lists of pt, eta and phi; "
            f"there are: {', '.join(_collections(datasets)) or 'none'}"
        )
    constituents = _find_constituents(container, layout, datasets, collection, axes)
    columns = {role: axes[role] for role in _JET_COLUMNS if role in axes} | {
        member: name
        for member, name in members(datasets, collection).items()
        if datasets[name].is_ragged and _FLAVOUR.search(member)
    }
    layout = with_event_id(replace(layout, columns={**columns, **layout.columns}), datasets)
    seen = named_datasets(path, layout, datasets)
    has_no_id = not layout.event_id and "event_id" not in layout.columns
    if has_no_id:
        layout = replace(layout, columns={"event_id": _CONTENT, **layout.columns})
    pt, n_events = axes["pt"], datasets[axes["pt"]].shape[0]
    marks = _marks(container, pt, n_events)
    jets = Jets(pt, marks, n_events, constituents, seen, has_no_id)
    if not jets.n_jets:
        raise DataError(f"{path}: the collection {collection!r} holds no jets")
    layout = replace(layout, kind="lists", constituents=constituents.texts)
    return open_lists(JetRows(container, jets), JetsFormat(file_format, jets), layout)


def _find_constituents(
    container: Container,
    layout: Layout,
    datasets: Mapping[str, Dataset],
    collection: str,
    axes: Mapping[str, str],
) -> Constituents:
    path = container.path
    is_truth = collection.startswith("Gen")
    if layout.radius is None:
        nested = _find_nested(container, layout, datasets, collection)
        if nested:
            return Nested(nested)
        linked = _find_index_links(path, layout, datasets, collection)
        if linked is not None:
            return linked
    objects = find_objects(path, layout, datasets, of_truth=is_truth)
    if objects is None:
        raise ConfigError(
            f"{path}: no constituents found for the jets {collection!r}: name lists of them in the "
            "study as constituents.pt and so on"
        )
    if layout.radius is not None:
        if not {"eta", "phi"} <= set(objects.texts):
            raise ConfigError(
                f"{path}: a radius needs eta and phi of the constituents, and the study names "
                f"only {', '.join(objects.texts)}: name them as constituents.eta and .phi"
            )
        angle, axis_angle = (
            unit_factor("phi", told_unit(layout, "phi", column)) or 1.0
            for column in (objects.texts["phi"], axes["phi"])
        )
        return NearestAxis(
            objects, axes["eta"], axes["phi"], layout.radius, angle=angle, axis_angle=axis_angle
        )
    references = members(datasets, collection).get("Constituents")
    if references is not None and objects.has_ids and _is_nested(container, references):
        return References(objects, references)
    raise ConfigError(
        f"{path}: nothing says which constituents are in which of the jets {collection!r}: no "
        f"column {collection}…_jetIdx, and no references {collection}.Constituents to "
        "them: give a radius, to take what is near the axis of the jet"
    )


def _find_nested(
    container: Container, layout: Layout, datasets: Mapping[str, Dataset], collection: str
) -> dict[str, str]:
    """Return lists of lists by role: those the study names, or those called after the jets."""
    if layout.constituents:
        told = dict(layout.constituents)
        return told if all(_is_nested(container, name) for name in told.values()) else {}
    families: dict[str, dict[str, str]] = {}
    for member, name in members(datasets, collection).items():
        family, role = family_of(member)
        if role is not None and _is_nested(container, name):
            families.setdefault(family, {})[role] = name
    return choose_family(container.path, families)


def _find_index_links(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], collection: str
) -> IndexLinks | None:
    pattern = re.compile(rf"{re.escape(collection)}(?P<of>\w*)[_.]jetIdx$", re.IGNORECASE)
    for jet in datasets:
        match = pattern.match(jet)
        if match is None:
            continue
        linked = match["of"]
        others = members(datasets, f"{collection}{linked}").values()
        index = [name for name in others if name.lower().endswith("idx") and name != jet]
        objects = (
            find_objects(path, layout, datasets)
            if layout.constituents and "cand" in linked.lower()
            else _objects_called((linked, f"Gen{linked}"), datasets)
        )
        if len(index) == 1 and objects is not None:
            return IndexLinks(objects, jet, index[0])
    return None


def _objects_called(names: tuple[str, ...], datasets: Mapping[str, Dataset]) -> Objects | None:
    found = (roles_of(datasets, name) for name in names if name)
    return next((Objects((roles,)) for roles in found if roles), None)


def _collections(datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the names of what has lists of pt, eta and phi, those with Jet in front."""
    names = dict.fromkeys(re.split(r"[_.]", name)[0] for name in datasets)
    found = [name for name in names if roles_of(datasets, name)]
    return sorted(found, key=lambda name: "jet" not in name.lower())


def _is_nested(container: Container, name: str) -> bool:
    return (
        isinstance(container, RootContainer)
        and name in container.columns
        and container.is_nested(name)
    )


def _nested(container: Container) -> RootContainer:
    assert isinstance(container, RootContainer)
    return container


def _marks(container: Container, name: str, n_events: int) -> NDArray[np.int64]:
    """Return how many jets there are before every 256th event, and in all."""
    marks = []
    n_jets = 0
    for start in range(0, n_events, _EVENTS_AT_ONCE):
        offsets, _ = container.read_ragged(name, start, min(start + _EVENTS_AT_ONCE, n_events))
        marks.append(offsets[:-1:_EVENTS_PER_MARK] + n_jets)
        n_jets += int(offsets[-1])
    return np.concatenate([*marks, [n_jets]])


def _gathered(
    jet: NDArray[np.int64], index: NDArray[np.int64], n_jets: int, columns: Mapping[str, Column]
) -> tuple[Offsets, dict[str, Column]]:
    """Return what is linked to each jet, in the order of the links."""
    order = np.argsort(jet, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(jet, minlength=n_jets))])
    rows = index[order]
    return offsets, {role: values[rows] for role, values in columns.items() if role != ID}


def _place(jet: int, jets: Offsets, start: int) -> str:
    event = int(np.searchsorted(jets, jet, side="right")) - 1
    return f"event {start + event}, jet {jet - jets[event]}"
