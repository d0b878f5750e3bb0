"""A number with its interval in bins of an event column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.efficiency import quantile_edges
from detcnn.evaluation.inputs import event_column
from detcnn.evaluation.intervals import Intervals
from detcnn.kernels.binning import bin_index


@dataclass(frozen=True, slots=True, eq=False)
class BinnedMeasure:
    """One or more numbers in half-open bins [low, high) of a column.

    Parameters
    ----------
    column : str
        Name of the column.
    quantity : str
        What is measured, for example ``"iou"``.
    names : tuple of str
        Of what, in the order of the rows, for example classes.
    edges : numpy.ndarray
        Shape (n_bins + 1,), in the unit of the column.
    n_entries : numpy.ndarray
        int64, shape (n_names, n_bins): events, or objects, behind each number.
    measure : Intervals
        Shape (n_names, n_bins); NaN where there is nothing to measure.
    n_below, n_above : int
        Entries below the first edge, and at or above the last, which are in no number.
    unit : str
        Of the column; ``"1"`` for a pure number.
    """

    column: str
    quantity: str
    names: tuple[str, ...]
    edges: NDArray[np.float64]
    n_entries: NDArray[np.int64]
    measure: Intervals
    n_below: int = 0
    n_above: int = 0
    unit: str = "1"


@dataclass(frozen=True, slots=True, eq=False)
class ColumnBins:
    """Which bin of a column each event is in.

    Parameters
    ----------
    column : str
        Name of the column.
    edges : numpy.ndarray
        Shape (n_bins + 1,), rising.
    index : numpy.ndarray
        int64, shape (n_events,): −1 below the first edge, n_bins at or above the last.
    unit : str
        Of the column.
    """

    column: str
    edges: NDArray[np.float64]
    index: NDArray[np.int64]
    unit: str = "1"

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def n_entries(self, which: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return how many entries, all or those of `which`, are in each bin, shape (n_bins,)."""
        index = self.index if which is None else self.index[which]
        inside = index[(index >= 0) & (index < self.n_bins)]
        return np.bincount(inside, minlength=self.n_bins).astype(np.int64)

    def measured(
        self, quantity: str, intervals: Intervals, *, names: Sequence[str] = ("all",)
    ) -> BinnedMeasure:
        """Return what was measured in the bins.

        Parameters
        ----------
        quantity : str
            What that is.
        intervals : Intervals
            Shape (n_names, n_bins), or (n_bins,) of a single name.
        names : sequence of str
            Of what, each of the same entries.
        """
        shape = (len(names), self.n_bins)
        return BinnedMeasure(
            column=self.column,
            quantity=quantity,
            names=tuple(names),
            edges=self.edges,
            n_entries=np.tile(self.n_entries(), (len(names), 1)),
            measure=replace(
                intervals,
                value=intervals.value.reshape(shape),
                low=intervals.low.reshape(shape),
                high=intervals.high.reshape(shape),
            ),
            n_below=int(np.count_nonzero(self.index < 0)),
            n_above=int(np.count_nonzero(self.index >= self.n_bins)),
            unit=self.unit,
        )


def column_bins(column: str, values: ArrayLike, edges: ArrayLike, *, unit: str = "1") -> ColumnBins:
    """Return which bin of a column each entry is in.

    Parameters
    ----------
    column : str
        Name of the column.
    values : array_like
        Shape (n,).
    edges : array_like
        Two or more rising bin edges.
    unit : str
        Of values and edges.

    Raises
    ------
    ConfigError
        If the edges do not rise.
    """
    edge = np.asarray(edges, dtype=np.float64)
    if edge.ndim != 1 or len(edge) < 2 or not (np.diff(edge) > 0).all():
        raise ConfigError(
            f"bin edges of {column!r} are {edge.tolist()}: expected two or more that rise"
        )
    return ColumnBins(column, edge, bin_index(values, edge).astype(np.int64) - 1, unit)


def bins_of_columns(
    columns: Mapping[str, ArrayLike] | None,
    edges: Mapping[str, Sequence[float]] | None,
    n_events: int,
    *,
    units: Mapping[str, str] | None = None,
) -> list[ColumnBins]:
    """Return the bins of each column, those without edges in ones of equal numbers of events.

    Parameters
    ----------
    columns : mapping, optional
        Name to array of shape (n_events,).
    edges : mapping, optional
        Rising bin edges by column.
    n_events : int
        Number of events.
    units : mapping, optional
        Those of columns; ``"1"`` for the others.

    Raises
    ------
    ConfigError
        If edges name no column or do not rise.
    DataError
        If a column has another shape, or is NaN or infinite somewhere.
    """
    values = {
        name: event_column(f"column {name!r}", column, n_events)
        for name, column in (columns or {}).items()
    }
    unused = [name for name in edges or {} if name not in values]
    if unused:
        raise ConfigError(
            f"bin edges are given for {unused[0]!r}: expected one of the columns "
            f"{', '.join(values) or '(none)'}"
        )
    given = edges or {}
    return [
        column_bins(
            name,
            column,
            given[name] if name in given else quantile_edges(column),
            unit=(units or {}).get(name, "1"),
        )
        for name, column in values.items()
    ]
