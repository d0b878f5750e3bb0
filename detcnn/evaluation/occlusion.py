"""Where in the image a score comes from: what it becomes when parts of the image are emptied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class OcclusionMaps:
    """Mean change of the scores when a patch around a pixel is emptied, by true class.

    Parameters
    ----------
    mean, error : numpy.ndarray
        float64, shape (n_classes, n_scores, rows, columns): mean over the images of a true class
        of score(emptied) − score(as it is), for each score, and its standard error. Where emptying
        lowers a score, what is there speaks for that class. The mean is NaN for a class without
        images, the error also for one with a single image.
    n_images : numpy.ndarray
        int64, shape (n_classes,).

    Notes
    -----
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks",
    arXiv:1311.2901, section 4.2.
    """

    mean: NDArray[np.float64]
    error: NDArray[np.float64]
    n_images: NDArray[np.int64]


class OcclusionSums:
    """Adds up the changes of images, one by one, towards their means.

    Parameters
    ----------
    n_classes : int
        Number of true classes.
    shape : tuple of int
        (scores, rows, columns) of the changes of one image.
    """

    def __init__(self, n_classes: int, shape: tuple[int, ...]) -> None:
        self._n_images = np.zeros(n_classes, dtype=np.int64)
        self._mean = np.zeros((n_classes, *shape))
        self._squares = np.zeros((n_classes, *shape))

    def add(self, change: NDArray[np.floating[Any]], label: int) -> None:
        """Take in the changes of an image of class `label`."""
        # By Welford's recurrence, which loses no digits where all changes are alike.
        self._n_images[label] += 1
        before = change - self._mean[label]
        self._mean[label] += before / self._n_images[label]
        self._squares[label] += before * (change - self._mean[label])

    def maps(self) -> OcclusionMaps:
        """Return the means of all that was taken in."""
        n = self._n_images.reshape(-1, 1, 1, 1)
        pairs = n * (n - 1)
        return OcclusionMaps(
            mean=np.where(n > 0, self._mean, np.nan),
            error=np.where(
                pairs > 0, np.sqrt(np.clip(self._squares, 0, None) / np.maximum(pairs, 1)), np.nan
            ),
            n_images=self._n_images.copy(),
        )


def occlusion_table(maps: OcclusionMaps) -> dict[str, NDArray[Any]]:
    """Return maps as columns of equal length, one row for each true class and pixel.

    Returns
    -------
    dict
        ``label``, ``row``, ``column``, ``n_images``, and for each score ``mean_<class index>`` and
        ``error_<class index>``.
    """
    n_classes, n_scores, rows, columns = maps.mean.shape
    label, row, column = np.indices((n_classes, rows, columns)).reshape(3, -1)
    table: dict[str, NDArray[Any]] = {
        "label": label,
        "row": row,
        "column": column,
        "n_images": maps.n_images[label],
    }
    for name, values in (("mean", maps.mean), ("error", maps.error)):
        table |= {f"{name}_{i}": values[:, i].ravel() for i in range(n_scores)}
    return table


def occlusion_from_table(table: Mapping[str, NDArray[Any]]) -> OcclusionMaps:
    """Return the maps that `occlusion_table` wrote down.

    Raises
    ------
    DataError
        If the table is another one.
    """
    try:
        shape = tuple(int(table[name].max()) + 1 for name in ("label", "row", "column"))
        n_scores = sum(name.startswith("mean_") for name in table)
        mean, error = (
            np.stack([table[f"{name}_{i}"].reshape(shape) for i in range(n_scores)], axis=1)
            for name in ("mean", "error")
        )
        return OcclusionMaps(mean, error, table["n_images"].reshape(shape)[:, 0, 0])
    except (KeyError, ValueError) as reason:
        raise DataError("the table of occlusion maps is not one: make the scores again") from reason
