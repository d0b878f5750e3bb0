"""HDF5 files that are there entirely or not at all, and are filled block after block."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike

from detcnn.errors import DataError, StorageError
from detcnn.simulation.columns import ColumnType


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file that is being written.

    Parameters
    ----------
    file : h5py.File
        What is written to.
    sink : Sink
        The bytes behind it.
    """

    file: h5py.File
    sink: "Sink"

    def raise_error(self) -> None:
        """Raise OSError if anything could not be written so far; HDF5 itself does not notice."""
        self.sink.raise_error()


class Sink(io.FileIO):
    """A file that keeps a failed write to itself until it is asked.

    HDF5 crashes when a file is closed after a write has failed (a full disk), so it is not told.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, or keep the reason why not."""
        rest = memoryview(data)
        try:
            while self._error is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return len(data)

    def raise_error(self) -> None:
        """Raise the first failure, if there was one."""
        if self._error is not None:
            raise self._error


@contextmanager
def whole_file(path: Path, attributes: Mapping[str, Any]) -> Iterator[WholeFile]:
    """Open a file for writing that appears at `path` when the block ends, flushed to disk.

    If the block raises, nothing appears. Equal writes give equal bytes.

    Parameters
    ----------
    path : Path
        The file; what is there already is replaced.
    attributes : mapping
        Root attributes; lists and mappings are stored as JSON.

    Yields
    ------
    WholeFile

    Raises
    ------
    StorageError
        If the disk is full or cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        with Sink(unfinished) as sink:
            try:
                with h5py.File(sink, "w", libver=("earliest", "v110")) as file:
                    for name, value in attributes.items():
                        file.attrs[name] = _as_attribute(value)
                    yield WholeFile(file, sink)
            finally:
                # First: what HDF5 says of a file that lost a write only hides it.
                sink.raise_error()
            os.fsync(sink.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def create_growing(
    group: h5py.Group,
    name: str,
    kind: ColumnType,
    *,
    rows_per_chunk: int,
    row: tuple[int, ...] = (),
    level: int = 4,
) -> h5py.Dataset:
    """Create an empty dataset that `append` fills, compressed, with its unit and meaning.

    Parameters
    ----------
    group : h5py.Group
        Where it is created.
    name : str
        Its name.
    kind : ColumnType
        Type, unit and meaning.
    rows_per_chunk : int
        How many rows are compressed together.
    row : tuple of int
        Shape of a row.
    level : int
        Of gzip's compression, 1 to 9.

    Returns
    -------
    h5py.Dataset
        Shape (0, *row).
    """
    dataset = group.create_dataset(
        name,
        shape=(0, *row),
        maxshape=(None, *row),
        dtype=kind.dtype,
        chunks=(rows_per_chunk, *row),
        shuffle=True,
        compression="gzip",
        compression_opts=level,
        track_times=False,
    )
    dataset.attrs["units"] = kind.unit
    dataset.attrs["meaning"] = kind.meaning
    return dataset


def append(dataset: h5py.Dataset, rows: ArrayLike) -> None:
    """Add rows at the end of a dataset."""
    n_before = len(dataset)
    dataset.resize(n_before + len(np.asarray(rows)), axis=0)
    dataset[n_before:] = rows


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the root attributes of a file, decoding none.

    Raises
    ------
    DataError
        If it is no HDF5 file.
    """
    try:
        with h5py.File(path, "r") as file:
            return dict(file.attrs)
    except OSError as error:
        raise DataError(f"{path}: is no HDF5 file, or damaged: {error}") from None


def _as_attribute(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
