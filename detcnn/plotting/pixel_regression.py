"""What a report says about a predicted number for every pixel."""

from detcnn.evaluation.pixel_regression import PixelRegressionEvaluation
from detcnn.plotting.binned import Panel, binned_panels_figure
from detcnn.plotting.event_values import event_values_figure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.style import literal


def pixel_regression_sections(evaluation: PixelRegressionEvaluation) -> tuple[Section, ...]:
    """Return the parts of a report that say what a number for every pixel is worth.

    Returns
    -------
    tuple of Section
        Result, and profiles if any column was given. Each `Picture` has a name to write its figure
        under.
    """
    sections = [_result(evaluation)]
    if evaluation.profiles:
        sections.append(_profiles(evaluation))
    return tuple(sections)


def _with_unit(label: str, evaluation: PixelRegressionEvaluation) -> str:
    return label if evaluation.unit == "1" else f"{label} [{evaluation.unit}]"


def _result(evaluation: PixelRegressionEvaluation) -> Section:
    name, level = evaluation.name, f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    return Section(
        title=f"Pixels: {name}",
        lead=(
            f"Root mean square error of a pixel {evaluation.rmse.text()}"
            f"{'' if evaluation.unit == '1' else ' ' + evaluation.unit}; predicted over true sum "
            f"{evaluation.conservation.text()}."
        ),
        tables=(
            Table(
                header=("Number", level + " interval"),
                rows=(
                    (_with_unit("root mean square error", evaluation), evaluation.rmse.text()),
                    (
                        _with_unit("mean absolute error", evaluation),
                        evaluation.mean_absolute.text(),
                    ),
                    (_with_unit("mean error", evaluation), evaluation.bias.text()),
                    ("coefficient of determination R²", evaluation.r_squared.text()),
                    *(
                        ()
                        if evaluation.psnr is None
                        else (("peak signal to noise ratio [dB]", evaluation.psnr.text()),)
                    ),
                    ("predicted sum over true sum", evaluation.conservation.text()),
                    (
                        "the same, median of the events",
                        evaluation.event_conservation.quantiles.item(
                            evaluation.event_conservation.levels.index(0.5)
                        ).text(),
                    ),
                ),
                caption=(
                    f"{evaluation.n_pixels:,} judged pixels of {evaluation.n_events:,} events. "
                    f"{evaluation.rmse.method.capitalize()}, as pixels of one image are not "
                    "independent."
                ),
            ),
        ),
        pictures=(
            Picture(
                f"pixels-{name}-sum",
                event_values_figure(
                    [evaluation.event_conservation],
                    xlabel=literal(f"predicted / true sum of {name}"),
                ),
                "Total of an event",
                "Sum of the predicted pixels of an event over that of the true ones: 1 if nothing "
                "is made up or lost. Thin line: median.",
            ),
            Picture(
                f"pixels-{name}-error",
                event_values_figure(
                    [evaluation.event_rmse],
                    xlabel=literal(_with_unit(f"RMS error of {name} in an event", evaluation)),
                ),
                "Error of an event",
                "Root mean square error over the judged pixels of each event. Thin line: median.",
            ),
        ),
    )


def _profiles(evaluation: PixelRegressionEvaluation) -> Section:
    labels = {
        "rmse": _with_unit("RMS error of a pixel", evaluation),
        "bias": _with_unit("Mean error of a pixel", evaluation),
        "conservation": "Predicted / true sum",
    }
    references = {"rmse": None, "bias": 0.0, "conservation": 1.0}
    columns = dict.fromkeys(profile.column for profile in evaluation.profiles)
    return Section(
        title=f"Pixels against columns: {evaluation.name}",
        pictures=tuple(
            Picture(
                f"pixels-{evaluation.name}-{column}",
                binned_panels_figure(
                    [
                        Panel(
                            [profile],
                            literal(labels[profile.quantity]),
                            reference=references[profile.quantity],
                        )
                        for profile in evaluation.profiles
                        if profile.column == column
                    ]
                ),
                f"Errors and sum against {column}",
                "Over the pixels of all events in a bin; below, the number of these events.",
            )
            for column in columns
        ),
    )
