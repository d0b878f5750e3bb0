"""What is kept of every event while the others stream by: 23 bytes."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.quality.findings import Place

_KEPT = {
    "contents": np.int64,
    "ids": np.int64,
    "sizes": np.float32,
    "classes": np.int16,
    "splits": np.int8,
}


@dataclass(slots=True)
class Ledger:
    """Content, id, size, class and split of every event, and where it was.

    Rows are counted in the order in which blocks are added.
    """

    _blocks: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: {n: [] for n in _KEPT})
    _starts: list[int] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)
    _files: list[int] = field(default_factory=list)
    n_events: int = 0

    def add(
        self,
        place: Place,
        *,
        file: int,
        contents: NDArray[np.int64],
        ids: NDArray[np.int64],
        sizes: NDArray[Any],
        classes: NDArray[np.int64],
        splits: NDArray[np.int8],
    ) -> None:
        """Take in a block of a file; every array has the shape (n_events,).

        Parameters
        ----------
        place : Place
            Where it comes from.
        file : int
            Number of the file.
        contents : numpy.ndarray
            Hashes of content.
        ids : numpy.ndarray
            Event ids.
        sizes : numpy.ndarray
            pT or what stands for it.
        classes, splits : numpy.ndarray
            Numbers of class (negative for none) and split.
        """
        self._starts.append(self.n_events)
        self._places.append(place)
        self._files.append(file)
        given: tuple[NDArray[Any], ...] = (contents, ids, sizes, classes, splits)
        for name, values in zip(_KEPT, given, strict=True):
            self._blocks[name].append(values.astype(_KEPT[name]))
        self.n_events += len(contents)

    def column(self, name: str) -> NDArray[Any]:
        """Return ``contents``, ``ids``, ``sizes``, ``classes`` or ``splits`` of all events."""
        joined = np.concatenate([np.zeros(0, dtype=_KEPT[name]), *self._blocks[name]])
        # Not twice in memory, from now on.
        self._blocks[name] = [joined]
        return joined

    @property
    def files(self) -> NDArray[np.int16]:
        """Number of the file of every event."""
        edges = np.array([*self._starts, self.n_events], dtype=np.int64)
        return np.repeat(np.array(self._files, dtype=np.int16), edges[1:] - edges[:-1])

    def event(self, row: int) -> str:
        """Name the event in a row."""
        block = bisect_right(self._starts, row) - 1
        return self._places[block].event(row - self._starts[block])
