"""Background rejection and significance improvement against signal efficiency."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from detcnn.evaluation.classification import Discrimination
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.working_points import WorkingPoint
from detcnn.plotting.style import (
    FAINT,
    colour,
    line_style,
    literal,
    new_figure,
    place_legend,
    styled,
)

_INSET = (0.64, 0.64, 0.33, 0.33)
_SIGNAL_EFFICIENCY = r"Signal efficiency $\varepsilon_S$"


@styled
def rejection_figure(discriminations: Sequence[Discrimination]) -> Figure:
    """Draw background rejection 1/ε_B against signal efficiency, with intervals and AUC.

    Parameters
    ----------
    discriminations : sequence of Discrimination
        A curve for each, and an inset with the plain ROC curve of all.

    Returns
    -------
    matplotlib.figure.Figure
        Where no background passes there is nothing to draw; the curves start where some does.
    """
    figure, axes = _canvas(discriminations)
    inset = axes.inset_axes(_INSET)
    highest = beneath_inset = 10.0
    for i, discrimination in enumerate(discriminations):
        roc = discrimination.roc
        seen = roc.background_efficiency > 0
        rejection = 1 / roc.background_efficiency[seen]
        highest = max(highest, rejection.max())
        is_beneath = roc.signal_efficiency[seen] > _INSET[0] - 0.1
        beneath_inset = max(beneath_inset, rejection[is_beneath].max(initial=1))
        axes.plot(
            roc.signal_efficiency[seen],
            rejection,
            color=colour(i),
            linestyle=line_style(i),
            label=_label(discrimination),
        )
        _band(axes, i, discrimination, lambda point: point.background_rejection)
        inset.plot(
            roc.signal_efficiency,
            roc.background_efficiency,
            color=colour(i),
            linestyle=line_style(i),
            linewidth=1.2,
        )
    efficiency = np.linspace(0.01, 1, 100)
    axes.plot(efficiency, 1 / efficiency, color=FAINT, linestyle=":", label="random choice")
    axes.set(yscale="log", ylabel=r"Background rejection $1/\varepsilon_B$")
    decades = max(1.15 * math.log10(highest), math.log10(beneath_inset) / (_INSET[1] - 0.12))
    axes.set_ylim(1, 10**decades)
    inset.plot([0, 1], [0, 1], color=FAINT, linestyle=":", linewidth=1.2)
    inset.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    inset.set_xlabel(r"$\varepsilon_S$", fontsize=9, labelpad=1)
    inset.set_ylabel(r"$\varepsilon_B$", fontsize=9, labelpad=1)
    inset.tick_params(labelsize=8)
    place_legend(figure, axes, loc="lower left")
    return figure


@styled
def improvement_figure(discriminations: Sequence[Discrimination]) -> Figure:
    """Draw significance improvement ε_S/√ε_B against signal efficiency, with intervals.

    Parameters
    ----------
    discriminations : sequence of Discrimination
        A curve for each.

    Returns
    -------
    matplotlib.figure.Figure
        The vertical axis follows the lower ends of the intervals: few background events, which
        can put a curve anywhere, do not squeeze the rest.
    """
    figure, axes = _canvas(discriminations)
    highest = 1.0
    for i, discrimination in enumerate(discriminations):
        points = [p for p in discrimination.curve if not p.significance_improvement.is_lower_limit]
        highest = max([highest, *(p.significance_improvement.low for p in points)])
        axes.plot(
            [p.signal_efficiency.value for p in points],
            [p.significance_improvement.value for p in points],
            color=colour(i),
            linestyle=line_style(i),
            label=_label(discrimination),
        )
        _band(axes, i, discrimination, lambda point: point.significance_improvement)
    efficiency = np.linspace(0, 1, 100)
    axes.plot(efficiency, np.sqrt(efficiency), color=FAINT, linestyle=":", label="random choice")
    axes.set(ylabel=r"Significance improvement $\varepsilon_S/\sqrt{\varepsilon_B}$")
    axes.set_ylim(0, 1.75 * highest)
    place_legend(figure, axes, loc="upper right")
    return figure


def _canvas(discriminations: Sequence[Discrimination]) -> tuple[Figure, Axes]:
    figure = new_figure()
    axes = figure.subplots()
    axes.set(xlim=(0, 1), xlabel=_SIGNAL_EFFICIENCY)
    level = discriminations[0].auc.interval.level
    axes.set_title(f"bands and brackets: {100 * level:.3g} % CL", color=FAINT, loc="right")
    return figure, axes


def _label(discrimination: Discrimination) -> str:
    return literal(f"{discrimination.title}\nAUC {discrimination.auc.interval.text()}")


def _band(
    axes: Axes,
    index: int,
    discrimination: Discrimination,
    quantity: Callable[[WorkingPoint], Interval],
) -> None:
    points = [p for p in discrimination.curve if not quantity(p).is_lower_limit]
    # An upper end that does not exist is drawn beyond any axis.
    high = np.nan_to_num([quantity(p).high for p in points], posinf=1e12)
    axes.fill_between(
        [p.signal_efficiency.value for p in points],
        [quantity(p).low for p in points],
        high,
        color=colour(index),
        alpha=0.22,
        linewidth=0,
    )
