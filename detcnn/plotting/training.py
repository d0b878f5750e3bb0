"""What happened during training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from detcnn.plotting.style import FAINT, colour, line_style, literal, new_figure, styled

_LOSSES = {"train_loss": "training", "validation_loss": "validation"}


@styled
def history_figure(
    records: Sequence[Mapping[str, float | None]],
    *,
    best_epoch: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> Figure:
    """Draw losses, validation metrics and learning rate against the epoch.

    Errors, whose name ends in ``rmse``, have a panel beside that of the metrics in [0, 1], and
    parts of a loss, which end in ``loss``, go with it. Legends stand beside the panels.

    Parameters
    ----------
    records : sequence of mapping
        One for each epoch: ``epoch``, and any of ``train_loss``, ``validation_loss``, other
        ``validation_...`` metrics, and ``learning_rate``. None stands for a missing
        value; what no record has gets no panel.
    best_epoch : int, optional
        The epoch whose weights were kept, marked by a line.
    notes : mapping, optional
        Name to what the legend says of it, such as its unit.
    """
    names = [name for name in dict.fromkeys(k for r in records for k in r) if name != "epoch"]
    losses = [n for n in _LOSSES if n in names]
    losses += [n for n in names if n.startswith("validation_") and n.endswith(".loss")]
    errors = [n for n in names if n.startswith("validation_") and n.endswith("rmse")]
    metrics = [n for n in names if n.startswith("validation_") and n not in (*losses, *errors)]
    panels: list[tuple[str, Sequence[str], float]] = [
        ("Loss", losses, 3),
        ("Metric", metrics, 2),
        ("RMS error", errors, 2),
        ("Learning rate", [n for n in names if n == "learning_rate"], 1.3),
    ]
    panels = [panel for panel in panels if panel[1]]
    figure = new_figure(8.0, 1.1 + 0.85 * sum(height for *_, height in panels))
    column = figure.subplots(
        len(panels), squeeze=False, sharex=True, height_ratios=[height for *_, height in panels]
    )[:, 0]
    for axes, (title, shown, _) in zip(column, panels, strict=True):
        for i, name in enumerate(shown):
            note = (notes or {}).get(name, "")
            _curve(axes, records, name, i, note=f"\n{note}" if note else "")
        if best_epoch is not None:
            best = f"best epoch, {best_epoch}" if axes is column[0] else None
            axes.axvline(best_epoch, color=FAINT, linestyle=":", label=best)
        axes.set_ylabel(title)
        if title == "Learning rate":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:.0e}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            # Inside it would hide curves.
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.03))
    column[-1].set_xlabel("Epoch")
    column[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    column[-1].xaxis.minorticks_off()
    figure.align_ylabels()
    return figure


@styled
def learning_rate_figure(
    learning_rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    *,
    marks: Mapping[str, float],
) -> Figure:
    """Draw the loss against a learning rate that rises from step to step.

    Parameters
    ----------
    learning_rates, losses, smoothed : sequence of float
        One entry for each step.
    marks : mapping
        Name to learning rate, each shown by a line.
    """
    figure = new_figure()
    axes = figure.subplots()
    axes.plot(learning_rates, losses, color=FAINT, linewidth=0.8, label="loss of a step")
    axes.plot(learning_rates, smoothed, color=colour(0), label="running mean")
    for i, (name, rate) in enumerate(marks.items(), start=1):
        text = literal(f"{name}, {rate:.2g}")
        axes.axvline(rate, color=colour(i), linestyle=line_style(i), label=text)
    axes.set_xscale("log")
    # What the loss does when all falls apart would hide where it falls.
    top = max(smoothed[0], min(losses)) * 1.3
    bottom = min(smoothed)
    axes.set_ylim(bottom - 0.1 * (top - bottom), top)
    axes.set_xlabel("Learning rate")
    axes.set_ylabel("Loss")
    axes.legend(loc="best")
    return figure


def _curve(
    axes: Axes,
    records: Sequence[Mapping[str, float | None]],
    name: str,
    index: int,
    *,
    note: str,
) -> None:
    axes.plot(
        np.array([record["epoch"] for record in records], dtype=np.float64),
        np.array([record.get(name) for record in records], dtype=np.float64),
        color=colour(index),
        linestyle=line_style(index),
        marker="o",
        markersize=3,
        label=_LOSSES.get(name) or literal(_words(name) + note),
    )


def _words(name: str) -> str:
    """Return a metric as it is read: that of a head of several tasks after the head's own name."""
    kind, _, rest = name.partition("_")
    head, _, metric = rest.rpartition(".")
    metric = metric.replace("_", " ").replace("auc", "AUC").replace("rmse", "RMSE")
    return f"{kind} {head}: {metric}" if head else f"{kind} {metric}"
