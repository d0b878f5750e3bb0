"""What simulating jets costs beside the events themselves, and images beside their file."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Contender, Table, compare, peer
from detcnn.config.simulate import SimulateConfig, SimulateImagesConfig
from detcnn.errors import MissingExtraError
from detcnn.simulation.definitions import DEFINITIONS, QUARK_GLUON, Definition
from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS
from detcnn.simulation.image_sample import ImageDefinition

_JETS_PER_CLASS = {"quark-gluon": 100, "top-qcd": 200, "w-qcd": 100}
_EVENTS = 200
_SEED = 1
_INVISIBLE = (12, 14, 16)


def run(*, quick: bool) -> list[Table]:
    n_events = 2 if quick else _EVENTS
    images = [_images(d, n_events, rounds=1 if quick else 3) for d in IMAGE_DEFINITIONS.values()]
    return [*_jets(quick=quick), *images]


def _jets(*, quick: bool) -> list[Table]:
    try:
        import detcnn.simulation.pythia  # noqa: F401
    except MissingExtraError as error:
        return [Table("Jets from Pythia", "jets", (), notes=(f"Left out: {error}",))]
    if quick:
        return [_study(QUARK_GLUON, n_jets=1, rounds=1)]
    return [_study(DEFINITIONS[name], n_jets=n, rounds=3) for name, n in _JETS_PER_CLASS.items()]


def _images(definition: ImageDefinition, n_events: int, *, rounds: int) -> Table:
    from detcnn.stages.simulate_images import run as simulate

    config = SimulateImagesConfig(study=definition.name, events=n_events, seed=_SEED)
    with tempfile.TemporaryDirectory(prefix="detcnn-images-") as folder:
        output = Path(folder, "images.h5")
        contenders = [
            Contender(
                "detcnn simulate",
                lambda: simulate(config, output=output, workers=1, overwrite=True),
                n_events,
            ),
            Contender(
                "the same images, not written",
                lambda: definition.generate(n_events, np.random.default_rng(_SEED)),
                n_events,
                is_limit=True,
            ),
        ]
        title = f"Images of {definition.name}"
        table = compare(title, "events", contenders, rounds=rounds)
        size = output.stat().st_size / n_events
        shape = definition.generate(1, np.random.default_rng(_SEED)).images.shape[1:]
    pixels = " × ".join(map(str, shape))
    note = f"{n_events} events of {pixels} pixels in one process; {size / 1000:,.1f} kB each."
    return replace(table, notes=(note,))


def _study(definition: Definition, *, n_jets: int, rounds: int) -> Table:
    from detcnn.stages.simulate import run as simulate

    config = SimulateConfig(study=definition.name, jets_per_class=n_jets, seed=_SEED)
    labels = range(len(definition.classes))
    with tempfile.TemporaryDirectory(prefix="detcnn-jets-") as folder:
        output = Path(folder, "jets.h5")

        def detcnn() -> Any:
            return simulate(config, output=output, workers=1, overwrite=True)

        tallies = detcnn().tallies
        n_events = [tally.events for tally in tallies]
        n_all = n_jets * len(labels)
        contenders = [
            Contender("detcnn simulate", detcnn, n_all),
            Contender(
                "pythia.next() alone, same events",
                lambda: [_generate(definition, label, n_events[label]) for label in labels],
                n_all,
                is_limit=True,
            ),
            Contender(
                "Pythia's initialisation alone",
                lambda: [_generate(definition, label, 0) for label in labels],
                n_all,
                is_limit=True,
            ),
        ]
        n_vetoed = sum(tally.vetoed for tally in tallies)
        share = _share_of_hook(definition, n_events)
        notes = [
            f"{n_jets} jets of each class, in one process, from {sum(n_events):,} events.",
            f"A hook in Python gave up {n_vetoed:,} of these: {share:.1%} of pythia.next().",
        ]
        fastjet = peer("fastjet")
        if fastjet is None:
            notes.append("Without FastJet's Python package, which is not installed.")
        elif definition is QUARK_GLUON:
            n_of_script = -(-n_jets // 5)
            contenders.append(
                Contender(
                    "script: every event, FastJet in Python",
                    lambda: [_script(definition, label, n_of_script, fastjet) for label in labels],
                    n_of_script * len(labels),
                )
            )
        return compare(f"Jets of {definition.name}", "jets", contenders, rounds=rounds, notes=notes)


def _generate(definition: Definition, label: int, n_events: int) -> None:
    """Generate the events that a sample is made of, and nothing else."""
    from detcnn.simulation.pythia import start_generator

    started = start_generator(definition, label, seed=_SEED, piece=0)
    while started.hook.n_events < n_events:
        started.pythia.next()


def _share_of_hook(definition: Definition, n_events: list[int]) -> float:
    """Return which part of the time of `pythia.next()` is spent in the hook."""
    from detcnn.simulation.pythia import start_generator

    in_hook = in_all = 0.0
    for label, n in enumerate(n_events):
        started = start_generator(definition, label, seed=_SEED, piece=0)
        judges = ("doVetoPT", "doVetoProcessLevel")
        of_hook = next(name for name in judges if name in vars(type(started.hook)))
        judge = getattr(started.hook, of_hook)

        def timed(*arguments: Any, judge: Any = judge) -> Any:
            nonlocal in_hook
            begin = time.perf_counter()
            verdict = judge(*arguments)
            in_hook += time.perf_counter() - begin
            return verdict

        setattr(started.hook, of_hook, timed)
        begin = time.perf_counter()
        while started.hook.n_events < n:
            started.pythia.next()
        in_all += time.perf_counter() - begin
    return in_hook / in_all


def _script(definition: Definition, label: int, n_jets: int, fastjet: Any) -> list[Any]:
    """Make jets as scripts do: generate events whole, cluster them in Python, keep what fits."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for setting in (*definition.settings, *definition.processes[label].settings):
        pythia.readString(setting)
    pythia.readString("Print:quiet = on")
    pythia.init()
    algorithm = fastjet.JetDefinition(fastjet.antikt_algorithm, definition.radius)
    low, high = definition.pt
    kept: list[Any] = []
    while len(kept) < n_jets:
        if not pythia.next():
            continue
        particles = [
            fastjet.PseudoJet(p.px(), p.py(), p.pz(), p.e())
            for p in pythia.event
            if p.isFinal() and p.idAbs() not in _INVISIBLE
        ]
        sequence = fastjet.ClusterSequence(particles, algorithm)
        jets = fastjet.sorted_by_pt(sequence.inclusive_jets(low))
        if jets and jets[0].pt() < high and abs(jets[0].rap()) < (definition.max_rapidity or 5):
            kept.append(
                np.array([(c.pt(), c.rap(), c.phi(), c.m()) for c in jets[0].constituents()])
            )
    return kept
