"""Distributions of the discriminant."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.distributions import ScoreDistributions
from detcnn.plotting.style import colour, line_style, literal, marker, new_figure, styled

_MOST_FILLED = 3


@styled
def scores_figure(
    distributions: ScoreDistributions,
    *,
    reference: ScoreDistributions | None = None,
    reference_name: str = "training",
) -> Figure:
    """Draw the distribution of the discriminant for each class, with Poisson errors.

    Parameters
    ----------
    distributions : ScoreDistributions
        Drawn as histograms, filled for up to three classes.
    reference : ScoreDistributions, optional
        The same classes in another sample, drawn as points: where they leave the histograms by
        more than the errors, the network has learnt its training events by heart.
    reference_name : str
        What to call the points.
    """
    figure = new_figure()
    axes = figure.subplots()
    edges = distributions.edges
    centres = (edges[:-1] + edges[1:]) / 2
    for i, name in enumerate(distributions.classes):
        density, error = distributions.density[i], distributions.error[i]
        if len(distributions.classes) <= _MOST_FILLED:
            axes.stairs(density, edges, fill=True, color=colour(i), alpha=0.18)
        axes.stairs(
            density,
            edges,
            color=colour(i),
            linestyle=line_style(i),
            linewidth=1.7,
            label=literal(name),
        )
        axes.errorbar(centres, density, error, color=colour(i), linestyle="none", linewidth=1)
        if reference is not None:
            axes.errorbar(
                centres,
                reference.density[i],
                reference.error[i],
                color=colour(i),
                linestyle="none",
                linewidth=1,
                marker=marker(i),
                markerfacecolor="white",
                label=literal(f"{name} ({reference_name})"),
            )
    top = max(float(np.max(d.density + d.error)) for d in (distributions, reference) if d)
    n_entries = len(distributions.classes) * (1 if reference is None else 2)
    axes.set(xlim=(0, 1), ylim=(0, (1.12 + 0.07 * np.ceil(n_entries / 2)) * top))
    axes.set(xlabel="Discriminant", ylabel="Probability density")
    axes.legend(loc="upper center", ncols=2)
    return figure
