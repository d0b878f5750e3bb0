"""Building an artifact beside its final place and moving it there when it is whole.

A reader sees an artifact entirely or not at all: the payload is written into
``NAME.part-<identity>/``, the manifest last, everything is flushed to disk, and one rename makes it
visible. A killed stage leaves only the part folder; the same stage with the same configuration and
inputs finds it again by its identity and goes on.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from detcnn.artifacts.digests import file_digest
from detcnn.artifacts.kinds import Kind
from detcnn.artifacts.manifest import (
    MANIFEST,
    Input,
    Manifest,
    PayloadFile,
    describe_environment,
    write_manifest,
)
from detcnn.artifacts.opening import Artifact, is_artifact, open_artifact
from detcnn.errors import ConfigError, DataError, OutputExistsError, StorageError

_LOCK = ".lock"
_FLUSHED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ArtifactBuilder:
    """An artifact in the making.

    Parameters
    ----------
    folder : Path
        Where the payload is written.
    target : Path
        Where it will be published.
    kind : Kind
        What it will be.
    identity : str
        Digest of all that determines the result.
    overwrite : bool
        Whether an artifact at `target` may be replaced.
    """

    folder: Path
    target: Path
    kind: Kind
    identity: str
    overwrite: bool

    def publish(
        self,
        *,
        stage: str,
        config: Mapping[str, Any],
        inputs: Iterable[Input],
        contents: Mapping[str, Any],
        circumstances: Mapping[str, Any],
        scratch: Collection[str] = (),
    ) -> Artifact:
        """Write the manifest, flush everything, and move the artifact to its place.

        An artifact that stood there is moved aside first and removed last. `circumstances`, such as
        where inputs were and how long it took, are told to people and are no part of the digest.
        The folders named by `scratch` are not published; they are removed at the very end, so that
        a run that is killed before can still go on from them.

        Returns
        -------
        Artifact
            The published artifact.

        Raises
        ------
        OutputExistsError
            If something appeared at `target` in the meantime.
        """
        refuse_existing(self.target, overwrite=self.overwrite)
        own = (self.folder / _LOCK, self.folder / MANIFEST)
        folders, files = _walk(self.folder, leave_out=scratch)
        sealed = sorted(set(files) - set(own))
        _flush_all(sealed)
        payload = [
            PayloadFile(
                path.relative_to(self.folder).as_posix(), path.stat().st_size, file_digest(path)
            )
            for path in sealed
        ]
        manifest = Manifest(
            kind=self.kind.name,
            format_version=self.kind.version,
            stage=stage,
            identity=self.identity,
            config=config,
            inputs=tuple(inputs),
            contents=contents,
            payload=tuple(payload),
            environment={**describe_environment(), **circumstances},
        )
        write_manifest(manifest, self.folder)
        _flush_all([self.folder / MANIFEST, *folders])
        _move_into_place(self.folder, self.target, scratch=scratch)
        return open_artifact(self.target, expected=self.kind)


@contextmanager
def build_artifact(
    target: Path, *, kind: Kind, identity: str, overwrite: bool
) -> Iterator[ArtifactBuilder]:
    """Open the part folder of an artifact for writing, alone.

    Leaving the block by a `DataError` or a `ConfigError` removes the part folder, because the same
    command would fail again, unless an earlier run had left it; any other way of leaving keeps it,
    so that the work can go on.

    Parameters
    ----------
    target : Path
        Where the artifact will be; its parent is made if need be.
    kind : Kind
        What it will be.
    identity : str
        Digest of all that determines the result; a part folder is only taken up again by a run of
        equal identity.
    overwrite : bool
        Replace an artifact that stands at `target`, once the new one is complete.

    Yields
    ------
    ArtifactBuilder

    Raises
    ------
    OutputExistsError
        If `target` exists and may not be replaced, or another process is writing it.
    """
    refuse_existing(target, overwrite=overwrite)
    # A link, say to a larger disk, stays; what it points to is written.
    target = target.resolve() if target.is_symlink() else target
    folder = target.with_name(f"{target.name}.part-{identity[:12]}")
    was_there = folder.exists()
    with _locked(folder, target):
        # A run killed between manifest and rename left one behind; it is written anew.
        (folder / MANIFEST).unlink(missing_ok=True)
        try:
            yield ArtifactBuilder(folder, target, kind, identity, overwrite)
        except (DataError, ConfigError):
            if not was_there:
                # What cannot be removed must not hide what went wrong.
                shutil.rmtree(folder, ignore_errors=True)
            raise
        except OSError as error:
            if error.filename is not None:
                raise
            # A failed write does not know its file.
            reason = error.strerror or error
            raise StorageError(f"{folder}: cannot be written: {reason}") from error
        finally:
            # Nothing to go on from.
            if folder.is_dir() and [path.name for path in folder.iterdir()] == [_LOCK]:
                shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Raise if an artifact cannot be written at `target`.

    Raises
    ------
    OutputExistsError
        If `target` exists without `overwrite`, or is something that detcnn did not make.
    """
    if not target.exists():
        return
    if not overwrite:
        raise OutputExistsError(f"{target}: exists already: use --overwrite to replace it")
    if not is_artifact(target):
        raise OutputExistsError(
            f"{target}: exists and is no detcnn artifact, so it is not replaced: "
            "choose another output"
        )


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    path = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror}") from error
    with lock:
        if not _is_ours(lock, path):
            raise OutputExistsError(f"{target}: another process is writing it (it holds {path})")
        yield


def _is_ours(lock: IO[str], path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems have no locks; there, the user is the lock.
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
    # Its last holder may have published the folder, or removed it, before letting go.
    return path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno()))


def _move_into_place(folder: Path, target: Path, *, scratch: Collection[str]) -> None:
    old = target.with_name(f"{target.name}.old-{folder.name[-12:]}")
    if old.exists():
        # Left by a run that was killed after its new artifact was already complete.
        shutil.rmtree(old)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    _flush(target.parent)
    # Not sooner: as long as the part folder has its name, the lock keeps others out of it.
    (target / _LOCK).unlink()
    for name in scratch:
        shutil.rmtree(target / name, ignore_errors=True)
    if old.exists():
        shutil.rmtree(old)


def _walk(folder: Path, *, leave_out: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Return all folders, this one first, and all files; raise if one cannot be read."""

    def give_up(error: OSError) -> None:
        raise error

    folders, files = [], []
    for place, inner, names in os.walk(folder, onerror=give_up):
        if Path(place) == folder:
            inner[:] = [name for name in inner if name not in leave_out]
        folders.append(Path(place))
        files += [Path(place, name) for name in names]
    return folders, files


def _flush_all(paths: Sequence[Path]) -> None:
    # Side by side: a disk flushes many files in little more time than one.
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        for i in range(0, len(paths), _FLUSHED_AT_ONCE):
            list(pool.map(_flush, paths[i : i + _FLUSHED_AT_ONCE]))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
