"""The function of the scores that is cut on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def discriminant(
    scores: NDArray[np.float64], *, signal: Sequence[int], background: Sequence[int]
) -> NDArray[np.float64]:
    """Return S / (S + B), with S and B the summed scores of the signal and background classes.

    By the lemma of Neyman and Pearson no other function separates two classes better, if the
    scores are probabilities. Classes in neither list play no part.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_events, n_classes), not negative.
    signal, background : sequence of int
        Classes on either side.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_events,), in [0, 1]; 0.5 where both sums are zero.
    """
    s = scores[:, list(signal)].sum(axis=1, dtype=np.float64)
    b = scores[:, list(background)].sum(axis=1, dtype=np.float64)
    ratio = np.full(len(s), 0.5)
    np.divide(s, s + b, out=ratio, where=s + b > 0)
    return ratio
