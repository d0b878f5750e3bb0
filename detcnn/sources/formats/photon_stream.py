"""The photon stream of FACT: when every photon reached every pixel of a Cherenkov camera.

For each pixel there is a list of the slices of time in which a photon arrived, so that a camera of
n pixels gives n lists of any length. The name of the column says how long a slice is:
``PhotonArrivals_500ps`` (Ahnen et al., arXiv:1710.11429, and the readme of photon_stream).
"""

import re
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAME = re.compile(r"(.*/)?PhotonArrivals_(?P<picoseconds>\d{1,9})ps$")

PHOTONS, ARRIVAL = "photons", "arrival_time"


def slice_length(name: str) -> float | None:
    """Return how long a slice of a column of arrivals is [ns]; None if its name is another."""
    match = _NAME.match(name)
    return None if match is None else int(match["picoseconds"]) * 1e-3


def photons_and_times(
    arrivals: list[Any], slice_ns: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how many photons reached each pixel, and when in the mean.

    The mean, and not the median, so that pixels can be put together: the mean of all photons of
    several pixels is the mean of theirs, weighted with their photons.

    Parameters
    ----------
    arrivals : list
        For each pixel a list of slices, counted from 0.
    slice_ns : float
        Length of a slice [ns].

    Returns
    -------
    photons : numpy.ndarray
        float32, shape (n_pixels,).
    times : numpy.ndarray
        float32, shape (n_pixels,): mean of the beginnings of the slices [ns]; 0 without a photon.

    Raises
    ------
    ValueError
        If a pixel has no list, or a slice is no number from 0.
    """
    if not {type(pixel) for pixel in arrivals} <= {list}:
        raise ValueError("a pixel has no list of arrivals")
    counts = np.fromiter(map(len, arrivals), dtype=np.int64, count=len(arrivals))
    slices = list(chain.from_iterable(arrivals))
    if not {type(slice_) for slice_ in slices} <= {int, float}:
        raise ValueError("an arrival is no number")
    moments = np.array(slices, dtype=np.float64)
    if not (np.isfinite(moments) & (moments >= 0)).all():
        raise ValueError("an arrival is no slice counted from 0")
    pixel = np.repeat(np.arange(len(arrivals)), counts)
    sums = np.bincount(pixel, weights=moments, minlength=len(arrivals))
    times = sums / np.maximum(counts, 1) * slice_ns
    return counts.astype(np.float32), times.astype(np.float32)
