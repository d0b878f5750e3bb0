"""A comparison as rows of one table."""

from collections.abc import Iterator
from typing import Any

from detcnn.evaluation.comparison import Comparison
from detcnn.evaluation.export import TableRow, plain
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.published import CAVEAT


def comparison_rows(comparison: Comparison) -> list[TableRow]:
    """Return every number that a comparison quotes, one row each, all with the same columns.

    Returns
    -------
    list of dict
        With the keys ``entry``, ``reference`` (of a difference or ratio), ``quantity``,
        ``target`` (signal efficiency), ``value``, ``low``, ``high``, ``level``,
        ``is_lower_limit``, ``p_value``, ``spread`` (standard deviation over trainings),
        ``n_trainings``, ``method`` and ``source`` (of a published figure). None stands for what a
        row does not have and for what is not finite.
    """
    return [*_entries(comparison), *_differences(comparison), *_published(comparison)]


def _entries(comparison: Comparison) -> Iterator[TableRow]:
    for entry in comparison.entries:
        of_entry = {"entry": entry.label, "n_trainings": entry.n_trainings}
        yield _row(entry.auc, quantity="auc", spread=entry.auc_spread, **of_entry)
        for rejection in entry.rejections:
            yield _row(
                rejection.interval,
                quantity="background_rejection",
                target=rejection.target,
                spread=rejection.spread,
                **of_entry,
            )


def _differences(comparison: Comparison) -> Iterator[TableRow]:
    for difference in comparison.differences:
        of_both = {"entry": difference.label, "reference": difference.reference}
        yield _row(
            difference.auc, quantity="auc_difference", p_value=difference.auc_p_value, **of_both
        )
        for ratio in difference.ratios:
            yield _row(
                ratio.interval,
                quantity="rejection_ratio",
                target=ratio.target,
                p_value=ratio.p_value,
                **of_both,
            )


def _published(comparison: Comparison) -> Iterator[TableRow]:
    for figure in comparison.published:
        of_figure = {"entry": figure.name, "source": figure.source, "method": CAVEAT}
        if figure.auc is not None:
            yield _row(None, quantity="auc", value=figure.auc, **of_figure)
        if figure.rejection is not None:
            yield _row(
                None,
                quantity="background_rejection",
                target=figure.at_efficiency,
                value=figure.rejection,
                **of_figure,
            )


def _row(interval: Interval | None, **cells: Any) -> TableRow:
    row: TableRow = dict.fromkeys(
        (
            "entry", "reference", "quantity", "target", "value", "low", "high", "level",
            "is_lower_limit", "p_value", "spread", "n_trainings", "method", "source",
        )
    )  # fmt: skip
    return {**row, **(plain(interval) if interval else {}), **plain(cells)}
