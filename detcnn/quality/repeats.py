"""Which rows hold the same 64-bit word: a hash of content, or an event id."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.quality.findings import Finding, Severity

_ROWS_AT_ONCE = 1 << 20

Group = NDArray[Any]
"""Whole numbers of shape (n_events,): the class, file or split of each event."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows whose word stands in other rows, too.

    Parameters
    ----------
    rows : numpy.ndarray
        int64, shape (n_rows,): sorted by word, and rising for each word.
    starts, sizes : numpy.ndarray
        int64, shape (n_words,): where the rows of each word begin in `rows`, and how many.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def is_across(self, group: Group) -> NDArray[np.bool_]:
        """Tell which words, shape (n_words,), stand in rows of more than one group."""
        if not len(self.rows):
            return np.zeros(0, dtype=np.bool_)
        of_rows = group[self.rows]
        lowest = np.minimum.reduceat(of_rows, self.starts)
        return np.asarray(lowest != np.maximum.reduceat(of_rows, self.starts))

    def findings(
        self,
        check: str,
        severity: Severity,
        chosen: NDArray[np.bool_],
        *,
        across: Group | None = None,
        event: Callable[[int], str],
        message: str,
        remedy: str = "",
    ) -> list[Finding]:
        """Return a finding of the words that are chosen, or none.

        It names two rows of the earliest of them, of different groups where `across` is given, and
        counts the rows that stand behind another of the same word.
        """
        if not chosen.any():
            return []
        words = np.flatnonzero(chosen)
        word = words[np.argmin(self.rows[self.starts[words]])]
        rows = self.rows[self.starts[word] : self.starts[word] + self.sizes[word]]
        differs = rows != rows[0] if across is None else across[rows] != across[rows[0]]
        where = f"{event(int(rows[0]))} and {event(int(rows[np.argmax(differs)]))}"
        count = int((self.sizes[chosen] - 1).sum())
        return [Finding(check, severity, count, where, message, remedy)]


def find_repeats(words: NDArray[np.int64]) -> Repeats:
    """Find the words that stand in more than one row.

    Memory is a sorted copy of the words, 8 bytes each, and what is returned.

    Parameters
    ----------
    words : numpy.ndarray
        int64, shape (n_events,).
    """
    ordered = np.sort(words)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    blocks = [
        start + np.flatnonzero(np.isin(words[start : start + _ROWS_AT_ONCE], repeated))
        for start in range(0, len(words), _ROWS_AT_ONCE)
    ]
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *blocks])
    rows = rows[np.argsort(words[rows], kind="stable")]
    _, starts, sizes = np.unique(words[rows], return_index=True, return_counts=True)
    return Repeats(rows, starts.astype(np.int64), sizes.astype(np.int64))
