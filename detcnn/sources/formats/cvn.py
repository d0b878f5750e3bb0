"""Pixel maps of DUNE's convolutional visual network (CVN), one interaction in a file.

A file is a zlib stream, without the header of gzip that its name ends in, of 3 × 500 × 500 bytes:
the charge in (view, plane, cell), which for the liquid-argon detectors are three readout views,
500 wires of each, and 500 bins of time (DUNE, arXiv:2006.15052). What is true of the interactions
is in ``labels.json`` beside them: ``columns``, names, and ``labels``, the number of a file, as in
``event12.gz``, to as many whole numbers. A number of −1 means that there is no such number for the
interaction, and is kept.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset, damaged

SHAPE = (3, 500, 500)
"""Views, planes and cells of a pixel map."""

_N_BYTES = 750_000
_MOST_COMPRESSED = 1_000_000
"""What zlib makes of that many bytes is never as long."""

_LABELS = "labels.json"
_IMAGES = "images"
_NUMBER = re.compile(r"(\d+)(\.gz)?$")
_DEFLATE = 8


@dataclass(frozen=True, slots=True)
class _PixelMap:
    """An interaction and what is true of it; see `detcnn.sources.container.Container`."""

    path: Path
    pixels: NDArray[np.uint8]
    truth: Mapping[str, int]

    def datasets(self) -> Mapping[str, Dataset]:
        """Return ``images`` and the columns of the labels."""
        images = Dataset(_IMAGES, (1, *SHAPE), self.pixels.dtype)
        if not self.truth:
            images = replace(images, problem=f"beside it there is no file {_LABELS}")
        columns = {name: Dataset(name, (1,), np.dtype(np.int64)) for name in self.truth}
        return {_IMAGES: images, **columns}

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop`, of one row in all."""
        if name == _IMAGES:
            return self.pixels[np.newaxis][start:stop]
        return np.array([self.truth[name]], dtype=np.int64)[start:stop]

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Raise: the format has no lists of numbers."""
        raise DataError(f"{self.path}: {name!r} has no lists")

    def words(self, attribute: str) -> list[str]:
        """Return nothing: the format has no place for it."""
        return []


@dataclass(frozen=True, slots=True)
class CvnFormat:
    """A pixel map in a zlib stream; see `detcnn.sources.container.Format`."""

    name: str = "CVN pixel map"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the two bytes that a zlib stream begins with (RFC 1950)."""
        if len(head) < 2:
            return False
        is_deflate = head[0] & 0x0F == _DEFLATE and head[0] >> 4 <= 7
        return is_deflate and int.from_bytes(head[:2], "big") % 31 == 0

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator[Container]:
        """Read a file, and what is true of it."""
        pixels = np.frombuffer(_decompressed(path), dtype=np.uint8).reshape(SHAPE)
        labels = path.with_name(_LABELS)
        yield _PixelMap(path, pixels, _truth_of(path, labels) if labels.is_file() else {})

    def companions(self, path: Path, layout: Layout) -> tuple[Path, ...]:
        """Return the other files that are read with this one."""
        labels = path.with_name(_LABELS)
        return (labels,) if labels.is_file() else ()


CVN = CvnFormat()


def _decompressed(path: Path) -> bytes:
    """Return the bytes of a pixel map; no more than one has are ever decompressed."""
    try:
        with path.open("rb") as stream:
            compressed = stream.read(_MOST_COMPRESSED + 1)
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(compressed, _N_BYTES + 1)
        # The checksum may come after the last byte.
        content += decompressor.decompress(decompressor.unconsumed_tail, 1)
    except (OSError, zlib.error) as error:
        raise damaged(f"{path}", error) from None
    if len(content) == _N_BYTES and decompressor.eof and not decompressor.unused_data:
        return content
    found = f"{len(content)} bytes"
    if len(content) > _N_BYTES or len(compressed) > _MOST_COMPRESSED:
        found = f"more than {_N_BYTES} bytes"
    elif not decompressor.eof:
        found = f"{len(content)} bytes and no end"
    elif decompressor.unused_data:
        found = f"{len(content)} bytes and something behind them"
    raise DataError(
        f"{path}: its zlib stream has {found}, expected {_N_BYTES} ({' x '.join(map(str, SHAPE))} "
        "of uint8): it is cut short, or no pixel map: copy it again, or leave it out"
    )


def _truth_of(path: Path, labels: Path) -> dict[str, int]:
    """Return what a file of labels says of one pixel map.

    Raises
    ------
    DataError
        If it says nothing of it, or is not what it should be.
    """
    try:
        status = labels.stat()
    except OSError as error:
        raise damaged(f"{labels}", error) from None
    names, rows = _labels(labels, status.st_mtime_ns, status.st_size)
    number = _NUMBER.search(path.name)
    keys = [path.name, path.name.removesuffix(".gz"), *([number[1]] if number else [])]
    key = next((key for key in keys if key in rows), None)
    if key is None:
        raise DataError(
            f"{labels}: says nothing of {path.name}: expected {keys[-1]!r} among its labels: "
            "add it, or leave the file out"
        )
    return dict(zip(names, rows[key], strict=True))


@lru_cache(maxsize=4)
def _labels(path: Path, changed: int, size: int) -> tuple[list[str], dict[str, list[int]]]:
    """Return names, and file to numbers; `changed` and `size` tell what has become another."""
    del changed, size
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise damaged(f"{path}", error, kind=" as JSON") from None
    names, rows = (
        (content.get("columns"), content.get("labels"))
        if isinstance(content, dict)
        else (None, None)
    )
    if (
        not isinstance(names, list)
        or not isinstance(rows, dict)
        or not all(isinstance(name, str) and name != _IMAGES for name in names)
        or len(set(names)) != len(names)
    ):
        raise DataError(
            f"{path}: expected 'columns', a list of names, and 'labels', the number of each file "
            "to a list of whole numbers"
        )
    for key, row in rows.items():
        if not isinstance(row, list) or len(row) != len(names) or not all(map(_is_whole, row)):
            raise DataError(
                f"{path}: labels of {key!r}: found {str(row)[:60]}, expected "
                f"{len(names)} whole numbers ({', '.join(names)})"
            )
    return names, rows


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
