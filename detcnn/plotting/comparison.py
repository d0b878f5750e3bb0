"""Several ROC curves over each other with their ratios, and what a report says about them."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from detcnn.evaluation.comparison import Comparison, Curve, Difference, Entry, mean_text
from detcnn.evaluation.published import CAVEAT, PublishedFigure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import (
    FAINT,
    INK,
    colour,
    line_style,
    literal,
    marker,
    new_figure,
    place_legend,
    styled,
)

_BEYOND = 1e12
_LINE = 0.045
_WIDE = 4
_LONG_TITLE = 30


@styled
def comparison_figure(comparison: Comparison) -> Figure:
    """Draw background rejection of every entry, and below its ratio to the reference.

    Parameters
    ----------
    comparison : Comparison
        What to draw; published figures are marked and named where they lie.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels, of which the lower one is left out if there is nothing to compare. Where no
        background passes there is nothing to draw.
    """
    figure = new_figure(6.4, 6.4 if comparison.differences else 4.8)
    if comparison.differences:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        _draw_ratios(lower, comparison)
    else:
        upper = lower = figure.subplots()
    lower.set(xlim=(0, 1), xlabel=r"Signal efficiency $\varepsilon_S$")
    highest = 10.0
    for i, entry in enumerate(comparison.entries):
        _draw(upper, entry.curve, i, label=_legend(entry))
        # The very start of a curve, a handful of background events, does not set the scale.
        highest = max(highest, *np.nan_to_num(entry.curve.value[4:], posinf=0))
    points = [f for f in comparison.published if f.rejection is not None]
    highest = max([highest, *(figure.rejection or 0 for figure in points)])
    efficiency = np.linspace(0.01, 1, 100)
    upper.plot(efficiency, 1 / efficiency, color=FAINT, linestyle=":", label="random choice")
    upper.set(yscale="log", ylabel=r"Background rejection $1/\varepsilon_B$")
    upper.set_ylim(1, 10 ** (1.12 * math.log10(highest)))
    if len(comparison.title) < _LONG_TITLE:
        upper.set_title(literal(comparison.title))
    upper.set_title(f"bands: {_bands(comparison)}", color=FAINT, loc="right")
    _draw_published(upper, points)
    if points:
        # Their names take the room.
        figure.set_figwidth(figure.get_figwidth() + 2.6)
        figure.legend(loc="outside right upper")
    else:
        place_legend(figure, upper, loc="upper right")
    return figure


def _draw_ratios(axes: Axes, comparison: Comparison) -> None:
    ends = [1.0]
    axes.axhline(1, color=colour(0), linestyle=line_style(0))
    for i, difference in enumerate(comparison.differences, start=1):
        _draw(axes, difference.curve, i)
        # Where most of the curve is; bands of few events are cut off.
        seen = difference.curve.efficiency >= 0.1
        band = np.concatenate([difference.curve.low[seen], difference.curve.high[seen]])
        band = band[np.isfinite(band) & (band > 0)]
        ends += np.quantile(band, [0.03, 0.97]).tolist() if len(band) else []
    margin = 0.15 * max(max(ends) - min(ends), 0.05)
    if max(ends) > _WIDE * min(ends):
        axes.set(yscale="log", ylim=(min(ends) / 1.2, max(ends) * 1.2))
    else:
        axes.set_ylim(max(0, min(ends) - margin), max(ends) + margin)
    reference = literal(comparison.entries[0].label)
    axes.set_ylabel(f"Ratio to\n{reference}" if len(reference) < 22 else "Ratio to the first")


def _draw(axes: Axes, curve: Curve, index: int, *, label: str | None = None) -> None:
    axes.plot(
        curve.efficiency, curve.value, color=colour(index), linestyle=line_style(index), label=label
    )
    axes.fill_between(
        curve.efficiency,
        np.maximum(curve.low, 1 / _BEYOND),
        # An upper end that does not exist is drawn beyond any axis.
        np.minimum(curve.high, _BEYOND),
        color=colour(index),
        alpha=0.2,
        linewidth=0,
    )


def _draw_published(axes: Axes, figures: list[PublishedFigure]) -> None:
    """Mark figures, with their names to the right, moved apart where they would overlap."""
    if not figures:
        return
    decades = math.log10(axes.get_ylim()[1])
    names = list(dict.fromkeys(figure.name for figure in figures))
    beneath = math.inf
    for figure in sorted(figures, key=lambda f: f.rejection or 0, reverse=True):
        x, y = figure.at_efficiency or 0, figure.rejection or 1
        shape = marker(names.index(figure.name))
        axes.plot([x], [y], shape, color=INK, markerfacecolor="white", zorder=5)
        beneath = min(math.log10(y) / decades, beneath - _LINE)
        axes.annotate(
            literal(figure.name),
            (x, y),
            xytext=(x + 0.04, beneath),
            textcoords=axes.transAxes,
            fontsize=8.5,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6},
            arrowprops={
                "arrowstyle": "-",
                "color": FAINT,
                "linewidth": 0.6,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
            zorder=5,
        )
    axes.plot([], [], "o", color=INK, markerfacecolor="white", label=CAVEAT.replace(", ", ",\n"))


def _legend(entry: Entry) -> str:
    text = mean_text(entry.auc, entry.auc_spread, entry.n_trainings)
    if entry.auc_spread is not None:
        text = f"{entry.auc.value:.4f} ± {entry.auc_spread:.4f} ({entry.n_trainings} trainings)"
    return literal(f"{entry.label}\nAUC {text}")


def _bands(comparison: Comparison) -> str:
    level = f"{100 * comparison.level:.3g} % CL"
    if all(entry.auc_spread is None for entry in comparison.entries):
        return level
    return f"{level}, of trainings ± 1 s.d."


def comparison_sections(comparison: Comparison) -> tuple[Section, ...]:
    """Return the parts of a report that say how entries compare.

    Parameters
    ----------
    comparison : Comparison
        The results.

    Returns
    -------
    tuple of Section
        Result with its figure, published figures if there are any, and the events used.
    """
    sections = [_result(comparison), _published(comparison), _events(comparison)]
    return tuple(section for section in sections if section.tables)


def _result(comparison: Comparison) -> Section:
    targets = [rejection.target for rejection in comparison.entries[0].rejections]
    header = ("", "AUC", *(f"Rejection at {100 * target:g} % signal" for target in targets))
    level = f"{100 * comparison.level:.3g}\N{NO-BREAK SPACE}%"
    tables = [
        Table(
            header=header,
            rows=tuple(
                (
                    entry.label,
                    mean_text(entry.auc, entry.auc_spread, entry.n_trainings),
                    *(mean_text(r.interval, r.spread, entry.n_trainings) for r in entry.rejections),
                )
                for entry in comparison.entries
            ),
            caption=(
                f"Brackets: central {level} intervals. Of several trainings: mean [interval of "
                "the mean] ± standard deviation of the trainings; the rejection is the reciprocal "
                "of the mean background efficiency. “>” marks a one-sided lower limit where no "
                "background passes."
            ),
        )
    ]
    if comparison.differences:
        tables.append(
            Table(
                header=("", "Quantity", "Value", "p"),
                rows=tuple(row for d in comparison.differences for row in _changes(d, comparison)),
                caption=(
                    "Area minus that of the reference, and rejection over that of the reference "
                    "at equal signal efficiency (on the straight line where events tie). p: "
                    "two-sided, of no difference, from the same replicas, not corrected for the "
                    "number of comparisons."
                ),
            )
        )
    return Section(
        title="Result",
        lead=(
            f"{comparison.title}, by {comparison.n_replicas:,} replicas of a Poisson bootstrap of "
            "the events; each replica holds the same events for all entries that are paired, and "
            "signal and background are normalised apart. To the mean of several trainings the "
            "replicas add its uncertainty from their spread (Student's t). A model trained once "
            "has no such spread: what is said holds for that training, not for how it is made."
        ),
        tables=tuple(tables),
        pictures=(
            Picture(
                "comparison",
                comparison_figure(comparison),
                "Background rejection",
                "One over the share of background that passes a cut, against the share of signal "
                "that passes: higher is better. Below, the ratio to the reference with its band, "
                "from which drops out what all find hard or easy. Upper bands: bootstrap interval, "
                "or mean ± one standard deviation of several trainings.",
            ),
        ),
    )


def _changes(difference: Difference, comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return a row for each quantity: side by side they would be too wide for a page."""
    found = [
        ("difference of AUC", difference.auc.text(), difference.auc_p_value),
        *(
            (f"ratio of rejections at {100 * ratio.target:g} % signal", ratio.text(), ratio.p_value)
            for ratio in difference.ratios
        ),
    ]
    mark = "" if difference.is_paired else ", unpaired"
    names = [f"{difference.label} to {difference.reference}{mark}", *[""] * len(difference.ratios)]
    return [
        (name, quantity, text, comparison.p_value_text(p_value))
        for name, (quantity, text, p_value) in zip(names, found, strict=True)
    ]


def _published(comparison: Comparison) -> Section:
    return Section(
        title="Published figures",
        lead=f"Figures of others: {CAVEAT}, so that a difference has many reasons.",
        tables=(
            Table(
                header=("", "AUC", "Rejection", "Source"),
                rows=tuple(
                    (
                        figure.name,
                        "" if figure.auc is None else f"{figure.auc:g}",
                        ""
                        if figure.rejection is None
                        else f"{figure.rejection:g} at {100 * (figure.at_efficiency or 0):g} %",
                        figure.source,
                    )
                    for figure in comparison.published
                ),
                caption=f"{CAVEAT.capitalize()}.",
            ),
        )
        if comparison.published
        else (),
    )


def _events(comparison: Comparison) -> Section:
    is_one = len({result.matched_set for result in comparison.results}) == 1
    return Section(
        title="Events",
        lead="All results are compared on the same events."
        if is_one
        else "Not all results have events in common: those of different sets are compared as "
        "independent ones, with larger errors.",
        tables=(
            Table(
                header=("Result", "Entry", "Events", "Used", "Set"),
                rows=tuple(
                    (r.name, r.label, f"{r.n_events:,}", f"{r.n_used:,}", str(r.matched_set + 1))
                    for r in comparison.results
                ),
                caption="Used: events that all results of the set have.",
            ),
        ),
    )
