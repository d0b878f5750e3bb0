"""Whether a score can be read as a probability."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.inputs import ScoredEvents
from detcnn.evaluation.intervals import LEVEL, Intervals, weighted_fraction
from detcnn.kernels.binning import bin_sums, unit_bins


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Score of one class against how often the class is true.

    Parameters
    ----------
    class_name : str
        The class.
    edges : numpy.ndarray
        Shape (n_bins + 1,): equal bins of the score over [0, 1].
    n_events : numpy.ndarray
        int64, shape (n_bins,).
    mean_score : numpy.ndarray
        Shape (n_bins,): weighted mean; NaN where the weight in the bin is not positive.
    frequency : Intervals
        Shape (n_bins,): weighted fraction of events of the class.
    expected_error : float
        Expected calibration error: mean distance of frequency and mean score, bins weighted.
        A finite sample pushes it up; it is zero only for infinitely many events.
    brier_score : float
        Weighted mean of (score − truth)², 0 (best) to 1. Summed over the classes it is the score
        of Brier's paper.
    """

    class_name: str
    edges: NDArray[np.float64]
    n_events: NDArray[np.int64]
    mean_score: NDArray[np.float64]
    frequency: Intervals
    expected_error: float
    brier_score: float


def calibration(
    events: ScoredEvents, class_index: int, *, n_bins: int = 10, level: float = LEVEL
) -> Calibration:
    """Return the reliability curve, calibration error and Brier score of one class.

    It holds for the mix of classes in these events: another mix asks for another calibration.

    Parameters
    ----------
    events : ScoredEvents
        Scores, labels and weights.
    class_index : int
        The class whose score is looked at.
    n_bins : int
        Number of equal bins; the last one includes the score 1.
    level : float
        Level of the Wilson intervals.

    Notes
    -----
    G. W. Brier, Mon. Weather Rev. 78 (1950) 1, equation (2); C. Guo et al., ICML 2017
    (arXiv:1706.04599), equation (3), with the score of a fixed class as the confidence.
    """
    score, weights = events.scores[:, class_index], events.weights
    truth = events.labels == class_index
    index = unit_bins(score, n_bins)
    sums = bin_sums(index + n_bins * truth, weights, 2 * n_bins)
    count, total, squares = (of.reshape(2, n_bins) for of in sums)
    weight = total.sum(axis=0)
    filled = weight > 0
    mean_score = np.full(n_bins, np.nan)
    np.divide(bin_sums(index, weights * score, n_bins).total, weight, out=mean_score, where=filled)
    frequency = weighted_fraction(total[1], weight, squares.sum(axis=0), level=level)
    gap = np.abs(frequency.value - mean_score)[filled]
    return Calibration(
        class_name=events.classes[class_index],
        edges=np.linspace(0, 1, n_bins + 1),
        n_events=count.sum(axis=0),
        mean_score=mean_score,
        frequency=frequency,
        expected_error=float(np.average(gap, weights=weight[filled])),
        brier_score=float(np.average((score - truth) ** 2, weights=weights)),
    )
