"""Directions in space."""

import math

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]


@compiled
def deflected(direction: Floats, cosine: float, azimuth: float) -> Floats:
    """Return a unit vector at an angle to another.

    Parameters
    ----------
    direction : numpy.ndarray
        float64, shape (3,), of length 1.
    cosine : float
        Of the angle between the two.
    azimuth : float
        Where around the first one the second one lies [rad].
    """
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    a, b = sine * math.cos(azimuth), sine * math.sin(azimuth)
    x, y, z = direction[0], direction[1], direction[2]
    across = math.sqrt(x * x + y * y)
    found = np.empty(3)
    if across < 1e-9:
        found[0], found[1], found[2] = a, b, cosine * z
    else:
        found[0] = cosine * x + (a * x * z - b * y) / across
        found[1] = cosine * y + (a * y * z + b * x) / across
        found[2] = cosine * z - a * across
    normalise(found)
    return found


@compiled
def normalise(u: Floats) -> None:
    """Give a vector the length 1.

    Parameters
    ----------
    u : numpy.ndarray
        float64, shape (3,), not all 0; changed in place.
    """
    norm = math.sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])
    for axis in range(3):
        u[axis] /= norm
