"""Opening an artifact, and checking that it is whole."""

import glob
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detcnn.artifacts.digests import file_digest
from detcnn.artifacts.kinds import Kind
from detcnn.artifacts.manifest import MANIFEST, Input, Manifest, read_manifest
from detcnn.errors import DataError


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published artifact: its folder and its manifest."""

    path: Path
    manifest: Manifest

    def as_input(self, role: str) -> Input:
        """Return the record that an artifact made from this one keeps of it."""
        return Input(role=role, name=self.path.name, digest=self.manifest.digest)


_GO_ON = "run the command that was making it again, a training with --resume"

_HALF_WRITTEN = re.compile(r"\.part-[0-9a-f]{12}$")


def is_artifact(path: Path) -> bool:
    """Tell whether `path` is a folder with a manifest of detcnn, be it damaged or of old format.

    A file of that name which something else wrote is not taken for one.
    """
    try:
        content = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"kind", "format_version", "digest"} <= content.keys()


def open_artifact(path: Path, *, expected: Kind | None = None) -> Artifact:
    """Open an artifact after checking that every file is there with its full size.

    Parameters
    ----------
    path : Path
        The artifact's folder.
    expected : Kind, optional
        The only kind that will do.

    Returns
    -------
    Artifact

    Raises
    ------
    DataError
        If there is no artifact, or it is half-written, foreign, of the wrong kind or format, or
        incomplete.
    """
    remedy = f": make it with '{expected.made_by}'" if expected else ""
    if not path.exists():
        unfinished = sorted(path.parent.glob(f"{glob.escape(path.name)}.part-*"))
        if unfinished:
            raise DataError(
                f"{path}: not there, only the unfinished {unfinished[0].name}: "
                f"{_GO_ON}, and it will go on"
            )
        raise DataError(f"{path}: no such artifact{remedy}")
    if _HALF_WRITTEN.search(path.name):
        raise DataError(f"{path}: half-written: {_GO_ON}")
    if not (path / MANIFEST).is_file():
        raise DataError(f"{path}: not a detcnn artifact (no {MANIFEST}){remedy}")
    manifest = read_manifest(path, expected=expected)
    for file in manifest.payload:
        try:
            size = (path / file.path).stat().st_size
        except OSError:
            raise DataError(f"{path}: the file {file.path} is missing: copy it again") from None
        if size != file.size:
            raise DataError(
                f"{path}: the file {file.path} has {size} bytes instead of {file.size}: "
                "copy it again"
            )
    return Artifact(path=path, manifest=manifest)


def find_current(path: Path, *, kind: Kind, identity: str) -> Artifact | None:
    """Return the artifact at `path` if it is what a run of this identity would make.

    None where there is none, or it is damaged or of an older format.

    Raises
    ------
    DataError
        If an artifact of another kind is there.
    """
    if not is_artifact(path):
        return None
    try:
        artifact = open_artifact(path)
    except DataError:
        return None
    if artifact.manifest.kind != kind.name:
        raise DataError(
            f"{path}: holds {artifact.manifest.kind}, expected {kind.name}: choose another output"
        )
    return artifact if artifact.manifest.identity == identity else None


def iter_damaged(artifact: Artifact) -> Iterator[str]:
    """Yield the path of every file whose content differs from the manifest's checksum."""
    for file in artifact.manifest.payload:
        if file_digest(artifact.path / file.path) != file.sha256:
            yield file.path
