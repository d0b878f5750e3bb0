"""The exact receiver operating characteristic of weighted events, and the area under it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.evaluation.inputs import event_column, event_weights, require_events
from detcnn.evaluation.intervals import LEVEL, Interval, effective_count, tail
from detcnn.seeding import generator


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
    require_events("signal", weight[signal])
    require_events("background", weight[~signal])

    order = np.argsort(-value)
    falling = value[order]
    last_of_ties = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))

    def efficiency(member: NDArray[np.bool_]) -> NDArray[np.float64]:
        passing = np.cumsum(np.where(member, weight, 0.0)[order])
        return np.append(0.0, passing[last_of_ties] / passing[-1])

    return Roc(
        threshold=np.append(np.inf, falling[last_of_ties]),
        signal_efficiency=efficiency(signal),
        background_efficiency=efficiency(~signal),
        n_signal=int(np.count_nonzero(signal)),
        n_background=int(np.count_nonzero(~signal)),
        n_effective_signal=_effective(weight[signal]),
        n_effective_background=_effective(weight[~signal]),
    )


def _effective(weight: NDArray[np.float64]) -> float:
    return float(effective_count(weight.sum(), (weight**2).sum()))


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
    height = np.log(np.maximum(roc.background_efficiency, 0) + floor)
    steps = np.abs(np.diff(roc.signal_efficiency)) + np.abs(np.diff(height)) / np.ptp(height)
    kept = _evenly_spaced(steps, n_points)
    return Roc(
        threshold=roc.threshold[kept],
        signal_efficiency=roc.signal_efficiency[kept],
        background_efficiency=roc.background_efficiency[kept],
        n_signal=roc.n_signal,
        n_background=roc.n_background,
        n_effective_signal=roc.n_effective_signal,
        n_effective_background=roc.n_effective_background,
    )


def _evenly_spaced(steps: NDArray[np.float64], n_points: int) -> NDArray[np.intp]:
    """Choose at most `n_points` of ``len(steps) + 1`` points, at even distances, with both ends."""
    if len(steps) < n_points:
        return np.arange(len(steps) + 1)
    distance = np.append(0.0, np.cumsum(steps))
    chosen = np.searchsorted(distance, np.linspace(0, distance[-1], n_points))
    chosen[-1] = len(steps)
    return np.unique(chosen)


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
    """

    interval: Interval
    n_replicas: int
    binning_shift: float


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

    steps = np.abs(np.diff(roc.signal_efficiency)) + np.abs(np.diff(roc.background_efficiency))
    edges = roc.threshold[_evenly_spaced(steps, n_bins + 1)[1:]]
    # The first edge is the highest; bin i holds the events in [edges[i], edges[i - 1]).
    index = len(edges) - np.searchsorted(edges[::-1], value, side="right")

    rng = generator(seed, "bootstrap/auc")
    exact = auc(roc)
    s = _BinnedWeights.of(index[signal], weight[signal], len(edges))
    b = _BinnedWeights.of(index[~signal], weight[~signal], len(edges))
    binned = float(_binned_area(s.mean, b.mean))
    replicas = _binned_area(s.replicas(n_replicas, rng), b.replicas(n_replicas, rng))
    spread = replicas[np.isfinite(replicas)] - binned
    low, high = np.clip(
        exact + np.quantile(spread, [alpha, 1 - alpha]), min(exact, 0), max(exact, 1)
    )
    interval = Interval(exact, float(low), float(high), level, "Poisson bootstrap")
    return AucEstimate(interval=interval, n_replicas=n_replicas, binning_shift=binned - exact)


@dataclass(frozen=True, slots=True, eq=False)
class _BinnedWeights:
    """Sums over the events of each bin, those of negative weight apart: shape (2, n_bins)."""

    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(
        cls, index: NDArray[np.intp], weight: NDArray[np.float64], n_bins: int
    ) -> "_BinnedWeights":
        cell = index + n_bins * (weight < 0)
        total = np.bincount(cell, weight, minlength=2 * n_bins)
        squares = np.bincount(cell, weight**2, minlength=2 * n_bins)
        return cls(
            np.asarray(total.reshape(2, n_bins), np.float64),
            np.asarray(squares.reshape(2, n_bins), np.float64),
        )

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.total.sum(axis=0))

    def replicas(self, n_replicas: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the weight in each bin: shape (n_replicas, n_bins)."""
        drawn = np.zeros((n_replicas, self.total.shape[1]))
        for total, squares in zip(self.total, self.squares, strict=True):
            filled = np.flatnonzero(squares)
            count = total[filled] ** 2 / squares[filled]
            scale = squares[filled] / total[filled]
            drawn[:, filled] += scale * rng.poisson(count, (n_replicas, len(filled)))
        return drawn


def _binned_area(
    signal: NDArray[np.float64], background: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Area under binned curves, highest bin first; NaN where a side has no positive weight."""
    area = np.sum(background * (np.cumsum(signal, axis=-1) - signal / 2), axis=-1)
    s, b = signal.sum(axis=-1), background.sum(axis=-1)
    share = np.full(area.shape, np.nan)
    np.divide(area, s * b, out=share, where=(s > 0) & (b > 0))
    return share
