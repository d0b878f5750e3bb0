"""Bootstrap over events of numbers made from what each event adds to some sums.

Pixels, objects and points of one event share its noise and its geometry, so that they are no
independent measurements, and no more are several images of one event. Whole events are: each enters
a replica k times, with k from a Poisson distribution of mean 1, and all that is in it enters with
it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.intervals import LEVEL, Interval, Intervals, tail
from detcnn.evaluation.replicas import POISSON_OF_WORD
from detcnn.seeding import generator

METHOD = "bootstrap over events"

FEW_EVENTS = 20
"""Below it replicas are too much alike for intervals that hold what they say."""

_NUMBERS_AT_ONCE = 1 << 21

Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From sums of shape (..., *shape) to numbers of shape (..., *any)."""


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """How events are resampled, and which interval is quoted.

    Parameters
    ----------
    level : float
        Central confidence level, in (0, 1).
    n_replicas : int
        Number of replicas, at least one.
    seed : int
        Seed of the study.
    unit : numpy.ndarray, optional
        Integers, shape (n_rows,): rows of one number are of one event, such as the tiles of a
        frame or the images of several views, and enter a replica together. By default each row is
        an event of its own.
    """

    level: float = LEVEL
    n_replicas: int = 1000
    seed: int = 0
    unit: NDArray[np.integer] | None = None


BOOTSTRAP = Bootstrap()
"""Used where nothing else is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class ResampledSums:
    """Weighted sums over events, and what becomes of them when events are resampled.

    Parameters
    ----------
    total : numpy.ndarray
        Shape (n_groups, *shape): Σ w·x over the events of each group.
    replicas : numpy.ndarray
        Shape (n_replicas, n_groups, *shape): the same in each replica, Σ k·w·x.
    level : float
        Of the intervals.
    """

    total: NDArray[np.float64]
    replicas: NDArray[np.float64]
    level: float

    def group(self, index: int) -> "ResampledSums":
        """Return one group alone, without the axis of groups."""
        return ResampledSums(self.total[index], self.replicas[:, index], self.level)

    def intervals(self, measure: Measure) -> Intervals:
        """Return a function of the sums with its intervals, see `percentile_intervals`."""
        return percentile_intervals(measure(self.total), measure(self.replicas), level=self.level)


def caution_of(n_events: int) -> str:
    """Return what is to be said of intervals of so many events, nothing if they are enough."""
    if n_events >= FEW_EVENTS:
        return ""
    return (
        f"Only {n_events:,} event{'' if n_events == 1 else 's'}: intervals of fewer than "
        f"{FEW_EVENTS} are rough, and a number that they all agree on has none."
    )


def iter_counts(n_rows: int, bootstrap: Bootstrap) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield how often each row enters the replicas, some replicas at a time.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    bootstrap : Bootstrap
        Which rows are of one event, and how many replicas there are.

    Yields
    ------
    slice, numpy.ndarray
        Which replicas, and their counts, float64 of shape (replicas, n_rows). They are the same
        for one seed whatever is made of them, so that two numbers over the same events keep what
        they have in common; fewer replicas are the first of more.

    Raises
    ------
    ConfigError
        If there is no replica.
    DataError
        If there is not one `unit` a row.

    Notes
    -----
    B. Efron, Ann. Stat. 7 (1979) 1; with Poisson weights: J. A. Hanley and B. MacGibbon,
    Comput. Methods Programs Biomed. 83 (2006) 57.
    """
    if bootstrap.n_replicas < 1:
        raise ConfigError(f"{bootstrap.n_replicas} bootstrap replicas: expected 1 or more")
    n_events, event = n_rows, None
    if bootstrap.unit is not None:
        if bootstrap.unit.shape != (n_rows,):
            raise DataError(
                f"{n_rows:,} rows, and {len(bootstrap.unit):,} numbers of the events that they are "
                "of: expected one a row"
            )
        of_events, event = np.unique(bootstrap.unit, return_inverse=True)
        n_events = len(of_events)
    at_once = max(1, _NUMBERS_AT_ONCE // max(n_rows, 1))
    for start in range(0, bootstrap.n_replicas, at_once):
        now = slice(start, min(start + at_once, bootstrap.n_replicas))
        counts = _counts(bootstrap.seed, now.start, now.stop, n_events)
        yield now, counts if event is None else counts[:, event]


# One evaluation asks for the same replicas for every number that it quotes.
@lru_cache(maxsize=2)
def _counts(seed: int, start: int, stop: int, n_events: int) -> NDArray[np.float64]:
    counts = np.stack(
        [
            _poisson(generator(seed, "bootstrap/events", replica), n_events)
            for replica in range(start, stop)
        ]
    )
    counts.flags.writeable = False
    return counts


def _poisson(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    # A table is ten times as fast as numpy's Poisson numbers.
    words = np.frombuffer(random.bytes(2 * n), "<u2")
    return np.asarray(POISSON_OF_WORD[words], np.float64)


def resampled_sums(
    values: ArrayLike,
    weights: NDArray[np.float64],
    bootstrap: Bootstrap,
    *,
    groups: NDArray[np.integer] | None = None,
    n_groups: int = 1,
) -> ResampledSums:
    """Return weighted sums over events, in total and in bootstrap replicas.

    Parameters
    ----------
    values : array_like
        Shape (n_rows, *shape): what each row adds.
    weights : numpy.ndarray
        float64, shape (n_rows,); may be negative.
    bootstrap : Bootstrap
        Which rows are of one event, and how many replicas there are.
    groups : numpy.ndarray, optional
        Integers, shape (n_rows,): which group a row is in, such as a bin of a column; those
        outside [0, n_groups) are in none. All are in group 0 by default.
    n_groups : int
        Number of groups.

    Raises
    ------
    ConfigError
        If there is no replica.
    DataError
        If there is not one `unit` a row.
    """
    added = np.asarray(values, np.float64)
    shape = added.shape[1:]
    added = weights[:, np.newaxis] * added.reshape(len(added), -1)
    of_group = (
        [np.arange(len(added))]
        if groups is None
        else [np.flatnonzero(groups == group) for group in range(n_groups)]
    )
    total = np.stack([added[rows].sum(axis=0) for rows in of_group])
    replicas = np.empty((bootstrap.n_replicas, *total.shape))
    for now, counts in iter_counts(len(added), bootstrap):
        for group, rows in enumerate(of_group):
            replicas[now, group] = counts[:, rows] @ added[rows]
    return ResampledSums(
        total.reshape(-1, *shape),
        replicas.reshape(bootstrap.n_replicas, len(of_group), *shape),
        bootstrap.level,
    )


def percentile_intervals(
    value: ArrayLike, replicas: NDArray[np.float64], *, level: float
) -> Intervals:
    """Return numbers with the central percentiles of their replicas.

    Parameters
    ----------
    value : array_like
        Shape (*shape): the numbers themselves.
    replicas : numpy.ndarray
        Shape (n_replicas, *shape); NaN where a replica does not define the number, and then left
        out.
    level : float
        Central confidence level.

    Returns
    -------
    Intervals
        Ends that hold the value; NaN where no replica defines it. Where all events agree, such as
        at an efficiency of one, the interval has no width: it then says nothing.

    Raises
    ------
    ConfigError
        If the level is not in (0, 1).
    """
    alpha = tail(level)
    number = np.asarray(value, np.float64)
    columns = replicas.reshape(len(replicas), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    is_defined = np.isfinite(columns)
    whole = is_defined.all(axis=0)
    if whole.any():
        ends[:, whole] = np.quantile(columns[:, whole], [alpha, 1 - alpha], axis=0)
    for column in np.flatnonzero(~whole & is_defined.any(axis=0)):
        defined = columns[is_defined[:, column], column]
        ends[:, column] = np.quantile(defined, [alpha, 1 - alpha])
    low, high = ends.reshape(2, *number.shape)
    return Intervals(
        value=number,
        low=np.where(np.isnan(number), np.nan, np.fmin(low, number)),
        high=np.where(np.isnan(number), np.nan, np.fmax(high, number)),
        level=level,
        method=METHOD,
    )


def percentile_interval(value: float, replicas: NDArray[np.float64], *, level: float) -> Interval:
    """Return `percentile_intervals` of one number, whose replicas have the shape (n_replicas,)."""
    return percentile_intervals(value, replicas, level=level).item()


def ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over the other, NaN where the lower is not positive."""
    top, bottom = np.broadcast_arrays(over, under)
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
