"""What a pixel is called that several particles left something in."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pixel_classes(seen: Floats, image: Floats, *, least: float) -> NDArray[np.uint8]:
    """Return what each pixel is mostly from.

    Parameters
    ----------
    seen : numpy.ndarray
        float64, shape (classes, views, *axes): what each class left, without noise.
    image : numpy.ndarray
        Shape (views, *axes): what was recorded.
    least : float
        Pixels with less than this from all classes together are background.

    Returns
    -------
    numpy.ndarray
        uint8, shape (views, *axes): 0 for background and where nothing was recorded, else 1 + the
        class that left most.
    """
    is_real = (image > 0.0) & (seen.sum(axis=0) >= least)
    return np.where(is_real, 1 + seen.argmax(axis=0), 0).astype(np.uint8)
