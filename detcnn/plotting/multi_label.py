"""What a report says about scores of several labels."""

from detcnn.evaluation.multi_label import CUT, MultiLabelEvaluation
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.roc import rejection_figure

_MOST_CURVES = 10


def multi_label_sections(evaluation: MultiLabelEvaluation) -> tuple[Section, ...]:
    """Return the part of a report that says what scores of several labels are worth.

    Returns
    -------
    tuple of Section
        One, with tables and the curves of the labels. Each `Picture` has a name to write its figure
        under.
    """
    level = f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    hardest = sorted(
        (label.discrimination for label in evaluation.labels), key=lambda d: d.auc.interval.value
    )[:_MOST_CURVES]
    return (
        Section(
            title="Labels",
            lead=(
                f"Mean area under the ROC curve of {len(evaluation.labels)} labels: "
                f"{evaluation.macro_auc.text()} ({level} confidence level)."
            ),
            tables=(
                Table(
                    header=(
                        "Label", "Events", "Share", "AUC", "Average precision", "Precision",
                        "Recall", "F1", "Accuracy",
                    ),
                    rows=tuple(
                        (
                            label.name,
                            f"{label.n_true:,}",
                            f"{100 * label.prevalence:.3g} %",
                            label.discrimination.auc.interval.text(),
                            label.average_precision.text(),
                            label.precision.text(),
                            label.recall.text(),
                            label.f1.text(),
                            label.accuracy.text(),
                        )
                        for label in evaluation.labels
                    ),
                    caption=(
                        f"Each label is a question of its own. Precision, recall, F1 and accuracy: "
                        f"of the cut at {CUT}. Brackets: central {level} intervals of the "
                        f"{evaluation.n_events:,} events, of shares {evaluation.micro_f1.method}, "
                        f"of all else {evaluation.macro_f1.method}."
                    ),
                ),
                Table(
                    header=("All labels", level + " interval"),
                    rows=(
                        ("mean AUC", evaluation.macro_auc.text()),
                        ("mean average precision", evaluation.macro_average_precision.text()),
                        ("mean F1 (macro)", evaluation.macro_f1.text()),
                        ("F1 of all answers (micro)", evaluation.micro_f1.text()),
                        ("events with all labels right", evaluation.subset_accuracy.text()),
                        ("share of wrong answers (Hamming)", evaluation.hamming_loss.text()),
                    ),
                    caption="Means over labels count each label alike.",
                ),
            ),
            pictures=(
                Picture(
                    "labels",
                    rejection_figure(hardest),
                    "Each label",
                    "One over the share of the events without a label that pass a cut on its "
                    "score, against the share of those with it. At most ten, the hardest first.",
                ),
            ),
        ),
    )  # fmt: skip
