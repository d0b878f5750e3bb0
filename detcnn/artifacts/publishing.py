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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from detcnn.errors import ConfigError, DataError, OutputExistsError

_LOCK = ".lock"


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
    overwrite : bool
        Whether an artifact at `target` may be replaced.
    """

    folder: Path
    target: Path
    kind: Kind
    overwrite: bool

    def publish(
        self,
        *,
        stage: str,
        config: Mapping[str, Any],
        inputs: Iterable[Input],
        contents: Mapping[str, Any],
        circumstances: Mapping[str, Any],
    ) -> Artifact:
        """Write the manifest, flush everything, and move the artifact to its place.

        An artifact that stood there is moved aside first and removed last. `circumstances`, such as
        where inputs were and how long it took, are told to people and are no part of the digest.

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
        paths = sorted(
            path
            for path in self.folder.rglob("*")
            if path.is_file() and path.name not in (_LOCK, MANIFEST)
        )
        payload = []
        for path in paths:
            _flush(path)
            name = path.relative_to(self.folder).as_posix()
            payload.append(PayloadFile(name, path.stat().st_size, file_digest(path)))
        manifest = Manifest(
            kind=self.kind.name,
            format_version=self.kind.version,
            stage=stage,
            config=config,
            inputs=tuple(inputs),
            contents=contents,
            payload=tuple(payload),
            environment={**describe_environment(), **circumstances},
        )
        write_manifest(manifest, self.folder)
        _flush(self.folder / MANIFEST)
        for directory in [*(p for p in self.folder.rglob("*") if p.is_dir()), self.folder]:
            _flush(directory)
        _move_into_place(self.folder, self.target)
        return open_artifact(self.target, expected=self.kind)


@contextmanager
def build_artifact(
    target: Path, *, kind: Kind, identity: str, overwrite: bool
) -> Iterator[ArtifactBuilder]:
    """Open the part folder of an artifact for writing, alone.

    Leaving the block by a `DataError` or a `ConfigError` removes the part folder, because the same
    command would fail again; any other way of leaving keeps it, so that the work can go on.

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
    folder = target.with_name(f"{target.name}.part-{identity[:12]}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks; there, the user is the lock.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise OutputExistsError(
                    f"{target}: another process is writing it (it holds {folder / _LOCK})"
                ) from None
        # A run killed between manifest and rename left one behind; it is written anew.
        (folder / MANIFEST).unlink(missing_ok=True)
        try:
            yield ArtifactBuilder(folder=folder, target=target, kind=kind, overwrite=overwrite)
        except (DataError, ConfigError):
            shutil.rmtree(folder)
            raise


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


def _move_into_place(folder: Path, target: Path) -> None:
    old = target.with_name(f"{target.name}.old-{folder.name[-12:]}")
    if old.exists():
        # Left by a run that was killed after its new artifact was already complete.
        shutil.rmtree(old)
    (folder / _LOCK).unlink(missing_ok=True)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    _flush(target.parent)
    if old.exists():
        shutil.rmtree(old)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
