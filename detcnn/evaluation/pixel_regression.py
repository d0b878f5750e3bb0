"""What a predicted number for every pixel is worth, from a few sums of each event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import DataError
from detcnn.evaluation.binned_measure import BinnedMeasure, ColumnBins, bins_of_columns
from detcnn.evaluation.event_bootstrap import BOOTSTRAP, Bootstrap, Measure, ratio, resampled_sums
from detcnn.evaluation.event_values import EventValues, event_values
from detcnn.evaluation.inputs import event_weights
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.profiles import central_edges

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PixelSums:
    """Sums over the judged pixels of each event; e is prediction − truth.

    Parameters
    ----------
    n_pixels, error, absolute, squared, truth, truth_squared, prediction : numpy.ndarray
        float64, shape (n_events,): their number, Σe, Σ|e|, Σe², Σt, Σt² and Σp.
    """

    n_pixels: Floats
    error: Floats
    absolute: Floats
    squared: Floats
    truth: Floats
    truth_squared: Floats
    prediction: Floats

    @classmethod
    def joined(cls, blocks: Sequence["PixelSums"]) -> "PixelSums":
        """Return the sums of several blocks of events as one."""
        return cls(
            *(
                np.concatenate([getattr(block, field.name) for block in blocks])
                for field in fields(cls)
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class PixelRegressionEvaluation:
    """What a predicted number for every pixel is worth.

    Parameters
    ----------
    level : float
        Level of all central intervals, by bootstrap over events.
    name, unit : str
        What is predicted.
    n_events, n_pixels : int
        Events, and judged pixels in all of them.
    bias, mean_absolute, rmse : Interval
        Over the pixels of all events, each with the weight of its event: mean error, mean absolute
        error, and root mean square error.
    r_squared : Interval
        1 − Σe² / Σ(t − mean t)², over the same pixels.
    psnr : Interval, optional
        Peak signal to noise ratio in decibels, 20 lg(peak / rmse); if a peak was given.
    conservation : Interval
        Sum of the predictions over the sum of the truth: 1 if the total is kept.
    event_conservation, event_rmse : EventValues
        The same ratio and the root mean square error of each event; the ratio of events whose truth
        is not positive in sum is not defined.
    profiles : tuple of BinnedMeasure
        ``"rmse"``, ``"bias"`` and ``"conservation"`` against each column.
    """

    level: float
    name: str
    unit: str
    n_events: int
    n_pixels: int
    bias: Interval
    mean_absolute: Interval
    rmse: Interval
    r_squared: Interval
    psnr: Interval | None
    conservation: Interval
    event_conservation: EventValues
    event_rmse: EventValues
    profiles: tuple[BinnedMeasure, ...]


def sums_of_pixels(
    truth: NDArray[np.floating],
    prediction: NDArray[np.floating],
    *,
    valid: NDArray[np.bool_] | None = None,
) -> PixelSums:
    """Sum errors, truth and predictions over the pixels of each event.

    Parameters
    ----------
    truth, prediction : numpy.ndarray
        Shape (n_events, *axes).
    valid : numpy.ndarray, optional
        bool, the same shape: which pixels count.

    Raises
    ------
    DataError
        If shapes differ, or a pixel that counts is NaN or infinite.
    """
    if prediction.shape != truth.shape or (valid is not None and valid.shape != truth.shape):
        raise DataError(
            f"truth has shape {truth.shape}, the prediction {prediction.shape}: expected the same"
        )
    sums = np.zeros((len(fields(PixelSums)), len(truth)))
    for event in range(len(truth)):
        judged = np.s_[:] if valid is None else valid[event]
        t = np.ravel(truth[event][judged]).astype(np.float64)
        p = np.ravel(prediction[event][judged]).astype(np.float64)
        e = p - t
        if not np.isfinite(e).all():
            raise DataError(
                f"event {event} has a true or predicted pixel that is NaN or infinite: expected "
                "finite numbers; look at the inputs and weights of the model"
            )
        sums[:, event] = (len(t), e.sum(), np.abs(e).sum(), e @ e, t.sum(), t @ t, p.sum())
    return PixelSums(*sums)


def evaluate_pixel_regression(
    sums: PixelSums,
    *,
    name: str,
    unit: str = "1",
    peak: float | None = None,
    weights: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    units: Mapping[str, str] | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> PixelRegressionEvaluation:
    """Evaluate a number for every pixel from the sums of each event.

    Parameters
    ----------
    sums : PixelSums
        From `sums_of_pixels`.
    name, unit : str
        What is predicted; the unit ``"1"`` for a pure number.
    peak : float, optional
        Largest value a pixel can have, for the peak signal to noise ratio.
    weights : array_like, optional
        Shape (n_events,), one each by default.
    columns, edges : mapping, optional
        Columns to give profiles against, shape (n_events,), and their bin edges.
    units : mapping, optional
        Those of columns; ``"1"`` for the others.
    bootstrap : Bootstrap
        Of all intervals.

    Raises
    ------
    ConfigError
        If edges name no column or do not rise, the level is out of range, or there is no replica.
    DataError
        If weights do not fit, or no pixel is judged.
    """
    n_events = len(sums.n_pixels)
    weight = event_weights(weights, n_events)
    if not weight @ sums.n_pixels > 0:
        raise DataError(f"no pixel of {n_events:,} events is judged: expected at least one")
    bins = bins_of_columns(columns, edges, n_events, units=units)
    values = np.stack([getattr(sums, field.name) for field in fields(PixelSums)], axis=1)
    resampled = resampled_sums(values, weight, bootstrap).group(0)

    def interval(measure: Measure) -> Interval:
        return resampled.intervals(measure).item()

    def of_events(label: str, of: Floats) -> EventValues:
        return event_values(
            label,
            of,
            weight,
            bootstrap,
            edges=central_edges(of) if np.isfinite(of).any() else np.array([0.0, 1.0]),
        )

    def psnr(of: Floats) -> Floats:
        return np.asarray(20 * np.log10(ratio(np.full(of.shape[:-1], peak), rmse(of))))

    return PixelRegressionEvaluation(
        level=bootstrap.level,
        name=name,
        unit=unit,
        n_events=n_events,
        n_pixels=int(sums.n_pixels.sum()),
        bias=interval(bias),
        mean_absolute=interval(lambda of: ratio(of[..., 2], of[..., 0])),
        rmse=interval(rmse),
        r_squared=interval(r_squared),
        psnr=None if peak is None else interval(psnr),
        conservation=interval(conservation),
        event_conservation=of_events("predicted sum / true sum", conservation(values)),
        event_rmse=of_events("event RMSE", event_errors(sums)),
        profiles=tuple(
            profile
            for of_column in bins
            for profile in _profiles(of_column, values, weight, bootstrap)
        ),
    )


def event_errors(sums: PixelSums) -> Floats:
    """Return the root mean square error of each event, NaN for one without judged pixels."""
    return np.asarray(np.sqrt(ratio(sums.squared, sums.n_pixels)))


def bias(sums: Floats) -> Floats:
    """Return the mean error, shape (...), of sums in the order of `PixelSums`, shape (..., 7)."""
    return ratio(sums[..., 1], sums[..., 0])


def rmse(sums: Floats) -> Floats:
    """Return the root mean square error, shape (...), of sums of shape (..., 7)."""
    return np.asarray(np.sqrt(ratio(sums[..., 3], sums[..., 0])))


def r_squared(sums: Floats) -> Floats:
    """Return the coefficient of determination, shape (...), of sums of shape (..., 7)."""
    spread = sums[..., 5] - ratio(sums[..., 4], sums[..., 0]) * sums[..., 4]
    return 1 - ratio(sums[..., 3], spread)


def conservation(sums: Floats) -> Floats:
    """Return the predicted over the true sum, shape (...), of sums of shape (..., 7)."""
    return ratio(sums[..., 6], sums[..., 4])


def _profiles(
    bins: ColumnBins, values: Floats, weights: Floats, bootstrap: Bootstrap
) -> list[BinnedMeasure]:
    sums = resampled_sums(values, weights, bootstrap, groups=bins.index, n_groups=bins.n_bins)

    def profile(quantity: str, measure: Measure) -> BinnedMeasure:
        return bins.measured(quantity, sums.intervals(measure))

    return [profile("rmse", rmse), profile("bias", bias), profile("conservation", conservation)]
