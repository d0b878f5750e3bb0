"""The spool between reading and writing: what one partition of the input becomes.

A piece is written whole or not at all, so a preprocessing that was killed goes on with the pieces
that are missing; the store is then written from the pieces in their order, which makes it the same
for any number of workers.
"""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.images import DenseImages, Images, SparseImages


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
    """

    images: Images
    label: NDArray[np.int64]
    weight: NDArray[np.float32]
    columns: Mapping[str, NDArray[Any]]


class Piece:
    """A finished piece, read part by part.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DataError
        If the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._parts = np.load(path, allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: damaged piece: delete it and run again ({error})") from None

    def totals(self) -> dict[str, NDArray[Any]]:
        """Return what was counted in the partition."""
        prefix = "totals/"
        names = [name for name in self._parts.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._part(name) for name in names}

    def block(self, split: str) -> Block:
        """Return the events of one split."""
        parts = {
            name.removeprefix(f"{split}/"): self._part(name)
            for name in self._parts.files
            if name.startswith(f"{split}/")
        }
        images: Images
        if "values" in parts:
            images = DenseImages(parts["values"])
        else:
            channels, rows, columns = parts["shape"].tolist()
            images = SparseImages(
                parts["offsets"], parts["pixel"], parts["value"], (channels, rows, columns)
            )
        return Block(
            images=images,
            label=parts["label"],
            weight=parts["weight"],
            columns={
                name.removeprefix("columns/"): values
                for name, values in parts.items()
                if name.startswith("columns/")
            },
        )

    def column(self, split: str, name: str) -> NDArray[Any]:
        """Return ``label``, ``weight`` or ``columns/NAME`` of one split."""
        return self._part(f"{split}/{name}")

    def _part(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(self._parts[name])
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self._path}: damaged piece: delete it and run again ({error})"
            ) from None


def write_piece(
    path: Path, blocks: Mapping[str, Block], totals: Mapping[str, NDArray[Any]]
) -> None:
    """Write the events of each split, and what was counted, to `path`."""
    parts: dict[str, NDArray[Any]] = {f"totals/{name}": value for name, value in totals.items()}
    for split, block in blocks.items():
        images = block.images
        if isinstance(images, DenseImages):
            parts[f"{split}/values"] = images.values
        else:
            parts[f"{split}/shape"] = np.array(images.shape)
            parts[f"{split}/offsets"] = images.offsets
            parts[f"{split}/pixel"] = images.pixel
            parts[f"{split}/value"] = images.value
        parts[f"{split}/label"] = block.label
        parts[f"{split}/weight"] = block.weight
        for name, values in block.columns.items():
            parts[f"{split}/columns/{name}"] = values
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **parts)  # type: ignore[arg-type]  # the stubs take names for options
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
