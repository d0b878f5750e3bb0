"""How a number that every event has is distributed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.evaluation.event_values import EventValues
from detcnn.plotting.style import (
    FAINT,
    INK,
    colour,
    line_style,
    literal,
    new_figure,
    place_legend,
    styled,
)


@styled
def event_values_figure(
    values: Sequence[EventValues],
    *,
    xlabel: str,
    normal: tuple[float, float] | None = None,
    normal_name: str = "normal distribution",
) -> Figure:
    """Draw the histogram of one or more numbers of each event, with the median of each.

    Parameters
    ----------
    values : sequence of EventValues
        One or more; the median is marked by a thin line.
    xlabel : str
        What is drawn, with its unit.
    normal : tuple of float, optional
        Mean and standard deviation of a normal distribution that is drawn with the same area.
    normal_name : str
        What to call it.
    """
    figure = new_figure()
    axes = figure.subplots()
    draw_event_values(axes, values, xlabel=xlabel, normal=normal, normal_name=normal_name)
    if len(values) + (normal is not None) > 1:
        place_legend(figure, axes, loc="upper left" if normal is None else "upper right")
    return figure


def draw_event_values(
    axes: Axes,
    values: Sequence[EventValues],
    *,
    xlabel: str,
    normal: tuple[float, float] | None = None,
    normal_name: str = "normal distribution",
) -> None:
    """Draw what `event_values_figure` does, whose options these are, without a legend."""
    for i, of_events in enumerate(values):
        axes.stairs(
            of_events.share,
            of_events.edges,
            fill=True,
            color=colour(i),
            alpha=0.18,
        )
        axes.stairs(
            of_events.share,
            of_events.edges,
            color=colour(i),
            linestyle=line_style(i),
            linewidth=1.7,
            label=literal(of_events.name),
        )
        if 0.5 in of_events.levels:
            median = of_events.quantiles.value[of_events.levels.index(0.5)]
            axes.axvline(median, color=colour(i), linestyle=line_style(i), linewidth=0.9)
    first = values[0]
    if normal is not None:
        _draw_normal(axes, first.edges, *normal, label=normal_name)
    top = max(float(of_events.share.max(initial=0)) for of_events in values) or 1.0
    n_labels = len(values) + (normal is not None)
    axes.set(
        xlim=(min(of.edges[0] for of in values), max(of.edges[-1] for of in values)),
        ylim=(0, (1.08 + 0.09 * min(n_labels, 4)) * top),
        xlabel=xlabel,
        ylabel="Share of events",
    )
    outside = max(0.0, 1 - float(first.share.sum()))
    if outside > 5e-4 and len(values) == 1:
        axes.set_title(f"{100 * outside:.3g} % outside", color=FAINT, loc="right")
    if normal is None:
        axes.set_xlim(_filled_range(values))


def _filled_range(values: Sequence[EventValues]) -> tuple[float, float]:
    """Return the range of the bins that hold something, with one empty bin on either side."""
    ends = []
    for of_events in values:
        filled = np.flatnonzero(of_events.share)
        first, last = (filled[0], filled[-1]) if len(filled) else (0, len(of_events.share) - 1)
        ends += [of_events.edges[max(first - 1, 0)]]
        ends += [of_events.edges[min(last + 2, len(of_events.share))]]
    return float(min(ends)), float(max(ends))


def _draw_normal(
    axes: Axes, edges: NDArray[np.float64], mean: float, width: float, *, label: str
) -> None:
    if not (np.isfinite(mean) and width > 0):
        return
    x = np.linspace(edges[0], edges[-1], 400)
    density = np.exp(-(((x - mean) / width) ** 2) / 2) / (np.sqrt(2 * np.pi) * width)
    axes.plot(x, density * (edges[1] - edges[0]), color=INK, linewidth=1.2, label=label)
