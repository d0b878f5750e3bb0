"""What a report says about simpler discriminants beside the network."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.baselines import Baseline, Baselines
from detcnn.evaluation.classification import Discrimination
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import (
    FAINT,
    colour,
    line_style,
    literal,
    new_figure,
    place_legend,
    styled,
)

_MOST_CURVES = 9
_WITH_BAND = 2
_BEYOND = 1e12


def baselines_section(network: Discrimination, baselines: Baselines, *, masses: str) -> Section:
    """Return the part of a report that sets simpler discriminants beside the network.

    Parameters
    ----------
    network : Discrimination
        The headline.
    baselines : Baselines
        What it is compared with.
    masses : str
        Where the masses of constituents came from, as `detcnn.events.observables` has it; empty if
        no observable was worked out of constituents.
    """
    best, gain = baselines.best, baselines.gain
    header = ["Discriminant", "AUC"]
    header += [f"Rejection at {100 * p.target:g} % signal" for p in network.working_points]
    level = f"{100 * network.auc.interval.level:.3g}\N{NO-BREAK SPACE}%"
    return Section(
        title="Baselines",
        lead=(
            f"AUC of the network minus that of the best baseline, {best.title}: "
            f"{gain.text()} (bootstrap in pairs, on the same events, "
            f"{gain.n_replicas:,} replicas)."
        ),
        tables=(
            Table(
                header=tuple(header),
                rows=(
                    _row("network", network),
                    *(_row(b.title, b.discrimination) for b in baselines.baselines),
                ),
                caption=(
                    f"Brackets: central {level} intervals. “(small)” marks what counts as signal "
                    "where it is small. Signs and boosted trees (BDT) come from the "
                    f"{baselines.n_training:,} training events. Of a column of whole numbers a cut "
                    "may keep more signal than asked for." + _about_masses(masses)
                ),
            ),
        ),
        pictures=(
            Picture(
                "baselines",
                baselines_figure(network, baselines.baselines),
                "Network and baselines",
                "Background rejection against signal efficiency, of the network and of the "
                "baselines by falling AUC: what lies between the curves is what the network knows "
                "beyond them. Bands: network and best baseline.",
            ),
        ),
    )


@styled
def baselines_figure(network: Discrimination, baselines: Sequence[Baseline]) -> Figure:
    """Draw background rejection against signal efficiency.

    Parameters
    ----------
    network : Discrimination
        The network's curve, with its intervals as those of the first baseline.
    baselines : sequence of Baseline
        Of which the first nine are drawn, all but the first in thin lines.
    """
    figure = new_figure(6.0, 5.0)
    axes = figure.subplots()
    highest = 10.0
    named = [("network", network)]
    named += [(b.title, b.discrimination) for b in baselines[:_MOST_CURVES]]
    for i, (name, discrimination) in enumerate(named):
        points = [p for p in discrimination.curve if not p.background_rejection.is_lower_limit]
        efficiency = [p.signal_efficiency.value for p in points]
        intervals = [p.background_rejection for p in points]
        axes.plot(
            efficiency,
            [interval.value for interval in intervals],
            color=colour(i),
            linestyle=line_style(i),
            linewidth=1.7 if i < _WITH_BAND else 1.1,
            label=literal(f"{name}\nAUC {discrimination.auc.interval.text()}"),
        )
        if i < _WITH_BAND:
            axes.fill_between(
                efficiency,
                [interval.low for interval in intervals],
                # An upper end that does not exist is drawn beyond any axis.
                [min(interval.high, _BEYOND) for interval in intervals],
                color=colour(i),
                alpha=0.2,
                linewidth=0,
            )
        # The very start of a curve, a handful of background events, does not set the scale.
        settled = [p.background_rejection.value for p in points if p.signal_efficiency.value > 0.05]
        highest = max([highest, *settled])
    random = np.linspace(0.01, 1, 100)
    axes.plot(random, 1 / random, color=FAINT, linestyle=":", label="random choice")
    axes.set(xlim=(0, 1), xlabel=r"Signal efficiency $\varepsilon_S$")
    axes.set(yscale="log", ylabel=r"Background rejection $1/\varepsilon_B$")
    axes.set_ylim(1, 10 ** (1.1 * math.log10(highest)))
    axes.set_title(literal(network.title))
    level = network.auc.interval.level
    axes.set_title(f"bands and brackets: {100 * level:.3g} % CL", color=FAINT, loc="right")
    place_legend(figure, axes, loc="upper right")
    return figure


def _row(name: str, discrimination: Discrimination) -> tuple[str, ...]:
    return (
        name,
        discrimination.auc.interval.text(),
        *(point.background_rejection.text() for point in discrimination.working_points),
    )


def _about_masses(masses: str) -> str:
    if not masses:
        return " No observables were worked out of constituents."
    if masses == "nothing":
        return " Constituents count as massless."
    return f" Masses of constituents come from their {masses}."
