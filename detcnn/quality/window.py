"""Events outside the window in pT or energy that the sample is meant to fill."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detcnn.events.table import Column
from detcnn.events.windows import Window
from detcnn.quality.findings import Finding, Place, found

SPREADS = 15.0
"""Half width of the window that the sample itself gives, in standard deviations of log pT.

A pT spectrum that falls with the fifth power reaches beyond with 3 events in a million; a factor of
1000 between units is far outside."""

FEWEST = 100
"""Events below which no window is taken from the sample."""

_GAUSSIAN_QUARTILES = 1.349


def stated_window_findings(values: Column, window: Window, place: Place) -> tuple[Finding, ...]:
    """Find events of a block outside the window that a study states. A single one is trouble.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_events,): the window's column; NaN is not judged.
    window : Window
        What is inside.
    place : Place
        Where the block comes from.
    """
    return found(
        "window",
        "trouble",
        ~window.holds(values) & ~np.isnan(values),
        place=place,
        message=f"{window.complaint}, the window that the study states",
        remedy="drop these events with preprocess.select, or state another audit.window",
    )


def robust_window(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the window around a sample's median that outliers cannot widen.

    exp(median ± `SPREADS` · σ) of the logarithms, where σ is their interquartile range over 1.349.

    Returns
    -------
    tuple of float or None
        None for fewer than `FEWEST` positive values, or if half of them are equal.
    """
    logarithms = np.log(values[(values > 0) & np.isfinite(values)])
    if len(logarithms) < FEWEST:
        return None
    low, middle, high = np.quantile(logarithms, (0.25, 0.5, 0.75))
    if high == low:
        return None
    half_width = SPREADS * (high - low) / _GAUSSIAN_QUARTILES
    return float(np.exp(middle - half_width)), float(np.exp(middle + half_width))


def outlier_findings(
    values: NDArray[np.float64], *, column: str, event: Callable[[int], str]
) -> tuple[Finding, ...]:
    """Find events outside the `robust_window` of a sample. They are a warning.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_events,): a positive column, such as pT. Zero, negative and NaN are not judged.
    column : str
        Its name.
    event : callable
        Row to the name of the event there.
    """
    window = robust_window(values)
    if window is None:
        return (Finding("window", "fine", message=f"{column}: too few values, or all alike"),)
    low, high = window
    is_outside = (values > 0) & ((values < low) | (values > high))
    count = int(np.count_nonzero(is_outside))
    told = f"{column} outside {low:.4g} to {high:.4g}, from the quartiles of the sample"
    if not count:
        return (Finding("window", "fine", message=f"no {told}"),)
    row = int(np.argmax(is_outside))
    where = f"{event(row)}: {values[row]:.6g}"
    remedy = "state the window in the study: audit.window"
    return (Finding("window", "warning", count, where, told, remedy),)
