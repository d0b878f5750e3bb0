"""Files of jets: one HDF5 file with flat constituent columns and the offsets of each jet.

Format history
--------------
1
    ``/jets/offsets`` (n_jets + 1) and one dataset per jet column in ``/jets``, one per constituent
    column in ``/constituents``; ``units`` and ``meaning`` on each. The root's attributes tell the
    generator, its settings, the classes by label, and whether the file is complete.
"""

import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError, StorageError
from detcnn.events.table import EventTable
from detcnn.simulation.columns import (
    CONSTITUENT_COLUMNS,
    GROOMED_COLUMNS,
    JET_COLUMNS,
    ColumnType,
)

FORMAT = "detcnn jets"
FORMAT_VERSION = 1

_COLUMNS = {**JET_COLUMNS, **GROOMED_COLUMNS}
_OFFSETS = ColumnType("<i8", "1", "jet i has the constituents offsets[i] to offsets[i + 1]")
_JETS_PER_CHUNK = 1 << 13
_CONSTITUENTS_PER_CHUNK = 1 << 16


def write_jets(path: Path, blocks: Iterable[EventTable], attributes: Mapping[str, Any]) -> None:
    """Write a file of jets; it is there entirely, flushed to disk, or not at all.

    Equal jets and attributes give equal bytes.

    Parameters
    ----------
    path : Path
        The file; what is there already is replaced.
    blocks : iterable of EventTable
        Jets with the columns of `detcnn.simulation.columns`, in all blocks those of the first,
        written one block after the other.
    attributes : mapping
        Root attributes; lists and mappings are stored as JSON.

    Raises
    ------
    StorageError
        If the disk is full or cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        with _Sink(unfinished) as sink:
            try:
                with h5py.File(sink, "w", libver=("earliest", "v110")) as file:
                    for name, value in attributes.items():
                        file.attrs[name] = _as_attribute(value)
                    _fill(file, blocks, sink)
            finally:
                # First: what HDF5 says of a file that lost a write only hides it.
                sink.raise_error()
            os.fsync(sink.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_jets(path: Path) -> EventTable:
    """Read all jets of a file that `write_jets` wrote.

    Raises
    ------
    DataError
        If it is no such file, or cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            return EventTable(
                offsets=file["jets/offsets"][:],
                constituents={name: file["constituents"][name][:] for name in CONSTITUENT_COLUMNS},
                columns={name: file["jets"][name][:] for name in file["jets"] if name != "offsets"},
            )
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: is no file of jets, or damaged: {error}") from None


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Read the jet columns of a file, and the number of constituents as ``multiplicity``.

    Raises
    ------
    DataError
        If it is no file that `write_jets` wrote, or cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            columns = {name: file["jets"][name][:] for name in file["jets"] if name != "offsets"}
            return {**columns, "multiplicity": np.diff(file["jets/offsets"][:])}
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: is no file of jets, or damaged: {error}") from None


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the root attributes of a file of jets, decoding none.

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


class _Sink(io.FileIO):
    """A file that keeps a failed write to itself until it is asked.

    HDF5 crashes when a file is closed after a write has failed (a full disk), so it is not told.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
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


def _fill(file: h5py.File, blocks: Iterable[EventTable], sink: _Sink) -> None:
    jets, constituents = file.create_group("jets"), file.create_group("constituents")
    _create(jets, "offsets", _OFFSETS, _JETS_PER_CHUNK)
    _append(jets["offsets"], [0])
    for name, kind in CONSTITUENT_COLUMNS.items():
        _create(constituents, name, kind, _CONSTITUENTS_PER_CHUNK)
    n_before = 0
    for block in blocks:
        for name in block.columns if n_before == 0 else ():
            _create(jets, name, _COLUMNS[name], _JETS_PER_CHUNK)
        _append(jets["offsets"], n_before + block.offsets[1:])
        n_before += block.n_constituents
        for name in block.columns:
            _append(jets[name], block.columns[name])
        for name in CONSTITUENT_COLUMNS:
            _append(constituents[name], block.constituents[name])
        sink.raise_error()


def _create(group: h5py.Group, name: str, kind: ColumnType, rows_per_chunk: int) -> None:
    dataset = group.create_dataset(
        name,
        shape=(0,),
        maxshape=(None,),
        dtype=kind.dtype,
        chunks=(rows_per_chunk,),
        shuffle=True,
        compression="gzip",
        compression_opts=4,
        track_times=False,
    )
    dataset.attrs["units"] = kind.unit
    dataset.attrs["meaning"] = kind.meaning


def _append(dataset: h5py.Dataset, rows: ArrayLike) -> None:
    n_before = len(dataset)
    dataset.resize(n_before + len(np.asarray(rows)), axis=0)
    dataset[n_before:] = rows


def _as_attribute(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
