"""Poisson bootstrap of several ROC curves at once, each replica the same events for all."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detcnn.evaluation.intervals import tail
from detcnn.evaluation.roc import Roc, auc, falling_bins, thin
from detcnn.kernels.binning import bin_sums
from detcnn.kernels.resampling import REPLICAS_AT_ONCE, event_replicas
from detcnn.processors import available_cpus
from detcnn.seeding import derived_seed

_WORDS = 1 << 16
POISSON_OF_WORD = np.searchsorted(
    np.round(special.pdtr(np.arange(9), 1.0) * _WORDS), np.arange(_WORDS), side="right"
).astype(np.uint8)
"""Of each word of 16 random bits a Poisson number of mean 1; probabilities are right to 2⁻¹⁷."""

_RISES = np.searchsorted(POISSON_OF_WORD, np.arange(1, POISSON_OF_WORD.max() + 1)).astype(np.uint16)


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
        The same for any number of threads; those of a smaller number of replicas are the first
        of a larger one. Besides it, memory is taken for the bins of the events, and for the
        replicas that a thread makes at once: 4 MB a curve.

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
    unit = np.zeros(len(event_id), np.int64)
    np.cumsum(event_id[1:] != event_id[:-1], out=unit[1:])
    # By the bins of the first curve, so that those of all are found in the cache.
    order = np.argsort(binned[0].cell, kind="stable")
    unit, weight = unit[order], weights[order]
    first_cells = np.cumsum([0] + [2 * curve.n_bins for curve in binned])
    cells = np.stack(
        [curve.cell[order] + first for curve, first in zip(binned, first_cells[:-1], strict=True)],
        axis=1,
    ).astype(np.int32)
    key = derived_seed(seed, "bootstrap/curves", stream)

    def resample(block: int) -> None:
        start = block * REPLICAS_AT_ONCE
        now = slice(start, min(start + REPLICAS_AT_ONCE, n_replicas))
        sums = event_replicas(
            unit, cells, weight, int(first_cells[-1]), rises=_RISES, seed=key, block=block
        )[:, : now.stop - start]
        for i, curve in enumerate(binned):
            areas, passing = curve.measures(sums[first_cells[i] : first_cells[i + 1]], efficiencies)
            replicas.auc_replicas[i, now], replicas.passing_replicas[i, :, now] = areas, passing

    n_blocks = -(-n_replicas // REPLICAS_AT_ONCE)
    with ThreadPoolExecutor(min(available_cpus(), n_blocks)) as pool:
        list(pool.map(resample, range(n_blocks)))
    for i, curve in enumerate(binned):
        once = bin_sums(curve.cell, weights, 2 * curve.n_bins).total[:, np.newaxis]
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
        cell = falling_bins(values, edges)
        cell += np.int32(len(edges)) * ~is_signal
        return cls(cell, len(edges))

    def measures(
        self, sums: NDArray[np.float64], efficiencies: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return areas and background efficiencies, shapes (n,) and (n_efficiencies, n)."""
        replicas = np.ascontiguousarray(sums.T)
        signal, background = (_efficiency(half) for half in np.split(replicas, 2, axis=1))
        areas = np.asarray(np.trapezoid(signal, background))
        passing = np.array(
            [_passing(efficiencies, s, b) for s, b in zip(signal, background, strict=True)]
        )
        # Interpolation does not know of an axis that is NaN.
        return areas, np.where(np.isnan(areas), np.nan, passing.T)


def _efficiency(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share at or above each bin, from 0 to 1; NaN without a positive sum."""
    running = np.zeros((len(sums), sums.shape[1] + 1))
    np.cumsum(sums, axis=1, out=running[:, 1:])
    whole = running[:, -1:]
    share = np.full(running.shape, np.nan)
    np.divide(running, whole, out=share, where=whole > 0)
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
