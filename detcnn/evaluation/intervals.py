"""Confidence intervals for fractions of counted and of weighted events."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from detcnn.errors import ConfigError

LEVEL = 0.683
"""Default confidence level: central, that of one standard deviation of a normal distribution."""

NO_SPREAD = "[no spread]"
"""Stands in texts for an interval that has no width."""

LIMIT_LEVEL = 0.95
"""Default confidence level of a one-sided limit."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its confidence interval.

    Parameters
    ----------
    value : float
        The estimate; NaN where there is nothing to estimate it from.
    low, high : float
        Ends of the central interval; `high` is infinite where the data set no upper bound.
    level : float
        Confidence level, in (0, 1).
    method : str
        How the interval was made.
    is_lower_limit : bool
        If true there is no estimate, `low` is a one-sided lower limit at `level`, and `value`
        repeats it.
    """

    value: float
    low: float
    high: float
    level: float
    method: str
    is_lower_limit: bool = False

    def text(self) -> str:
        """Return ``value [low, high]`` with two digits of the smaller error, or ``> limit``.

        An interval without width is none, and is told as such: of what all events have alike, a
        bootstrap says nothing. Where there is no value a dash stands alone.
        """
        if self.is_lower_limit:
            return f"> {_rounded(self.low, self.low / 10)} ({100 * self.level:.3g} % CL)"
        errors = [e for e in (self.value - self.low, self.high - self.value) if 0 < e < math.inf]
        error = min(errors, default=abs(self.value) / 100)
        if math.isnan(self.value):
            return _rounded(self.value, error)
        if self.low == self.value == self.high:
            return f"{_rounded(self.value, error)} {NO_SPREAD}"
        low, high = _rounded(self.low, error), _rounded(self.high, error)
        end = "unbounded)" if math.isinf(self.high) else f"{high}]"
        return f"{_rounded(self.value, error)} [{low}, {end}"


def _rounded(number: float, error: float) -> str:
    if math.isnan(number):
        return "–"
    decimals = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 2
    return f"{number:.{decimals}f}"


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Numbers with their confidence intervals: arrays of one shape, with one level and method."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    method: str

    def item(self, *index: int) -> Interval:
        """Return one element; without an index, the only one."""
        return Interval(
            value=float(self.value.item(*index)),
            low=float(self.low.item(*index)),
            high=float(self.high.item(*index)),
            level=self.level,
            method=self.method,
        )

    def part(self, *index: Any) -> "Intervals":
        """Return some elements, chosen as numpy does."""
        return self.each(lambda of: np.asarray(of[index]))

    def reshaped(self, *shape: int) -> "Intervals":
        """Return the same in another shape."""
        return self.each(lambda of: of.reshape(shape))

    def transposed(self) -> "Intervals":
        """Return the same with the order of the axes reversed."""
        return self.each(np.transpose)

    def each(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> "Intervals":
        """Return a function of values and ends that does not fall, so that ends stay ends."""
        return replace(self, value=change(self.value), low=change(self.low), high=change(self.high))


def tail(level: float) -> float:
    """Return the probability on each side of a central interval of `level`.

    Raises
    ------
    ConfigError
        If `level` is not in (0, 1).
    """
    if not 0 < level < 1:
        raise ConfigError(f"confidence level {level}: expected a number between 0 and 1")
    return (1 - level) / 2


def wilson(passed: ArrayLike, total: ArrayLike, *, level: float = LEVEL) -> Intervals:
    """Return the score interval of Wilson for `passed` of `total` events.

    Its coverage is close to `level` on average, and its ends stay in [0, 1].

    Parameters
    ----------
    passed, total : array_like
        Counts, or effective counts (any real numbers, ``total >= 0``), broadcast together.
        ``total == 0`` gives the value NaN and the interval [0, 1]. Where negative weights put
        `passed` outside [0, total] the interval is that of the nearer end, stretched to the value.
    level : float
        Central confidence level.

    Returns
    -------
    Intervals
        Of ``passed / total``.

    Notes
    -----
    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    z = special.ndtri(1 - tail(level))
    k, n, value = _counts(passed, total)
    # k (n - k) / n, which is 0 for n = 0; there the formula gives [0, 1] by itself.
    variance = k * (1 - np.divide(k, n, out=np.ones_like(n), where=n > 0))
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(variance + z**2 / 4)
    low = np.where(k > 0, centre - half, 0.0)
    high = np.where(k < n, centre + half, 1.0)
    return Intervals(np.asarray(value), np.fmin(low, value), np.fmax(high, value), level, "Wilson")


def clopper_pearson(passed: ArrayLike, total: ArrayLike, *, level: float = LEVEL) -> Intervals:
    """Return the interval of Clopper and Pearson for `passed` of `total` events.

    Its coverage is never below `level`.

    Parameters
    ----------
    passed, total, level
        As in `wilson`, with the same behaviour at the edges.

    Returns
    -------
    Intervals
        Of ``passed / total``.

    Notes
    -----
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404, by quantiles of beta distributions,
    which continue it to effective counts.
    """
    alpha = tail(level)
    k, n, value = _counts(passed, total)
    low = np.where(k > 0, special.betaincinv(np.where(k > 0, k, 1), n - k + 1, alpha), 0.0)
    rest = np.where(k < n, n - k, 1)
    high = np.where(k < n, special.betaincinv(k + 1, rest, 1 - alpha), 1.0)
    return Intervals(
        np.asarray(value), np.fmin(low, value), np.fmax(high, value), level, "Clopper-Pearson"
    )


def _counts(
    passed: ArrayLike, total: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    k, n = np.broadcast_arrays(np.asarray(passed, np.float64), np.asarray(total, np.float64))
    value = np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0)
    return np.clip(k, 0, n), n, value


def effective_count(total: ArrayLike, squares: ArrayLike) -> NDArray[np.float64]:
    """Return the number of unweighted events with the same relative error: (Σw)² / Σw².

    Parameters
    ----------
    total, squares : array_like
        Σw and Σw², broadcast together. Where Σw is not positive the count is 0.

    Returns
    -------
    numpy.ndarray

    Notes
    -----
    L. Kish, Survey Sampling (Wiley, 1965), section 8.2.
    """
    w, w2 = np.broadcast_arrays(np.asarray(total, np.float64), np.asarray(squares, np.float64))
    count = np.zeros(w.shape)
    np.divide(w**2, w2, out=count, where=(w > 0) & (w2 > 0))
    return count


def weighted_fraction(
    passed: ArrayLike, total: ArrayLike, squares: ArrayLike, *, level: float = LEVEL
) -> Intervals:
    """Return the Wilson interval of a weighted fraction.

    Parameters
    ----------
    passed, total, squares : array_like
        Σw of the passing events, Σw and Σw² of all events, broadcast together.
    level : float
        Central confidence level.

    Returns
    -------
    Intervals
        Of ``passed / total``, from `effective_count` events; value NaN and interval [0, 1] where
        Σw is not positive. Exact for equal weights; for others it takes the weights of the passing
        and of the failing events to be alike.
    """
    k, w, w2 = np.broadcast_arrays(passed, total, squares)
    n = effective_count(w, w2)
    fraction = np.divide(k, w, out=np.zeros(n.shape), where=n > 0)
    return wilson(fraction * n, n, level=level)
