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
    s, b = (_sum(scores, side) for side in (signal, background))
    b += s
    undecided = b <= 0
    s[undecided], b[undecided] = 0.5, 1
    s /= b
    return s


def _sum(scores: NDArray[np.float64], classes: Sequence[int]) -> NDArray[np.float64]:
    # Column by column: numpy is slow over many short rows.
    total = np.zeros(len(scores))
    for i in classes:
        total += scores[:, i]
    return total
