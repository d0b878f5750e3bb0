"""What a report says about a predicted number: bias, resolution, linearity and pull."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.evaluation.binned_measure import BinnedMeasure
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.regression import Pull, RegressionEvaluation, Residuals
from detcnn.evaluation.resolution_fit import ResolutionFit
from detcnn.plotting.binned import (
    BINNED_HEIGHTS,
    Panel,
    binned_panels_figure,
    draw_binned,
    draw_entries,
    draw_points,
)
from detcnn.plotting.event_values import draw_event_values
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import (
    FAINT,
    colour,
    literal,
    marker,
    new_figure,
    styled,
)

Floats = NDArray[np.float64]

_TOO_FEW = "There are too few events for two bins: nothing is drawn."
_OF_SIGMA = (
    " Middle: residuals in units of the σ given, beside the normal distribution that they should "
    "follow. Right, if events suffice: root mean square residual against root mean square σ, in "
    "bins of σ; above the diagonal the network is too sure."
)

_FORMULAE = {
    "stochastic": r"{0} / \sqrt{{E}}",
    "constant": "{0}",
    "noise": "{0} / E",
}


@dataclass(frozen=True, slots=True, eq=False)
class PredictedNumbers:
    """What was true and what was said of each event.

    Parameters
    ----------
    truth, prediction : numpy.ndarray
        float64, shape (n_events,).
    sigma : numpy.ndarray, optional
        Standard deviation of the prediction, the same shape.
    """

    truth: Floats
    prediction: Floats
    sigma: Floats | None = None


def regression_sections(
    evaluation: RegressionEvaluation, events: PredictedNumbers | None = None
) -> tuple[Section, ...]:
    """Return the parts of a report that say what a predicted number is worth.

    Parameters
    ----------
    evaluation : RegressionEvaluation
        What it is worth.
    events : PredictedNumbers, optional
        Drawn one by one where they are too few for bins of the truth.

    Returns
    -------
    tuple of Section
        Result, dependence on the truth, pull if there is one, and profiles if any further column
        was given. Each `Picture` has a name to write its figure under.
    """
    sections = [_result(evaluation), _against_truth(evaluation, events)]
    if evaluation.pull is not None:
        sections.append(_pull(evaluation, evaluation.pull))
    further = [p for p in evaluation.profiles if p.column != evaluation.name]
    if further:
        sections.append(_profiles(evaluation, further))
    return tuple(sections)


@styled
def truth_figure(evaluation: RegressionEvaluation) -> Figure:
    """Draw linearity, bias and resolution in bins of the truth, side by side.

    Below the mean prediction stands how far it is off, below the bias how many events the bins
    have, below the resolution the response.
    """
    bias, median, *widths = (p for p in evaluation.profiles if p.column == evaluation.name)
    figure = new_figure(14.4, 5.0)
    upper, lower = figure.subplots(2, 3, sharex=True, height_ratios=BINNED_HEIGHTS)
    _draw_linearity(upper[0], lower[0], evaluation)
    draw_binned(upper[1], [bias, median], ylabel=_residual_label(evaluation), reference=0.0)
    true = _label(f"true {evaluation.name}", evaluation.unit)
    draw_entries(lower[1], [bias], label="Events", xlabel=true)
    draw_binned(
        upper[2],
        [*widths, evaluation.corrected_resolution],
        ylabel=_resolution_label(evaluation),
    )
    draw_binned(lower[2], [evaluation.response], ylabel="response", reference=1.0)
    lower[2].set_title("", loc="right")
    for axes in lower:
        axes.set_xlabel(true)
    for axes in upper[1:]:
        axes.legend(loc="upper right")
    figure.align_ylabels()
    return figure


@styled
def events_figure(evaluation: RegressionEvaluation, events: PredictedNumbers) -> Figure:
    """Draw the prediction of each event against its truth, with its σ if there is one."""
    figure = new_figure(5.2, 4.8)
    axes = figure.subplots()
    axes.errorbar(
        events.truth,
        events.prediction,
        yerr=events.sigma,
        fmt=marker(0),
        color=colour(0),
        markersize=5,
        linestyle="none",
        label="events" if events.sigma is None else "events, ± σ",
    )
    ends = [*axes.get_xlim(), *axes.get_ylim()]
    axes.axline((min(ends), min(ends)), slope=1, color=FAINT, linestyle=":", label="truth")
    axes.set_xlabel(_label(f"true {evaluation.name}", evaluation.unit))
    axes.set_ylabel(_label(f"predicted {evaluation.name}", evaluation.unit))
    axes.legend(loc="upper left")
    return figure


@styled
def residuals_figure(evaluation: RegressionEvaluation) -> Figure:
    """Draw residuals; with a σ also pulls, and the residuals against the σ that was given."""
    residuals, pull = evaluation.residuals, evaluation.pull
    has_bins = pull is not None and is_binned(pull.calibration)
    n_across = 1 + (pull is not None) + has_bins
    figure = new_figure(4.8 * n_across if n_across > 1 else 5.6, 4.4)
    panels = figure.subplots(1, n_across, squeeze=False)[0]
    draw_event_values(
        panels[0],
        [residuals.distribution],
        xlabel=_residual_label(evaluation),
        normal=(residuals.core_mean, residuals.core_width),
        normal_name="normal, of the core",
    )
    if pull is not None:
        draw_event_values(
            panels[1],
            [pull.distribution],
            xlabel="(prediction − truth) / σ",
            normal=(0.0, 1.0),
            normal_name="standard normal",
        )
    for axes in panels[:2]:
        axes.legend(loc="upper right")
    if pull is not None and has_bins:
        _draw_calibration_of_sigma(panels[2], pull, name=evaluation.name, unit=evaluation.unit)
    return figure


def is_binned(measure: BinnedMeasure) -> bool:
    """Return whether two bins or more have events enough to be drawn."""
    return int(np.isfinite(measure.measure.value).all(axis=0).sum()) >= 2


def _draw_linearity(upper: Axes, lower: Axes, evaluation: RegressionEvaluation) -> None:
    """Draw the mean prediction against the mean truth of each bin, above how far it is off."""
    linearity = evaluation.linearity
    predicted, truth = linearity.measure.value
    shown = (linearity.n_entries[0] > 0) & np.isfinite(truth)
    ends = np.array([linearity.edges[0], linearity.edges[-1]])
    upper.plot(ends, ends, color=FAINT, linestyle=":", label="prediction = truth")
    slope, offset = evaluation.slope.value, evaluation.offset.value
    if np.isfinite(slope):
        text = f"straight line, slope {evaluation.slope.text()}"
        upper.plot(ends, offset + slope * ends, color=colour(1), linewidth=1.2, label=text)
    draw_points(upper, truth, linearity, 0, 0, label="mean of the bin")
    upper.set(ylabel=_label(f"predicted {evaluation.name}", evaluation.unit))
    upper.legend(loc="upper left")
    error = np.stack(
        [
            linearity.measure.value[0] - linearity.measure.low[0],
            linearity.measure.high[0] - linearity.measure.value[0],
        ]
    )
    lower.axhline(0, color=FAINT, linestyle=":")
    lower.errorbar(
        truth[shown],
        (predicted - truth)[shown],
        yerr=error[:, shown],
        color=colour(0),
        linestyle="none",
        linewidth=1.3,
        marker=marker(0),
    )
    lower.set(xlim=ends)
    lower.set_ylabel("difference" if evaluation.unit == "1" else f"difference\n[{evaluation.unit}]")


@styled
def resolution_figure(
    resolution: BinnedMeasure, fit: ResolutionFit, *, name: str, unit: str
) -> Figure:
    """Draw the corrected resolution in bins of the truth with its fit, above the pulls of that."""
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.6, 1))
    energy = np.geomspace(fit.energy.min(), fit.energy.max(), 200)
    upper.plot(energy, fit.at(energy), color=colour(1), label=_formula(fit))
    upper.errorbar(
        fit.energy,
        fit.resolution,
        yerr=fit.error,
        color=colour(0),
        linestyle="none",
        linewidth=1.3,
        marker=marker(0),
        label="half the central 68.3 %, corrected",
    )
    top = float((fit.resolution + fit.error).max())
    upper.set(ylabel="Corrected relative resolution", ylim=(0, 1.3 * top))
    upper.legend(loc="upper right", title=_coefficients(fit), title_fontsize=9)
    upper.set_title(
        rf"$\chi^2$ / ndf = {fit.chi_squared:.1f} / {fit.n_degrees}, p = {fit.p_value:.2g}",
        color=FAINT,
        loc="right",
    )
    lower.axhline(0, color=FAINT, linestyle=":")
    pulls = (fit.resolution - fit.at(fit.energy)) / fit.error
    lower.errorbar(
        fit.energy,
        pulls,
        yerr=np.ones(len(pulls)),
        color=colour(0),
        linestyle="none",
        linewidth=1.3,
        marker=marker(0),
    )
    reach = max(3.0, float(np.abs(pulls).max()) + 1.3)
    lower.set(ylim=(-reach, reach), ylabel="pull", xlabel=_label(f"true {name}", unit))
    lower.set_xlim(resolution.edges[0], resolution.edges[-1])
    figure.align_ylabels()
    return figure


def _draw_calibration_of_sigma(axes: Axes, pull: Pull, *, name: str, unit: str) -> None:
    """Draw the root mean square residual against that of the σ that was given."""
    observed, given = pull.calibration.measure.value
    high = float(np.nanmax([observed, given])) * 1.08
    axes.plot([0, high], [0, high], color=FAINT, linestyle=":", label="calibrated")
    draw_points(axes, given, pull.calibration, 0, 0, label="bins of σ", with_widths=False)
    axes.set(xlim=(0, high), ylim=(0, high), box_aspect=1)
    axes.set_xlabel(_label(f"given σ of {name}", unit))
    axes.set_ylabel(_label("RMS residual", unit))
    axes.set_title(f"{100 * pull.calibration.measure.level:.3g} % CL", color=FAINT, loc="right")
    axes.legend(loc="upper left")


def _label(name: str, unit: str) -> str:
    return literal(name if unit == "1" else f"{name} [{unit}]")


def _residual_label(evaluation: RegressionEvaluation) -> str:
    name = evaluation.name
    if evaluation.residuals.is_relative:
        return literal(f"(predicted − true) / true {name}")
    return _label(f"predicted − true {name}", evaluation.unit)


def _resolution_label(evaluation: RegressionEvaluation) -> str:
    if evaluation.residuals.is_relative:
        return "Relative resolution"
    return _label("Resolution", evaluation.unit)


def _formula(fit: ResolutionFit) -> str:
    letters = "abc"
    terms = (
        _FORMULAE[term].format(letter) for term, letter in zip(fit.terms, letters, strict=False)
    )
    return "$" + r" \oplus ".join(terms) + "$"


def _coefficients(fit: ResolutionFit) -> str:
    return "\n".join(
        f"{letter} = {coefficient.text()}"
        for letter, coefficient in zip("abc", fit.coefficients, strict=False)
    )


def _residual_rows(residuals: Residuals) -> tuple[tuple[str, ...], ...]:
    kind = "relative " if residuals.is_relative else ""
    unit = "" if residuals.unit == "1" else f" [{residuals.unit}]"

    def row(name: str, interval: Interval) -> tuple[str, str]:
        return f"{name} {kind}residual{unit}", interval.text()

    return (
        row("mean", residuals.mean),
        row("median", residuals.median),
        row("RMS of the", residuals.rms),
        row("half the central 68.3 % of the", residuals.half_width),
        row("mean absolute", residuals.mean_absolute),
    )


def _lead(evaluation: RegressionEvaluation) -> str:
    parts = []
    for residuals in filter(None, (evaluation.absolute, evaluation.relative)):
        unit = "" if residuals.unit == "1" else f" {residuals.unit}"
        parts.append(
            f"bias {residuals.mean.text()}{unit}, resolution {residuals.half_width.text()}{unit}"
        )
    lead = "; relative to the truth: ".join(parts)
    return lead[0].upper() + lead[1:]


def _result(evaluation: RegressionEvaluation) -> Section:
    residuals, level = evaluation.residuals, f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    unit = "" if residuals.unit == "1" else f" {residuals.unit}"
    return Section(
        title=f"Regression: {evaluation.name}",
        lead=f"{_lead(evaluation)} ({evaluation.n_events:,} events).",
        tables=(
            Table(
                header=("Number", level + " interval"),
                rows=(
                    *(_residual_rows(evaluation.relative) if evaluation.relative else ()),
                    *_residual_rows(evaluation.absolute),
                    ("coefficient of determination R²", evaluation.r_squared.text()),
                    ("slope of prediction against truth", evaluation.slope.text()),
                    (
                        _label("its value at a truth of zero", evaluation.unit),
                        evaluation.offset.text(),
                    ),
                ),
                caption=(
                    f"Residual: prediction − truth. {evaluation.slope.method.capitalize()}. The "
                    "core of the residuals, within two of its standard deviations, is at "
                    f"{residuals.core_mean:.4g}{unit} and {residuals.core_width:.4g}{unit} wide."
                ),
            ),
        ),
        pictures=(
            Picture(
                f"regression-{evaluation.name}-residuals",
                residuals_figure(evaluation),
                "Residuals",
                "How far predictions are off, with a normal distribution of mean and width of the "
                "core: what lies above it far from the middle are tails. Thin line: median."
                + (_OF_SIGMA if evaluation.pull is not None else ""),
            ),
        ),
    )


def _against_truth(evaluation: RegressionEvaluation, events: PredictedNumbers | None) -> Section:
    name, unit = evaluation.name, evaluation.unit
    pictures = []
    if is_binned(evaluation.linearity):
        pictures.append(
            Picture(
                f"regression-{name}-truth",
                truth_figure(evaluation),
                "Linearity, bias and resolution",
                "In bins of the truth, left: mean prediction against mean truth, and their "
                "difference; a network that has little to go by pulls predictions to the middle. "
                "Middle: mean and median residual, and the number of events. Right: half the width "
                "of the central 68.3 % of the residuals, and their root mean square deviation, "
                "which tails widen. Corrected: of the distance to the mean prediction at the same "
                "truth, divided by the response, which is how much that rises with the truth "
                "(below): the resolution of calibrated predictions, which does not shrink where "
                "predictions are pulled to the middle.",
            )
        )
    elif events is not None:
        pictures.append(
            Picture(
                f"regression-{name}-truth",
                events_figure(evaluation, events),
                "Prediction against truth",
                "Event by event, for there are too few for bins of the truth.",
            )
        )
    fit = evaluation.resolution_fit
    if fit is not None:
        pictures.append(
            Picture(
                f"regression-{name}-fit",
                resolution_figure(evaluation.corrected_resolution, fit, name=name, unit=unit),
                "Fit of the resolution",
                "Of the corrected one: least squares over the bins of the truth; ⊕ adds in "
                "quadrature. Brackets: intervals from the curvature of χ². Below: deviation over "
                "its error.",
            )
        )
    told = (
        "" if pictures else _TOO_FEW,
        "" if fit is not None else f"No fit of the resolution: {evaluation.unfitted}.",
    )
    return Section(
        title=f"{name} against its truth",
        lead=" ".join(filter(None, told)),
        pictures=tuple(pictures),
    )


def _pull(evaluation: RegressionEvaluation, pull: Pull) -> Section:
    name, level = evaluation.name, f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    return Section(
        title=f"Uncertainty of {name}",
        tables=(
            Table(
                header=("Pull", level + " interval", "Expected"),
                rows=(
                    ("mean", pull.distribution.mean.text(), "0"),
                    ("RMS deviation", pull.width.text(), "1"),
                    ("mean square (χ² of an event)", pull.chi_squared.text(), "1"),
                    *(
                        (f"share within ±{reach} σ", pull.coverage.item(i).text(), f"{share:.4g}")
                        for i, (reach, share) in enumerate(
                            zip(("1", "1.96"), pull.expected, strict=True)
                        )
                    ),
                ),
                caption=(
                    "Pull: (prediction − truth) / σ, with the σ that the network gives. Wider than "
                    "1: it is too sure."
                ),
            ),
        ),
    )


def _profiles(evaluation: RegressionEvaluation, profiles: list[BinnedMeasure]) -> Section:
    of_columns = [
        [profile for profile in profiles if profile.column == column]
        for column in dict.fromkeys(profile.column for profile in profiles)
    ]
    drawn = [of_column for of_column in of_columns if is_binned(of_column[0])]
    return Section(
        title=f"{evaluation.name} against columns",
        lead="" if drawn else _TOO_FEW,
        pictures=tuple(
            Picture(
                f"regression-{evaluation.name}-{of_column[0].column}",
                binned_panels_figure(
                    [
                        Panel(of_column[:2], _residual_label(evaluation), reference=0.0),
                        Panel(of_column[2:], _resolution_label(evaluation)),
                    ]
                ),
                f"Bias and resolution against {of_column[0].column}",
                "In bins of the column; below, the number of events.",
            )
            for of_column in drawn
        ),
    )
