"""The confusion matrix."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.confusion import Confusion
from detcnn.plotting.style import FAINT, INK, literal, new_figure, styled

_MOST_CLASSES_WITH_INTERVALS = 4


@styled
def confusion_figure(confusion: Confusion) -> Figure:
    """Draw the confusion matrix with its numbers: a row for each true class.

    Parameters
    ----------
    confusion : Confusion
        With up to four classes each cell also shows its interval and its number of events.
    """
    n_classes = len(confusion.classes)
    is_roomy = n_classes <= _MOST_CLASSES_WITH_INTERVALS
    side = n_classes * (1.35 if is_roomy else 0.62)
    figure = new_figure(side + 2.3, side + 1.3)
    axes = figure.subplots()
    fraction = confusion.fraction
    image = axes.imshow(fraction.value, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(n_classes, n_classes):
        value = fraction.value[row, column]
        ink = "white" if value > 0.55 else INK
        is_known = np.isfinite(value)
        number = f"{value:.{3 if is_roomy else 2}f}" if is_known else "–"
        axes.text(
            column,
            row - (0.13 if is_roomy else 0),
            number,
            color=ink,
            ha="center",
            va="center",
            fontsize=14 if is_roomy else 9,
        )
        if is_roomy and is_known:
            low, high = fraction.low[row, column], fraction.high[row, column]
            note = f"[{low:.3f}, {high:.3f}]\nn = {confusion.n_events[row, column]:,}"
            axes.text(column, row + 0.18, note, color=ink, ha="center", va="center", fontsize=8.5)
    names = [literal(name) for name in confusion.classes]
    axes.set_xticks(range(n_classes), names, rotation=0 if is_roomy else 45)
    axes.set_yticks(range(n_classes), names, rotation=90 if is_roomy else 0, va="center")
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="Predicted class", ylabel="True class")
    if is_roomy:
        axes.set_title(f"brackets: {100 * fraction.level:.3g} % CL", color=FAINT, loc="right")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03)
    bar.set_label("Fraction of the true class")
    return figure
