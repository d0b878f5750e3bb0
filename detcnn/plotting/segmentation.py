"""What a report says about a class for every pixel: tables and figures from its evaluation."""

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.pixel_scores import PixelScores
from detcnn.evaluation.segmentation import SegmentationEvaluation
from detcnn.plotting.binned import Panel, binned_panels_figure
from detcnn.plotting.confusion import confusion_figure
from detcnn.plotting.event_values import event_values_figure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import FAINT, colour, literal, marker, new_figure, styled

_QUANTITIES = {
    "iou": "Intersection over union",
    "efficiency": "Pixel efficiency",
    "purity": "Pixel purity",
}


def segmentation_sections(evaluation: SegmentationEvaluation) -> tuple[Section, ...]:
    """Return the parts of a report that say what a segmentation is worth.

    Returns
    -------
    tuple of Section
        Result, pixels, events, and profiles if any column was given. Each `Picture` has a name to
        write its figure under.
    """
    sections = [_result(evaluation), _pixels(evaluation), _events(evaluation)]
    if evaluation.profiles:
        sections.append(_profiles(evaluation))
    return tuple(sections)


@styled
def class_measures_figure(evaluation: SegmentationEvaluation) -> Figure:
    """Draw IoU, purity and efficiency of each class with their intervals."""
    classes = evaluation.classes
    figure = new_figure(5.6, 1.4 + 0.7 * len(classes))
    axes = figure.subplots()
    place = np.arange(len(classes), dtype=np.float64)
    for i, (label, measure) in enumerate(
        (
            ("IoU", evaluation.iou),
            ("purity", evaluation.purity),
            ("efficiency", evaluation.efficiency),
        )
    ):
        defined = np.isfinite(measure.value)
        error = np.stack([measure.value - measure.low, measure.high - measure.value])
        axes.errorbar(
            measure.value[defined],
            (place + 0.22 * (i - 1))[defined],
            xerr=error[:, defined],
            color=colour(i),
            linestyle="none",
            linewidth=1.6,
            marker=marker(i),
            label=label,
        )
    for edge in place[1:] - 0.5:
        axes.axhline(edge, color=FAINT, linewidth=0.5)
    axes.set_yticks(place, [literal(name) for name in classes])
    axes.tick_params(axis="y", which="both", length=0)
    axes.set(xlim=(0, 1.02), ylim=(len(classes) - 0.5, -0.5), xlabel="Share of pixels")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


@styled
def pixel_scores_figure(scores: PixelScores) -> Figure:
    """Draw purity against efficiency, and background efficiency against efficiency, of pixels."""
    figure = new_figure(9.2, 4.2)
    left, right = figure.subplots(1, 2)
    left.plot(scores.efficiency, scores.purity, color=colour(0))
    left.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="Pixel purity")
    left.set_title(f"average precision {scores.average_precision.text()}")
    right.plot(scores.efficiency, scores.background_efficiency, color=colour(1))
    floor = scores.background_efficiency[scores.background_efficiency > 0].min()
    right.set(xlim=(0, 1), ylim=(max(floor, 1e-6), 1), ylabel="Background efficiency", yscale="log")
    right.set_title(f"AUC {scores.auc.text()}")
    for axes in (left, right):
        axes.set_xlabel(f"Pixel efficiency of {literal(scores.foreground)}")
    return figure


def _percent(level: float) -> str:
    return f"{100 * level:.3g}\N{NO-BREAK SPACE}%"


def _result(evaluation: SegmentationEvaluation) -> Section:
    every, *of_classes = evaluation.event_misclassified
    quantiles = " / ".join(f"{of:.4f}" for of in every.quantiles.value)
    return Section(
        title="Segmentation",
        lead=(
            f"Mean intersection over union {evaluation.mean_iou.text()}, without the background "
            f"class {evaluation.foreground_iou.text()} ({_percent(evaluation.level)} confidence "
            f"level, {evaluation.n_events:,} events)."
        ),
        tables=(
            Table(
                header=(
                    "Class", "Pixels", "Share", "Events", "IoU", "Purity", "Efficiency", "Dice",
                    "ICPF of an event",
                ),
                rows=tuple(
                    (
                        count.name,
                        f"{count.n_pixels:,}",
                        f"{100 * count.share:.3g} %",
                        f"{count.n_events:,}",
                        evaluation.iou.item(i).text(),
                        evaluation.purity.item(i).text(),
                        evaluation.efficiency.item(i).text(),
                        evaluation.dice.item(i).text(),
                        of_class.mean.text(),
                    )
                    for i, (count, of_class) in enumerate(
                        zip(evaluation.counts, of_classes, strict=True)
                    )
                ),
                caption=(
                    f"Judged pixels by true class. Brackets: central {_percent(evaluation.level)} "
                    f"intervals ({evaluation.accuracy.method}; means over classes or events: "
                    f"{evaluation.mean_iou.method}), as pixels of one image are not "
                    "independent. Purity: of the pixels predicted to be of a class, the share that "
                    "is; efficiency: of the true ones, the share found. ICPF: incorrectly "
                    "classified pixel fraction (arXiv:1808.07269), the mean over the events that "
                    "have such pixels."
                ),
            ),
            Table(
                header=("All classes", _percent(evaluation.level) + " interval"),
                rows=(
                    ("pixel accuracy", evaluation.accuracy.text()),
                    ("mean efficiency over classes", evaluation.confusion.macro_accuracy.text()),
                    ("mean IoU", evaluation.mean_iou.text()),
                    ("mean IoU without background", evaluation.foreground_iou.text()),
                    ("event accuracy, mean", evaluation.event_accuracy.mean.text()),
                    ("event mean IoU, mean", evaluation.event_iou.mean.text()),
                    ("ICPF of an event, mean", every.mean.text()),
                ),
                caption=(
                    f"ICPF of an event, quantiles at {_levels(every.levels)}: {quantiles}."
                ),
            ),
        ),
    )  # fmt: skip


def _levels(levels: tuple[float, ...]) -> str:
    return " / ".join(f"{100 * level:.3g}\N{NO-BREAK SPACE}%" for level in levels)


def _pixels(evaluation: SegmentationEvaluation) -> Section:
    pictures = [
        Picture(
            "segmentation-classes",
            class_measures_figure(evaluation),
            "Classes",
            "Overlap, purity and efficiency of the pixels of each class.",
        ),
        Picture(
            "segmentation-confusion",
            confusion_figure(evaluation.confusion),
            "Confusion of pixels",
            "Each row shows where the pixels of one true class go; rows sum to one. n counts "
            "pixels; the intervals are those of events.",
        ),
    ]
    if evaluation.pixel_scores is not None:
        scores = evaluation.pixel_scores
        pictures.append(
            Picture(
                "segmentation-scores",
                pixel_scores_figure(scores),
                "Cuts on the score",
                "What a cut on the score does to pixels: purity (left) and the share of other "
                "pixels that pass (right) against the share of the class that passes. The bins of "
                f"the score move the AUC by at most {scores.auc_binning_error:.1g}, the average "
                f"precision by at most {scores.average_precision_binning_error:.1g}.",
            )
        )
    return Section(title="Pixels", pictures=tuple(pictures))


def _events(evaluation: SegmentationEvaluation) -> Section:
    return Section(
        title="Events",
        pictures=(
            Picture(
                "segmentation-events",
                event_values_figure(
                    [evaluation.event_accuracy, evaluation.event_iou], xlabel="Score of the event"
                ),
                "Scores of events",
                "How many events are segmented how well: share of the judged pixels that get their "
                "true class, and mean intersection over union of the classes that an event has. "
                "Thin lines: medians.",
            ),
        ),
    )


def _profiles(evaluation: SegmentationEvaluation) -> Section:
    columns = dict.fromkeys(profile.column for profile in evaluation.profiles)
    return Section(
        title="Segmentation against columns",
        pictures=tuple(
            Picture(
                f"segmentation-{column}",
                binned_panels_figure(
                    [
                        Panel([profile], _QUANTITIES[profile.quantity], is_share=True)
                        for profile in evaluation.profiles
                        if profile.column == column
                    ]
                ),
                f"Overlap, efficiency and purity against {column}",
                "Of the pixels of all events in a bin; below, the number of these events.",
            )
            for column in columns
        ),
    )
