"""The mean score against an event column."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.profiles import ScoreProfile
from detcnn.plotting.style import (
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
def profile_figure(profile: ScoreProfile) -> Figure:
    """Draw the mean score of each class in bins of a column, above where its events are.

    Parameters
    ----------
    profile : ScoreProfile
        Bins with fewer than two events, which give a mean no error, stay empty.
    """
    is_shown = np.isfinite(profile.error)
    low, high = 0.0, 1.0
    if is_shown.any():
        low = float((profile.mean - profile.error)[is_shown].min())
        high = float((profile.mean + profile.error)[is_shown].max())
    margin = max(0.08 * (high - low), 0.01)
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.4, 1))
    edges = profile.edges
    centre, half_width = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    for i, name in enumerate(profile.classes):
        filled = is_shown[i]
        upper.errorbar(
            centre[filled],
            profile.mean[i][filled],
            xerr=half_width[filled],
            yerr=profile.error[i][filled],
            color=colour(i),
            linestyle="none",
            linewidth=1.3,
            marker=marker(i),
            label=literal(name),
        )
        lower.stairs(
            profile.share[i], edges, color=colour(i), linestyle=line_style(i), linewidth=1.5
        )
    # Room for the legend above the points.
    upper.set(ylim=(low - margin, high + 4 * margin), ylabel="Mean discriminant")
    place_legend(figure, upper, loc="upper right")
    lower.set(ylabel="Share of events", xlabel=column_label(profile.column))
    lower.set(xlim=(edges[0], edges[-1]))
    lower.set_ylim(bottom=0)
    figure.align_ylabels()
    return figure
