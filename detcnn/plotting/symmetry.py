"""What a network is worth, and how its scores change, when its images are changed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.invariance import Response
from detcnn.plotting.style import FAINT, colour, new_figure, styled


@styled
def symmetry_figure(
    responses: Sequence[Response],
    *,
    amount: str,
    neutral: float,
    performance: str,
    names: Sequence[str] = (),
) -> Figure:
    """Draw performance and change of the score against the amount of a change.

    Parameters
    ----------
    responses : sequence of Response
        In rising order of the amount.
    amount : str
        What the amount is, with its unit.
    neutral : float
        The amount that changes nothing, marked by a line.
    performance : str
        What the performance is.
    names : sequence of str
        What whole amounts from 0 on are called; they are then not joined by a line.
    """
    amounts = np.array([r.amount for r in responses])
    figure = new_figure(5.6, 5.4)
    upper, lower = figure.subplots(2, sharex=True)
    values = [r.performance for r in responses]
    line = "none" if names else "-"
    upper.errorbar(
        amounts,
        [v.value for v in values],
        yerr=[[v.value - v.low for v in values], [v.high - v.value for v in values]],
        marker="o",
        linestyle=line,
        linewidth=1.2,
        color=colour(0),
    )
    lower.errorbar(
        amounts,
        [r.mean_change for r in responses],
        yerr=[r.mean_change_error for r in responses],
        marker="o",
        linestyle=line,
        linewidth=1.2,
        color=colour(0),
        label="mean",
    )
    lower.plot(
        amounts,
        [r.mean_size for r in responses],
        marker="s",
        linestyle="none" if names else "--",
        linewidth=1.2,
        color=colour(1),
        label="mean of the size",
    )
    for axes in (upper, lower):
        axes.axvline(neutral, color=FAINT, linewidth=0.8, linestyle=":", zorder=0)
    lower.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
    upper.set_ylabel(performance)
    lower.set(xlabel=amount, ylabel="Change of the score\nof the event's class")
    lower.legend(loc="best")
    if names:
        lower.set_xticks(range(len(names)), names)
        lower.set_xlim(-0.5, len(names) - 0.5)
        for axes in (upper, lower):
            axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    figure.align_ylabels()
    return figure
