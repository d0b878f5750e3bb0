"""Areas under the ROC curve along a number, such as that of the events trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from detcnn.evaluation.comparison import mean_text
from detcnn.evaluation.learning_curve import CurvePoint
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import (
    colour,
    line_style,
    literal,
    marker,
    new_figure,
    place_legend,
    styled,
)

_DECADE = 10
_ASIDE = 1.06
_MOST_TICKS = 8


@styled
def learning_curve_figure(curves: Mapping[str, Sequence[CurvePoint]], *, along: str) -> Figure:
    """Draw the area of each name against the number, with intervals, and each training as a dot.

    Parameters
    ----------
    curves : mapping
        Name to its points, by rising number, see `detcnn.evaluation.learning_curve`.
    along : str
        What the number is.

    Returns
    -------
    matplotlib.figure.Figure
        The axis is logarithmic if the numbers span more than a decade.
    """
    figure = new_figure(6.0, 4.6)
    axes = figure.subplots()
    numbers = np.array([point.number for points in curves.values() for point in points])
    is_log = numbers.min() > 0 and numbers.max() > _DECADE * numbers.min()
    for i, (name, points) in enumerate(curves.items()):
        # A little aside, for the bars would hide each other.
        aside = _ASIDE ** (i - (len(curves) - 1) / 2) if is_log else 1.0
        place = aside * np.array([point.number for point in points])
        value = np.array([point.auc.value for point in points])
        ends = np.array([[point.auc.low, point.auc.high] for point in points])
        axes.errorbar(
            place,
            value,
            yerr=np.abs(ends - value[:, np.newaxis]).T,
            color=colour(i),
            linestyle=line_style(i),
            marker=marker(i),
            markersize=5,
            capsize=2,
            label=literal(name),
        )
        for x, point in zip(place, points, strict=True):
            if len(point.trainings) > 1:
                dots = [x] * len(point.trainings)
                axes.plot(dots, point.trainings, ".", color=colour(i), alpha=0.4, markersize=4)
    if is_log:
        axes.set_xscale("log")
    ticks = np.unique(numbers)
    if len(ticks) <= _MOST_TICKS:
        axes.set_xticks(ticks, [f"{number:g}" for number in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(literal(along[:1].upper() + along[1:]))
    axes.set_ylabel("Area under the ROC curve")
    place_legend(figure, axes, loc="lower right")
    return figure


def learning_curve_section(
    curves: Mapping[str, Sequence[CurvePoint]], *, along: str, level: float
) -> Section:
    """Return the part of a report that shows areas along a number.

    Parameters
    ----------
    curves : mapping
        Name to its points, by rising number.
    along : str
        What the number is.
    level : float
        Confidence level of the intervals.
    """
    return Section(
        title=f"Along the {along}",
        lead=(
            f"Bars are {100 * level:.3g} % intervals, which hold the finite number of test events "
            "and, where a point is the mean of several trainings, their finite number. Dots are "
            "the trainings."
        ),
        tables=(
            Table(
                header=("", along, "AUC"),
                rows=tuple(
                    (name, f"{point.number:g}", _text(point))
                    for name, points in curves.items()
                    for point in points
                ),
            ),
        ),
        pictures=(
            Picture(
                "learning-curve",
                learning_curve_figure(curves, along=along),
                f"AUC against the {along}",
                "Names stand a little beside each other, so that their bars can be told apart.",
            ),
        ),
    )


def _text(point: CurvePoint) -> str:
    n = len(point.trainings)
    return mean_text(point.auc, float(np.std(point.trainings, ddof=1)) if n > 1 else None, n)
