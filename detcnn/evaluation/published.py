"""Figures that others have published, to be set beside one's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detcnn.errors import DataError

COLUMNS = ("name", "auc", "rejection", "at_efficiency", "source")
"""The columns of a table of published figures."""

CAVEAT = "published, not the same jets"
"""What must stand beside such a figure wherever it is shown."""


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """What a publication says about one method; it has no interval, and no events to pair.

    Parameters
    ----------
    name : str
        The method.
    auc : float or None
        Area under the ROC curve, in (0, 1].
    rejection, at_efficiency : float or None
        Background rejection, 1 or more, at this signal efficiency in (0, 1]; both or neither.
    source : str
        Where it was published.
    """

    name: str
    auc: float | None
    rejection: float | None
    at_efficiency: float | None
    source: str


def published_figures(
    rows: Sequence[Mapping[str, str]], *, place: str
) -> tuple[PublishedFigure, ...]:
    """Return the figures in the rows of a table with the columns `COLUMNS`.

    Parameters
    ----------
    rows : sequence of mapping
        Column to text; text may be empty where there is no number.
    place : str
        Where the table is, for messages.

    Raises
    ------
    DataError
        If there are no rows, the columns are others, a name or source is empty, a number is none or
        out of range, or a row has neither an area nor a rejection with its efficiency.
    """
    if not rows:
        raise DataError(f"{place}: no rows: expected a header {','.join(COLUMNS)} and figures")
    # A line with too many cells has the last ones under the key None.
    header = [name for name in rows[0] if name is not None]
    if set(header) != set(COLUMNS):
        raise DataError(f"{place}: columns {', '.join(header)}: expected {', '.join(COLUMNS)}")
    return tuple(_figure(row, f"{place}: line {i}") for i, row in enumerate(rows, start=2))


def _figure(row: Mapping[str, str | None], place: str) -> PublishedFigure:
    if len(row) != len(COLUMNS) or any(row[name] is None for name in COLUMNS):
        raise DataError(f"{place}: expected {len(COLUMNS)} cells; put text with commas in quotes")
    cells = {name: str(row[name]).strip() for name in COLUMNS}
    for name in ("name", "source"):
        if not cells[name]:
            raise DataError(
                f"{place}: no {name}: say whose figure it is and where it was published"
            )
    figure = PublishedFigure(
        name=cells["name"],
        auc=_number(cells, "auc", place, low=0, high=1),
        rejection=_number(cells, "rejection", place, low=1, high=math.inf),
        at_efficiency=_number(cells, "at_efficiency", place, low=0, high=1),
        source=cells["source"],
    )
    if (figure.rejection is None) != (figure.at_efficiency is None):
        raise DataError(f"{place}: expected rejection and at_efficiency together, or neither")
    if figure.auc is None and figure.rejection is None:
        raise DataError(f"{place}: expected auc, or rejection and at_efficiency, or all three")
    return figure


def _number(
    cells: Mapping[str, str], name: str, place: str, *, low: float, high: float
) -> float | None:
    if not cells[name]:
        return None
    try:
        value = float(cells[name])
    except ValueError:
        value = math.nan
    if not (low < value <= high or value == low == 1) or math.isinf(value):
        allowed = "1 or more" if math.isinf(high) else f"above {low:g}, up to {high:g}"
        raise DataError(f"{place}: {name} {cells[name]!r}: expected a number, {allowed}")
    return value
