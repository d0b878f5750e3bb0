"""Blocks of pixels put together to one pixel each."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.imaging.transforms import Masks, Points, Values

DownsampleBy = Literal["sum", "mean", "max"]


@dataclass(frozen=True, slots=True)
class PixelBlocks:
    """Each block of pixels becomes one: a `detcnn.imaging.transforms.Transform`.

    The class of a block is that of its pixel with the largest absolute content, for that is what
    most of what is seen in the block comes from; of equal ones, the first. Where the block is
    empty it is the class that most of its pixels have; of equally many, the lowest number.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of a block; those of the images are multiples of them.
    by : {"sum", "mean", "max"}
        What becomes of the values of a block; added up in float64.
    content : numpy.ndarray
        float32, shape (B, channels, rows, columns): the images that masks go with. With a plane
        for each channel, a class goes by the content of its own channel; else by the sum of the
        absolute contents of all.
    """

    shape: tuple[int, int]
    by: DownsampleBy
    content: Values = field(repr=False)

    def images(self, values: Values) -> Values:
        """Return the images of blocks."""
        blocks = self._blocks(values)
        if self.by == "max":
            return np.asarray(blocks.max(axis=-1))
        sums = blocks.sum(axis=-1, dtype=np.float64)
        if self.by == "mean":
            sums /= blocks.shape[-1]
        return np.asarray(sums, dtype=np.float32)

    def masks(self, masks: Masks) -> Masks:
        """Return the class of each block."""
        blocks = self._blocks(masks)
        content = np.abs(self.content)
        if content.shape[1] != masks.shape[1]:
            content = content.sum(axis=1, keepdims=True, dtype=np.float64)
        contents = self._blocks(content)
        brightest = np.broadcast_to(contents.argmax(axis=-1), blocks.shape[:-1])
        classes = np.take_along_axis(blocks, brightest[..., np.newaxis], axis=-1)[..., 0]
        is_empty = np.broadcast_to(~contents.any(axis=-1), classes.shape)
        classes[is_empty] = _most_frequent(blocks[is_empty])
        return classes

    def points(self, points: Points) -> Points:
        """Return where points are among the blocks."""
        places: Points = (points + 0.5) / np.array(self.shape) - 0.5
        return places

    def _blocks(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the pixels of each block beside each other, as the last axis."""
        *front, n_rows, n_columns = pixels.shape
        rows, columns = self.shape
        apart = pixels.reshape(*front, n_rows // rows, rows, n_columns // columns, columns)
        together = apart.swapaxes(-3, -2)
        return together.reshape(*together.shape[:-2], rows * columns)


def _most_frequent(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent number along the last axis of two, of equal ones the lowest."""
    ordered = np.sort(numbers, axis=-1)
    found = ordered[:, 0].copy()
    longest = np.ones(len(ordered), dtype=np.int64)
    run = longest.copy()
    for k in range(1, ordered.shape[1]):
        run = np.where(ordered[:, k] == ordered[:, k - 1], run + 1, 1)
        is_longer = run > longest
        found[is_longer] = ordered[is_longer, k]
        longest = np.maximum(run, longest)
    return found
