"""The edges of the bins that a study asks for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.config.evaluate import BinsConfig
from detcnn.errors import ConfigError
from detcnn.evaluation.inputs import event_column


def bin_edges(bins: BinsConfig, values: NDArray[Any]) -> list[float]:
    """Return the edges of equal bins over the values of a column.

    Raises
    ------
    ConfigError
        If the lower end is not below the upper one.
    DataError
        If a value is not finite.
    """
    values = event_column(f"column {bins.column!r}", values, len(values))
    low = float(values.min()) if bins.low is None else bins.low
    if bins.high is not None:
        high = bins.high
    elif low == values.max():
        # A column that is the same for all events still takes a bin.
        high = low + max(1.0, abs(low))
    else:
        # The last bin is half-open, so the largest value needs an edge above it.
        high = float(np.nextafter(values.max(), np.inf))
    if not low < high:
        raise ConfigError(
            f"evaluate.efficiency_bins: {bins.column} from {low:g} to {high:g}, expected low < high"
        )
    edges: list[float] = np.linspace(low, high, bins.bins + 1).tolist()
    return edges
