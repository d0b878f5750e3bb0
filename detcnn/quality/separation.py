"""Event columns that tell nothing, or everything."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from detcnn.quality.findings import Finding
from detcnn.quality.sampling import ColumnSample

HIGHEST_AUC = 0.99
"""Of one column, either way round: beyond, it is the label by another name."""

FEWEST = 20
"""Events of a class below which nothing is said: 20 and 20 separate by chance once in 10¹¹."""

SIGNIFICANCE = 1e-3
"""Probability of a larger Kolmogorov distance between samples of one spectrum: the false alarms."""

SMALLEST_DISTANCE = 0.02
"""Kolmogorov distance that matters: a smaller one moves the AUC of pT by at most 0.02."""


def constant_column_findings(sample: ColumnSample) -> tuple[Finding, ...]:
    """Name the columns that have one value in all events, a warning for all of them together."""
    constant = [name for name, (low, high) in sample.ranges.items() if low == high]
    if not constant:
        return ()
    message = f"columns of one value: {', '.join(sorted(constant))}"
    remedy = "look whether they are what was meant to be stored"
    return (Finding("constant-columns", "warning", len(constant), "", message, remedy),)


def separating_column_findings(
    sample: ColumnSample, classes: Mapping[int, str]
) -> tuple[Finding, ...]:
    """Find columns of which a cut alone tells a class from the others.

    A warning for all whose AUC, one class against the rest and either way round, is `HIGHEST_AUC`
    or more, with at least `FEWEST` events on both sides: truth, or a difference in how the classes
    were made that images may show, too. One direction only: parton ids and such, which lie on both
    sides of another class's, may pass unseen.

    Parameters
    ----------
    sample : ColumnSample
        Columns and classes.
    classes : mapping
        Number to name.
    """
    told = {}
    for name in sample.ranges:
        for number in classes:
            mine = sample.of_class(number, name)
            others = _others(sample, number, name)
            if min(len(mine), len(others)) < FEWEST:
                continue
            area = auc(mine, others)
            if max(area, 1 - area) >= HIGHEST_AUC:
                told[name] = f"{name} ({classes[number]}: {max(area, 1 - area):.4f})"
    if not told:
        return ()
    message = f"columns with an AUC of {HIGHEST_AUC:g} or more: {', '.join(sorted(told.values()))}"
    remedy = "no harm in truth, which no image shows; else make all classes in the same way"
    return (Finding("separating-columns", "warning", len(told), "", message, remedy),)


def spectrum_findings(
    spectra: Sequence[NDArray[np.float64]], names: Sequence[str], *, column: str
) -> tuple[Finding, ...]:
    """Compare the spectrum of pT, or of what stands for it, between the classes.

    A warning where the two-sample Kolmogorov–Smirnov test of a pair has a p-value (asymptotic,
    unweighted) below `SIGNIFICANCE` divided by the number of pairs, and the distance is
    `SMALLEST_DISTANCE` or more: a network may then learn how the classes were selected.

    Parameters
    ----------
    spectra : sequence of numpy.ndarray
        The finite values of each class.
    names : sequence of str
        Its name.
    column : str
        What is compared.
    """
    pairs = [
        (a, b)
        for b in range(len(spectra))
        for a in range(b)
        if min(len(spectra[a]), len(spectra[b])) >= FEWEST
    ]
    findings = []
    for a, b in pairs:
        distance = kolmogorov_distance(spectra[a], spectra[b])
        size = len(spectra[a]) * len(spectra[b]) / (len(spectra[a]) + len(spectra[b]))
        if distance < SMALLEST_DISTANCE:
            continue
        chance = float(kolmogorov(np.sqrt(size) * distance))
        if chance < SIGNIFICANCE / len(pairs):
            area = auc(spectra[b], spectra[a])
            message = (
                f"{column} of {names[a]} and {names[b]} differs: distance {distance:.3f}, "
                f"p {chance:.1g}, AUC {max(area, 1 - area):.3f} alone"
            )
            remedy = "cut all classes to one window, or weight it away with preprocess.planing"
            findings.append(Finding("spectra", "warning", 0, "", message, remedy))
    return tuple(findings)


def auc(signal: NDArray[np.float64], background: NDArray[np.float64]) -> float:
    """Return the probability that a value of signal exceeds one of background, a tie half."""
    ordered = np.sort(background)
    below = np.searchsorted(ordered, signal, side="left")
    not_above = np.searchsorted(ordered, signal, side="right")
    return float((below + not_above).mean() / 2 / len(ordered))


def kolmogorov_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest difference between the two empirical distribution functions."""
    first, second = np.sort(first), np.sort(second)
    at = np.concatenate([first, second])
    shares = [np.searchsorted(values, at, side="right") / len(values) for values in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _others(sample: ColumnSample, number: int, column: str) -> NDArray[np.float64]:
    return np.concatenate(
        [np.zeros(0)]
        + [sample.of_class(other, column) for other in sample.class_numbers if other != number]
    )
