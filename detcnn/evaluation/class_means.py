"""Maps averaged over the events of each class."""

import numpy as np
from numpy.typing import NDArray


def class_means(
    maps: NDArray[np.floating], labels: NDArray[np.int64], n_classes: int
) -> NDArray[np.float64]:
    """Return the mean of maps over the events of each class.

    Parameters
    ----------
    maps : numpy.ndarray
        Shape (n_events, …).
    labels : numpy.ndarray
        Shape (n_events,): class index.
    n_classes : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_classes, …); NaN for a class without events.
    """
    means = np.full((n_classes, *maps.shape[1:]), np.nan)
    for i in range(n_classes):
        if (labels == i).any():
            means[i] = maps[labels == i].mean(axis=0, dtype=np.float64)
    return means
