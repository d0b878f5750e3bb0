"""What a report says about selections of each class."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.class_selection import Selected, Selections
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import FAINT, colour, literal, marker, new_figure, styled


def selections_section(selections: Selections) -> Section:
    """Return the part of a report about the selection of each class.

    Parameters
    ----------
    selections : Selections
        What was selected, by the network and by cuts.
    """
    level = f"{100 * selections.level:.3g}\N{NO-BREAK SPACE}%"
    rows = [
        _row(one.name, f"score ≥ {one.threshold:.4f}", one.selected) for one in selections.classes
    ]
    for cut in selections.cuts:
        rows.append(_row(cut.name, cut.title, cut.selected))
        rows.append(
            _row(cut.name, f"score ≥ {cut.threshold:.4f}, for the cut's purity", cut.network)
        )
    gains = " ".join(
        f"At the purity of the cut {cut.title}, the network keeps more of {cut.name} by "
        f"{cut.gain_text()} (bootstrap in pairs, {cut.n_replicas:,} replicas)."
        for cut in selections.cuts
    )
    return Section(
        title="Selections",
        lead=gains,
        tables=(
            Table(
                header=("Class", "Selected by", "Efficiency", "Purity", "Efficiency × purity"),
                rows=tuple(rows),
                caption=(
                    "Thresholds are those of the largest efficiency times purity in "
                    f"{selections.n_tuning:,} other events, or of the purity that a cut has there. "
                    f"Brackets: central {level} intervals of the events evaluated, of the product "
                    "by bootstrap. Purities hold for their mix of classes."
                ),
            ),
        ),
        pictures=(
            Picture(
                "selections",
                selections_figure(selections),
                "Purity against efficiency",
                "Of the events evaluated, for every threshold of the score of a class; the circle "
                "is the threshold chosen in other events, the other markers are cuts on columns.",
            ),
        ),
    )


@styled
def selections_figure(selections: Selections) -> Figure:
    """Draw purity against efficiency of each class, with the points chosen.

    Parameters
    ----------
    selections : Selections
        Curves of the network; its best points and the cuts with their intervals.
    """
    figure = new_figure(5.6, 4.8)
    axes = figure.subplots()
    for i, one in enumerate(selections.classes):
        axes.plot(one.efficiency, one.purity, color=colour(i), label=literal(one.name))
        _point(figure, one.selected, shape=marker(0), ink=colour(i))
        for number, cut in enumerate(selections.cuts, start=1):
            if cut.name == one.name:
                label = literal(f"{cut.name}: {cut.title}")
                _point(figure, cut.selected, shape=marker(number), ink=colour(i), label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Efficiency", ylabel="Purity")
    axes.set_title(f"points: {100 * selections.level:.3g} % CL", color=FAINT, loc="right")
    axes.legend(loc="lower left")
    return figure


def _point(
    figure: Figure, selected: Selected, *, shape: str, ink: str, label: str | None = None
) -> None:
    x, y = selected.efficiency, selected.purity
    if not np.isfinite([x.value, y.value]).all():
        return
    figure.axes[0].errorbar(
        [x.value],
        [y.value],
        xerr=[[x.value - x.low], [x.high - x.value]],
        yerr=[[y.value - y.low], [y.high - y.value]],
        color=ink,
        marker=shape,
        markersize=6,
        markeredgecolor="white",
        linestyle="none",
        label=label,
    )


def _row(name: str, how: str, selected: Selected) -> tuple[str, ...]:
    return (
        name,
        how,
        selected.efficiency.text(),
        selected.purity.text(),
        selected.product.text(),
    )
