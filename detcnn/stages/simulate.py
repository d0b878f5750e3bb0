"""``simulate``: a file of jets from a published definition."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import detcnn
from detcnn.artifacts.digests import value_digest
from detcnn.config.simulate import SimulateConfig
from detcnn.events.table import EventTable
from detcnn.progress import SILENT, Progress
from detcnn.seeding import generator
from detcnn.simulation.calorimeter import Calorimeter
from detcnn.simulation.definitions import DEFINITIONS, Definition
from detcnn.simulation.jet_file import FORMAT, FORMAT_VERSION, read_jets, write_jets
from detcnn.simulation.mixing import mixed
from detcnn.simulation.pythia import CLUSTERING, Tally, generate_jets, generator_versions
from detcnn.simulation.whole_file import read_attributes
from detcnn.stages.simulated_pieces import Rounds, make_file


@dataclass(frozen=True, slots=True)
class SimulateResult:
    """What was written.

    Parameters
    ----------
    path : Path
        The file of jets.
    classes : tuple of str
        Class names in the order of their labels.
    tallies : tuple of Tally
        For each class, what became of its events.
    """

    path: Path
    classes: tuple[str, ...]
    tallies: tuple[Tally, ...]

    @property
    def n_jets(self) -> int:
        """Jets of all classes together."""
        return sum(tally.jets for tally in self.tallies)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of one class, made by one process with one seed."""

    config: SimulateConfig
    label: int
    number: int
    n_events: int
    path: Path


def run(
    config: SimulateConfig,
    *,
    output: Path,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> SimulateResult:
    """Simulate jets and write them to one HDF5 file.

    It is made in pieces (`detcnn.stages.simulated_pieces`). After Ctrl-C the file has equally many
    jets of each class.

    Parameters
    ----------
    config : SimulateConfig
        Which jets. It determines the bytes of the file, together with the version of Pythia.
    output : Path
        The file to write; its folder is made if need be.
    workers : int, optional
        Number of processes; all CPUs of this process by default.
    overwrite : bool
        Replace a file at `output`, once the new one is complete.
    progress : Progress
        Hears how many jets are done.

    Returns
    -------
    SimulateResult

    Raises
    ------
    OutputExistsError
        If `output` exists and may not be replaced, or another process is writing it.
    StorageError
        If the disk is full or cannot be written; the finished pieces are kept.
    DataError
        If Pythia fails, or a piece in the part folder is damaged.
    """
    definition = DEFINITIONS[config.study]
    origin = _origin(config, definition)
    tallies = make_file(
        output,
        origin["digest"],
        plan=lambda folder: _plan(config, definition, folder),
        make=_make_piece,
        write=lambda path, rounds, is_complete: _write(path, rounds, origin, is_complete),
        unit="jets",
        counted="jets per class",
        workers=workers,
        overwrite=overwrite,
        progress=progress,
    )
    return SimulateResult(output, definition.classes, tallies)


def _origin(config: SimulateConfig, definition: Definition) -> dict[str, Any]:
    """Return the attributes that say where the jets come from."""
    described = asdict(definition)
    calorimeter = _calorimeter(config)
    name, processes = described.pop("name"), described.pop("processes")
    origin = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "detcnn_version": detcnn.__version__,
        **generator_versions(),
        "config": config.identity(),
        "study": name,
        "seed": config.seed,
        "definition": described,
        "calorimeter": asdict(calorimeter) if calorimeter else "none",
        "clustering": CLUSTERING,
        "classes": list(definition.classes),
        "settings": {
            process["name"]: [*definition.settings, *process["settings"]] for process in processes
        },
    }
    return {**origin, "digest": value_digest(origin)}


def _plan(config: SimulateConfig, definition: Definition, folder: Path) -> list[tuple[_Piece, ...]]:
    """Return rounds of one piece of each class."""
    size = config.jets_per_piece
    return [
        tuple(
            _Piece(
                config=config,
                label=label,
                number=number,
                n_events=min(size, config.jets_per_class - start),
                path=folder / f"{name}-{number:06d}.h5",
            )
            for label, name in enumerate(definition.classes)
        )
        for number, start in enumerate(range(0, config.jets_per_class, size))
    ]


def _calorimeter(config: SimulateConfig) -> Calorimeter | None:
    return None if config.calorimeter is None else Calorimeter(cell=config.calorimeter.cell)


def _make_piece(piece: _Piece) -> int:
    generated = generate_jets(
        DEFINITIONS[piece.config.study],
        piece.label,
        seed=piece.config.seed,
        piece=piece.number,
        n_jets=piece.n_events,
        calorimeter=_calorimeter(piece.config),
    )
    write_jets(piece.path, [generated.jets], {"tally": asdict(generated.tally)})
    return piece.n_events


def _write(
    path: Path, rounds: Rounds[_Piece], origin: dict[str, Any], is_complete: bool
) -> tuple[Tally, ...]:
    tallies = tuple(sum(map(_read_tally, pieces), Tally()) for pieces in zip(*rounds, strict=True))
    statistics = {
        name: asdict(tally) for name, tally in zip(origin["classes"], tallies, strict=True)
    }
    attributes = {**origin, "statistics": statistics, "complete": is_complete}
    write_jets(path, _mixed_rounds(rounds), attributes)
    return tallies


def _mixed_rounds(rounds: Rounds[_Piece]) -> Iterator[EventTable]:
    for pieces in rounds:
        rng = generator(pieces[0].config.seed, "simulate/order", pieces[0].number)
        yield mixed([read_jets(piece.path) for piece in pieces], rng)


def _read_tally(piece: _Piece) -> Tally:
    return Tally(**json.loads(read_attributes(piece.path)["tally"]))
