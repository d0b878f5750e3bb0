"""A simulated file made in pieces, each with a seed of its own.

So the file does not depend on how many processes make it, or on how often the run is broken off and
taken up again.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from detcnn.errors import DataError, OutputExistsError, StorageError
from detcnn.processors import available_cpus
from detcnn.progress import SILENT, Progress
from detcnn.scaleout.pool import run_tasks
from detcnn.simulation.whole_file import read_attributes


class Piece(Protocol):
    """A part of the file that one process makes with one seed."""

    @property
    def n_events(self) -> int:
        """How many events it has."""

    @property
    def path(self) -> Path:
        """Where it is kept until the file is written."""


P = TypeVar("P", bound=Piece)
R = TypeVar("R")
Rounds = Sequence[tuple[P, ...]]
"""The file in its order; the pieces of a round go into it together or not at all."""


def make_file(
    output: Path,
    digest: str,
    *,
    plan: Callable[[Path], Rounds[P]],
    make: Callable[[P], int],
    write: Callable[[Path, Rounds[P], bool], R],
    unit: str,
    counted: str,
    attributes: Callable[[Path], Mapping[str, Any]] = read_attributes,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> R:
    """Make a file of simulated events from pieces.

    Finished pieces are kept in ``NAME.part-<digest>/`` beside the output until all are there; the
    same call takes them up again. On Ctrl-C the finished rounds are written to the output, marked
    as incomplete, before the exception goes on; the same call then replaces that file.

    Parameters
    ----------
    output : Path
        The file to write; its folder is made if need be.
    digest : str
        Of all that determines the file; its root attribute ``digest``.
    plan : callable
        ``plan(folder)`` gives the rounds of pieces, each with its place in `folder`.
    make : callable
        A module-level function that makes one piece, moves it into place when it is whole, and
        returns its number of events.
    write : callable
        ``write(path, rounds, is_complete)`` writes the file from finished pieces, with the root
        attributes ``digest`` and ``complete``.
    unit : str
        What is counted, in the plural.
    counted : str
        What of a round is told on Ctrl-C: the events of its first piece, as ``"jets per class"``.
    attributes : callable
        ``attributes(path)`` reads ``digest`` and ``complete`` of what `write` wrote; DataError if
        it is no such file.
    workers : int, optional
        Number of processes; all CPUs of this process by default.
    overwrite : bool
        Replace a file at `output`, once the new one is complete.
    progress : Progress
        Hears how many events are done.

    Returns
    -------
    object
        What `write` returned.

    Raises
    ------
    OutputExistsError
        If `output` exists and may not be replaced, or another process is writing it.
    StorageError
        If the disk is full or cannot be written; the finished pieces are kept.
    DataError
        If a piece in the part folder is damaged.
    """
    _refuse_existing(output, digest, attributes, overwrite=overwrite)

    def publish(rounds: Rounds[P], *, is_complete: bool, overwrite: bool) -> R:
        merged = folder / f"merged{output.suffix}"
        written = write(merged, rounds, is_complete)
        _refuse_existing(output, digest, attributes, overwrite=overwrite)
        merged.replace(output)
        return written

    with _part_folder(output, digest) as folder:
        rounds = plan(folder)
        pieces = [piece for pieces in rounds for piece in pieces]
        to_do = [piece for piece in pieces if not piece.path.exists()]
        task = progress.task(unit, total=sum(piece.n_events for piece in pieces), unit=unit)
        if len(to_do) < len(pieces):
            progress.info(f"going on: {len(pieces) - len(to_do)} of {len(pieces)} pieces are done")
            task.advance(sum(piece.n_events for piece in pieces if piece not in to_do))
        try:
            run_tasks(make, to_do, workers=workers or available_cpus(), on_result=task.advance)
        except KeyboardInterrupt:
            done = [pieces for pieces in rounds if all(piece.path.exists() for piece in pieces)]
            n_done = _counted(done)
            kept = f"too few {unit} for a file yet"
            if done:
                try:
                    publish(done, is_complete=False, overwrite=False)
                    kept = f"{output} has {n_done:,} of {_counted(rounds):,} {counted}"
                except OutputExistsError:
                    # --overwrite is for a complete file: half of one replaces nothing.
                    kept = f"{output} is left as it was, {n_done:,} {counted} are kept"
            progress.warn(f"interrupted: {kept}; run the same command again to go on")
            raise
        task.finish()
        result = publish(rounds, is_complete=True, overwrite=overwrite)
        shutil.rmtree(folder)
    return result


def _counted(rounds: Sequence[tuple[Piece, ...]]) -> int:
    return sum(pieces[0].n_events for pieces in rounds)


def _refuse_existing(
    output: Path,
    digest: str,
    attributes: Callable[[Path], Mapping[str, Any]],
    *,
    overwrite: bool,
) -> None:
    if output.is_dir():
        raise OutputExistsError(f"{output}: is a folder, expected the name of a file to write")
    if not output.exists() or overwrite:
        return
    found: Mapping[str, Any]
    try:
        found = attributes(output)
    except DataError:
        found = {}
    if found.get("digest") != digest or found["complete"]:
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
