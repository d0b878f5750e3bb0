"""A bounded random sample of the event columns of each class."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detcnn.events.identity import mix
from detcnn.events.table import Column

MOST = 20_000
"""Events kept of each class: an AUC from them is good to 0.003."""


@dataclass(slots=True)
class ColumnSample:
    """Event columns as they stream by: their ranges, and a random choice of events.

    Of each class those `MOST` events are kept whose row number has the smallest hash, so the choice
    depends on neither the blocks nor any random state. A column that only some files have is left
    out.

    Parameters
    ----------
    most : int
        Events kept of each class.
    """

    most: int = MOST
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    _n_rows: int = 0
    _kept: dict[int, dict[str, Column]] = field(default_factory=dict)

    def add(self, columns: Mapping[str, Column], classes: NDArray[np.int64]) -> None:
        """Take in a block: columns and class numbers (negative for none), shape (n_events,)."""
        n_events = len(classes)
        if not n_events:
            return
        if self._n_rows == 0:
            self.ranges = dict.fromkeys(columns, (np.inf, -np.inf))
        self.ranges = {name: self.ranges[name] for name in self.ranges if name in columns}
        for name, (low, high) in self.ranges.items():
            finite = columns[name][np.isfinite(columns[name])]
            if len(finite):
                self.ranges[name] = min(low, float(finite.min())), max(high, float(finite.max()))
        rows = np.arange(self._n_rows, self._n_rows + n_events, dtype=np.uint64)
        self._n_rows += n_events
        priority = mix(rows)
        for number in np.unique(classes[classes >= 0]).tolist():
            mine = np.flatnonzero(classes == number)
            block = {name: columns[name][mine] for name in self.ranges}
            block[_PRIORITY] = priority[mine]
            kept = self._kept.get(number)
            if kept is not None:
                block = {name: np.concatenate([kept[name], block[name]]) for name in block}
            if len(block[_PRIORITY]) > self.most:
                chosen = np.argpartition(block[_PRIORITY], self.most)[: self.most]
                block = {name: values[chosen] for name, values in block.items()}
            self._kept[number] = block

    def of_class(self, number: int, column: str) -> NDArray[np.float64]:
        """Return the finite values kept of a column and a class."""
        if number not in self._kept:
            return np.zeros(0)
        values = self._kept[number][column].astype(np.float64)
        return values[np.isfinite(values)]

    @property
    def class_numbers(self) -> tuple[int, ...]:
        """Numbers of the classes that occurred, in rising order."""
        return tuple(sorted(self._kept))


_PRIORITY = " "
