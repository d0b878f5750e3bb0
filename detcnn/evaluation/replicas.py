"""Poisson bootstrap of several ROC curves at once, each replica the same events for all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from detcnn.evaluation.intervals import tail
from detcnn.evaluation.roc import Roc, auc, thin
from detcnn.seeding import generator

_REPLICAS_AT_ONCE = 64
_EVENTS_AT_ONCE = 1 << 15

# A word of 16 random bits to a Poisson number of mean 1. Drawing through a table is ten times
# faster than an exact draw, and its probabilities are right to 1 in 2¹⁷.
_WORDS = 1 << 16
_POISSON = np.searchsorted(
    np.round(special.pdtr(np.arange(9), 1.0) * _WORDS), np.arange(_WORDS), side="right"
).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class CurveReplicas:
    """What becomes of ROC curves over the same events when these are resampled.

    Parameters
    ----------
    auc : numpy.ndarray
        Exact areas, shape (n_curves,).
    passing : numpy.ndarray
        Exact background efficiencies at the signal efficiencies asked for, shape
        (n_curves, n_efficiencies).
    auc_replicas : numpy.ndarray
        Shape (n_curves, n_replicas); NaN where a replica holds no signal or no background.
    passing_replicas : numpy.ndarray
        Shape (n_curves, n_efficiencies, n_replicas), NaN as above.
    """

    auc: NDArray[np.float64]
    passing: NDArray[np.float64]
    auc_replicas: NDArray[np.float64]
    passing_replicas: NDArray[np.float64]


def curve_replicas(
    curves: Sequence[Roc],
    discriminants: Sequence[NDArray[np.float64]],
    is_signal: NDArray[np.bool_],
    *,
    weights: NDArray[np.float64],
    event_id: NDArray[np.int64],
    efficiencies: NDArray[np.float64],
    n_replicas: int,
    n_bins: int = 2000,
    seed: int = 0,
    stream: int = 0,
) -> CurveReplicas:
    """Resample events, and return area and background efficiencies of every curve each time.

    Each event enters a replica k times, with k from a Poisson distribution of mean 1; all rows of
    one event id enter together. Signal and background are normalised apart afterwards, so that the
    mix of classes plays no part. A replica has the same k for every curve, which keeps what the
    curves have in common; they are binned first, so that no replica needs a sort.

    Parameters
    ----------
    curves : sequence of Roc
        The exact curves, not thinned.
    discriminants : sequence of numpy.ndarray
        Those they were made from, each of shape (n_events,), all in the same order of events.
    is_signal, weights, event_id : numpy.ndarray
        Shape (n_events,), with `event_id` in rising order.
    efficiencies : numpy.ndarray
        Signal efficiencies, in (0, 1]. Where a curve jumps over one of them, because events tie,
        the background efficiency is that on the straight line: of a cut that takes a random share
        of the tied events.
    n_replicas : int
        Number of replicas.
    n_bins : int
        Bins of each discriminant at most, spread along its curve as by `roc.thin`. The replicas are
        corrected for what the bins do to the curve itself; they do nothing to it where each value
        has its own.
    seed, stream : int
        Seed of the study, and which of its independent streams.

    Returns
    -------
    CurveReplicas
        Besides it, memory is taken for a block of events and the bins of a few replicas.

    Notes
    -----
    B. Efron, Ann. Stat. 7 (1979) 1; with Poisson weights: J. A. Hanley and B. MacGibbon,
    Comput. Methods Programs Biomed. 83 (2006) 57.
    """
    binned = [
        _BinnedCurve.of(curve, values, is_signal, n_bins)
        for curve, values in zip(curves, discriminants, strict=True)
    ]
    n_curves, n_efficiencies = len(curves), len(efficiencies)
    exact = [
        _passing(efficiencies, curve.signal_efficiency, curve.background_efficiency)
        for curve in curves
    ]
    replicas = CurveReplicas(
        auc=np.array([auc(curve) for curve in curves]),
        passing=np.array(exact).reshape(n_curves, n_efficiencies),
        auc_replicas=np.empty((n_curves, n_replicas)),
        passing_replicas=np.empty((n_curves, n_efficiencies, n_replicas)),
    )
    ends = np.append(np.flatnonzero(event_id[1:] != event_id[:-1]) + 1, len(event_id))
    for start in range(0, n_replicas, _REPLICAS_AT_ONCE):
        now = slice(start, min(start + _REPLICAS_AT_ONCE, n_replicas))
        rng = generator(seed, "bootstrap/curves", stream, start)
        sums = [np.zeros((2 * curve.n_bins, now.stop - now.start)) for curve in binned]
        first = 0
        for i in range(0, len(ends), _EVENTS_AT_ONCE):
            last = ends[i : i + _EVENTS_AT_ONCE]
            rows = slice(first, int(last[-1]))
            words = rng.integers(0, _WORDS, (len(last), now.stop - now.start), dtype=np.uint16)
            k = np.take(_POISSON, words).astype(np.float64)
            if len(last) < rows.stop - rows.start:
                k = np.repeat(k, np.diff(last, prepend=first), axis=0)
            for total, curve in zip(sums, binned, strict=True):
                total += curve.sums(rows, weights[rows], k)
            first = rows.stop
        for i, curve in enumerate(binned):
            areas, passing = curve.measures(sums[i], efficiencies)
            replicas.auc_replicas[i, now], replicas.passing_replicas[i, :, now] = areas, passing
    everything = slice(0, len(event_id))
    for i, curve in enumerate(binned):
        once = curve.sums(everything, weights, np.ones((len(weights), 1)))
        area, passing = curve.measures(once, efficiencies)
        replicas.auc_replicas[i] += replicas.auc[i] - area
        shift = np.ones(passing.shape)
        np.divide(replicas.passing[i, :, np.newaxis], passing, out=shift, where=passing > 0)
        replicas.passing_replicas[i] *= shift
    return replicas


def percentiles(
    replicas: NDArray[np.float64], level: float, *, bounds: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the central interval that holds a share `level` of the replicas.

    Parameters
    ----------
    replicas : numpy.ndarray
        Shape (..., n_replicas); may be infinite, or NaN where undefined.
    level : float
        Confidence level.
    bounds : tuple of float
        Where an undefined replica may be: it counts as the one for `low`, the other for `high`.

    Returns
    -------
    low, high : numpy.ndarray
        Shape (...), each the value of one replica: of infinite ones there is no mean.
    """
    alpha = tail(level)
    last = replicas.shape[-1] - 1
    is_undefined = np.isnan(replicas)
    low = np.sort(np.where(is_undefined, bounds[0], replicas))[..., math.floor(alpha * last)]
    high = np.sort(np.where(is_undefined, bounds[1], replicas))[..., math.ceil((1 - alpha) * last)]
    return np.asarray(low), np.asarray(high)


def two_sided_p_value(replicas: NDArray[np.float64], *, null: float) -> float:
    """Return twice the smaller share of replicas on either side of `null`.

    Both counts hold the replicas at `null`, undefined ones (NaN), and one more for the data
    themselves, so that it is never below ``2 / (n_replicas + 1)``.

    Notes
    -----
    A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (Cambridge, 1997),
    sections 4.4 and 5.4.
    """
    n_undefined = np.count_nonzero(np.isnan(replicas))
    n_beyond = min(np.count_nonzero(replicas <= null), np.count_nonzero(replicas >= null))
    return min(1.0, float(2 * (1 + n_beyond + n_undefined) / (len(replicas) + 1)))


@dataclass(frozen=True, slots=True, eq=False)
class _BinnedCurve:
    """Where each event stands on a curve: bin 0 is the highest, background after all signal."""

    cell: NDArray[np.int32]
    n_bins: int

    @classmethod
    def of(
        cls, curve: Roc, values: NDArray[np.float64], is_signal: NDArray[np.bool_], n_bins: int
    ) -> "_BinnedCurve":
        edges = thin(curve, n_points=n_bins + 1).threshold[1:]
        # The first edge is the highest; bin i holds the events in [edges[i], edges[i - 1]).
        index = len(edges) - np.searchsorted(edges[::-1], values, side="right")
        return cls((index + len(edges) * ~is_signal).astype(np.int32), len(edges))

    def sums(
        self, rows: slice, weights: NDArray[np.float64], k: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return Σ k·w of some events in each bin, for each column of `k`."""
        cell = self.cell[rows]
        place = (weights, cell, np.arange(len(cell) + 1, dtype=np.int32))
        return np.asarray(sparse.csc_array(place, shape=(2 * self.n_bins, len(cell))) @ k)

    def measures(
        self, sums: NDArray[np.float64], efficiencies: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return areas and background efficiencies, shapes (n,) and (n_efficiencies, n)."""
        signal, background = (_efficiency(half) for half in np.split(sums, 2))
        areas = np.asarray(np.trapezoid(signal, background, axis=0))
        passing = np.array(
            [_passing(efficiencies, s, b) for s, b in zip(signal.T, background.T, strict=True)]
        )
        # Interpolation does not know of an axis that is NaN.
        return areas, np.where(np.isnan(areas), np.nan, passing.T)


def _efficiency(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share at or above each bin, from 0 to 1; NaN without a positive sum."""
    running = np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)])
    share = np.full(running.shape, np.nan)
    np.divide(running, running[-1], out=share, where=running[-1] > 0)
    return share


def _passing(
    efficiencies: NDArray[np.float64],
    signal: NDArray[np.float64],
    background: NDArray[np.float64],
) -> NDArray[np.float64]:
    # Negative weights can make the efficiency fall again; it is met where first reached. Where
    # some background lies between two signal events, an efficiency reached exactly by the upper
    # one is met before that background, in spite of rounding.
    reached = np.maximum.accumulate(signal)
    return np.asarray(np.interp(efficiencies * (1 - 1e-12), reached, background))
