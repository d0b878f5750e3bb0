"""Spectra before and after cuts on the score."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.evaluation.sculpting import Sculpting
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

_FEWEST = 10
"""A spectrum of fewer events is spikes, and not drawn."""

_EVENTS_IN_A_BIN = 3


@styled
def sculpting_figure(sculpting: Sculpting, *, name: str) -> Figure:
    """Draw the spectrum of a column before and after each cut, and their ratio to that before.

    Parameters
    ----------
    sculpting : Sculpting
        Spectra of unit area. Neighbouring bins are joined until those that the smallest spectrum
        fills hold three of its events on average; a cut that fewer than ten events pass is named,
        but not drawn.
    name : str
        Whose spectrum it is.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.2, 1))
    n_joined = _bins_to_join(sculpting)
    edges = np.append(sculpting.edges[:-1:n_joined], sculpting.edges[-1])
    before, _ = _joined(sculpting.density, sculpting.error, sculpting.edges, n_joined)
    upper.stairs(
        before,
        edges,
        fill=True,
        color=FAINT,
        alpha=0.35,
        label=literal(f"{name}, before cuts: {sculpting.n_events:,} events"),
    )
    upper.stairs(before, edges, color=FAINT, linewidth=1.2)
    lower.axhline(1, color=FAINT, linewidth=1.2)
    highest, n_cuts = 1.3, len(sculpting.cuts)
    for i, cut in enumerate(sculpting.cuts):
        label = rf"$\varepsilon_S$ = {cut.target:g}: {cut.n_events:,} events"
        style = {"color": colour(i), "linewidth": 1.5}
        if cut.n_events < _FEWEST:
            upper.plot([], [], linestyle="none", label=f"{label}, too few to draw")
            continue
        if np.isfinite(cut.from_all.interval.value):
            distance = cut.from_all
            label += f", distance {distance.interval.value:.3f} (by chance {distance.expected:.3f})"
        density, error = _joined(cut.density, cut.error, sculpting.edges, n_joined)
        upper.stairs(density, edges, linestyle=line_style(i), label=label, **style)
        # Points side by side, so that their error bars do not hide each other.
        shift = (i - (n_cuts - 1) / 2) * 0.7 / n_cuts
        places = (edges[1:] + edges[:-1]) / 2 + shift * np.diff(edges)
        shown = density > 0
        upper.errorbar(places[shown], density[shown], error[shown], linestyle="none", **style)
        shown &= before > 0
        ratio, spread = density[shown] / before[shown], error[shown] / before[shown]
        lower.errorbar(
            places[shown],
            ratio,
            spread,
            linestyle="none",
            marker=marker(i),
            markersize=3,
            **style,
        )
        highest = max([highest, *ratio])
    upper.set(ylabel="Probability density")
    upper.set_ylim(0, 1.5 * float(upper.dataLim.y1))
    place_legend(figure, upper, loc="upper right")
    lower.set(ylim=(0, min(1.25 * highest, 20)), ylabel="after / before")
    lower.set(xlabel=column_label(sculpting.column), xlim=(edges[0], edges[-1]))
    figure.align_ylabels()
    return figure


def _bins_to_join(sculpting: Sculpting) -> int:
    """Return how many bins become one, so that the smallest spectrum drawn is more than spikes."""
    n_bins = len(sculpting.density)
    drawn = [cut for cut in sculpting.cuts if cut.n_events >= _FEWEST]
    if not drawn:
        return 1
    smallest = min(drawn, key=lambda cut: cut.n_events)
    for n_joined in range(1, n_bins):
        starts = np.arange(0, n_bins, n_joined)
        n_filled = np.count_nonzero(np.add.reduceat(smallest.density, starts))
        if n_filled * _EVENTS_IN_A_BIN <= smallest.n_events:
            return n_joined
    return n_bins


def _joined(
    density: NDArray[np.float64],
    error: NDArray[np.float64],
    edges: NDArray[np.float64],
    n_joined: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return density and error in bins of `n_joined` each, the last one of what is left."""
    starts = np.arange(0, len(density), n_joined)
    width = np.diff(edges)
    wide = np.add.reduceat(width, starts)
    content = np.add.reduceat(density * width, starts)
    squares = np.add.reduceat((error * width) ** 2, starts)
    return content / wide, np.sqrt(squares) / wide
