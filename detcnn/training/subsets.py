"""A few of the events of a split, with the share that each class has."""

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.seeding import generator


def stratified_rows(label: NDArray[np.int64], n_events: int, *, seed: int) -> NDArray[np.int64]:
    """Choose events such that every class has its share of them, but for rounding.

    The events of each class are put into a random order, and the k-th of n of them gets the rank
    k / n; those of the lowest ranks are chosen, so a smaller choice is part of every larger one of
    the same seed.

    Parameters
    ----------
    label : numpy.ndarray
        int64, shape (n,): class index of each event.
    n_events : int
        How many to choose; all if there are no more.
    seed : int
        Of the order.

    Returns
    -------
    numpy.ndarray
        int64, rising rows.

    Raises
    ------
    ConfigError
        If there are fewer than classes.
    """
    classes = np.unique(label)
    if n_events < len(classes):
        raise ConfigError(
            f"train.max_events is {n_events}, expected at least one event for each of the "
            f"{len(classes)} classes"
        )
    rank = np.empty(len(label))
    for index in classes:
        rows = np.flatnonzero(label == index)
        order = generator(seed, "subset", int(index)).permutation(len(rows))
        rank[rows[order]] = np.arange(len(rows)) / len(rows)
    chosen: NDArray[np.int64] = np.sort(np.lexsort((label, rank))[:n_events])
    return chosen
