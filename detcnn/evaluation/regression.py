"""What a predicted number is worth: bias, resolution, linearity and pull."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from detcnn.errors import DataError
from detcnn.evaluation.binned_measure import BinnedMeasure, ColumnBins, bins_of_columns, column_bins
from detcnn.evaluation.efficiency import quantile_edges
from detcnn.evaluation.event_bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    ResampledSums,
    percentile_intervals,
    ratio,
    resampled_sums,
)
from detcnn.evaluation.event_shares import event_shares
from detcnn.evaluation.event_values import EventValues, event_values, resampled_quantiles
from detcnn.evaluation.inputs import event_column, event_weights
from detcnn.evaluation.intervals import Interval, Intervals
from detcnn.evaluation.profiles import central_edges
from detcnn.evaluation.resolution_fit import ResolutionFit, fit_resolution

Floats = NDArray[np.float64]

TERMS = ("stochastic", "constant")
"""Default terms of the fit of the resolution."""

_HALF_CENTRAL = (1 - 0.6827) / 2
_LEVELS = (_HALF_CENTRAL, 0.5, 1 - _HALF_CENTRAL)
_LEAST_ENTRIES = 20
_LEAST_IN_BIN = 5
_PULL_REACH = 5.0
_NEAR_ZERO = 0.03
_CORE_STEPS = 20
_CORE_REACH = 2.0
# Of a normal distribution cut at two standard deviations: its own.
_CORE_WIDTH = float(
    np.sqrt(
        1
        - 2
        * _CORE_REACH
        * np.exp(-(_CORE_REACH**2) / 2)
        / np.sqrt(2 * np.pi)
        / special.erf(_CORE_REACH / np.sqrt(2))
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """How far predictions are off.

    Parameters
    ----------
    is_relative : bool
        Whether these are (prediction − truth) / truth, or prediction − truth.
    unit : str
        Of all numbers; ``"1"`` for relative ones.
    mean, median : Interval
        The bias.
    rms : Interval
        Root mean square deviation from the mean.
    half_width : Interval
        Half the width of the central 68.27 %: one standard deviation of a normal distribution,
        whatever the tails.
    mean_absolute : Interval
        Mean absolute residual: the mean absolute error if not relative.
    core_mean, core_width : float
        Mean and standard deviation of the core: of what lies within two standard deviations of the
        mean, found by iteration, and corrected for the cut as for a normal distribution.
    distribution : EventValues
        Over the events.
    """

    is_relative: bool
    unit: str
    mean: Interval
    median: Interval
    rms: Interval
    half_width: Interval
    mean_absolute: Interval
    core_mean: float
    core_width: float
    distribution: EventValues


@dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """How far predictions are off in units of the σ that goes with each.

    Parameters
    ----------
    distribution : EventValues
        Of (prediction − truth) / σ.
    width : Interval
        Root mean square deviation from the mean: 1 if σ is right, above it if σ is too small.
    chi_squared : Interval
        Mean square of the pull: χ² for each event.
    expected : tuple of float
        Shares of a normal distribution within ±1 and ±1.96 standard deviations.
    coverage : Intervals
        Shape (2,): weighted shares of the events whose truth is within as many σ, from
        `event_shares.event_shares`.
    calibration : BinnedMeasure
        In bins of σ: root mean square residual, and root mean square of σ.
    """

    distribution: EventValues
    width: Interval
    chi_squared: Interval
    expected: tuple[float, ...]
    coverage: Intervals
    calibration: BinnedMeasure


@dataclass(frozen=True, slots=True, eq=False)
class RegressionEvaluation:
    """What a predicted number is worth.

    Parameters
    ----------
    level : float
        Level of all central intervals, by bootstrap over events.
    name, unit : str
        What is predicted.
    n_events : int
        Number of events.
    absolute : Residuals
        Of prediction − truth.
    relative : Residuals, optional
        Of (prediction − truth) / truth; if all truths are positive, and hardly any below 3 % of
        their median: near zero such a ratio says nothing.
    r_squared : Interval
        1 − Σw(prediction − truth)² / Σw(truth − mean truth)².
    offset, slope : Interval
        Of the straight line through predictions against truth, by least squares. Also a perfect
        network that has little to go by pulls predictions to their mean: its slope is below one.
    profiles : tuple of BinnedMeasure
        Against the truth, and then each column: ``"bias"`` (mean), ``"median"``, ``"resolution"``
        (half the central width) and ``"rms"`` of the relative residual if there is one, else of
        the absolute one. These, and what follows in bins, are NaN in a bin of fewer than five
        events: of one alone the resolution would be 0.
    linearity : BinnedMeasure
        In bins of the truth: mean prediction, and mean truth.
    response : BinnedMeasure
        In the same bins: how much the mean prediction rises with the truth, from the bins on both
        sides. 1 where predictions are not pulled to the middle.
    corrected_resolution : BinnedMeasure
        That of calibrated predictions: half the central width of prediction − mean prediction at
        the same truth, divided by the `response`, and by the truth if residuals are relative. A
        network that pulls predictions together has a small ``"resolution"`` without telling truths
        apart any better; this one it cannot make smaller so, and what the bias changes over a bin
        is not in it. NaN where predictions do not rise with the truth.
    resolution_fit : ResolutionFit, optional
        Of the `corrected_resolution`, as σ/E of a calorimeter is quoted for a calibrated response.
    unfitted : str
        Why there is no fit; empty if there is one.
    pull : Pull, optional
        If predictions come with their σ.

    Notes
    -----
    The correction is that of a calibration by inversion of the mean prediction as a function of the
    truth, to first order: A. Cukierman and B. Nachman, Nucl. Instrum. Meth. A 858 (2017) 1.
    """

    level: float
    name: str
    unit: str
    n_events: int
    absolute: Residuals
    relative: Residuals | None
    r_squared: Interval
    offset: Interval
    slope: Interval
    profiles: tuple[BinnedMeasure, ...]
    linearity: BinnedMeasure
    response: BinnedMeasure
    corrected_resolution: BinnedMeasure
    resolution_fit: ResolutionFit | None
    unfitted: str
    pull: Pull | None

    @property
    def residuals(self) -> Residuals:
        """The relative ones if there are any, else the absolute ones."""
        return self.relative or self.absolute


def evaluate_regression(
    truth: ArrayLike,
    prediction: ArrayLike,
    *,
    name: str,
    unit: str = "1",
    sigma: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    truth_edges: Sequence[float] | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    units: Mapping[str, str] | None = None,
    fit: Sequence[str] = TERMS,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> RegressionEvaluation:
    """Evaluate predictions of a number.

    Parameters
    ----------
    truth, prediction : array_like
        Shape (n_events,), in `unit`.
    name, unit : str
        What is predicted; the unit ``"1"`` for a pure number.
    sigma : array_like, optional
        Shape (n_events,), positive: the standard deviation that the network gives.
    weights : array_like, optional
        Shape (n_events,), one each by default; may be negative.
    truth_edges : sequence of float, optional
        Rising bin edges of the truth; those of `efficiency.quantile_edges` by default.
    columns, edges : mapping, optional
        Further columns to give profiles against, and their bin edges.
    units : mapping, optional
        Those of further columns; ``"1"`` for the others.
    fit : sequence of str
        Terms of `resolution_fit.POWERS` to fit the resolution with; none for no fit.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If edges name no column or do not rise, a term is unknown, the level is out of range, or
        there is no replica.
    DataError
        If shapes differ, a number is NaN or infinite, σ is not positive, or there are fewer than
        two events or no positive sum of weights.
    """
    true = np.asarray(truth, np.float64)
    n_events = len(true)
    true = event_column(f"true {name}", true, n_events)
    found = event_column(f"predicted {name}", prediction, n_events)
    weight = event_weights(weights, n_events)
    if n_events < 2 or not weight.sum() > 0:
        raise DataError(
            f"{n_events} events with a sum of weights of {weight.sum():g}: expected two or more "
            "with a positive sum"
        )
    bins = [
        column_bins(
            name,
            true,
            quantile_edges(true) if truth_edges is None else truth_edges,
            unit=unit,
        ),
        *bins_of_columns(columns, edges, n_events, units=units),
    ]
    is_relative = _is_away_from_zero(true)
    off = found - true
    residual = off / true if is_relative else off
    profiles = [_profiles(of, residual, weight, is_relative, bootstrap) for of in bins]
    response, corrected = _response(bins[0], true, found, weight, is_relative, bootstrap)
    line = _sums([np.ones(n_events), true, found, true**2, true * found, off**2], weight, bootstrap)
    offset, slope, r_squared = (
        percentile_intervals(value, replicas, level=bootstrap.level).item()
        for value, replicas in zip(
            _straight_line(line.total), _straight_line(line.replicas), strict=True
        )
    )
    resolution_fit, unfitted = _resolution_fit(
        fit, is_relative, bins[0], true, weight, corrected, level=bootstrap.level
    )
    return RegressionEvaluation(
        level=bootstrap.level,
        name=name,
        unit=unit,
        n_events=n_events,
        absolute=_residuals(off, weight, bootstrap, unit=unit),
        relative=_residuals(off / true, weight, bootstrap, unit="1", is_relative=True)
        if is_relative
        else None,
        r_squared=r_squared,
        offset=offset,
        slope=slope,
        profiles=tuple(profile for of_column in profiles for profile in of_column),
        linearity=_means_in_bins(
            bins[0], {"prediction": found, "truth": true}, weight, bootstrap, quantity="mean"
        ),
        response=response,
        corrected_resolution=corrected,
        resolution_fit=resolution_fit,
        unfitted=unfitted,
        pull=None if sigma is None else _pull(off, sigma, weight, bootstrap),
    )


def _is_away_from_zero(truth: Floats) -> bool:
    # Of the truth alone, so that it is the same for every network.
    low, middle = np.quantile(truth, [0.01, 0.5])
    return bool(truth.min() > 0 and low > _NEAR_ZERO * middle)


def _sums(
    parts: Sequence[Floats], weights: Floats, bootstrap: Bootstrap, bins: ColumnBins | None = None
) -> ResampledSums:
    sums = resampled_sums(
        np.stack(parts, axis=1),
        weights,
        bootstrap,
        groups=None if bins is None else bins.index,
        n_groups=1 if bins is None else bins.n_bins,
    )
    return sums.group(0) if bins is None else sums


def _rms(sums: Floats) -> Floats:
    """Return the root mean square deviation, shape (...), of Σw, Σwx and Σwx², shape (..., 3)."""
    total, first, second = np.moveaxis(sums[..., :3], -1, 0)
    mean = ratio(first, total)
    return np.asarray(np.sqrt(np.maximum(ratio(second, total) - mean**2, 0)))


def _straight_line(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Return offset, slope and R² of Σw(1, t, p, t², tp, (p − t)²)."""
    total, t, p, tt, tp, errors = np.moveaxis(sums, -1, 0)
    spread = tt - ratio(t, total) * t
    # Rounding leaves something of truths that are all alike.
    spread = np.where(spread > 1e-12 * tt, spread, 0.0)
    slope = ratio(tp - ratio(t, total) * p, spread)
    return ratio(p, total) - slope * ratio(t, total), slope, 1 - ratio(errors, spread)


def _residuals(
    off: Floats,
    weights: Floats,
    bootstrap: Bootstrap,
    *,
    unit: str,
    is_relative: bool = False,
) -> Residuals:
    of_events = event_values(
        "relative residual" if is_relative else "residual",
        off,
        weights,
        bootstrap,
        edges=central_edges(off),
        levels=_LEVELS,
    )
    # About the mean, so that no digits are lost where it is far from zero.
    centred = off - of_events.mean.value
    sums = _sums([np.ones(len(off)), centred, centred**2, np.abs(off)], weights, bootstrap)
    core_mean, core_width = _core(off, weights)
    return Residuals(
        is_relative=is_relative,
        unit=unit,
        mean=of_events.mean,
        median=of_events.quantiles.item(1),
        rms=sums.intervals(_rms).item(),
        half_width=percentile_intervals(
            *map(_half_width, _quantiles(off, weights, bootstrap)), level=bootstrap.level
        ).item(0),
        mean_absolute=sums.intervals(lambda of: ratio(of[..., 3], of[..., 0])).item(),
        core_mean=core_mean,
        core_width=core_width,
        distribution=of_events,
    )


def _quantiles(
    off: Floats, weights: Floats, bootstrap: Bootstrap, bins: ColumnBins | None = None
) -> tuple[Floats, Floats]:
    """Return quantiles in each bin and their replicas, shapes (n_bins, 4) and (..., n_bins, 4)."""
    return resampled_quantiles(
        off,
        weights,
        _LEVELS,
        bootstrap,
        groups=None if bins is None else bins.index,
        n_groups=1 if bins is None else bins.n_bins,
    )


def _half_width(quantiles: Floats) -> Floats:
    """Return half the central width, shape (...), of `_quantiles`."""
    return np.asarray((quantiles[..., 2] - quantiles[..., 0]) / 2)


def _core(off: Floats, weights: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of the core, NaN if iteration finds none."""
    mean = float(np.median(off))
    width = float(np.quantile(off, _LEVELS[2]) - np.quantile(off, _LEVELS[0])) / 2
    for _ in range(_CORE_STEPS):
        inside = np.abs(off - mean) <= _CORE_REACH * width
        w = weights[inside]
        if not w.sum() > 0:
            return float("nan"), float("nan")
        mean = float(w @ off[inside] / w.sum())
        square = float(w @ (off[inside] - mean) ** 2 / w.sum())
        width = float(np.sqrt(max(square, 0.0))) / _CORE_WIDTH
    return mean, width


def _measured(
    bins: ColumnBins, quantity: str, intervals: Intervals, *, names: Sequence[str] = ("all",)
) -> BinnedMeasure:
    """Return what was measured in the bins that have events enough."""
    is_told = bins.n_entries() >= _LEAST_IN_BIN
    told = intervals.each(lambda of: np.where(is_told, of, np.nan))
    return bins.measured(quantity, told, names=names)


def _profiles(
    bins: ColumnBins, residual: Floats, weights: Floats, is_relative: bool, bootstrap: Bootstrap
) -> list[BinnedMeasure]:
    centred = residual - np.average(residual)
    shift = float(np.average(residual))
    sums = _sums([np.ones(len(residual)), centred, centred**2], weights, bootstrap, bins)
    quantiles = _quantiles(residual, weights, bootstrap, bins)
    median, half_width = (
        percentile_intervals(*map(measure, quantiles), level=bootstrap.level)
        for measure in (lambda of: of[..., 1], _half_width)
    )
    mean = sums.intervals(lambda of: shift + ratio(of[..., 1], of[..., 0]))
    rms = sums.intervals(_rms)
    named = {"bias": mean, "median": median, "resolution": half_width, "rms": rms}
    return [
        _measured(bins, f"relative_{quantity}" if is_relative else quantity, intervals)
        for quantity, intervals in named.items()
    ]


def _response(
    bins: ColumnBins,
    truth: Floats,
    prediction: Floats,
    weights: Floats,
    is_relative: bool,
    bootstrap: Bootstrap,
) -> tuple[BinnedMeasure, BinnedMeasure]:
    """Return the local response, and the resolution of calibrated predictions."""
    sums = _sums([np.ones(len(truth)), truth, prediction], weights, bootstrap, bins)
    off = prediction - _mean_prediction(sums.total, truth)
    quantiles = _quantiles(off / truth if is_relative else off, weights, bootstrap, bins)
    # Both have the same events in a replica.
    slopes = _local_slope(sums.total), _local_slope(sums.replicas)
    corrected = [ratio(_half_width(q), slope) for q, slope in zip(quantiles, slopes, strict=True)]
    name = "corrected_resolution"
    return (
        _measured(bins, "response", percentile_intervals(*slopes, level=bootstrap.level)),
        _measured(
            bins,
            f"relative_{name}" if is_relative else name,
            percentile_intervals(*corrected, level=bootstrap.level),
        ),
    )


def _mean_prediction(sums: Floats, truth: Floats) -> Floats:
    """Return the mean prediction at each truth, on straight lines between the means of bins."""
    t, p = (ratio(sums[:, i], sums[:, 0]) for i in (1, 2))
    t, p = t[np.isfinite(t)], p[np.isfinite(t)]
    if len(t) < 2:
        return np.full(len(truth), np.nan)
    piece = np.clip(np.searchsorted(t, truth), 1, len(t) - 1)
    slope = ratio(np.diff(p), np.diff(t))[piece - 1]
    return np.asarray(p[piece] + slope * (truth - t[piece]))


def _local_slope(sums: Floats) -> Floats:
    """Return the slope between the neighbours of each bin of sums Σw(1, t, p), shape (..., 3)."""
    t, p = (ratio(sums[..., i], sums[..., 0]) for i in (1, 2))
    before, after = ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1)))
    ends = []
    for to, of in (before, after):
        end = np.stack([t, p])
        # A bin at the edge, or beside one without events, is an end itself.
        is_there = np.isfinite(t[..., to])
        end[..., of] = np.where(is_there, end[..., to], end[..., of])
        ends.append(end)
    low, high = ends
    return np.where(np.isfinite(t), ratio(high[1] - low[1], high[0] - low[0]), np.nan)


def _means_in_bins(
    bins: ColumnBins,
    values: Mapping[str, Floats],
    weights: Floats,
    bootstrap: Bootstrap,
    *,
    quantity: str,
    root: bool = False,
) -> BinnedMeasure:
    """Return weighted means, or the roots of means, of several numbers in bins."""
    sums = _sums([np.ones(len(weights)), *values.values()], weights, bootstrap, bins)

    def measure(of: Floats) -> Floats:
        means = np.moveaxis(ratio(of[..., 1:], of[..., :1]), -1, -2)
        return np.asarray(np.sqrt(np.maximum(means, 0)) if root else means)

    return _measured(bins, quantity, sums.intervals(measure), names=tuple(values))


def _resolution_fit(
    terms: Sequence[str],
    is_relative: bool,
    bins: ColumnBins,
    truth: Floats,
    weights: Floats,
    resolution: BinnedMeasure,
    *,
    level: float,
) -> tuple[ResolutionFit | None, str]:
    if not terms:
        return None, "not asked for"
    if not is_relative:
        return None, f"not every true {bins.column} is positive and well away from zero"
    value = resolution.measure.value[0]
    # The central interval of a normal distribution is as wide as its level says.
    n_sigma = float(special.ndtri((1 + level) / 2))
    error = (resolution.measure.high[0] - resolution.measure.low[0]) / (2 * n_sigma)
    used = (resolution.n_entries[0] >= _LEAST_ENTRIES) & (error > 0) & (value > 0)
    energy = np.array(
        [
            np.average(truth[bins.index == i], weights=weights[bins.index == i])
            if used[i]
            else np.nan
            for i in range(bins.n_bins)
        ]
    )
    try:
        return (
            fit_resolution(energy[used], value[used], error[used], terms=terms, level=level),
            "",
        )
    except DataError as error_of_fit:
        return None, f"{error_of_fit} (bins of {_LEAST_ENTRIES} or more events count)"


def _pull(off: Floats, sigma: ArrayLike, weights: Floats, bootstrap: Bootstrap) -> Pull:
    s = event_column("σ", sigma, len(off))
    if not (s > 0).all():
        raise DataError(f"σ of event {int(np.argmin(s > 0))} is {s.min():g}: expected above 0")
    pull = off / s
    reach = np.array([1.0, special.ndtri(0.975)])
    within = (np.abs(pull)[:, np.newaxis] <= reach).astype(np.float64)
    sums = _sums([np.ones(len(off)), pull, pull**2], weights, bootstrap)
    return Pull(
        distribution=event_values(
            "pull",
            pull,
            weights,
            bootstrap,
            edges=_pull_edges(pull),
            levels=_LEVELS,
        ),
        width=sums.intervals(_rms).item(),
        chi_squared=sums.intervals(lambda of: ratio(of[..., 2], of[..., 0])).item(),
        expected=tuple(float(p) for p in special.erf(reach / np.sqrt(2))),
        coverage=event_shares(within, np.ones(within.shape), weights, bootstrap),
        calibration=_means_in_bins(
            column_bins("sigma", s, quantile_edges(s)),
            {"observed": off**2, "predicted": s**2},
            weights,
            bootstrap,
            quantity="rms",
            root=True,
        ),
    )


def _pull_edges(pull: Floats) -> Floats:
    """Return edges on both sides of zero that hold nearly all pulls."""
    far = float(np.quantile(np.abs(pull), 0.99, method="higher"))
    reach = max(_PULL_REACH, np.ceil(far))
    n_bins = min(max(round(4 * np.cbrt(len(pull))), 10), 50)
    return np.linspace(-reach, reach, n_bins + 1)
