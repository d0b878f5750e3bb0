"""Jets from Pythia 8, clustered by the FastJet core that it carries."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any

import numpy as np

from detcnn.errors import DataError, MissingExtraError
from detcnn.events.table import EventTable
from detcnn.seeding import derived_seed
from detcnn.simulation.columns import CONSTITUENT_COLUMNS, JET_COLUMNS, as_columns
from detcnn.simulation.definitions import Definition, Veto

try:
    import pythia8mc
except ImportError:
    raise MissingExtraError("pythia8mc", extra="simulate", purpose="detcnn simulate") from None

CLUSTERING = "anti-kT, E-scheme, real masses, without neutrinos: FastJet core in Pythia's SlowJet"
"""How jets are found, in words."""

_ANTI_KT, _ALL_RAPIDITIES, _VISIBLE, _REAL_MASSES = -1, 25.0, 2, 2
_AFTER_RESONANCE_DECAY = 5
_SEEDS = 900_000_001
_MANY_FAILURES = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the events of a run; tallies of several runs can be added.

    Parameters
    ----------
    jets : int
        Jets kept.
    events : int
        Events begun.
    vetoed : int
        Events given up by the veto.
    failed : int
        Events that Pythia could not complete.
    audited : int
        Events generated to their end whatever the verdict.
    audit_jets, audit_lost : int
        Jets kept among these, and how many of them the veto would have cost.
    """

    jets: int = 0
    events: int = 0
    vetoed: int = 0
    failed: int = 0
    audited: int = 0
    audit_jets: int = 0
    audit_lost: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass(frozen=True, slots=True)
class GeneratedJets:
    """Jets of one class and how they came about."""

    jets: EventTable
    tally: Tally


def generator_versions() -> dict[str, str]:
    """Return the version of the generator; jets are the same only from the same one."""
    return {"generator": "Pythia 8 (pythia8mc)", "generator_version": version("pythia8mc")}


def generate_jets(
    definition: Definition, label: int, *, seed: int, piece: int, n_jets: int
) -> GeneratedJets:
    """Generate one piece of a sample.

    Equal arguments give equal jets, and fewer jets are the first of more.

    Parameters
    ----------
    definition : Definition
        Which jets.
    label : int
        Index of the process.
    seed : int
        Seed of the whole sample.
    piece : int
        Which piece, below 2²⁴.
    n_jets : int
        Number of jets, at most 2²⁴.

    Returns
    -------
    GeneratedJets
        Constituents by falling pT, with the columns of `detcnn.simulation.columns`. ``event_id`` is
        unique over classes and pieces and does not depend on the size of the sample.

    Raises
    ------
    DataError
        If Pythia refuses its settings or keeps failing.
    """
    process = definition.processes[label]
    purpose = f"simulate/{definition.name}/{process.name}"
    random_seed = derived_seed(seed, purpose, piece, below=_SEEDS)
    hook = _VetoHook(definition.veto, definition.radius)
    pythia = _start_pythia((*definition.settings, *process.settings), random_seed, hook)
    finder = _jet_finder(definition.radius, pt_min=definition.pt[0] / 2)
    rows = _Rows()
    failed = audit_jets = audit_lost = 0
    while rows.n_jets < n_jets:
        if not pythia.next():
            failed += 1
            if failed > _MANY_FAILURES + rows.n_jets:
                raise DataError(
                    f"process {process.name!r}, piece {piece}: Pythia failed to complete {failed} "
                    f"events for {rows.n_jets} jets: check the settings of the process"
                )
            continue
        finder.analyze(pythia.event)
        if _is_wanted(finder, definition):
            event_id = label << 48 | piece << 24 | rows.n_jets
            rows.add(finder, pythia, label=label, event_id=event_id)
            audit_jets += hook.is_audited
            audit_lost += hook.is_audited and hook.is_condemned
    tally = Tally(
        jets=n_jets,
        events=hook.n_events,
        vetoed=hook.n_vetoed,
        failed=failed,
        audited=hook.n_audited,
        audit_jets=audit_jets,
        audit_lost=audit_lost,
    )
    return GeneratedJets(rows.table(), tally)


class _VetoHook(pythia8mc.UserHooks):  # type: ignore[misc]  # pythia8mc has no types
    """Gives up events on the state of the shower at one scale; see `Veto`."""

    def __init__(self, veto: Veto, radius: float) -> None:
        super().__init__()
        self._veto = veto
        # The Z, still undecayed here, counts as invisible.
        self._narrow = _jet_finder(radius / 2, pt_min=veto.wide_from / 4)
        self._wide = _jet_finder(radius * 1.5, pt_min=veto.wide_from / 4)
        self.n_events = self.n_vetoed = self.n_audited = 0
        self.is_audited = self.is_condemned = False

    def canVetoPT(self) -> bool:  # noqa: N802 (Pythia's name)
        return True

    def scaleVetoPT(self) -> float:  # noqa: N802 (Pythia's name)
        return self._veto.scale

    def doVetoPT(self, position: int, event: Any) -> bool:  # noqa: N802 (Pythia's name)
        if position == _AFTER_RESONANCE_DECAY:
            return False
        self.n_events += 1
        self.is_audited = self.n_events % self._veto.audit_every == 0
        self.is_condemned = not self._may_give_a_jet(event)
        self.n_audited += self.is_audited
        vetoed = self.is_condemned and not self.is_audited
        self.n_vetoed += vetoed
        return vetoed

    def _may_give_a_jet(self, event: Any) -> bool:
        self._wide.analyze(event)
        if (
            self._wide.sizeJet() == 0
            or self._wide.pT(0) < self._veto.wide_from
            or abs(self._wide.y(0)) >= self._veto.wide_rapidity
        ):
            return False
        self._narrow.analyze(event)
        return bool(self._narrow.sizeJet() == 0 or self._narrow.pT(0) < self._veto.narrow_below)


def _is_wanted(finder: Any, definition: Definition) -> bool:
    if finder.sizeJet() == 0:
        return False
    low, high = definition.pt
    # As stored: 549.99999 would be written as 550.
    pt, rapidity = np.float32(finder.pT(0)), np.float32(finder.y(0))
    return bool(low <= pt < high and abs(rapidity) < definition.max_rapidity)


@dataclass(slots=True)
class _Rows:
    """The jets so far, row by row."""

    jets: list[tuple[float, ...]] = field(default_factory=list)
    constituents: list[tuple[float, ...]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=lambda: [0])

    @property
    def n_jets(self) -> int:
        return len(self.jets)

    def add(self, finder: Any, pythia: Any, *, label: int, event_id: int) -> None:
        direction = finder.p(0)
        momentum = (finder.pT(0), direction.eta(), finder.y(0), direction.phi(), finder.m(0))
        pthat = pythia.infoPython().pTHat()
        parton = _outgoing_parton(pythia.process)
        self.jets.append((*momentum, label, event_id, pthat, parton))
        particles = [pythia.event[i] for i in finder.constituents(0)]
        rows = [(p.pT(), p.eta(), p.y(), p.phi(), p.id(), round(p.charge())) for p in particles]
        self.constituents += sorted(rows, reverse=True)
        self.offsets.append(len(self.constituents))

    def table(self) -> EventTable:
        return EventTable(
            offsets=np.array(self.offsets, dtype=np.int64),
            constituents=as_columns(self.constituents, CONSTITUENT_COLUMNS),
            columns=as_columns(self.jets, JET_COLUMNS),
        )


def _outgoing_parton(process: Any) -> int:
    """Return the PDG id of the coloured particle that leaves the hard process."""
    return next(int(process[i].id()) for i in (5, 6) if process[i].colType() != 0)


def _jet_finder(radius: float, *, pt_min: float) -> Any:
    return pythia8mc.SlowJet(_ANTI_KT, radius, pt_min, _ALL_RAPIDITIES, _VISIBLE, _REAL_MASSES)


def _start_pythia(settings: tuple[str, ...], seed: int, hook: _VetoHook) -> Any:
    with _silent_stdout():
        pythia = pythia8mc.Pythia("", False)
        for setting in (*settings, "Random:setSeed = on", f"Random:seed = {seed}"):
            if not pythia.readString(setting):
                raise DataError(f"Pythia {version('pythia8mc')} does not know {setting!r}")
        pythia.readString("Print:quiet = on")
        pythia.setUserHooksPtr(hook)
        if not pythia.init():
            raise DataError(f"Pythia does not start with the settings {'; '.join(settings)}")
        # FastJet shows its banner at the first clustering, be it of nothing.
        _jet_finder(1.0, pt_min=1.0).analyze(pythia8mc.Event())
    return pythia


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Drop what C++ writes to stdout, which belongs to results."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
