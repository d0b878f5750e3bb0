"""Selection cuts on event columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.events.table import Column


@dataclass(frozen=True, slots=True)
class Window:
    """The values of a column that an event may have: [low, high).

    Parameters
    ----------
    column : str
        Name of the event column.
    low, high : float, optional
        In the column's unit; None for no limit on that side.
    """

    column: str
    low: float | None
    high: float | None

    def holds(self, values: Column) -> NDArray[np.bool_]:
        """Tell which values lie inside; NaN lies in no window.

        Parameters
        ----------
        values : numpy.ndarray
            Of the column, shape (n_events,).

        Returns
        -------
        numpy.ndarray
            bool, shape (n_events,).
        """
        is_inside = ~np.isnan(values)
        if self.low is not None:
            is_inside &= values >= self.low
        if self.high is not None:
            is_inside &= values < self.high
        return np.asarray(is_inside)

    @property
    def complaint(self) -> str:
        """What is said of values that lie outside."""
        if self.low is None:
            return f"{self.column} not below {self.high:.12g}"
        if self.high is None:
            return f"{self.column} below {self.low:.12g}"
        return f"{self.column} outside [{self.low:.12g}, {self.high:.12g})"
