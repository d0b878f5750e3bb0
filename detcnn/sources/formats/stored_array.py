"""An array that lies in a stream of bytes, read by rows."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout

_AT_ONCE = 1 << 22


class Stream(Protocol):
    """A file open for reading bytes, compressed or not."""

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes; none at its end."""
        ...

    def seek(self, position: int, /) -> int:
        """Go to a position from its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class StoredArray:
    """What an array is, and where its bytes begin.

    Parameters
    ----------
    dtype : numpy.dtype
        Without Python objects.
    shape : tuple of int
        At least one axis.
    start : int
        Where the first byte of the numbers is in its stream.
    is_fortran : bool
        Whether the first axis runs fastest.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int = 0
    is_fortran: bool = False

    @property
    def n_bytes(self) -> int:
        """Size of the numbers."""
        return self.dtype.itemsize * math.prod(self.shape)

    def read_rows(self, stream: Stream, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop`, fewer past the end; no more than these are held in memory.

        Parameters
        ----------
        stream : file
            Open for reading, at any position.
        start, stop : int
            0 ≤ start ≤ stop.

        Raises
        ------
        EOFError
            If the stream ends before.
        """
        n_rows = max(0, min(stop, self.shape[0]) - start)
        values = np.empty(n_rows * math.prod(self.shape[1:]), dtype=self.dtype)
        view = values.view(np.uint8).data if values.nbytes else memoryview(b"")
        # Rows of an array whose first axis runs fastest lie in one piece for each of the others.
        n_pieces = math.prod(self.shape[1:]) if self.is_fortran else 1
        step = self.n_bytes // n_pieces if n_pieces else 0
        size = len(view) // n_pieces if n_pieces else 0
        first = start * (step // self.shape[0]) if self.shape[0] else 0
        for piece in range(n_pieces if size else 0):
            stream.seek(self.start + piece * step + first)
            _fill(stream, view[piece * size : (piece + 1) * size])
        shape = (n_rows, *self.shape[1:])
        return values.reshape(shape, order="F" if self.is_fortran else "C")


def named_parts(layout: Layout) -> set[str]:
    """Return every column that a study names; ``"labels.npy[..., 0]"`` names ``labels.npy``."""
    named = {
        *layout.constituents.values(),
        *layout.columns.values(),
        *layout.event_id,
        *layout.images,
        *layout.channels.values(),
        *(truth.column for truth in layout.pixels.values()),
        *layout.points.values(),
        *layout.one_hot,
        layout.offsets or "",
    }
    return {text.partition("[")[0] for text in named}


def beside(path: Path, names: set[str], suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files next to `path` that a study names as columns, by that name.

    Parameters
    ----------
    path : Path
        The input file.
    names : set of str
        Columns that the study names.
    suffixes : tuple of str
        What the name of such a file ends with.

    Raises
    ------
    ConfigError
        If one is not there.
    """
    found = {name: path.parent / name for name in sorted(names) if name.endswith(suffixes)}
    for name, file in found.items():
        if not file.is_file():
            raise ConfigError(f"{path}: the study names {name!r}, but there is no file {file}")
    return found


def _fill(stream: Stream, view: memoryview) -> None:
    done = 0
    while done < len(view):
        block = stream.read(min(len(view) - done, _AT_ONCE))
        if not block:
            raise EOFError(f"ends {len(view) - done} bytes early")
        view[done : done + len(block)] = block
        done += len(block)
