"""What a report says about a classification: tables and figures from its evaluation."""

from collections.abc import Sequence

from detcnn.evaluation.classification import ClassificationEvaluation, Discrimination
from detcnn.evaluation.distributions import ScoreDistributions
from detcnn.plotting.calibration import calibration_figure
from detcnn.plotting.confusion import confusion_figure
from detcnn.plotting.efficiency import efficiency_figure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.roc import improvement_figure, rejection_figure
from detcnn.plotting.scores import scores_figure

_MOST_CURVES = 10


def classification_sections(
    evaluation: ClassificationEvaluation, *, training_scores: ScoreDistributions | None = None
) -> tuple[Section, ...]:
    """Return the parts of a report that say what the scores are worth.

    Parameters
    ----------
    evaluation : ClassificationEvaluation
        The results.
    training_scores : ScoreDistributions, optional
        The same discriminant for the training events, laid over those of the test events.

    Returns
    -------
    tuple of Section
        Headline, separation, efficiencies (if any column was given), confusion, calibration. Each
        `Picture` has a name to write its figure under.
    """
    sections = [
        _headline(evaluation),
        _separation(evaluation, training_scores),
        _efficiencies(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
    ]
    return tuple(section for section in sections if section.tables or section.pictures)


def headline_table(discrimination: Discrimination) -> Table:
    """Return the area under the curve and the working points, each with its interval."""
    auc = discrimination.auc
    points = discrimination.working_points
    return Table(
        header=(
            "Working point",
            "Signal efficiency",
            "Background efficiency",
            "Background rejection",
            "Significance improvement",
            "Threshold",
        ),
        rows=tuple(
            (
                f"{100 * point.target:g} % signal",
                point.signal_efficiency.text(),
                point.background_efficiency.text(),
                point.background_rejection.text(),
                point.significance_improvement.text(),
                f"{point.threshold:.4f}",
            )
            for point in points
        ),
        caption=(
            f"AUC {auc.interval.text()}. Brackets: central {_percent(auc.interval.level)} "
            f"intervals. AUC: {auc.interval.method}, {auc.n_replicas:,} replicas; signal "
            "efficiency: Wilson; the others: order statistic of the threshold and Clopper-Pearson, "
            "at fixed signal efficiency. “>” marks a one-sided lower limit where no background "
            "passes."
        ),
    )


def _percent(level: float) -> str:
    return f"{100 * level:.3g}\N{NO-BREAK SPACE}%"


def _hardest(discriminations: Sequence[Discrimination]) -> list[Discrimination]:
    return sorted(discriminations, key=lambda d: d.auc.interval.value)[:_MOST_CURVES]


def _headline(evaluation: ClassificationEvaluation) -> Section:
    headline = evaluation.headline
    counts = Table(
        header=("Class", "Events", "Sum of weights", "Effective events"),
        rows=tuple(
            (c.name, f"{c.n_events:,}", f"{c.sum_of_weights:,.6g}", f"{c.n_effective:,.6g}")
            for c in evaluation.counts
        ),
        caption="Events evaluated. Effective: unweighted events of the same relative error.",
    )
    return Section(
        title="Result",
        lead=(
            f"Area under the ROC curve, {headline.title}: {headline.auc.interval.text()} "
            f"({_percent(evaluation.level)} confidence level)."
        ),
        tables=(headline_table(headline), counts),
    )


def _separation(
    evaluation: ClassificationEvaluation, training_scores: ScoreDistributions | None
) -> Section:
    one = (evaluation.headline,)
    names = "summed scores of the signal classes over those of signal and background"
    pictures = [
        Picture(
            "rejection",
            rejection_figure(one),
            "Background rejection",
            "One over the share of background that passes a cut, against the share of signal that "
            "passes: higher is better. The band joins the finite background and the uncertainty of "
            "the threshold from the finite signal. Inset: the same curve on linear axes.",
        ),
        Picture(
            "significance-improvement",
            improvement_figure(one),
            "Significance improvement",
            "By what factor a cut raises the significance S/√B of a counting experiment; the "
            "maximum is the best cut, where the band allows to tell.",
        ),
        Picture(
            "scores",
            scores_figure(evaluation.distributions, reference=training_scores),
            "Discriminant",
            f"Distribution of the discriminant ({names}) for each class, unit area; errors are "
            "those of the weighted counts.",
        ),
    ]
    if evaluation.one_versus_one:
        pictures += [
            Picture(
                "one-versus-one",
                rejection_figure(_hardest(evaluation.one_versus_one)),
                "Pairs of classes",
                "Background rejection within a pair, by the share of the first class in the "
                "summed scores of both; other classes play no part. At most ten are shown, the "
                "hardest first.",
            ),
            Picture(
                "one-versus-rest",
                rejection_figure(_hardest(evaluation.one_versus_rest)),
                "A class against all others",
                "Background rejection by the score of the class. At most ten are shown, the "
                "hardest first.",
            ),
        ]
    return Section(title="Separation", pictures=tuple(pictures))


def _efficiencies(evaluation: ClassificationEvaluation) -> Section:
    columns = dict.fromkeys(curve.signal.column for curve in evaluation.efficiencies)
    return Section(
        title="Efficiency",
        pictures=tuple(
            Picture(
                f"efficiency-{column}",
                efficiency_figure(
                    [c for c in evaluation.efficiencies if c.signal.column == column]
                ),
                f"Efficiency against {column}",
                "Share of signal (above) and background (below) that passes the cut of each "
                "working point, in bins of the column. A slope says that the cut shapes it.",
            )
            for column in columns
        ),
    )


def _confusion(evaluation: ClassificationEvaluation) -> Section:
    confusion = evaluation.confusion
    return Section(
        title="Confusion",
        tables=(
            Table(
                header=("Accuracy", _percent(confusion.accuracy.level) + " interval"),
                rows=(
                    ("of all events", confusion.accuracy.text()),
                    ("mean over classes", confusion.macro_accuracy.text()),
                ),
                caption=f"{confusion.accuracy.method}; for the mean joined over the classes.",
            ),
        ),
        pictures=(
            Picture(
                "confusion",
                confusion_figure(confusion),
                "Confusion matrix",
                "Each row shows where the events of one true class go when the highest score "
                "decides; rows sum to one.",
            ),
        ),
    )


def _calibration(evaluation: ClassificationEvaluation) -> Section:
    return Section(
        title="Calibration",
        pictures=(
            Picture(
                "calibration",
                calibration_figure(evaluation.calibrations),
                "Reliability",
                "How often a class is true against the score it was given. Points on the diagonal "
                "mean that scores are probabilities, for this mix of classes; below it the network "
                "is too sure. ECE: expected calibration error.",
            ),
        ),
    )
