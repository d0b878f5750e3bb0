"""``simulate``: a file of jets from a published definition.

The sample is made in pieces, each with a seed of its own, so that the result does not depend on
how many processes make it or on how often the run is broken off and taken up again.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import detcnn
from detcnn.artifacts.digests import value_digest
from detcnn.config.simulate import SimulateConfig
from detcnn.errors import DataError, OutputExistsError, StorageError
from detcnn.events.table import EventTable
from detcnn.processors import available_cpus
from detcnn.progress import SILENT, Progress
from detcnn.scaleout.pool import run_tasks
from detcnn.seeding import generator
from detcnn.simulation.calorimeter import Calorimeter
from detcnn.simulation.definitions import DEFINITIONS, Definition
from detcnn.simulation.jet_file import (
    FORMAT,
    FORMAT_VERSION,
    read_attributes,
    read_jets,
    write_jets,
)
from detcnn.simulation.mixing import mixed
from detcnn.simulation.pythia import CLUSTERING, Tally, generate_jets, generator_versions


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
    n_jets: int
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

    Finished pieces are kept in ``NAME.part-<digest>/`` beside the output until all are there; the
    same call takes them up again. On Ctrl-C the finished pieces are written to the output, equally
    many jets of each class and marked as incomplete, before the exception goes on; the same call
    then replaces that file.

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
    _refuse_existing(output, origin, overwrite=overwrite)
    with _part_folder(output, origin["digest"]) as folder:
        rounds = _plan(config, definition, folder)
        pieces = [piece for pieces in rounds for piece in pieces]
        to_do = [piece for piece in pieces if not piece.path.exists()]
        task = progress.task("jets", total=sum(piece.n_jets for piece in pieces), unit="jets")
        if len(to_do) < len(pieces):
            progress.info(f"going on: {len(pieces) - len(to_do)} of {len(pieces)} pieces are done")
            task.advance(sum(piece.n_jets for piece in pieces if piece not in to_do))
        try:
            run_tasks(
                _make_piece,
                to_do,
                workers=workers or available_cpus(),
                on_result=task.advance,
            )
        except KeyboardInterrupt:
            done = [pieces for pieces in rounds if all(piece.path.exists() for piece in pieces)]
            n_jets = sum(pieces[0].n_jets for pieces in done)
            kept = "too few jets for a file yet"
            if done:
                try:
                    _publish(output, done, origin, folder, is_complete=False, overwrite=False)
                    kept = f"{output} has {n_jets:,} of {config.jets_per_class:,} jets per class"
                except OutputExistsError:
                    # --overwrite is for a complete file: half of one replaces nothing.
                    kept = f"{output} is left as it was, {n_jets:,} jets per class are kept"
            progress.warn(f"interrupted: {kept}; run the same command again to go on")
            raise
        task.finish()
        tallies = _publish(output, rounds, origin, folder, is_complete=True, overwrite=overwrite)
        shutil.rmtree(folder)
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
                n_jets=min(size, config.jets_per_class - start),
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
        n_jets=piece.n_jets,
        calorimeter=_calorimeter(piece.config),
    )
    write_jets(piece.path, [generated.jets], {"tally": asdict(generated.tally)})
    return piece.n_jets


def _publish(
    output: Path,
    rounds: Sequence[tuple[_Piece, ...]],
    origin: dict[str, Any],
    folder: Path,
    *,
    is_complete: bool,
    overwrite: bool,
) -> tuple[Tally, ...]:
    tallies = tuple(sum(map(_read_tally, pieces), Tally()) for pieces in zip(*rounds, strict=True))
    statistics = {
        name: asdict(tally) for name, tally in zip(origin["classes"], tallies, strict=True)
    }
    merged = folder / "merged.h5"
    write_jets(
        merged,
        _mixed_rounds(rounds),
        {**origin, "statistics": statistics, "complete": is_complete},
    )
    _refuse_existing(output, origin, overwrite=overwrite)
    merged.replace(output)
    return tallies


def _mixed_rounds(rounds: Sequence[tuple[_Piece, ...]]) -> Iterator[EventTable]:
    for pieces in rounds:
        rng = generator(pieces[0].config.seed, "simulate/order", pieces[0].number)
        yield mixed([read_jets(piece.path) for piece in pieces], rng)


def _read_tally(piece: _Piece) -> Tally:
    return Tally(**json.loads(read_attributes(piece.path)["tally"]))


def _refuse_existing(output: Path, origin: dict[str, Any], *, overwrite: bool) -> None:
    if output.is_dir():
        raise OutputExistsError(f"{output}: is a folder, expected the name of a file to write")
    if not output.exists() or overwrite:
        return
    try:
        found = read_attributes(output)
    except DataError:
        found = {}
    if found.get("digest") != origin["digest"] or found["complete"]:
        raise OutputExistsError(f"{output}: exists already: use --overwrite to replace it")


@contextmanager
def _part_folder(output: Path, digest: str) -> Iterator[Path]:
    """Open the folder of the pieces, for this process alone."""
    folder = output.with_name(f"{output.name}.part-{digest[:12]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks; there, the user is the lock.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise OutputExistsError(f"{output}: another process is writing it") from None
        yield folder
    finally:
        os.close(lock)
