"""Jets from Pythia 8, clustered by the FastJet core that it carries."""

import math
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
from detcnn.seeding import derived_seed, generator
from detcnn.simulation.calorimeter import Calorimeter, deposits
from detcnn.simulation.columns import (
    CONSTITUENT_COLUMNS,
    GROOMED_COLUMNS,
    JET_COLUMNS,
    as_columns,
)
from detcnn.simulation.definitions import (
    Definition,
    HardVeto,
    Process,
    Trimming,
    Truth,
    Veto,
)

try:
    import pythia8mc
except ImportError:
    raise MissingExtraError("pythia8mc", extra="simulate", purpose="detcnn simulate") from None

CLUSTERING = "anti-kT, E-scheme, real masses, without neutrinos: FastJet core in Pythia's SlowJet"
"""How jets are found, in words."""

_ANTI_KT, _KT, _ALL_RAPIDITIES, _VISIBLE, _REAL_MASSES = -1, 1, 25.0, 2, 2
_TOP_QUARK, _W_BOSON = 6, 24
_FINAL = 91
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
    definition: Definition,
    label: int,
    *,
    seed: int,
    piece: int,
    n_jets: int,
    calorimeter: Calorimeter | None = None,
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
    calorimeter : Calorimeter, optional
        What stands between the particles and the jets; the constituents are towers then.

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
    started = start_generator(definition, label, seed=seed, piece=piece)
    pythia, hook = started.pythia, started.hook
    finder = _jet_finder(definition.radius, pt_min=definition.pt[0] / 2)
    smearing = generator(seed, f"{_purpose(definition, process)}/calorimeter", piece)
    rows = _Rows(is_groomed=definition.trimming is not None)
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
        seen = pythia.event
        if calorimeter is not None:
            seen = _measured(pythia, calorimeter, smearing)
        jet = _wanted_jet(pythia, seen, finder, definition, process)
        if jet is not None:
            event_id = label << 48 | piece << 24 | rows.n_jets
            rows.add(jet, pythia, label=label, event_id=event_id)
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


@dataclass(frozen=True, slots=True)
class Generator:
    """A seeded Pythia, and the hook that gives up its condemned events and counts them."""

    pythia: Any
    hook: "_Hook"


def start_generator(definition: Definition, label: int, *, seed: int, piece: int) -> Generator:
    """Start what generates the events of one piece of a sample.

    Parameters
    ----------
    definition, label, seed, piece
        As in `generate_jets`.

    Raises
    ------
    DataError
        If Pythia refuses its settings.
    """
    process = definition.processes[label]
    random_seed = derived_seed(seed, _purpose(definition, process), piece, below=_SEEDS)
    hook = _build_hook(process.veto, definition.radius)
    pythia = _start_pythia((*definition.settings, *process.settings), random_seed, hook)
    return Generator(pythia, hook)


def _purpose(definition: Definition, process: Process) -> str:
    return f"simulate/{definition.name}/{process.name}"


class _Hook(pythia8mc.UserHooks):  # type: ignore[misc]  # pythia8mc has no types
    """Gives up condemned events, but for those that are audited."""

    def __init__(self, audit_every: int) -> None:
        super().__init__()
        self._audit_every = audit_every
        self.n_events = self.n_vetoed = self.n_audited = 0
        self.is_audited = self.is_condemned = False

    def _gives_up(self, *, is_condemned: bool) -> bool:
        self.n_events += 1
        self.is_audited = self.n_events % self._audit_every == 0
        self.is_condemned = is_condemned
        self.n_audited += self.is_audited
        vetoed = is_condemned and not self.is_audited
        self.n_vetoed += vetoed
        return vetoed


class _VetoHook(_Hook):
    """Judges the state of the shower at one scale; see `Veto`."""

    def __init__(self, veto: Veto, radius: float) -> None:
        super().__init__(veto.audit_every)
        self._veto = veto
        # The Z, still undecayed here, counts as invisible.
        self._narrow = _jet_finder(radius / 2, pt_min=veto.wide_from / 4)
        self._wide = _jet_finder(radius * 1.5, pt_min=veto.wide_from / 4)

    def canVetoPT(self) -> bool:  # noqa: N802 (Pythia's name)
        return True

    def scaleVetoPT(self) -> float:  # noqa: N802 (Pythia's name)
        return self._veto.scale

    def doVetoPT(self, position: int, event: Any) -> bool:  # noqa: N802 (Pythia's name)
        if position == _AFTER_RESONANCE_DECAY:
            return False
        return self._gives_up(is_condemned=not self._may_give_a_jet(event))

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


class _HardVetoHook(_Hook):
    """Judges the hard process; see `HardVeto`."""

    def __init__(self, veto: HardVeto) -> None:
        super().__init__(veto.audit_every)
        self._veto = veto

    def canVetoProcessLevel(self) -> bool:  # noqa: N802 (Pythia's name)
        return True

    def doVetoProcessLevel(self, process: Any) -> bool:  # noqa: N802 (Pythia's name)
        low, high = self._veto.pt
        resonances = (p for p in process if p.idAbs() == self._veto.particle)
        may_give_a_jet = any(
            low <= p.pT() < high and abs(p.eta()) < self._veto.max_eta for p in resonances
        )
        return self._gives_up(is_condemned=not may_give_a_jet)


def _build_hook(veto: Veto | HardVeto, radius: float) -> _Hook:
    return _HardVetoHook(veto) if isinstance(veto, HardVeto) else _VetoHook(veto, radius)


@dataclass(frozen=True, slots=True)
class _Jet:
    """A jet of one event."""

    momentum: Any  # Pythia's Vec4
    particles: list[Any]
    origin: int  # PDG id
    ungroomed: Any


def _measured(pythia: Any, calorimeter: Calorimeter, rng: np.random.Generator) -> Any:
    """Return the event that the calorimeter sees."""
    visible = [p for p in pythia.event if p.isFinal() and p.isVisible()]
    energy, eta, phi, pdgid = np.array([(p.e(), p.eta(), p.phi(), p.id()) for p in visible]).T
    found = deposits(energy, eta, phi, pdgid.astype(np.int64), calorimeter=calorimeter, rng=rng)
    event = pythia8mc.Event()
    event.init("towers", pythia.particleData)
    for i in found.muons:
        event.append(visible[i])
    towers = zip(found.energy, found.eta, found.phi, found.pdgid, strict=True)
    for energy_of, eta_of, phi_of, identity in towers:
        pt = energy_of / math.cosh(eta_of)
        momentum = pythia8mc.Vec4(
            pt * math.cos(phi_of), pt * math.sin(phi_of), pt * math.sinh(eta_of), energy_of
        )
        event.append(int(identity), _FINAL, 0, 0, momentum, 0.0)
    return event


def _wanted_jet(
    pythia: Any, seen: Any, finder: Any, definition: Definition, process: Process
) -> _Jet | None:
    finder.analyze(seen)
    low, high = definition.pt
    if finder.sizeJet() == 0 or finder.pT(0) < low:
        return None
    ungroomed = momentum = finder.p(0)
    particles: list[Any] | None = None  # taken out of the event once they are wanted
    if definition.trimming is not None:
        particles = _trimmed(_constituents(seen, finder), definition.trimming, pt=finder.pT(0))
        momentum = sum((p.p() for p in particles), pythia8mc.Vec4())
    # As stored: 549.99999 would be written as 550.
    pt, eta, rapidity = map(np.float32, (momentum.pT(), momentum.eta(), momentum.rap()))
    is_inside = low <= pt < high and all(
        limit is None or abs(value) < limit
        for value, limit in ((rapidity, definition.max_rapidity), (eta, definition.max_eta))
    )
    if not is_inside:
        return None
    origin = _origin(pythia, momentum, process.truth)
    if origin is None:
        return None
    return _Jet(momentum, particles or _constituents(seen, finder), origin, ungroomed)


def _constituents(seen: Any, finder: Any) -> list[Any]:
    return [seen[i] for i in finder.constituents(0)]


def _trimmed(particles: list[Any], trimming: Trimming, *, pt: float) -> list[Any]:
    event = pythia8mc.Event()
    for particle in particles:
        event.append(particle)
    subjets = _jet_finder(trimming.radius, pt_min=trimming.fraction * pt, power=_KT)
    subjets.analyze(event)
    return [particles[i] for n in range(subjets.sizeJet()) for i in subjets.constituents(n)]


def _origin(pythia: Any, axis: Any, truth: Truth | None) -> int | None:
    """Return the PDG id of what the jet is, or None if it is not what is wanted."""
    if truth is None:
        # Of those that leave the hard process, colour alone makes jets.
        partons = (p for p in (pythia.process[i] for i in (5, 6)) if p.colType() != 0)
        return int(min(partons, key=lambda p: _distance(p.p(), axis)).id())
    event = pythia.event
    for i in _last_copies(pythia, truth.particle):
        inside = [i, *_decay_quarks(event, i)]
        if all(_distance(event[j].p(), axis) < truth.radius for j in inside):
            return int(event[i].id())
    return None


def _last_copies(pythia: Any, identity: int) -> list[int]:
    """Return where the particles of the hard process are in the event when they decay."""
    n = len({p.iBotCopyId() for p in pythia.process if p.idAbs() == identity})
    found: set[int] = set()
    # They come early, and each particle looked at costs time.
    for particle in pythia.event:
        if len(found) == n:
            break
        if particle.idAbs() == identity:
            found.add(particle.iBotCopyId())
    return sorted(found)


def _decay_quarks(event: Any, index: int) -> list[int]:
    """Return where the quarks are that a particle, and the W among its products, decays to."""
    quarks = []
    for daughter in event[index].daughterList():
        if event[daughter].idAbs() == _W_BOSON:
            quarks += _decay_quarks(event, event[daughter].iBotCopyId())
        elif event[daughter].idAbs() <= _TOP_QUARK:
            quarks.append(daughter)
    return quarks


def _distance(a: Any, b: Any) -> float:
    phi = math.remainder(a.phi() - b.phi(), math.tau)
    return math.hypot(a.eta() - b.eta(), phi)


@dataclass(slots=True)
class _Rows:
    """The jets so far, row by row."""

    is_groomed: bool
    jets: list[tuple[float, ...]] = field(default_factory=list)
    constituents: list[tuple[float, ...]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=lambda: [0])

    @property
    def n_jets(self) -> int:
        return len(self.jets)

    def add(self, jet: _Jet, pythia: Any, *, label: int, event_id: int) -> None:
        p = jet.momentum
        momentum = (p.pT(), p.eta(), p.rap(), p.phi(), p.mCalc())
        pthat = pythia.infoPython().pTHat()
        before = (jet.ungroomed.pT(), jet.ungroomed.mCalc()) if self.is_groomed else ()
        self.jets.append((*momentum, label, event_id, pthat, jet.origin, *before))
        rows = [(p.pT(), p.eta(), p.y(), p.phi(), p.id(), round(p.charge())) for p in jet.particles]
        self.constituents += sorted(rows, reverse=True)
        self.offsets.append(len(self.constituents))

    def table(self) -> EventTable:
        return EventTable(
            offsets=np.array(self.offsets, dtype=np.int64),
            constituents=as_columns(self.constituents, CONSTITUENT_COLUMNS),
            columns=as_columns(
                self.jets, {**JET_COLUMNS, **(GROOMED_COLUMNS if self.is_groomed else {})}
            ),
        )


def _jet_finder(radius: float, *, pt_min: float, power: int = _ANTI_KT) -> Any:
    return pythia8mc.SlowJet(power, radius, pt_min, _ALL_RAPIDITIES, _VISIBLE, _REAL_MASSES)


def _start_pythia(settings: tuple[str, ...], seed: int, hook: _Hook) -> Any:
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
