"""What an artifact says about itself."""

import json
import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from detcnn import __version__
from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import KINDS, Kind
from detcnn.errors import DataError

MANIFEST = "manifest.json"

_LIBRARIES = ("h5py", "numba", "numpy", "pyarrow", "safetensors", "torch", "zarr")


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """One file of an artifact: path relative to the folder, size in bytes, SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Input:
    """What an artifact was made from: the part it played, its name, and its digest."""

    role: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of ``manifest.json``.

    Parameters
    ----------
    kind, format_version : str, int
        See `detcnn.artifacts.kinds`.
    stage : str
        The stage that wrote the artifact.
    identity : str
        Digest of all that determined the result: format, configuration, inputs. An artifact whose
        identity is that of a new run need not be made again.
    config : mapping
        The stage's resolved configuration, without file locations.
    inputs : tuple of Input
        What it was made from.
    contents : mapping
        What the kind has to say: counts, classes, channels, axes with their units.
    payload : tuple of PayloadFile
        Every file, sorted by path.
    environment : mapping
        Time, host, versions, places of the inputs: told to people, and no part of the digest.
    """

    kind: str
    format_version: int
    stage: str
    identity: str
    config: Mapping[str, Any]
    inputs: tuple[Input, ...]
    contents: Mapping[str, Any]
    payload: tuple[PayloadFile, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over everything but `environment` and the names of the inputs.

        The same inputs and configuration give the same digest, wherever and whenever.
        """
        content = asdict(self)
        del content["environment"]
        for entry in content["inputs"]:
            del entry["name"]
        return value_digest(content)


def describe_environment() -> dict[str, Any]:
    """Return time, host, command and versions, for a manifest."""
    versions = {"detcnn": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions,
    }


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json`` with its digest into `folder`."""
    text = json.dumps({"digest": manifest.digest, **asdict(manifest)}, indent=2, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path, *, expected: Kind | None = None) -> Manifest:
    """Read the manifest of an artifact.

    Parameters
    ----------
    folder : Path
        The artifact.
    expected : Kind, optional
        The only kind that will do.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        If the manifest is unreadable, altered, of another kind, or of another format number.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        recorded = content.pop("digest")
        manifest = Manifest(
            **{
                **content,
                "inputs": tuple(Input(**entry) for entry in content["inputs"]),
                "payload": tuple(PayloadFile(**entry) for entry in content["payload"]),
            }
        )
        kind = KINDS[manifest.kind]
        is_altered = manifest.digest != recorded
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not a manifest that detcnn {__version__} can read") from error
    if expected is not None and kind != expected:
        raise DataError(
            f"{folder}: holds {manifest.kind}, expected {expected.name} as made by "
            f"'{expected.made_by}'"
        )
    if manifest.format_version != kind.version:
        raise DataError(
            f"{folder}: {kind.name} of format {manifest.format_version}, but detcnn {__version__} "
            f"reads format {kind.version}: make it again with '{kind.made_by}'"
        )
    if is_altered:
        raise DataError(f"{path}: was altered after it was written: its digest does not match")
    return manifest
