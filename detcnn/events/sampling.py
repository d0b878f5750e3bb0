"""Some events of each class, chosen at random."""

import numpy as np
from numpy.typing import NDArray

from detcnn.seeding import generator


def sample_of_each_class(
    label: NDArray[np.int64], n_classes: int, *, n: int, seed: int, purpose: str
) -> NDArray[np.int64]:
    """Return rows of events, as many of each class as there are, in rising order.

    Parameters
    ----------
    label : numpy.ndarray
        Shape (n_events,): class index.
    n_classes : int
        Number of classes.
    n : int
        Events in all; an equal share of it, at least one, is drawn from each class.
    seed : int
        Seed of the study.
    purpose : str
        What the events are for: other purposes have other random numbers.
    """
    chosen = []
    for i in range(n_classes):
        rows = np.flatnonzero(label == i)
        n_own = min(len(rows), max(1, n // n_classes))
        chosen.append(generator(seed, purpose, i).choice(rows, n_own, replace=False))
    return np.sort(np.concatenate(chosen))
