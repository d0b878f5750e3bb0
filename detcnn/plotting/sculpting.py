"""Spectra before and after cuts on the score."""

import numpy as np
from matplotlib.figure import Figure

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


@styled
def sculpting_figure(sculpting: Sculpting, *, name: str) -> Figure:
    """Draw the spectrum of a column before and after each cut, and their ratio to that before.

    Parameters
    ----------
    sculpting : Sculpting
        Spectra of unit area. A cut that nothing passes is left out.
    name : str
        Whose spectrum it is.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.2, 1))
    edges, before = sculpting.edges, sculpting.density
    centre = (edges[1:] + edges[:-1]) / 2
    upper.stairs(
        before, edges, fill=True, color=FAINT, alpha=0.35, label=literal(f"{name}, before cuts")
    )
    upper.stairs(before, edges, color=FAINT, linewidth=1.2)
    lower.axhline(1, color=FAINT, linewidth=1.2)
    ratios = []
    for i, cut in enumerate(sculpting.cuts):
        if not np.isfinite(cut.from_all.interval.value):
            continue
        style = {"color": colour(i), "linewidth": 1.5}
        distance = cut.from_all
        label = (
            rf"$\varepsilon_S$ = {cut.target:g}: distance {distance.interval.value:.3f}, "
            f"by chance {distance.expected:.3f}"
        )
        upper.stairs(cut.density, edges, linestyle=line_style(i), label=label, **style)
        shown = (before > 0) & (cut.density > 0)
        ratio, error = cut.density[shown] / before[shown], cut.error[shown] / before[shown]
        # Points side by side, so that their error bars do not hide each other.
        n_cuts = len(sculpting.cuts)
        shift = (i - (n_cuts - 1) / 2) * 0.7 / n_cuts * np.diff(edges)[shown]
        lower.errorbar(
            centre[shown] + shift,
            ratio,
            error,
            linestyle="none",
            marker=marker(i),
            markersize=3,
            **style,
        )
        ratios.append(ratio[cut.density[shown] > 2 * cut.error[shown]])
    highest = max((float(r.max()) for r in ratios if len(r)), default=1.0)
    upper.set(ylabel="Probability density")
    upper.set_ylim(0, 1.5 * float(upper.dataLim.y1))
    place_legend(figure, upper, loc="upper right")
    lower.set(ylim=(0, min(1.25 * max(highest, 1.3), 20)), ylabel="after / before")
    lower.set(xlabel=column_label(sculpting.column), xlim=(edges[0], edges[-1]))
    figure.align_ylabels()
    return figure
