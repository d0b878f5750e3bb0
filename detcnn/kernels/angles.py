"""Azimuth modulo a full turn."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.kernels.compilation import compiled

TWO_PI = 2 * np.pi


def wrapped(angle: ArrayLike) -> NDArray[np.float64]:
    """Bring angles into [−π, π).

    Exact modulo the double nearest to 2π: an angle already in range comes back as it is, π gives
    −π, and nothing is lost for large angles. NaN and infinity give NaN.

    Parameters
    ----------
    angle : array_like
        In rad, of any shape.

    Returns
    -------
    numpy.ndarray
        float64, of the same shape; always a new array.
    """
    result = np.array(angle, dtype=np.float64)
    is_outside = ~((result >= -np.pi) & (result < np.pi))
    if is_outside.any():
        with np.errstate(invalid="ignore"):
            turn = np.fmod(result[is_outside], TWO_PI)
        # The remainder is exact, and so are these sums (Sterbenz's lemma).
        turn[turn >= np.pi] -= TWO_PI
        turn[turn < -np.pi] += TWO_PI
        result[is_outside] = turn
    return result


@compiled
def wrap(angle: float) -> float:
    """Return one angle of [−2π, 2π], such as the difference of two wrapped ones, in [−π, π).

    For use in kernels: without a remainder, a loop over it becomes a few vector instructions.
    """
    angle = angle - TWO_PI if angle >= np.pi else angle
    return angle + TWO_PI if angle < -np.pi else angle


@compiled
def turned(angle: float) -> float:
    """Return one finite angle of any turn in [−π, π), as exactly as `wrapped`; for kernels."""
    return wrap(np.fmod(angle, TWO_PI)) if not -np.pi <= angle < np.pi else angle
