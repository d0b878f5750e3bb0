"""NumPy files: one array (.npy), or several in a zip archive (.npz).

Python objects, which NumPy keeps as a pickle, are never loaded. An array that lies in its file as
it is, a .npy file or a member of an archive without compression, is read where its rows are. A
compressed member is decompressed from its beginning to the rows that are asked for, which costs
time but no memory.
"""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset, damage_named, decoded
from detcnn.sources.formats.stored_array import StoredArray, beside, named_parts

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_SUFFIX = ".npy"
_LOCAL_HEADER = struct.Struct("<26xHH")
_FEATURES = ("features", "feature_names", "columns")
_MOST_WORDS = 1000

_ENERGYFLOW = ("pt", "y", "phi", "pdgid")
_LOOKED_AT = 100
_PION = 211

_OBJECTS = (
    "Python objects, kept as a pickle, are never loaded: save numbers, as one array padded with "
    "zeros or as flat arrays with offsets"
)

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    RecursionError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What NumPy and zipfile make of a damaged file."""

_damage_named = partial(damage_named, kinds=_DAMAGE, kind=" as a NumPy file")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a file: an array, or one field of an array of records."""

    array: StoredArray
    stream: IO[bytes]
    field: str | None = None

    def describe(self, name: str) -> Dataset:
        dtype, shape = self.array.dtype, self.array.shape
        if self.field is not None:
            dtype = dtype[self.field]
            shape = (*shape, *dtype.shape)
            dtype = dtype.base
        if dtype.kind in "SU":
            dtype = np.dtype(str)
        return Dataset(name, shape, dtype, problem=_OBJECTS if dtype.hasobject else None)


@dataclass(slots=True)
class _Arrays:
    """Arrays of NumPy files, opened; see `detcnn.sources.container.Container`."""

    path: Path
    columns: dict[str, _Column] = field(default_factory=dict)

    def add(
        self, name: str, array: StoredArray, stream: IO[bytes], *, is_alone: bool = False
    ) -> None:
        """Add an array, or the fields of an array of records: ``name/field``, or just ``field``."""
        for part in array.dtype.names or (None,):
            full = name if part is None else part if is_alone else f"{name}/{part}"
            self.columns[full] = _Column(array, stream, part)

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every array, and every field of an array of records."""
        found = {name: column.describe(name) for name, column in self.columns.items()}
        features = next((words for key in _FEATURES if (words := self.words(key))), [])
        fault = self._energyflow_fault()
        if fault:
            names = ", ".join(_ENERGYFLOW)
            problem = f"nearly jets of EnergyFlow, X[n, M, 4] = {names}, but {fault}"
            found["X"] = replace(found["X"], problem=problem)
        if not features and fault == "":
            features = list(_ENERGYFLOW)
        for name, dataset in found.items():
            if features and len(dataset.shape) in (2, 3) and dataset.shape[-1] == len(features):
                found[name] = replace(dataset, features=tuple(features))
        return found

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of an array."""
        column = self.columns[name]
        with _damage_named(f"{self.path}: array {name!r}, rows {start} to {stop}"):
            rows = column.array.read_rows(column.stream, start, stop)
            if stop >= column.array.shape[0]:
                # At its end zipfile compares what it has read with the checksum.
                column.stream.read(1)
        rows = rows if column.field is None else rows[column.field]
        return decoded(rows) if rows.dtype.kind in "SU" else rows

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Raise: NumPy has no lists of numbers."""
        raise DataError(f"{self.path}: array {name!r} has no lists, expected flat columns")

    def words(self, attribute: str) -> list[str]:
        """Return an array of text; the classes of EnergyFlow's quark and gluon jets."""
        column = self.columns.get(attribute)
        if column is not None and column.array.dtype.kind in "US":
            return [str(word) for word in np.ravel(self.read(attribute, 0, _MOST_WORDS))]
        is_named = attribute == "classes" and self.path.name.startswith("QG_jets")
        return ["gluon", "quark"] if is_named and self._energyflow_fault() == "" else []

    def _energyflow_fault(self) -> str | None:
        """Return what is wrong with jets as EnergyFlow keeps them; None if these are none.

        Nothing else has such numbers: charged pions by their PDG ids among them.
        """
        if self.columns.keys() != {"X", "y"}:
            return None
        x, y = (self.columns[name].array for name in ("X", "y"))
        if x.dtype.kind != "f" or x.shape[1:][1:] != (len(_ENERGYFLOW),):
            return None
        pdgid = self.read("X", 0, _LOOKED_AT)[..., _ENERGYFLOW.index("pdgid")]
        if x.shape[0] and not np.any(np.abs(pdgid) == _PION):
            return None
        if y.shape[:1] != x.shape[:1]:
            return f"y has the shape {y.shape}, expected {x.shape[:1]}"
        is_whole = pdgid == np.trunc(pdgid)
        if not np.all(is_whole):
            event, particle = np.argwhere(~is_whole)[0]
            return f"X[{event}, {particle}, 3] is {pdgid[event, particle]}, expected a PDG id"
        return ""


@dataclass(frozen=True, slots=True)
class NpyFormat:
    """One array in a file; arrays of other such files, where the study names the file."""

    name: str = "npy"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the magic bytes."""
        return head.startswith(_NPY_MAGIC)

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[Container]:
        """Open a file."""
        arrays = _Arrays(path)
        with ExitStack() as stack:
            files = {path.stem: path, **beside(path, named_parts(layout), (_SUFFIX,))}
            for name, file in files.items():
                with _damage_named(f"{file}"):
                    stream = stack.enter_context(file.open("rb"))
                    array = _describe(stream, size=file.stat().st_size)
                arrays.add(name, array, stream, is_alone=file == path)
            yield arrays

    def companions(self, path: Path, layout: Layout) -> tuple[Path, ...]:
        """Return the other files that are read with this one."""
        return tuple(beside(path, named_parts(layout), (_SUFFIX,)).values())


@dataclass(frozen=True, slots=True)
class NpzFormat:
    """Several arrays in a zip archive."""

    name: str = "npz"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the first member of the archive, which has to be an array."""
        if not head.startswith(_ZIP_MAGIC) or len(head) < _LOCAL_HEADER.size:
            return False
        n_name, _ = _LOCAL_HEADER.unpack_from(head)
        return head[_LOCAL_HEADER.size :][:n_name].endswith(_SUFFIX.encode())

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[Container]:
        """Open a file."""
        arrays = _Arrays(path)
        with ExitStack() as stack:
            with _damage_named(f"{path}"):
                archive = stack.enter_context(zipfile.ZipFile(path))
            for member in archive.infolist():
                name = member.filename.removesuffix(_SUFFIX)
                if name == member.filename:
                    continue
                with _damage_named(f"{path}: array {name!r}"):
                    if member.compress_type == zipfile.ZIP_STORED:
                        stream: IO[bytes] = stack.enter_context(path.open("rb"))
                        stream.seek(member.header_offset)
                        n_name, n_extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
                        stream.seek(n_name + n_extra, 1)
                    else:
                        stream = stack.enter_context(archive.open(member))
                    array = _describe(stream, size=stream.tell() + member.file_size)
                arrays.add(name, array, stream)
            yield arrays


NPY = NpyFormat()
NPZ = NpzFormat()


def _describe(stream: IO[bytes], *, size: int) -> StoredArray:
    """Read the header of an array, from where the stream is to `size`.

    Raises
    ------
    ValueError
        If it is none, or says another size.
    """
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    array = StoredArray(dtype, shape, stream.tell(), is_fortran)
    if not dtype.hasobject and array.start + array.n_bytes != size:
        raise ValueError(
            f"its header says {array.n_bytes} bytes of numbers ({dtype}, shape {shape}), "
            f"but {size - array.start} follow it"
        )
    return array
