"""Files of jets: one HDF5 file with flat constituent columns and the offsets of each jet.

Format history
--------------
1
    ``/jets/offsets`` (n_jets + 1) and one dataset per jet column in ``/jets``, one per constituent
    column in ``/constituents``; ``units`` and ``meaning`` on each. The root's attributes tell the
    generator, its settings, the classes by label, and whether the file is complete.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.table import EventTable
from detcnn.simulation.columns import (
    CONSTITUENT_COLUMNS,
    GROOMED_COLUMNS,
    JET_COLUMNS,
    ColumnType,
)
from detcnn.simulation.whole_file import WholeFile, append, create_growing, whole_file

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
    with whole_file(path, attributes) as whole:
        _fill(whole, blocks)


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


def _fill(whole: WholeFile, blocks: Iterable[EventTable]) -> None:
    jets = whole.file.create_group("jets")
    constituents = whole.file.create_group("constituents")
    create_growing(jets, "offsets", _OFFSETS, rows_per_chunk=_JETS_PER_CHUNK)
    append(jets["offsets"], [0])
    for name, kind in CONSTITUENT_COLUMNS.items():
        create_growing(constituents, name, kind, rows_per_chunk=_CONSTITUENTS_PER_CHUNK)
    n_before = 0
    for block in blocks:
        for name in block.columns if n_before == 0 else ():
            create_growing(jets, name, _COLUMNS[name], rows_per_chunk=_JETS_PER_CHUNK)
        append(jets["offsets"], n_before + block.offsets[1:])
        n_before += block.n_constituents
        for name in block.columns:
            append(jets[name], block.columns[name])
        for name in CONSTITUENT_COLUMNS:
            append(constituents[name], block.constituents[name])
        whole.raise_error()
