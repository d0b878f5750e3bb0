"""Numbers with their intervals in bins of a column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.evaluation.binned_measure import BinnedMeasure
from detcnn.plotting.style import (
    FAINT,
    colour,
    column_label,
    line_style,
    literal,
    marker,
    new_figure,
    place_legend,
    styled,
)

BINNED_HEIGHTS = (2.6, 1)
"""Of the numbers, and of what stands below them."""

# Bins that grow by more than this are read on a logarithmic axis.
_LOG_SPAN = 20
# Points of several curves stand beside one another, by this share of the bin.
_STEP = 0.1


@styled
def binned_figure(
    measures: Sequence[BinnedMeasure],
    *,
    ylabel: str,
    entries: str = "Events",
    is_share: bool = False,
    reference: float | None = None,
) -> Figure:
    """Draw numbers in bins of a column, above how many entries each bin has, and none has.

    Parameters
    ----------
    measures : sequence of BinnedMeasure
        One or more, all of the same column and bins. A curve for each name of each; several
        measures are told apart by their quantity.
    ylabel : str
        What is drawn.
    entries : str
        What the bins hold.
    is_share : bool
        Whether the axis is that of a share, from 0 to 1.
    reference : float, optional
        Where a line is drawn, for example at no bias.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=BINNED_HEIGHTS)
    draw_binned(upper, measures, ylabel=ylabel, is_share=is_share, reference=reference)
    if len(_labels(measures)) > 1:
        place_legend(figure, upper, loc="upper center" if is_share else "upper right")
    draw_entries(lower, measures, label=entries)
    figure.align_ylabels()
    return figure


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One panel of `binned_panels_figure`, with the options of `binned_figure`."""

    measures: Sequence[BinnedMeasure]
    ylabel: str
    is_share: bool = False
    reference: float | None = None


@styled
def binned_panels_figure(panels: Sequence[Panel], *, entries: str = "Events") -> Figure:
    """Draw what belongs together side by side, as `binned_figure` does, all of one column."""
    figure = new_figure(4.9 * len(panels), 5.0)
    upper, lower = figure.subplots(
        2, len(panels), sharex=True, height_ratios=BINNED_HEIGHTS, squeeze=False
    )
    said: list[str] = []
    for above, below, panel in zip(upper, lower, panels, strict=True):
        draw_binned(
            above,
            panel.measures,
            ylabel=panel.ylabel,
            is_share=panel.is_share,
            reference=panel.reference,
        )
        draw_entries(below, panel.measures, label=entries)
        labels = _labels(panel.measures)
        if len(labels) > 1 and labels != said:
            place_legend(figure, above, loc="upper center" if panel.is_share else "upper right")
        said = labels
    figure.align_ylabels()
    return figure


def draw_binned(
    upper: Axes,
    measures: Sequence[BinnedMeasure],
    *,
    ylabel: str,
    is_share: bool = False,
    reference: float | None = None,
) -> None:
    """Draw the numbers of `binned_figure`, whose options these are, without a legend."""
    if reference is not None:
        upper.axhline(reference, color=FAINT, linestyle=":", linewidth=1.2)
    first = measures[0]
    labels = _labels(measures)
    ends: list[float] = []
    for index, ((measure, row), label) in enumerate(zip(_rows(measures), labels, strict=True)):
        beside = _STEP * (index - (len(labels) - 1) / 2)
        draw_points(
            upper,
            (measure.edges[1:] + measure.edges[:-1]) / 2 + beside * np.diff(measure.edges),
            measure,
            row,
            index,
            label=literal(label) if len(labels) > 1 else None,
        )
        shown = np.isfinite(measure.measure.value[row])
        ends += measure.measure.low[row][shown].tolist() + measure.measure.high[row][shown].tolist()
    upper.set_title(f"{100 * first.measure.level:.3g} % CL", color=FAINT, loc="right")
    upper.set_ylabel(ylabel)
    _set_range(upper, ends, is_share=is_share, n_labels=len(labels))
    widths = np.diff(first.edges)
    if first.edges[0] > 0 and widths[-1] > _LOG_SPAN * widths[0]:
        upper.set_xscale("log")
    upper.set_xlim(first.edges[0], first.edges[-1])


def draw_entries(
    lower: Axes, measures: Sequence[BinnedMeasure], *, label: str, xlabel: str = ""
) -> None:
    """Draw how many entries each bin of `measures` has, and say how many none has."""
    first = measures[0]
    for index, (measure, row) in enumerate(_rows(measures)):
        if index == 0 or (measure.n_entries[row] != first.n_entries[0]).any():
            lower.stairs(
                measure.n_entries[row],
                measure.edges,
                color=colour(index),
                linestyle=line_style(index),
                linewidth=1.5,
            )
    lower.set(xlabel=xlabel or column_label(first.column, first.unit), ylabel=label)
    lower.set_ylim(bottom=0)
    sides = (("below", first.n_below), ("above", first.n_above))
    outside = [f"{n:,} {side}" for side, n in sides if n]
    if outside:
        lower.set_title(f"outside: {', '.join(outside)}", color=FAINT, loc="right")


def _labels(measures: Sequence[BinnedMeasure]) -> list[str]:
    return [
        measure.quantity.replace("_", " ") if len(measures) > 1 else name
        for measure in measures
        for name in measure.names
    ]


def _rows(measures: Sequence[BinnedMeasure]) -> Iterator[tuple[BinnedMeasure, int]]:
    return ((measure, i) for measure in measures for i in range(len(measure.names)))


def draw_points(
    axes: Axes,
    x: NDArray[np.float64],
    measure: BinnedMeasure,
    row: int,
    index: int,
    *,
    label: str | None = None,
    with_widths: bool = True,
) -> None:
    """Draw one row of a measure as points with error bars at places `x`; empty bins stay empty."""
    value, low, high = (
        of[row] for of in (measure.measure.value, measure.measure.low, measure.measure.high)
    )
    shown = (measure.n_entries[row] > 0) & np.isfinite(value)
    widths = np.stack([x - measure.edges[:-1], measure.edges[1:] - x])
    axes.errorbar(
        x[shown],
        value[shown],
        xerr=widths[:, shown] if with_widths else None,
        yerr=np.stack([value - low, high - value])[:, shown],
        color=colour(index),
        linestyle="none",
        linewidth=1.3,
        marker=marker(index),
        label=label,
    )


def _set_range(axes: Axes, ends: Sequence[float], *, is_share: bool, n_labels: int) -> None:
    # Room for the legend above the points.
    room = 0.32 if 1 < n_labels <= 4 else 0.05
    if is_share:
        axes.set_ylim(0, 1 + room)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        return
    finite = [end for end in ends if np.isfinite(end)]
    if finite:
        low, high = min(finite), max(finite)
        margin = 0.08 * ((high - low) or abs(high) or 1.0)
        axes.set_ylim(low - margin, high + margin + room * (high - low))
