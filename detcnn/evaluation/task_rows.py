"""Evaluations beyond classification as rows of one table: the numbers that carry an interval."""

from collections.abc import Iterator, Sequence

from detcnn.evaluation.binned_measure import BinnedMeasure
from detcnn.evaluation.event_values import EventValues
from detcnn.evaluation.export import TableRow, plain
from detcnn.evaluation.intervals import Interval, Intervals
from detcnn.evaluation.localisation import LocalisationEvaluation
from detcnn.evaluation.multi_label import MultiLabelEvaluation
from detcnn.evaluation.objects import ObjectsEvaluation
from detcnn.evaluation.pixel_regression import PixelRegressionEvaluation
from detcnn.evaluation.regression import RegressionEvaluation, Residuals
from detcnn.evaluation.segmentation import SegmentationEvaluation

COLUMNS = (
    "quantity", "of", "column", "bin_low", "bin_high", "value", "low", "high", "level",
    "is_lower_limit", "method",
)  # fmt: skip
"""The keys of every row: what is measured, of which class, target or label; the column and the bin
of a profile, [bin_low, bin_high), or the one edge that so many entries are below, or at or above;
and the number with its interval. None stands for what a row does not have and for what is not
finite."""


def segmentation_rows(evaluation: SegmentationEvaluation) -> list[TableRow]:
    """Return the numbers of a segmentation, with the keys `COLUMNS`."""
    classes = evaluation.classes
    rows = [
        _row("accuracy", evaluation.accuracy),
        _row("mean_iou", evaluation.mean_iou),
        _row("foreground_iou", evaluation.foreground_iou),
        _row("macro_accuracy", evaluation.confusion.macro_accuracy),
    ]
    for quantity in ("iou", "purity", "efficiency", "dice", "misclassified"):
        rows.extend(_each(quantity, getattr(evaluation, quantity), classes))
    for values in evaluation.event_misclassified:
        rows.extend(_event_rows("event_misclassified", values, of=values.name))
    rows.extend(_event_rows("event_accuracy", evaluation.event_accuracy))
    rows.extend(_event_rows("event_iou", evaluation.event_iou))
    scores = evaluation.pixel_scores
    if scores is not None:
        rows.append(_row("auc", scores.auc, of=scores.foreground))
        rows.append(_row("average_precision", scores.average_precision, of=scores.foreground))
    return [*rows, *_profile_rows(evaluation.profiles)]


def objects_rows(evaluation: ObjectsEvaluation) -> list[TableRow]:
    """Return the numbers of found objects, with the keys `COLUMNS`."""
    of = evaluation.name
    return [
        *(
            _row(f"object_{quantity}", getattr(evaluation, quantity), of=of)
            for quantity in (
                "efficiency", "purity", "true_count", "found_count", "corrected_count", "closure",
            )
        ),
        *_event_rows("event_value_ratio", evaluation.value_ratio, of=of),
        *_profile_rows(
            (evaluation.efficiency_by_value, evaluation.purity_by_value), of=of, kind="object_"
        ),
    ]  # fmt: skip


def localisation_rows(evaluation: LocalisationEvaluation) -> list[TableRow]:
    """Return the numbers of found points, with the keys `COLUMNS`."""
    quantities = ("precision", "recall", "f1", "jaccard", "rmse", "bias_row", "bias_column")
    curve = evaluation.tolerance_curve
    return [
        *(_row(quantity, getattr(evaluation, quantity)) for quantity in quantities),
        *(
            (_row("average_precision", evaluation.confidence_curve.average_precision),)
            if evaluation.confidence_curve
            else ()
        ),
        *(
            _row(quantity, getattr(curve, quantity).item(i), column="tolerance", low=t, high=t)
            for quantity in ("recall", "precision", "jaccard")
            for i, t in enumerate(curve.tolerance.tolist())
        ),
        *_profile_rows(evaluation.profiles),
    ]


def regression_rows(evaluation: RegressionEvaluation) -> list[TableRow]:
    """Return the numbers of a regression, with the keys `COLUMNS`."""
    of = evaluation.name
    rows = [
        *_residual_rows("", evaluation.absolute, of),
        *(_residual_rows("relative_", evaluation.relative, of) if evaluation.relative else ()),
        *(
            _row(quantity, getattr(evaluation, quantity), of=of)
            for quantity in ("r_squared", "offset", "slope")
        ),
    ]
    fit = evaluation.resolution_fit
    if fit is not None:
        rows.extend(
            _row(f"resolution_{term}", coefficient, of=of)
            for term, coefficient in zip(fit.terms, fit.coefficients, strict=True)
        )
    pull = evaluation.pull
    if pull is not None:
        rows.extend(_event_rows("pull", pull.distribution, of=of))
        rows.append(_row("pull_width", pull.width, of=of))
        rows.append(_row("pull_chi_squared", pull.chi_squared, of=of))
        rows.extend(
            _row(f"pull_coverage_{100 * expected:.3g}", pull.coverage.item(i), of=of)
            for i, expected in enumerate(pull.expected)
        )
    profiles = (*evaluation.profiles, evaluation.response, evaluation.corrected_resolution)
    return [*rows, *_profile_rows(profiles, of=of)]


def pixel_regression_rows(evaluation: PixelRegressionEvaluation) -> list[TableRow]:
    """Return the numbers of a regression of pixels, with the keys `COLUMNS`."""
    of = evaluation.name
    quantities = ("bias", "mean_absolute", "rmse", "r_squared", "conservation")
    return [
        *(_row(quantity, getattr(evaluation, quantity), of=of) for quantity in quantities),
        *(() if evaluation.psnr is None else (_row("psnr", evaluation.psnr, of=of),)),
        *_event_rows("event_conservation", evaluation.event_conservation, of=of),
        *_event_rows("event_rmse", evaluation.event_rmse, of=of),
        *_profile_rows(evaluation.profiles, of=of),
    ]


def multi_label_rows(evaluation: MultiLabelEvaluation) -> list[TableRow]:
    """Return the numbers of several labels, with the keys `COLUMNS`."""
    totals = (
        "macro_auc", "macro_average_precision", "macro_f1", "micro_f1", "subset_accuracy",
        "hamming_loss",
    )  # fmt: skip
    rows = [_row(quantity, getattr(evaluation, quantity)) for quantity in totals]
    for label in evaluation.labels:
        rows.append(_row("auc", label.discrimination.auc.interval, of=label.name))
        rows.extend(
            _row(quantity, getattr(label, quantity), of=label.name)
            for quantity in ("average_precision", "precision", "recall", "f1", "accuracy")
        )
    return rows


def _residual_rows(kind: str, residuals: Residuals, of: str) -> Iterator[TableRow]:
    for quantity, interval in (
        ("bias", residuals.mean),
        ("median", residuals.median),
        ("rms", residuals.rms),
        ("resolution", residuals.half_width),
        ("mean_absolute", residuals.mean_absolute),
    ):
        yield _row(kind + quantity, interval, of=of)


def _each(quantity: str, intervals: Intervals, names: Sequence[str]) -> Iterator[TableRow]:
    for i, name in enumerate(names):
        yield _row(quantity, intervals.item(i), of=name)


def _event_rows(quantity: str, values: EventValues, *, of: str | None = None) -> Iterator[TableRow]:
    yield _row(f"{quantity}_mean", values.mean, of=of)
    for i, level in enumerate(values.levels):
        yield _row(f"{quantity}_quantile_{level:.3g}", values.quantiles.item(i), of=of)


def _profile_rows(
    profiles: Sequence[BinnedMeasure], *, of: str | None = None, kind: str = ""
) -> Iterator[TableRow]:
    for profile in profiles:
        for i, name in enumerate(profile.names):
            for j, (low, high) in enumerate(
                zip(profile.edges[:-1].tolist(), profile.edges[1:].tolist(), strict=True)
            ):
                yield _row(
                    kind + profile.quantity,
                    profile.measure.item(i, j),
                    of=of or name,
                    column=profile.column,
                    low=low,
                    high=high,
                )
        first, last = profile.edges[[0, -1]].tolist()
        outside = (
            ("below", profile.n_below, {"bin_high": first}),
            ("above", profile.n_above, {"bin_low": last}),
        )
        for side, n, edge in outside:
            if n:
                cells = {
                    "quantity": f"{kind}{profile.quantity}_entries_{side}",
                    "of": of,
                    "column": profile.column,
                    "value": n,
                    **edge,
                }
                yield {key: cells.get(key) for key in COLUMNS}


def _row(
    quantity: str,
    interval: Interval,
    *,
    of: str | None = None,
    column: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> TableRow:
    cells = {
        "quantity": quantity,
        "of": of,
        "column": column,
        "bin_low": plain(low),
        "bin_high": plain(high),
        **plain(interval),
    }
    return {key: cells[key] for key in COLUMNS}
