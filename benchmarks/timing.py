"""Contenders that run in turn, and the table of their rates and ratios."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from statistics import median
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work.

    Parameters
    ----------
    name : str
        As it appears in the table.
    run : callable
        Does the work once.
    amount : float
        How much work that is, in the unit of the comparison: slow contenders may do less of it.
    is_limit : bool
        Whether this is a physical limit and not somebody's tool.
    """

    name: str
    run: Callable[[], object]
    amount: float
    is_limit: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender did: rates of all rounds, in units a second."""

    name: str
    rates: tuple[float, ...]
    is_limit: bool

    @property
    def rate(self) -> float:
        """Median rate."""
        return median(self.rates)


@dataclass(frozen=True, slots=True)
class Table:
    """Contenders beside the first of them.

    Parameters
    ----------
    title : str
        What was compared.
    unit : str
        What is counted.
    rows : tuple of Row
        The first is what the others are set against.
    notes : tuple of str
        Conditions, and contenders that are missing.
    """

    title: str
    unit: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    def ratio(self, name: str) -> tuple[float, float, float]:
        """Return how many times the rate of `name` the first row has: median, lowest, highest."""
        row = next(row for row in self.rows if row.name == name)
        ratios = [a / b for a, b in zip(self.rows[0].rates, row.rates, strict=True)]
        return median(ratios), min(ratios), max(ratios)

    def markdown(self) -> str:
        """Return the table as text that is Markdown as well; without rows, what the notes say."""
        if not self.rows:
            return _page(self.title, [], self.notes)
        first = self.rows[0].name
        header = ("", f"{self.unit}/s", f"{first} has times as much", "of all rounds")
        cells = [header]
        for row in self.rows:
            middle, low, high = self.ratio(row.name)
            name = f"{row.name} (limit)" if row.is_limit else row.name
            ratios = ("", "") if row is self.rows[0] else (_short(middle), _span(low, high))
            cells.append((name, _short(row.rate), *ratios))
        return _page(self.title, cells, self.notes)


@dataclass(frozen=True, slots=True)
class Listing:
    """Figures that are no comparison: a header, rows of text under it, and notes."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def markdown(self) -> str:
        """Return the listing as text that is Markdown as well."""
        return _page(self.title, [self.header, *self.rows], self.notes)


def compare(
    title: str,
    unit: str,
    contenders: Sequence[Contender],
    *,
    rounds: int,
    notes: Sequence[str] = (),
) -> Table:
    """Run each contender once to warm up, then all of them in turn, `rounds` times."""
    for contender in contenders:
        contender.run()
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            started = time.perf_counter()
            contender.run()
            seconds[contender.name].append(time.perf_counter() - started)
    rows = [
        Row(c.name, tuple(c.amount / s for s in seconds[c.name]), c.is_limit) for c in contenders
    ]
    return Table(title, unit, tuple(rows), tuple(notes))


def peer(name: str) -> ModuleType | Any | None:
    """Return an optional module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _page(title: str, cells: Sequence[tuple[str, ...]], notes: Sequence[str]) -> str:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines[1:1] = ["|" + "|".join("-" * (w + 2) for w in widths) + "|"] if cells else []
    return "\n".join([f"### {title}\n", *lines, "", *(f"{note}\n" for note in notes)])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _span(low: float, high: float) -> str:
    return f"{_short(low)} to {_short(high)}"
