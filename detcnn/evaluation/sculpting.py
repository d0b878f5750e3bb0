"""How much cuts on the score bend the spectrum of a column, such as the mass of the background."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.inputs import event_column, event_weights, require_events
from detcnn.evaluation.intervals import LEVEL, Interval, tail
from detcnn.evaluation.p_values import p_value_text
from detcnn.kernels.binning import bin_index, bin_sums
from detcnn.seeding import generator


@dataclass(frozen=True, slots=True)
class SpectrumDistance:
    """The Jensen–Shannon distance of two spectra, and what chance alone would make of it.

    Parameters
    ----------
    interval : Interval
        The distance, in [0, 1]; NaN where one of the spectra is empty.
    expected : float
        Mean distance if the cut took no notice of the column: it is not 0, because samples of one
        spectrum differ by chance, the more so the smaller they are.
    p_value : float
        Probability that such a cut reaches a distance as large as the one found; NaN as above.
    n_replicas : int
        Replicas of such a cut that say so; no p-value is below ``1 / (n_replicas + 1)``.
    """

    interval: Interval
    expected: float
    p_value: float
    n_replicas: int

    def p_value_text(self) -> str:
        """Return the p-value as `p_values.p_value_text` writes it."""
        return p_value_text(self.p_value, least=1 / (self.n_replicas + 1))


@dataclass(frozen=True, slots=True, eq=False)
class CutSpectrum:
    """The spectrum behind one cut.

    Parameters
    ----------
    target, threshold : float
        The working point.
    n_events : int
        Events that pass.
    density, error : numpy.ndarray
        Shape (n_bins,): spectrum of the events that pass, over the sum of all that pass, and its
        error √Σw²; NaN where none passes.
    from_all, from_failing : SpectrumDistance
        Distance of the passing events from all events, the spectrum before the cut, and from those
        that fail it. The latter is 1 for a cut on the column itself.
    """

    target: float
    threshold: float
    n_events: int
    density: NDArray[np.float64]
    error: NDArray[np.float64]
    from_all: SpectrumDistance
    from_failing: SpectrumDistance


@dataclass(frozen=True, slots=True, eq=False)
class Sculpting:
    """The spectrum of a column before and after cuts on the score.

    Parameters
    ----------
    column : str
        Name of the column.
    edges : numpy.ndarray
        Shape (n_bins + 1,), in the unit of the column.
    n_events : int
        Events before any cut.
    density, error : numpy.ndarray
        Shape (n_bins,): spectrum before any cut, over the sum of all events, and its error √Σw².
    cuts : tuple of CutSpectrum
        One for each working point.
    """

    column: str
    edges: NDArray[np.float64]
    n_events: int
    density: NDArray[np.float64]
    error: NDArray[np.float64]
    cuts: tuple[CutSpectrum, ...]


def jensen_shannon_distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the Jensen–Shannon distance of binned spectra: the root of the divergence in bits.

    With p and q the shares of the bins and m = (p + q)/2, the divergence is
    ½ Σ p log₂(p/m) + ½ Σ q log₂(q/m), from 0 for equal spectra to 1 for disjoint ones; its square
    root is a metric.

    Parameters
    ----------
    first, second : array_like
        Contents of the bins along the last axis, broadcast together. They need not be normalised;
        negative ones count as 0.

    Returns
    -------
    numpy.ndarray
        In [0, 1]; NaN where a spectrum is empty.

    Notes
    -----
    J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145, eq. 4.1 with equal weights; D. M. Endres and
    J. E. Schindelin, IEEE Trans. Inf. Theory 49 (2003) 1858, for the root.
    """
    p, q = _shares(first), _shares(second)
    middle = (p + q) / 2
    bits = (special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum(axis=-1) / math.log(4)
    return np.asarray(np.sqrt(np.clip(bits, 0, 1)), np.float64)


def _shares(contents: ArrayLike) -> NDArray[np.float64]:
    positive = np.maximum(np.asarray(contents, dtype=np.float64), 0)
    whole = positive.sum(axis=-1, keepdims=True)
    shares = np.full(positive.shape, np.nan)
    np.divide(positive, whole, out=shares, where=whole > 0)
    return shares


def sculpting(
    column: str,
    values: ArrayLike,
    score: ArrayLike,
    *,
    points: Sequence[tuple[float, float]],
    edges: ArrayLike,
    weights: ArrayLike | None = None,
    n_replicas: int = 1000,
    level: float = LEVEL,
    seed: int = 0,
) -> Sculpting:
    """Return the spectrum of a column before and after cuts on the score.

    Parameters
    ----------
    column : str
        Name of the column.
    values, score, weights : array_like
        Shape (n_events,), of the background: the column, the score, and the weight (one each by
        default; may be negative). Underflow and overflow are bins of their own in the distances,
        and an event where the column is NaN counts as overflow.
    points : sequence of tuple
        Target efficiency and threshold of each working point; an event passes if its score is at
        least the threshold.
    edges : array_like
        Two or more rising bin edges.
    n_replicas : int
        Replicas for the interval and for what chance would do, each.
    level : float
        Level of the intervals.
    seed : int
        Seed of the study.

    Returns
    -------
    Sculpting
        Intervals are from a Poisson bootstrap of the bins, shifted so that the median of the
        replicas is the value found: a replica has the fluctuations of the data and its own, and so
        lies higher.

    Raises
    ------
    ConfigError
        If the edges do not rise.
    DataError
        If shapes differ, a score or weight is NaN or infinite, or there are no events.

    Notes
    -----
    A bin of unequal weights is drawn as a scaled Poisson distribution of its Σw and Σw² (G. Bohm
    and G. Zech, Nucl. Instrum. Meth. A 748 (2014) 1).
    """
    edge = np.asarray(edges, dtype=np.float64)
    if edge.ndim != 1 or len(edge) < 2 or not (np.diff(edge) > 0).all():
        raise ConfigError(
            f"bin edges of {column!r} are {edge.tolist()}: expected two or more that rise"
        )
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise DataError(f"column {column!r} has shape {x.shape}, expected one value an event")
    s, w = event_column("score", score, len(x)), event_weights(weights, len(x))
    require_events(["background"], bin_sums(np.zeros(len(w), np.int32), w, 1))
    cell = bin_index(x, edge)
    everything = _Spectrum.of(cell, w, len(edge) + 1)
    density, error = everything.density(np.diff(edge))
    return Sculpting(
        column=column,
        edges=edge,
        n_events=len(x),
        density=density,
        error=error,
        cuts=tuple(
            _cut(
                cell,
                w,
                s >= threshold,
                edge,
                target=target,
                threshold=threshold,
                n_replicas=n_replicas,
                level=level,
                rng=generator(seed, "bootstrap/sculpting", i),
            )
            for i, (target, threshold) in enumerate(points)
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Spectrum:
    """Σw and Σw² in each bin, the first one for underflow and the last one for overflow."""

    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, cell: NDArray[np.int32], weight: NDArray[np.float64], n_cells: int) -> "_Spectrum":
        sums = bin_sums(cell, weight, n_cells)
        return cls(sums.total, sums.squares)

    def scaled(self, factor: float) -> "_Spectrum":
        """Return the spectrum that a cut of efficiency `factor` without preference would leave."""
        return _Spectrum(self.total * factor, self.squares * factor)

    def density(
        self, width: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        whole = self.total.sum()
        scale = 1 / (whole * width) if whole > 0 else np.full(len(width), np.nan)
        return self.total[1:-1] * scale, np.sqrt(self.squares[1:-1]) * scale

    def replicas(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the sum in each bin n times; a bin whose weights sum to less than 0 is empty."""
        filled = (self.total > 0) & (self.squares > 0)
        scale = np.divide(self.squares, self.total, out=np.ones(len(filled)), where=filled)
        return scale * rng.poisson(np.where(filled, self.total / scale, 0), (n, len(filled)))


def _cut(
    cell: NDArray[np.int32],
    weight: NDArray[np.float64],
    passed: NDArray[np.bool_],
    edges: NDArray[np.float64],
    *,
    target: float,
    threshold: float,
    n_replicas: int,
    level: float,
    rng: np.random.Generator,
) -> CutSpectrum:
    n_cells = len(edges) + 1
    all_, passing, failing = (
        _Spectrum.of(cell[side], weight[side], n_cells) for side in (slice(None), passed, ~passed)
    )
    share = min(max(passing.total.sum() / all_.total.sum(), 0.0), 1.0)
    found = passing.replicas(n_replicas, rng), failing.replicas(n_replicas, rng)
    chance = (
        all_.scaled(share).replicas(n_replicas, rng),
        all_.scaled(1 - share).replicas(n_replicas, rng),
    )
    density, error = passing.density(np.diff(edges))
    return CutSpectrum(
        target=target,
        threshold=threshold,
        n_events=int(np.count_nonzero(passed)),
        density=density,
        error=error,
        from_all=_distance(
            jensen_shannon_distance(passing.total, all_.total),
            jensen_shannon_distance(found[0], found[0] + found[1]),
            jensen_shannon_distance(chance[0], chance[0] + chance[1]),
            level=level,
        ),
        from_failing=_distance(
            jensen_shannon_distance(passing.total, failing.total),
            jensen_shannon_distance(*found),
            jensen_shannon_distance(*chance),
            level=level,
        ),
    )


def _distance(
    value: NDArray[np.float64],
    found: NDArray[np.float64],
    chance: NDArray[np.float64],
    *,
    level: float,
) -> SpectrumDistance:
    distance = float(value)
    found, chance = found[np.isfinite(found)], chance[np.isfinite(chance)]
    low = high = expected = p_value = math.nan
    if math.isfinite(distance) and len(found) and len(chance):
        alpha = tail(level)
        shifted = distance + np.quantile(found, [alpha, 1 - alpha]) - np.median(found)
        low, high = np.clip(shifted, 0, 1).tolist()
        expected = float(chance.mean())
        p_value = (1 + int(np.count_nonzero(chance >= distance))) / (1 + len(chance))
    return SpectrumDistance(
        interval=Interval(distance, low, high, level, "Poisson bootstrap, centred"),
        expected=expected,
        p_value=p_value,
        n_replicas=len(chance),
    )
