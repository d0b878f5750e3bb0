"""Points spread evenly along a curve."""

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]


def evenly_spaced(x: Floats, y: Floats, n_points: int) -> NDArray[np.int64]:
    """Choose points of a curve at even distances, measured as |Δx| + |Δy|.

    Parameters
    ----------
    x, y : numpy.ndarray
        float64, shape (n,), n > 0: the points of the curve, one after the other.
    n_points : int
        How many to choose at most, 2 or more.

    Returns
    -------
    numpy.ndarray
        int64: which points, rising, with the first and the last; all of them if there are no more
        than `n_points`.

    Raises
    ------
    ValueError
        If the shapes differ, there is no point, or fewer than 2 are to be chosen.
    """
    if x.shape != y.shape or x.ndim != 1 or len(x) == 0 or n_points < 2:
        raise ValueError(f"{n_points} points of curves of shape {x.shape} and {y.shape}")
    if len(x) <= n_points:
        return np.arange(len(x))
    chosen = np.empty(n_points, np.int64)
    return chosen[: _evenly_spaced(x, y, chosen)]


@compiled
def _evenly_spaced(x: Floats, y: Floats, chosen: NDArray[np.int64]) -> int:
    n, n_points = len(x), len(chosen)
    whole = 0.0
    for i in range(1, n):
        whole += abs(x[i] - x[i - 1]) + abs(y[i] - y[i - 1])
    chosen[0] = 0
    n_chosen, mark = 1, 1
    distance = 0.0
    for i in range(1, n - 1):
        distance += abs(x[i] - x[i - 1]) + abs(y[i] - y[i - 1])
        # The first point at or beyond each mark; one that is beyond several counts once. A curve
        # without length has met them all at its first point.
        if mark < n_points - 1 and distance >= mark * whole / (n_points - 1) and whole > 0:
            chosen[n_chosen] = i
            n_chosen += 1
            while mark < n_points - 1 and distance >= mark * whole / (n_points - 1):
                mark += 1
    chosen[n_chosen] = n - 1
    return n_chosen + 1
