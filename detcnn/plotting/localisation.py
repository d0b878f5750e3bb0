"""What a report says about points found in images."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.localisation import (
    ConfidenceCurve,
    LocalisationEvaluation,
    ToleranceCurve,
)
from detcnn.plotting.binned import Panel, binned_panels_figure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import FAINT, colour, line_style, literal, new_figure, styled


def localisation_sections(evaluation: LocalisationEvaluation) -> tuple[Section, ...]:
    """Return the parts of a report that say what found points are worth.

    Returns
    -------
    tuple of Section
        Result, and profiles if any column was given. Each `Picture` has a name to write its figure
        under.
    """
    sections = [_result(evaluation)]
    if evaluation.profiles:
        sections.append(_profiles(evaluation))
    return tuple(sections)


@styled
def tolerance_figure(curve: ToleranceCurve, *, tolerance: float, unit: str) -> Figure:
    """Draw recall, precision and Jaccard index against the tolerance, that which counts marked."""
    figure = new_figure()
    axes = figure.subplots()
    for i, (name, measure) in enumerate(
        (("recall", curve.recall), ("precision", curve.precision), ("Jaccard", curve.jaccard))
    ):
        axes.fill_between(
            curve.tolerance, measure.low, measure.high, color=colour(i), alpha=0.2, linewidth=0
        )
        axes.plot(
            curve.tolerance, measure.value, color=colour(i), linestyle=line_style(i), label=name
        )
    axes.axvline(tolerance, color=FAINT, linestyle=":", linewidth=1.2)
    axes.set(xlim=(0, curve.tolerance[-1]), ylim=(0, 1.2), ylabel="Share of points")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(f"Tolerance [{literal(unit)}]")
    axes.set_title(f"{100 * curve.recall.level:.3g} % CL", color=FAINT, loc="right")
    axes.legend(loc="upper center", ncols=3)
    return figure


@styled
def confidence_figure(curve: ConfidenceCurve) -> Figure:
    """Draw precision against recall when points of less confidence are let in."""
    figure = new_figure()
    axes = figure.subplots()
    axes.plot(curve.recall, curve.precision, color=colour(0), drawstyle="steps-pre")
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="Recall", ylabel="Precision")
    axes.set_title(f"average precision {curve.average_precision.text()}")
    return figure


def _result(evaluation: LocalisationEvaluation) -> Section:
    unit, level = evaluation.unit, f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    pictures = [
        Picture(
            "points-tolerance",
            tolerance_figure(
                evaluation.tolerance_curve, tolerance=evaluation.tolerance, unit=evaluation.unit
            ),
            "Tolerance",
            "How many points belong together when they may be farther apart. Where the curves are "
            "flat, the tolerance that counts (dotted) decides nothing.",
        )
    ]
    curve = evaluation.confidence_curve
    if curve is not None:
        pictures.append(
            Picture(
                "points-confidence",
                confidence_figure(curve),
                "Confidence",
                "Precision against recall as points of less and less confidence are let in, also "
                "below that of the table; each takes the nearest true point that is left. The "
                "curve ends where no point is left to let in.",
            )
        )
    return Section(
        title="Points",
        lead=(
            f"Jaccard index {evaluation.jaccard.text()}, root mean square distance "
            f"{evaluation.rmse.text()} {unit}, at a tolerance of {evaluation.tolerance:g} {unit}."
        ),
        tables=(
            Table(
                header=("Points", level + " interval"),
                rows=(
                    ("recall", evaluation.recall.text()),
                    ("precision", evaluation.precision.text()),
                    ("F1", evaluation.f1.text()),
                    ("Jaccard index", evaluation.jaccard.text()),
                    *((("average precision", curve.average_precision.text()),) if curve else ()),
                    (f"root mean square distance [{unit}]", evaluation.rmse.text()),
                    (f"bias along rows [{unit}]", evaluation.bias_row.text()),
                    (f"bias along columns [{unit}]", evaluation.bias_column.text()),
                ),
                caption=(
                    f"{evaluation.n_true:,} true points and {evaluation.n_found:,} found ones "
                    f"{_confident(evaluation)}in {evaluation.n_events:,} events, "
                    f"{evaluation.n_matched:,} of them pairs: as many as there can be one to one, "
                    f"the nearest ones. Shares: {evaluation.jaccard.method}; all else: "
                    f"{evaluation.rmse.method}."
                ),
            ),
        ),
        pictures=tuple(pictures),
    )


def _confident(evaluation: LocalisationEvaluation) -> str:
    if np.isneginf(evaluation.least_confidence):
        return ""
    return f"of a confidence of {evaluation.least_confidence:g} or more "


def _profiles(evaluation: LocalisationEvaluation) -> Section:
    columns = dict.fromkeys(profile.column for profile in evaluation.profiles)
    pictures = []
    for column in columns:
        recall, precision, rmse = (p for p in evaluation.profiles if p.column == column)
        distance = f"RMS distance [{literal(evaluation.unit)}]"
        pictures.append(
            Picture(
                f"points-{column}",
                binned_panels_figure(
                    [
                        Panel([recall, precision], "Share of points", is_share=True),
                        Panel([rmse], distance),
                    ]
                ),
                f"Recall, precision and distance against {column}",
                "Of the points of all events in a bin, and root mean square distance of the pairs; "
                "below, the number of these events.",
            )
        )
    return Section(title="Points against columns", pictures=tuple(pictures))
