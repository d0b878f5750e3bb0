"""Reliability of scores as probabilities."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from detcnn.evaluation.calibration import Calibration
from detcnn.plotting.style import FAINT, colour, literal, marker, new_figure, place_legend, styled


@styled
def calibration_figure(calibrations: Sequence[Calibration]) -> Figure:
    """Draw how often each class is true against its score, above the number of events.

    Parameters
    ----------
    calibrations : sequence of Calibration
        A curve for each class.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="calibrated")
    for i, calibration in enumerate(calibrations):
        frequency = calibration.frequency
        filled = np.isfinite(calibration.mean_score)
        value = frequency.value[filled]
        upper.errorbar(
            calibration.mean_score[filled],
            value,
            yerr=np.stack([value - frequency.low[filled], frequency.high[filled] - value]),
            color=colour(i),
            linewidth=1.3,
            marker=marker(i),
            label=literal(
                f"{calibration.class_name} (ECE {calibration.expected_error:.3f}, "
                f"Brier {calibration.brier_score:.3f})"
            ),
        )
        lower.stairs(calibration.n_events, calibration.edges, color=colour(i), linewidth=1.5)
    level = calibrations[0].frequency.level
    upper.set_title(f"{100 * level:.3g} % CL", color=FAINT, loc="right")
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Fraction of events of the class")
    place_legend(figure, upper, loc="upper left")
    lower.set(xlabel="Score of the class", ylabel="Events")
    lower.set_ylim(bottom=0)
    figure.align_ylabels()
    return figure
