"""Where the rows and columns of images go when images are mirrored or moved by whole pixels.

Any number of such changes in a row is again a mirroring and a move, of what has not left the image
on the way. So they need not be made one after the other, and pixel lists need not become dense
images first: a pixel is looked up once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Axis = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moves:
    """What happens to each image of a batch.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        int64, shape (4, B), the lines being sign, start, first and stop: what is at place ``i`` of
        the axis goes to ``sign * i + start`` if ``first <= i < stop``, and is lost otherwise.
    shape : tuple of int
        (rows, columns) of an image.
    """

    rows: Axis
    columns: Axis
    shape: tuple[int, int]

    @property
    def n_images(self) -> int:
        """Number of images, B."""
        return int(self.rows.shape[1])

    def then_shift(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> "Moves":
        """Return these moves followed by those of `detcnn.kernels.warps.shift`."""
        return Moves(
            rows=_shifted(self.rows, rows, self.shape[0]),
            columns=_shifted(self.columns, columns, self.shape[1]),
            shape=self.shape,
        )

    def then_flip(self, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> "Moves":
        """Return these moves followed by those of `detcnn.kernels.warps.flip`."""
        return Moves(
            rows=_flipped(self.rows, rows, self.shape[0]),
            columns=_flipped(self.columns, columns, self.shape[1]),
            shape=self.shape,
        )


def unmoved(n_images: int, shape: tuple[int, int]) -> Moves:
    """Return the moves that leave images of `shape`, (rows, columns), as they are."""
    axes = np.zeros((2, 4, n_images), dtype=np.int64)
    axes[:, 0] = 1
    axes[:, 3] = np.array(shape)[:, np.newaxis]
    return Moves(rows=axes[0], columns=axes[1], shape=shape)


@compiled
def _shifted(axis: Axis, by: NDArray[np.int64], n: int) -> Axis:
    moved = axis.copy()
    for i in range(len(by)):
        sign, start = axis[0, i], axis[1, i]
        # By more than the whole image is by the whole image; without a risk of overflow.
        start += min(max(by[i], -n), n)
        # From here on, sign * place + start runs through 0 to n - 1.
        entering = -start if sign > 0 else start - n + 1
        moved[1, i] = start
        moved[2, i] = max(axis[2, i], entering)
        moved[3, i] = min(axis[3, i], entering + n)
    return moved


@compiled
def _flipped(axis: Axis, chosen: NDArray[np.bool_], n: int) -> Axis:
    moved = axis.copy()
    for i in range(len(chosen)):
        if chosen[i]:
            moved[0, i] = -axis[0, i]
            moved[1, i] = n - 1 - axis[1, i]
    return moved
