"""How well a score tells the pixels of the foreground, from a histogram of each event."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.evaluation.event_bootstrap import BOOTSTRAP, Bootstrap, ratio, resampled_sums
from detcnn.evaluation.inputs import event_weights
from detcnn.evaluation.intervals import Interval
from detcnn.kernels.binning import unit_bins

Floats = NDArray[np.float64]

N_BINS = 200
"""Default number of bins of the score."""

_BACKGROUND, _FOREGROUND = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class PixelScores:
    """What a cut on the score of the foreground does to pixels.

    Parameters
    ----------
    foreground : str
        Name of the class.
    threshold : numpy.ndarray
        Shape (n_bins + 1,), from 1 falling to 0: a pixel passes if its score is at least the
        threshold. The first stands for a cut that nothing passes.
    efficiency, background_efficiency : numpy.ndarray
        Shape (n_bins + 1,): weighted shares of the pixels of the foreground and of all others that
        pass.
    purity : numpy.ndarray
        Shape (n_bins + 1,): share of the foreground among those that pass; NaN where none does.
    auc : Interval
        Area under `efficiency` against `background_efficiency`; pixels of one bin count as tied.
    auc_binning_error : float
        What the bins can do to it at most: half the share of pairs of either kind in one bin.
    average_precision : Interval
        Σ (ε_i − ε_(i−1)) p_i, where pixels of one bin count as tied.
    average_precision_binning_error : float
        What the bins can do to it at most: how far it is from the average precision with all
        foreground of a bin before the background of that bin, or behind it.
    """

    foreground: str
    threshold: Floats
    efficiency: Floats
    background_efficiency: Floats
    purity: Floats
    auc: Interval
    auc_binning_error: float
    average_precision: Interval
    average_precision_binning_error: float


def pixel_histograms(
    scores: NDArray[np.floating],
    is_foreground: NDArray[np.bool_],
    *,
    valid: NDArray[np.bool_] | None = None,
    n_bins: int = N_BINS,
) -> NDArray[np.int64]:
    """Count the pixels of each event by truth and by score.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_events, *axes), in [0, 1].
    is_foreground : numpy.ndarray
        bool, the same shape.
    valid : numpy.ndarray, optional
        bool, the same shape: which pixels count.
    n_bins : int
        Equal bins over [0, 1], of which the last includes 1.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_events, 2, n_bins): background, then foreground.

    Raises
    ------
    DataError
        If shapes differ, or the score of a pixel that counts is not in [0, 1].
    """
    if is_foreground.shape != scores.shape or (valid is not None and valid.shape != scores.shape):
        raise DataError(
            f"scores of pixels have shape {scores.shape}, the truth {is_foreground.shape}: "
            "expected the same"
        )
    counts = np.zeros((len(scores), 2, n_bins), np.int64)
    for event, score in enumerate(scores):
        judged = np.ones(score.shape, np.bool_) if valid is None else valid[event]
        value = score[judged].astype(np.float64)
        if not ((value >= 0) & (value <= 1)).all():
            raise DataError(
                f"event {event} has scores of pixels outside [0, 1]: expected probabilities; look "
                "at the inputs and weights of the model"
            )
        cell = unit_bins(value, n_bins) + n_bins * is_foreground[event][judged].astype(np.int64)
        counts[event] = np.bincount(cell, minlength=2 * n_bins).reshape(2, n_bins)
    return counts


def evaluate_pixel_scores(
    histograms: ArrayLike,
    *,
    foreground: str,
    weights: ArrayLike | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> PixelScores:
    """Return curve, area and average precision of the score of the foreground.

    Parameters
    ----------
    histograms : array_like
        Shape (n_events, 2, n_bins), as `pixel_histograms` counts them; the highest bin is the most
        like the foreground.
    foreground : str
        Name of the class.
    weights : array_like, optional
        Shape (n_events,), one each by default.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If the level is out of range, or there is no replica.
    DataError
        If shapes do not fit, or there is no pixel of the foreground or none of the background.
    """
    counts = np.asarray(histograms)
    if counts.ndim != 3 or counts.shape[1] != 2:
        raise DataError(
            f"histograms of pixel scores have shape {counts.shape}: expected (n_events, 2, n_bins)"
        )
    weight = event_weights(weights, len(counts))
    sums = resampled_sums(counts, weight, bootstrap).group(0)
    for side, name in ((_BACKGROUND, "background"), (_FOREGROUND, f"foreground {foreground!r}")):
        if not sums.total[side].sum() > 0:
            raise DataError(f"no pixel of the {name} is judged: expected pixels of both kinds")
    background, signal = sums.total[:, ::-1]
    passing = np.insert(np.cumsum(sums.total[:, ::-1], axis=1), 0, 0.0, axis=1)
    value = float(average_precision(sums.total))
    first, last = (_average_precision_of_order(signal, background, side) for side in (True, False))
    return PixelScores(
        foreground=foreground,
        threshold=np.linspace(1, 0, counts.shape[2] + 1),
        efficiency=passing[_FOREGROUND] / passing[_FOREGROUND, -1],
        background_efficiency=passing[_BACKGROUND] / passing[_BACKGROUND, -1],
        purity=ratio(passing[_FOREGROUND], passing.sum(axis=0)),
        auc=sums.intervals(area).item(),
        auc_binning_error=float(signal @ background / (2 * signal.sum() * background.sum())),
        average_precision=sums.intervals(average_precision).item(),
        average_precision_binning_error=max(first - value, value - last),
    )


def area(sums: Floats) -> Floats:
    """Return the area under the curve, shape (...), of histograms of shape (..., 2, n_bins)."""
    background, signal = _falling(sums)
    above = np.cumsum(signal, axis=-1) - signal / 2
    return ratio((background * above).sum(axis=-1), signal.sum(axis=-1) * background.sum(axis=-1))


def average_precision(sums: Floats) -> Floats:
    """Return the average precision, shape (...), of histograms of shape (..., 2, n_bins)."""
    background, signal = _falling(sums)
    found = np.cumsum(signal, axis=-1)
    precision = ratio(found, found + np.cumsum(background, axis=-1))
    # Bins above all pixels have no precision, and no signal that asks for it.
    gained = np.where(signal > 0, signal * precision, 0.0).sum(axis=-1)
    return ratio(gained, signal.sum(axis=-1))


def _falling(sums: Floats) -> tuple[Floats, Floats]:
    turned = sums[..., ::-1]
    return turned[..., _BACKGROUND, :], turned[..., _FOREGROUND, :]


def _average_precision_of_order(signal: Floats, background: Floats, signal_is_first: bool) -> float:
    """Return the average precision when the pixels of each bin are in an order."""
    above = np.cumsum(signal) - signal
    beside = np.cumsum(background) - (background if signal_is_first else 0)
    # ∫ (S + x) / (S + x + B) dx over the signal of a bin.
    start, end = above + beside, above + signal + beside
    lost = np.zeros(len(signal))
    counts = (signal > 0) & (beside > 0)
    lost[counts] = np.log(end[counts] / start[counts])
    return float((signal - beside * lost).sum() / signal.sum())
