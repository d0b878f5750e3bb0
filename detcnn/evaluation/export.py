"""Evaluation results as plain values, for JSON and for tables."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from detcnn.evaluation.baselines import Baselines
from detcnn.evaluation.class_selection import Selected, Selections
from detcnn.evaluation.classification import ClassificationEvaluation, Discrimination
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.learned import Learned

TableRow = dict[str, str | float | bool | None]

_NETWORK = "network"
_AT_PURITY = "network at its purity"


def plain(result: Any) -> Any:
    """Return a result as dictionaries, lists, strings and numbers, as JSON knows them.

    Parameters
    ----------
    result
        A dataclass of this package, or what it may hold: arrays, mappings, sequences, numbers.

    Returns
    -------
    dict, list, str, int, float, bool or None
        None for a number that is NaN or infinite, for which JSON has no word: the threshold that
        lets nothing pass, an upper end that does not exist, an empty bin.
    """
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: plain(getattr(result, field.name)) for field in fields(result)}
    if isinstance(result, Mapping):
        return {str(key): plain(value) for key, value in result.items()}
    if isinstance(result, np.ndarray | np.generic):
        return plain(result.tolist())
    if isinstance(result, list | tuple):
        return [plain(value) for value in result]
    if isinstance(result, float) and not math.isfinite(result):
        return None
    return result


def table_rows(evaluation: ClassificationEvaluation) -> list[TableRow]:
    """Return the numbers that carry an interval, one row each, all with the same columns.

    Returns
    -------
    list of dict
        With the keys ``quantity``, ``discriminant`` (what was cut on: ``network`` or the name of a
        baseline), ``signal``, ``background`` (class names, joined by ``+``),
        ``target`` (signal efficiency asked for), ``threshold``, ``value``, ``low``, ``high``,
        ``level``, ``is_lower_limit``, ``method`` and ``p_value`` (of a difference, a distance).
        None stands for what a row does not have and for what is not finite.
    """
    rows = [
        _row("accuracy", evaluation.confusion.accuracy),
        _row("macro_accuracy", evaluation.confusion.macro_accuracy),
    ]
    for discrimination in evaluation.discriminations:
        rows.extend(_discrimination_rows(discrimination))
    return rows


def baseline_rows(baselines: Baselines) -> list[TableRow]:
    """Return the numbers of each baseline, and what the network has over the best of them.

    Returns
    -------
    list of dict
        As `table_rows`, with the additional quantity ``auc_over_best_baseline``, whose p-value is
        two-sided, for the difference 0.
    """
    gain = baselines.gain
    rows = [_row("auc_over_best_baseline", gain.auc, p_value=gain.p_value)]
    for baseline in baselines.baselines:
        rows.extend(_discrimination_rows(baseline.discrimination, by=baseline.label))
    return rows


def selection_rows(selections: Selections) -> list[TableRow]:
    """Return what the selection of each class is worth, and what the cuts beside it are.

    Returns
    -------
    list of dict
        As `table_rows`, with the quantities ``selected_efficiency``, ``selected_purity`` and
        ``selected_product`` of the network, of each cut (the discriminant says its limits) and of
        the network at the purity of that cut; and ``efficiency_over_cut``, the network's efficiency
        there minus the cut's, whose p-value is two-sided, for the difference 0.
    """
    names = [one.name for one in selections.classes]
    sides = {name: "+".join(other for other in names if other != name) for name in names}
    rows: list[TableRow] = []
    for one in selections.classes:
        rows.extend(_selected_rows(one.selected, one.name, sides, threshold=one.threshold))
    for cut in selections.cuts:
        rows.extend(_selected_rows(cut.selected, cut.name, sides, by=cut.title))
        rows.extend(
            _selected_rows(cut.network, cut.name, sides, by=_AT_PURITY, threshold=cut.threshold)
        )
        rows.append(
            _row(
                "efficiency_over_cut",
                cut.gain,
                signal=cut.name,
                background=sides[cut.name],
                p_value=cut.p_value,
            )
        )
    return rows


def learned_rows(learned: Learned) -> list[TableRow]:
    """Return how far each cut bends the spectrum of the mass of the background.

    Returns
    -------
    list of dict
        As `table_rows`, with ``sculpting_from_all`` and ``sculpting_from_failing`` as quantities,
        whose p-value is that of a cut that takes no notice of the mass; none without a mass.
    """
    return [
        _row(
            f"sculpting_{which}",
            distance.interval,
            target=cut.target,
            threshold=plain(cut.threshold),
            p_value=plain(distance.p_value),
        )
        for cut in (learned.sculpting.cuts if learned.sculpting else ())
        for which, distance in (("from_all", cut.from_all), ("from_failing", cut.from_failing))
    ]


def _discrimination_rows(
    discrimination: Discrimination, *, by: str = _NETWORK
) -> Iterator[TableRow]:
    signal, background = "+".join(discrimination.signal), "+".join(discrimination.background)
    yield _row("auc", discrimination.auc.interval, by=by, signal=signal, background=background)
    for point in discrimination.working_points:
        for quantity in (
            "signal_efficiency",
            "background_efficiency",
            "background_rejection",
            "significance_improvement",
        ):
            yield _row(
                quantity,
                getattr(point, quantity),
                by=by,
                signal=signal,
                background=background,
                target=point.target,
                threshold=plain(point.threshold),
            )


def _selected_rows(
    selected: Selected,
    name: str,
    sides: Mapping[str, str],
    *,
    by: str = _NETWORK,
    threshold: float | None = None,
) -> Iterator[TableRow]:
    for quantity in ("efficiency", "purity", "product"):
        yield _row(
            f"selected_{quantity}",
            getattr(selected, quantity),
            by=by,
            signal=name,
            background=sides[name],
            threshold=plain(threshold),
        )


def _row(
    quantity: str,
    interval: Interval,
    *,
    by: str = _NETWORK,
    signal: str | None = None,
    background: str | None = None,
    target: float | None = None,
    threshold: float | None = None,
    p_value: float | None = None,
) -> TableRow:
    numbers: TableRow = plain(interval)
    return {
        "quantity": quantity,
        "discriminant": by,
        "signal": signal,
        "background": background,
        "target": target,
        "threshold": threshold,
        **{
            key: numbers[key]
            for key in ("value", "low", "high", "level", "is_lower_limit", "method")
        },
        "p_value": p_value,
    }
