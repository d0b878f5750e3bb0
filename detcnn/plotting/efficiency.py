"""Efficiencies of working points against event columns."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from detcnn.evaluation.classification import EfficiencyCurve
from detcnn.evaluation.efficiency import BinnedEfficiency
from detcnn.plotting.style import FAINT, colour, column_label, marker, new_figure, styled


@styled
def efficiency_figure(curves: Sequence[EfficiencyCurve]) -> Figure:
    """Draw signal and background efficiency against a column, for each working point.

    Parameters
    ----------
    curves : sequence of EfficiencyCurve
        One or more, all of the same column and bins. Bins without events stay empty; where no
        background passes an arrow hangs from the upper end of the interval.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True)
    for i, curve in enumerate(curves):
        _draw(upper, curve.signal, i, label=f"{curve.target:g}")
        _draw(lower, curve.background, i, zero_as_limit=True)
    first = curves[0].signal
    upper.set_title(f"{100 * first.efficiency.level:.3g} % CL", color=FAINT, loc="right")
    upper.set(ylabel=r"Signal eff. $\varepsilon_S$", ylim=(0, 1.32))
    upper.set_yticks([0, 0.25, 0.5, 0.75, 1])
    upper.legend(
        title=r"at overall $\varepsilon_S$ of", loc="upper center", ncols=len(curves), fontsize=9
    )
    lower.set(ylabel=r"Background eff. $\varepsilon_B$", yscale="log")
    if not any(curve.background.n_events.any() for curve in curves):
        # A logarithmic axis with nothing on it finds no ends.
        lower.set_ylim(1e-3, 1)
    lower.set(xlabel=column_label(first.column, first.unit), xlim=(first.edges[0], first.edges[-1]))
    figure.align_ylabels()
    return figure


def _draw(
    axes: Axes,
    binned: BinnedEfficiency,
    index: int,
    *,
    label: str | None = None,
    zero_as_limit: bool = False,
) -> None:
    value, low, high = binned.efficiency.value, binned.efficiency.low, binned.efficiency.high
    centre, half_width = (binned.edges[1:] + binned.edges[:-1]) / 2, np.diff(binned.edges) / 2
    filled = binned.n_events > 0
    limit = filled & (value <= 0) & zero_as_limit
    shown = filled & ~limit
    axes.errorbar(
        centre[shown],
        value[shown],
        xerr=half_width[shown],
        yerr=np.stack([value - low, high - value])[:, shown],
        color=colour(index),
        linestyle="none",
        linewidth=1.3,
        marker=marker(index),
        label=label,
    )
    if limit.any():
        axes.errorbar(
            centre[limit],
            high[limit],
            xerr=half_width[limit],
            yerr=0.4 * high[limit],
            uplims=True,
            color=colour(index),
            linestyle="none",
            linewidth=1.3,
        )
