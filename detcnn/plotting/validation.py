"""Distributions of jet columns by class."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from detcnn.plotting.style import (
    colour,
    column_label,
    line_style,
    literal,
    new_figure,
    styled,
)

_BINS = 60


@styled
def column_figure(
    column: str, values: Mapping[str, ArrayLike], *, mark: float | None = None, mark_name: str = ""
) -> Figure:
    """Draw the distribution of one column for each class, normalised to unit area.

    Parameters
    ----------
    column : str
        Its name; known ones get their symbol and unit.
    values : mapping
        Class name to array of shape (n_events,), finite.
    mark : float, optional
        Where to draw a line, for example the mass that is expected.
    mark_name : str
        What the line is.
    """
    figure = new_figure()
    axes = figure.subplots()
    together = np.concatenate([np.asarray(column) for column in values.values()])
    # What lies beyond is so rare that it would only squeeze the rest.
    low, high = np.quantile(together, [0.0, 0.998])
    if together.dtype.kind in "iu":
        step = max(1, round((high - low) / _BINS))
        edges = np.arange(low - 0.5, high + step + 0.5, step)
    else:
        edges = np.linspace(low, np.nextafter(high, np.inf) if high > low else low + 1, _BINS + 1)
    for i, (name, own) in enumerate(values.items()):
        counts, _ = np.histogram(own, edges)
        density = counts / (max(1, len(np.asarray(own))) * np.diff(edges))
        axes.stairs(density, edges, fill=True, color=colour(i), alpha=0.18)
        axes.stairs(
            density,
            edges,
            color=colour(i),
            linestyle=line_style(i),
            linewidth=1.7,
            label=literal(name),
        )
    if mark is not None:
        # A source in brackets goes on a line of its own, beside the peak and not over it.
        label = literal(mark_name).replace(" (", "\n(")
        axes.axvline(mark, color="0.3", linewidth=1, linestyle=":", label=label)
    axes.set(xlabel=column_label(column), ylabel="Probability density", xlim=(edges[0], edges[-1]))
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.legend(loc="upper right")
    return figure
