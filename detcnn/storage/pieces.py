"""The spool between reading and writing: what one partition of the input becomes.

A piece is written whole or not at all, so a preprocessing that was killed goes on with the pieces
that are missing; the store is then written from the pieces in their order, which makes it the same
for any number of workers.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.images import DenseImages, Images, SparseImages
from detcnn.events.truth import NO_TRUTH, Truth

_INDEX = "index"
"""The part that names all others, and stands last."""

_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged zip file can raise."""


@dataclass(frozen=True, slots=True)
class Block:
    """Events of one split.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Their images.
    label : numpy.ndarray
        int64, shape (n_events,): class index.
    weight : numpy.ndarray
        float32, shape (n_events,): event weight of the input.
    columns : mapping
        Column name to array of shape (n_events,).
    truth : Truth
        What is true of their pixels, and points in them.
    """

    images: Images
    label: NDArray[np.int64]
    weight: NDArray[np.float32]
    columns: Mapping[str, NDArray[Any]]
    truth: Truth = NO_TRUTH


@dataclass(frozen=True, slots=True)
class Piece:
    """A finished piece, read part by part; it holds no open file.

    Every method raises a `DataError` if the file is damaged.

    Parameters
    ----------
    path : Path
        The file.
    """

    path: Path

    def totals(self) -> dict[str, NDArray[Any]]:
        """Return what was counted in the partition."""
        return self._read("totals/")

    def block(self, split: str) -> Block:
        """Return the events of one split."""
        parts = self._read(f"{split}/")
        pixels = _below("truth/", parts)
        return Block(
            images=_images(_below("images/", parts)),
            label=parts["label"],
            weight=parts["weight"],
            columns=_below("columns/", parts),
            truth=Truth(
                pixels={
                    name: _images(_below(f"{name}/", pixels))
                    for name in dict.fromkeys(part.rpartition("/")[0] for part in pixels)
                },
                points=_below("points/", parts),
            ),
        )

    def column(self, split: str, name: str) -> NDArray[Any]:
        """Return ``label``, ``weight`` or ``columns/NAME`` of one split."""
        return self._read(f"{split}/{name}")[""]

    def _read(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return every part whose name starts with `prefix`, by the rest of its name."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [member.removesuffix(".npy") for member in archive.namelist()]
                if names != [*_load(archive, _INDEX), _INDEX]:
                    raise zipfile.BadZipFile("it does not hold the parts that it lists")
                return {
                    name.removeprefix(prefix): _load(archive, name)
                    for name in names
                    if name.startswith(prefix)
                }
        except _DAMAGE as error:
            raise DataError(
                f"{self.path}: damaged piece ({error}): delete it and run again"
            ) from None


def _load(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    # Read whole, and so with its checksum compared, before NumPy looks at it.
    return np.asarray(np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False))


def _below(prefix: str, parts: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the parts whose name starts with `prefix`, by the rest of their names."""
    return {n.removeprefix(prefix): v for n, v in parts.items() if n.startswith(prefix)}


def _parts(images: Images) -> dict[str, NDArray[Any]]:
    if isinstance(images, DenseImages):
        return {"values": images.values}
    return {
        "shape": np.array(images.shape),
        "offsets": images.offsets,
        "pixel": images.pixel,
        "value": images.value,
    }


def _images(parts: Mapping[str, NDArray[Any]]) -> Images:
    if "values" in parts:
        return DenseImages(parts["values"])
    shape = tuple(parts["shape"].tolist())
    return SparseImages(parts["offsets"], parts["pixel"], parts["value"], shape)


def write_piece(
    path: Path, blocks: Mapping[str, Block], totals: Mapping[str, NDArray[Any]]
) -> None:
    """Write the events of each split, and what was counted, to `path`."""
    parts: dict[str, NDArray[Any]] = {f"totals/{name}": value for name, value in totals.items()}
    for split, block in blocks.items():
        of_pixels = {"images": block.images}
        of_pixels |= {f"truth/{name}": images for name, images in block.truth.pixels.items()}
        for name, images in of_pixels.items():
            for part, values in _parts(images).items():
                parts[f"{split}/{name}/{part}"] = values
        parts[f"{split}/label"] = block.label
        parts[f"{split}/weight"] = block.weight
        for name, values in block.columns.items():
            parts[f"{split}/columns/{name}"] = values
        for name, values in block.truth.points.items():
            parts[f"{split}/points/{name}"] = values
    parts[_INDEX] = np.array(list(parts))
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **parts)  # type: ignore[arg-type]  # the stubs take names for options
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
