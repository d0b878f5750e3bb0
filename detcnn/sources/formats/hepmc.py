"""Generated collisions in HepMC text: version 3 (Asciiv3) and version 2 (IO_GenEvent).

Without a clustering a row is a collision with all of its visible final particles; with one, a row
is a jet. A file is scanned once when it is opened, for where its collisions begin and, with a
clustering, for which jets they have; rows are then read where they are. A compressed file has to be
decompressed from its beginning up to them.

The formats are those of Dobbs & Hansen, Comput. Phys. Commun. 134 (2001) 41 (IO_GenEvent as in its
version 2.06) and Buckley et al., Comput. Phys. Commun. 260 (2021) 107310 (Asciiv3). They are read
here and not by the HepMC library, which crashes on some damaged files and ends without an error on
others.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column, EventTable
from detcnn.sources.base import Layout, Sample
from detcnn.sources.container import damaged
from detcnn.sources.formats.gzipped import open_plain, plain_head
from detcnn.sources.layouts.columns import unit_factor
from detcnn.sources.layouts.momenta import as_pt_eta_phi

_MAGIC = b"HepMC::Version"
_KEYWORD = b"HepMC::"
_LONGEST_LINE = 1 << 20
_COLLISIONS_AT_ONCE = 50
_LARGEST = 1e12
_FINAL = b"1"
_UNITS = {b"GEV": "GeV", b"MEV": "MeV"}
_UNIT_ROLES = ("pt", "energy")
_WITHOUT_MEANING = (
    "kind", "constituents", "offsets", "columns", "event_id", "images", "one_hot", "tree",
    "collection", "radius",
)  # fmt: skip

INVISIBLE = frozenset({12, 14, 16, 51, 52, 53, 1000022, 1000039})
"""PDG ids of what no detector sees: neutrinos, dark matter, neutralino, gravitino."""

_CONSTITUENTS = {
    role: f"particle/{role}" for role in ("pt", "eta", "rapidity", "phi", "energy", "pdgid")
}
_COLLISION_COLUMNS = {"weight": "first weight", "event_id": "event number"}
_JET_COLUMNS = {name: f"jet/{name}" for name in ("pt", "eta", "rapidity", "phi", "mass")}


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Where things are in the lines of a version of the format."""

    start: bytes
    end: bytes
    pdgid: int
    momentum: int
    status: int
    shortest: int


_DIALECTS = (
    _Dialect(
        start=b"HepMC::Asciiv3-START_EVENT_LISTING",
        end=b"HepMC::Asciiv3-END_EVENT_LISTING",
        pdgid=3,
        momentum=4,
        status=9,
        shortest=10,
    ),
    _Dialect(
        start=b"HepMC::IO_GenEvent-START_EVENT_LISTING",
        end=b"HepMC::IO_GenEvent-END_EVENT_LISTING",
        pdgid=2,
        momentum=3,
        status=8,
        shortest=13,
    ),
)
_VERSION_3, _VERSION_2 = _DIALECTS


@dataclass(frozen=True, slots=True)
class _Collision:
    """What is visible of a collision: px, py, pz, E [GeV] of shape (n, 4) and the PDG ids."""

    number: int
    weight: float
    unit: str
    momenta: NDArray[np.float64]
    pdgid: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Row:
    """A jet or a whole collision: some of its particles."""

    collision: _Collision
    particles: NDArray[np.int64]
    momentum: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Collisions:
    """Jets or whole collisions of a HepMC file; see `detcnn.sources.base.Source`.

    Parameters
    ----------
    places : numpy.ndarray
        int64, shape (n_collisions, 2): where a collision begins and ends in the file.
    rows : numpy.ndarray
        int64, shape (n_rows, 2): the collision of each row, and which of its jets it is.
    event_ids : numpy.ndarray
        int64, shape (n_collisions,).
    """

    path: Path
    format_name: str
    layout: Layout
    stated_units: Mapping[str, str]
    samples: tuple[Sample, ...]
    label_names: Mapping[int, str]
    image_shape: None
    dialect: _Dialect
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    event_ids: NDArray[np.int64]

    def read(self, sample: int, start: int, stop: int) -> EventTable:
        """Read rows `start` to `stop`."""
        rows = self.rows[start:stop]
        wanted = np.unique(rows[:, 0])
        found: dict[tuple[int, int], _Row] = {}
        with _damage_named(f"{self.path}"), open_plain(self.path) as stream:
            for first in range(0, len(wanted), _COLLISIONS_AT_ONCE):
                numbers = wanted[first : first + _COLLISIONS_AT_ONCE].tolist()
                collisions = [self._read_one(stream, number) for number in numbers]
                for number, jets in zip(numbers, _rows_of(collisions, self.layout), strict=True):
                    found |= {(number, rank): jet for rank, jet in enumerate(jets)}
        try:
            chosen = [found[collision, rank] for collision, rank in rows.tolist()]
        except KeyError:
            raise DataError(f"{self.path}: has changed since it was opened: run again") from None
        return _table(
            chosen, self.event_ids[rows[:, 0]], first_row=start, has_jets=_has_jets(self.layout)
        )

    def _read_one(self, stream: BufferedIOBase, number: int) -> _Collision:
        begin, end = self.places[number].tolist()
        stream.seek(begin)
        lines = stream.read(end - begin).splitlines()
        with _damage_named(f"{self.path}: event {number}"):
            return _parse(self.path, self.layout, self.dialect, lines)


@dataclass(frozen=True, slots=True)
class HepmcFormat:
    """Collisions as text, compressed with gzip or not."""

    name: str = "HepMC"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the first words."""
        return plain_head(head).lstrip().startswith(_MAGIC)

    def understand(self, path: Path, layout: Layout) -> Collisions:
        """Scan a file.

        Raises
        ------
        ConfigError
            If it does not state its units, and neither does the layout; or the layout names parts,
            which such a file has no names for.
        DataError
            If it is damaged, or cut short.
        MissingExtraError
            If there is a clustering and FastJet is not installed.
        """
        for option in _WITHOUT_MEANING:
            if getattr(layout, option):
                # What a study calls it.
                name = "layout" if option == "kind" else option
                raise ConfigError(
                    f"{path}: {name} has no meaning for HepMC, whose parts have no names: "
                    "leave it out"
                )
        for role in layout.units:
            if role not in _UNIT_ROLES:
                raise ConfigError(
                    f"{path}: units.{role} has no meaning for HepMC, whose momenta are all in one "
                    "unit: set units.pt"
                )
        places: list[tuple[int, int]] = []
        numbers: list[int] = []
        rows: list[tuple[int, int]] = []
        units: set[str] = set()
        dialect = _VERSION_3
        pending: list[_Collision] = []

        def settle() -> None:
            first = len(places) - len(pending)
            for i, jets in enumerate(_rows_of(pending, layout)):
                rows.extend((first + i, rank) for rank in range(len(jets)))
            pending.clear()

        with _damage_named(f"{path}"), open_plain(path) as stream:
            for dialect, begin, end, lines in _iter_collisions(path, stream):
                with _damage_named(f"{path}: event {len(places)}"):
                    collision = _parse(path, layout, dialect, lines)
                places.append((begin, end))
                numbers.append(collision.number)
                units.add(collision.unit)
                pending.append(collision)
                if len(pending) == _COLLISIONS_AT_ONCE:
                    settle()
            settle()
        if places and not rows:
            raise DataError(f"{path}: none of its {len(places)} events has a jet that is wanted")
        # Some generators give all events one number.
        is_numbered = len(set(numbers)) == len(numbers)
        event_ids = np.array(numbers if is_numbered else range(len(numbers)), dtype=np.int64)
        columns = _COLLISION_COLUMNS | (_JET_COLUMNS if _has_jets(layout) else {})
        return Collisions(
            path=path,
            format_name=self.name,
            layout=replace(layout, kind="lists", constituents=_CONSTITUENTS, columns=columns),
            stated_units=_stated_units(columns, units),
            samples=(Sample(path.stem, len(rows), layout.class_name),),
            label_names={},
            image_shape=None,
            dialect=dialect,
            places=np.array(places, dtype=np.int64).reshape(-1, 2),
            rows=np.array(rows, dtype=np.int64).reshape(-1, 2),
            event_ids=event_ids,
        )


HEPMC = HepmcFormat()


def _iter_collisions(
    path: Path, stream: BufferedIOBase
) -> Iterator[tuple[_Dialect, int, int, list[bytes]]]:
    """Yield the version, the beginning, the end and the lines of one collision after another."""
    dialect: _Dialect | None = None
    first: _Dialect | None = None
    begin = end = n_events = 0
    lines: list[bytes] = []
    for line in iter(partial(stream.readline, _LONGEST_LINE), b""):
        if len(line) == _LONGEST_LINE:
            raise DataError(f"{path}: event {n_events}: a line is longer than {len(line)} bytes")
        if line.startswith((b"E ", _KEYWORD)):
            if lines and dialect:
                yield dialect, begin, end, lines
                n_events += 1
            lines, begin = [], end
        if line.startswith(b"E "):
            if dialect is None:
                raise DataError(f"{path}: event {n_events} is outside of a listing of events")
            lines = [line]
        elif line.startswith(_KEYWORD):
            dialect = _next_dialect(path, line.strip(), dialect)
            first = first or dialect
            if dialect and dialect is not first:
                raise DataError(f"{path}: has listings of different versions")
        elif lines:
            lines.append(line)
        end += len(line)
    if dialect is not None:
        raise DataError(
            f"{path}: ends at event {n_events} without {dialect.end.decode()}: "
            "it is cut short; copy or generate it again"
        )


def _next_dialect(path: Path, keyword: bytes, dialect: _Dialect | None) -> _Dialect | None:
    if keyword.startswith(_MAGIC) and dialect is None:
        return None
    if dialect is not None and keyword == dialect.end:
        return None
    found = next((known for known in _DIALECTS if keyword == known.start), None)
    if found is None or dialect is not None:
        raise DataError(
            f"{path}: {keyword[:80].decode(errors='replace')!r} is not expected here: damaged, or "
            "not HepMC's Asciiv3 or IO_GenEvent"
        )
    return found


def _parse(path: Path, layout: Layout, dialect: _Dialect, lines: Sequence[bytes]) -> _Collision:
    """Return a collision; ValueError or IndexError where its lines are none."""
    head = lines[0].split()
    weights: list[bytes] = []
    if dialect == _VERSION_2:
        n_random = int(head[11])
        weights = head[13 + n_random :][: int(head[12 + n_random])]
    n_expected = int(head[3]) if dialect == _VERSION_3 else 0
    unit: str | None = None
    particles = []
    for line in lines:
        kind = line[:2]
        if kind == b"P ":
            particles.append(line.split())
        elif kind == b"V " and dialect == _VERSION_2:
            vertex = line.split()
            n_expected += int(vertex[7]) + int(vertex[8])
        elif kind == b"U ":
            unit = _UNITS[line.split()[1]]
        elif kind == b"W " and dialect == _VERSION_3:
            weights = line.split()[1:]
    if len(particles) != n_expected:
        raise ValueError(f"it has {len(particles)} particles, but says {n_expected}")
    if any(len(particle) < dialect.shortest for particle in particles):
        raise ValueError("the line of a particle is cut short")
    final = [particle for particle in particles if particle[dialect.status] == _FINAL]
    pdgid = np.array([particle[dialect.pdgid] for particle in final], dtype=np.bytes_)
    momenta = np.array(
        [particle[dialect.momentum : dialect.momentum + 4] for particle in final], dtype=np.bytes_
    ).reshape(-1, 4)
    weight = float(weights[0]) if weights else 1.0
    unit = _unit(path, layout, unit)
    return _visible(
        _Collision(
            int(head[1]),
            weight,
            unit,
            momenta.astype(np.float64) * (unit_factor("pt", unit) or 1.0),
            pdgid.astype(np.int64),
        )
    )


def _visible(collision: _Collision) -> _Collision:
    """Return a collision with what a detector could see of it; ValueError where that cannot be."""
    weight, momenta, pdgid = collision.weight, collision.momenta, collision.pdgid
    if not np.isfinite(weight):
        raise ValueError(f"its weight is {weight}, expected a finite number")
    if not np.all(np.abs(momenta) < _LARGEST):
        worst = momenta[~(np.abs(momenta) < _LARGEST)][0]
        raise ValueError(f"the momentum of a particle is {worst:g} GeV")
    # What flies along the beam has no azimuth, and is in no detector.
    is_seen = (np.hypot(momenta[:, 0], momenta[:, 1]) > 0) & ~np.isin(
        np.abs(pdgid), list(INVISIBLE)
    )
    return replace(collision, momenta=momenta[is_seen], pdgid=pdgid[is_seen])


def _unit(path: Path, layout: Layout, unit: str | None) -> str:
    """Return the unit of momenta: what the study says, or else the event."""
    told = {layout.units[role] for role in _UNIT_ROLES if role in layout.units}
    if not told and unit:
        told = {unit}
    if len(told) != 1:
        raise ConfigError(
            f"{path}: the unit of momenta is {' and '.join(sorted(told)) or 'not stated'}: "
            "set units.pt in the study, to GeV or MeV"
        )
    return told.pop()


def _stated_units(columns: Mapping[str, str], units: set[str]) -> dict[str, str]:
    of_momenta = " and ".join(sorted(units))
    return {
        column: "rad" if name == "phi" else of_momenta
        for name, column in [*_CONSTITUENTS.items(), *columns.items()]
        if name in ("pt", "energy", "mass", "phi")
    }


def _has_jets(layout: Layout) -> bool:
    return layout.clustering is not None


def _rows_of(collisions: Sequence[_Collision], layout: Layout) -> list[list[_Row]]:
    """Return the rows that each collision gives: its jets, or itself."""
    if layout.clustering is None:
        return [[_Row(c, np.arange(len(c.pdgid)), c.momenta.sum(axis=0))] for c in collisions]
    from detcnn.sources.formats.clustering import find_jets

    jets = find_jets([collision.momenta for collision in collisions], layout.clustering)
    return [
        [_Row(collision, jet.particles, jet.momentum) for jet in found]
        for collision, found in zip(collisions, jets, strict=True)
    ]


def _table(
    rows: Sequence[_Row], event_ids: NDArray[np.int64], *, first_row: int, has_jets: bool
) -> EventTable:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row.particles) for row in rows], out=offsets[1:])
    momenta = np.concatenate(
        [np.zeros((0, 4)), *(row.collision.momenta[row.particles] for row in rows)]
    )
    pdgid = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(row.collision.pdgid[row.particles] for row in rows)]
    )
    columns: dict[str, Column] = {
        "weight": np.array([row.collision.weight for row in rows], dtype=np.float32),
        "event_id": event_ids,
    }
    if has_jets:
        sums = np.array([row.momentum for row in rows]).reshape(-1, 4)
        columns |= _in_house_coordinates(sums)
        columns["mass"] = _mass(sums).astype(np.float32)
        del columns["energy"]
    constituents = _in_house_coordinates(momenta) | {"pdgid": pdgid}
    return EventTable(offsets, constituents, columns, first_row=first_row)


def _in_house_coordinates(momenta: NDArray[np.float64]) -> dict[str, Column]:
    parts = dict(zip(("px", "py", "pz", "energy"), momenta.T, strict=True))
    return as_pt_eta_phi(parts) | {"energy": momenta[:, 3].astype(np.float32)}


def _mass(momenta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return m = √(E² − p²) [GeV]; 0 where rounding makes it imaginary."""
    momentum2 = (momenta[:, :3] ** 2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(momenta[:, 3] ** 2 - momentum2, 0.0)))


@contextmanager
def _damage_named(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(place, error) from None
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{place}: damaged: {reason}: copy or generate the file again") from None
