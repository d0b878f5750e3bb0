"""The idx files of MNIST and its relatives: one array in a file, the labels in one beside it.

The format: two zero bytes, a byte for the type, a byte for the number of axes, the axes as
big-endian 32-bit numbers, then the values in big-endian order (LeCun, Cortes & Burges, "The MNIST
database of handwritten digits"); often compressed with gzip.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset, damage_named
from detcnn.sources.formats.gzipped import open_plain, plain_head
from detcnn.sources.formats.stored_array import StoredArray, Stream, beside, named_parts

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_AXES = 4
_SUFFIXES = ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz")
_AXES_IN_NAME = re.compile(r"idx\d")
_LABELS = "labels"
_AT_ONCE = 1 << 24

_damage_named = partial(damage_named, kinds=(OSError, EOFError, zlib.error, MemoryError))


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    stream: Stream
    array: StoredArray


@dataclass(frozen=True, slots=True)
class _Images:
    """Images and their labels, opened; see `detcnn.sources.container.Container`."""

    path: Path
    files: Mapping[str, _File]

    def datasets(self) -> Mapping[str, Dataset]:
        """Return ``images``, ``labels`` and what else the study names, checking their lengths."""
        for file in self.files.values():
            expected = file.array.start + file.array.n_bytes
            with _damage_named(f"{file.path}"):
                found = _length(file.stream)
            if found != expected:
                raise DataError(
                    f"{file.path}: has {found} bytes, but its header says {expected} "
                    f"({file.array.dtype}, shape {file.array.shape}): it is damaged or cut short: "
                    "copy it again"
                )
        images, labels = (self.files.get(name) for name in ("images", "labels"))
        if images and labels and images.array.shape[0] != labels.array.shape[0]:
            raise DataError(
                f"{self.path}: holds {images.array.shape[0]} images, but {labels.path.name} has "
                f"{labels.array.shape[0]} labels: name the right file as columns.label"
            )
        datasets = {
            name: Dataset(name, file.array.shape, file.array.dtype)
            for name, file in self.files.items()
        }
        absent = " or ".join(file.name for file in _names_of_labels(self.path))
        if absent and _LABELS not in datasets:
            problem = f"beside it there is no file of its labels, {absent}"
            datasets["images"] = replace(datasets["images"], problem=problem)
        return datasets

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of an array."""
        file = self.files[name]
        with _damage_named(f"{file.path}: rows {start} to {stop}"):
            return file.array.read_rows(file.stream, start, stop)

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Raise: the format has no lists of numbers."""
        raise DataError(f"{self.path}: {name!r} has no lists")

    def words(self, attribute: str) -> list[str]:
        """Return nothing: the format has no place for it."""
        return []


@dataclass(frozen=True, slots=True)
class IdxFormat:
    """An array in an idx file, and the labels beside it.

    ``t10k-images-idx3-ubyte.gz`` has its labels in ``t10k-labels-idx1-ubyte.gz``; others are named
    in the study as ``columns.label``, by the name of their file.
    """

    name: str = "idx"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the first four bytes, which have to be possible ones."""
        head = plain_head(head)
        return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _TYPES and _has_axes(head[3])

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[Container]:
        """Open a file."""
        paths = {"images": path, **_files_beside(path, layout)}
        with ExitStack() as stack:
            yield _Images(path, {name: _open(stack, file) for name, file in paths.items()})

    def companions(self, path: Path, layout: Layout) -> tuple[Path, ...]:
        """Return the other files that are read with this one."""
        return tuple(_files_beside(path, layout).values())


IDX = IdxFormat()


def _open(stack: ExitStack, path: Path) -> _File:
    with _damage_named(f"{path}"):
        stream = stack.enter_context(open_plain(path))
        head = stream.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not _has_axes(head[3]):
            raise DataError(f"{path}: is no idx file: begins with {head.hex(' ')}")
        axes = stream.read(4 * head[3])
        if len(axes) < 4 * head[3]:
            raise DataError(f"{path}: is cut short in its header: copy it again")
        shape = struct.unpack(f">{head[3]}I", axes)
    return _File(path, stream, StoredArray(np.dtype(_TYPES[head[2]]), shape, 4 + len(axes)))


def _has_axes(n_axes: int) -> bool:
    return 1 <= n_axes <= _MOST_AXES


def _files_beside(path: Path, layout: Layout) -> dict[str, Path]:
    found = beside(path, named_parts(layout), _SUFFIXES)
    labels = _labels_beside(path)
    is_wanted = layout.class_name is None and layout.columns.get("label", _LABELS) == _LABELS
    return {**found, _LABELS: labels} if labels is not None and is_wanted else found


def _labels_beside(path: Path) -> Path | None:
    return next((file for file in _names_of_labels(path) if file.is_file()), None)


def _names_of_labels(path: Path) -> tuple[Path, ...]:
    """Return what the file of labels of these images may be called, compressed or not."""
    name = _AXES_IN_NAME.sub("idx1", path.name.removesuffix(".gz")).replace("images", "labels")
    return () if name in path.name else (path.with_name(name), path.with_name(f"{name}.gz"))


def _length(stream: Stream) -> int:
    """Return how long a stream is, which for a compressed one compares it with its checksum."""
    stream.seek(0)
    length = 0
    while block := stream.read(_AT_ONCE):
        length += len(block)
    return length
