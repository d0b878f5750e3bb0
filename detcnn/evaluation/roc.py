"""The exact receiver operating characteristic of weighted events, and the area under it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.evaluation.inputs import event_column, event_weights, require_events
from detcnn.evaluation.intervals import LEVEL, Interval, effective_count, tail
from detcnn.kernels.binning import BinSums, bin_index, bin_sums
from detcnn.kernels.ranking import running_sums
from detcnn.kernels.resampling import area_replicas
from detcnn.kernels.spacing import evenly_spaced
from detcnn.seeding import derived_seed


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """Efficiencies of a cut, at every threshold that makes a difference.

    Parameters
    ----------
    threshold : numpy.ndarray
        Shape (n_points,), falling strictly. An event passes if its discriminant is at least the
        threshold; the first is infinite, so that nothing passes.
    signal_efficiency, background_efficiency : numpy.ndarray
        Shape (n_points,): weighted fractions that pass, from 0 to 1. They never fall along the
        curve, unless weights are negative.
    n_signal, n_background : int
        Numbers of events.
    n_effective_signal, n_effective_background : float
        The same as effective counts, (Σw)² / Σw².
    """

    threshold: NDArray[np.float64]
    signal_efficiency: NDArray[np.float64]
    background_efficiency: NDArray[np.float64]
    n_signal: int
    n_background: int
    n_effective_signal: float
    n_effective_background: float


def roc_curve(
    discriminant: ArrayLike, is_signal: ArrayLike, *, weights: ArrayLike | None = None
) -> Roc:
    """Return the exact ROC curve; events of equal discriminant share one point.

    Parameters
    ----------
    discriminant : array_like
        Shape (n_events,), larger for signal.
    is_signal : array_like
        bool, shape (n_events,).
    weights : array_like, optional
        Shape (n_events,), one each by default; may be negative.

    Returns
    -------
    Roc
        From (0, 0) to (1, 1).

    Raises
    ------
    DataError
        If shapes differ, a number is NaN or infinite, or signal or background has no events or no
        positive sum of weights.
    """
    signal = np.asarray(is_signal, dtype=np.bool_)
    value = event_column("discriminant", discriminant, len(signal))
    weight = event_weights(weights, len(signal))
    sides = bin_sums(~signal, weight, 2)
    require_events(["signal", "background"], sides)
    n_effective = effective_count(sides.total, sides.squares)
    running = running_sums(value, signal, weight)
    for sums in (running.signal, running.background):
        np.divide(sums, sums[-1], out=sums)
    return Roc(
        threshold=running.value,
        signal_efficiency=running.signal,
        background_efficiency=running.background,
        n_signal=int(sides.n_events[0]),
        n_background=int(sides.n_events[1]),
        n_effective_signal=float(n_effective[0]),
        n_effective_background=float(n_effective[1]),
    )


def auc(roc: Roc) -> float:
    """Return the area under the ROC curve, signal against background efficiency.

    It is the probability that a signal event has the larger discriminant of a random pair, a tie
    counting one half (the statistic of Mann and Whitney), in [0, 1] unless weights are negative.
    """
    return float(np.trapezoid(roc.signal_efficiency, roc.background_efficiency))


def thin(roc: Roc, *, n_points: int = 1000) -> Roc:
    """Return at most `n_points` points of a curve, spread evenly along it as it is drawn.

    Parameters
    ----------
    roc : Roc
        An exact curve.
    n_points : int
        At least 2: both ends are kept.

    Returns
    -------
    Roc
        A subset of the points, none of them interpolated: even in signal efficiency and in the
        logarithm of background efficiency together.
    """
    floor = 1 / roc.n_effective_background
    height = np.maximum(roc.background_efficiency, 0)
    height += floor
    np.log(height, out=height)
    height /= np.ptp(height)
    kept = evenly_spaced(roc.signal_efficiency, height, n_points)
    return Roc(
        threshold=roc.threshold[kept],
        signal_efficiency=roc.signal_efficiency[kept],
        background_efficiency=roc.background_efficiency[kept],
        n_signal=roc.n_signal,
        n_background=roc.n_background,
        n_effective_signal=roc.n_effective_signal,
        n_effective_background=roc.n_effective_background,
    )


@dataclass(frozen=True, slots=True)
class AucEstimate:
    """The area under the ROC curve with its bootstrap interval.

    Parameters
    ----------
    interval : Interval
        Exact value, percentiles of the replicas.
    n_replicas : int
        Number of bootstrap replicas.
    binning_shift : float
        Area from the bins minus the exact one. The replicas are corrected for it; 0 when every
        discriminant had a bin of its own.
    binning_error : float
        What the bins can do to an area at most: half the share of pairs of signal and background
        whose discriminants fall into one bin. It bounds the shift, and on average over the
        replicas what the bins do to each.
    """

    interval: Interval
    n_replicas: int
    binning_shift: float
    binning_error: float


def bootstrap_auc(
    roc: Roc,
    discriminant: ArrayLike,
    is_signal: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    n_replicas: int = 1000,
    n_bins: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> AucEstimate:
    """Return the area under the curve with an interval from a Poisson bootstrap.

    Each event enters a replica k times, with k from a Poisson distribution of mean 1. The sum of
    equal weights in a bin of the discriminant is then Poisson distributed as well, so that a
    replica costs as much as there are bins, not events. Unequal weights of one sign in one bin are
    replaced by a scaled Poisson distribution of the same mean Σw and variance Σw² (G. Bohm and
    G. Zech, Nucl. Instrum. Meth. A 748 (2014) 1).

    Parameters
    ----------
    roc : Roc
        The exact curve of these events, not thinned.
    discriminant, is_signal, weights
        As given to `roc_curve`.
    n_replicas : int
        Number of replicas.
    n_bins : int
        Number of bins at most, with equal shares of signal and background together. The bins
        change the spread by a relative ``O(1 / n_bins)``.
    level : float
        Central confidence level.
    seed : int
        Seed of the study.

    Returns
    -------
    AucEstimate
        Where all signal lies above all background every replica has the area 1, and the interval
        has no width: it then says nothing.
    """
    alpha = tail(level)
    signal = np.asarray(is_signal, dtype=np.bool_)
    value = event_column("discriminant", discriminant, len(signal))
    weight = event_weights(weights, len(signal))

    kept = evenly_spaced(roc.signal_efficiency, roc.background_efficiency, n_bins + 1)
    cell = falling_bins(value, roc.threshold[kept[1:]])
    n_bins = len(kept) - 1
    # Those of negative weight apart, and the background after the signal.
    cell += np.int32(n_bins) * (weight < 0)
    cell += np.int32(2 * n_bins) * ~signal
    sums = bin_sums(cell, weight, 4 * n_bins)
    s, b = (BinSums(*(of.reshape(2, 2, n_bins)[side] for of in sums)) for side in (0, 1))

    exact = auc(roc)
    binned = _binned_area(s.total.sum(axis=0), b.total.sum(axis=0))
    replicas = area_replicas(s, b, n_replicas, seed=derived_seed(seed, "bootstrap/auc"))
    spread = replicas[np.isfinite(replicas)] - binned
    low, high = bounds = min(exact, 0), max(exact, 1)
    if len(spread) > 0:  # with hardly an event, no replica may hold both sides
        low, high = np.clip(exact + np.quantile(spread, [alpha, 1 - alpha]), *bounds)
    interval = Interval(exact, float(low), float(high), level, "Poisson bootstrap")
    return AucEstimate(
        interval=interval,
        n_replicas=n_replicas,
        binning_shift=binned - exact,
        binning_error=float(
            np.sum(np.abs(s.total).sum(axis=0) * np.abs(b.total).sum(axis=0))
            / (2 * s.total.sum() * b.total.sum())
        ),
    )


def falling_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the bin of each value when bin 0 is the highest and `edges` are their lower ends.

    Parameters
    ----------
    values : numpy.ndarray
        float64, shape (n,), none of them below the last edge.
    edges : numpy.ndarray
        Shape (n_bins,), falling.

    Returns
    -------
    numpy.ndarray
        int32, shape (n,), in [0, n_bins): bin i holds what is in ``[edges[i], edges[i - 1])``.
    """
    index = bin_index(values, edges[::-1])
    return np.subtract(len(edges), index, out=index)


def _binned_area(signal: NDArray[np.float64], background: NDArray[np.float64]) -> float:
    """Area under a binned curve, the highest bin first."""
    area = np.sum(background * (np.cumsum(signal) - signal / 2))
    return float(area / (signal.sum() * background.sum()))
