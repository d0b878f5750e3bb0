"""Image steps that change the values of pixels where they are.

What is true of pixels stays as it is, in its own units.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detcnn.errors import ConfigError
from detcnn.imaging.image_block import ImageBlock
from detcnn.imaging.step_options import check_choice
from detcnn.imaging.transforms import Values

ImageNorm = Literal["l1", "l2", "max"]
PixelScale = Literal["log1p", "sqrt", "asinh"]


class ValueStep(ABC):
    """A step that changes the values of pixels; an empty one stays empty."""

    __slots__ = ()

    @abstractmethod
    def changed(self, block: ImageBlock) -> Values:
        """Return the images with their new values; the block stays as it is."""

    def __call__(self, block: ImageBlock) -> None:
        """Take images through the step."""
        block.values = self.changed(block)


@dataclass(frozen=True, slots=True)
class NormaliseImage(ValueStep):
    """Divide the channels that hold momenta or energies together by one number for each image.

    Counts and charges are left alone; of ready images, all channels are divided.

    Parameters
    ----------
    by : str
        Of the absolute values of all these pixels: ``"l1"``, the sum; ``"l2"``, the root of the
        sum of squares, so that the squares add up to 1; ``"max"``, the largest.

    Raises
    ------
    ConfigError
        If `by` is not one of these.
    """

    by: ImageNorm

    def __post_init__(self) -> None:
        check_choice("normalise by", self.by, ImageNorm)

    def changed(self, block: ImageBlock) -> Values:
        """Return the images, divided."""
        pixels = np.abs(block.values[:, block.is_normalised].astype(np.float64))
        all_axes = tuple(range(1, pixels.ndim))
        if self.by == "l1":
            norm = pixels.sum(axis=all_axes)
        elif self.by == "l2":
            norm = np.sqrt((pixels**2).sum(axis=all_axes))
        else:
            norm = pixels.max(axis=all_axes, initial=0.0)
        norm[norm == 0] = 1.0
        divisor = np.where(block.is_normalised, norm[:, None], 1.0)
        return np.asarray(block.values / block.by_channel(divisor), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class ScalePixels(ValueStep):
    """Compress every pixel of every channel, keeping its sign: log(1 + I), √I or asinh(I / unit).

    Parameters
    ----------
    by : str
        ``"log1p"``, ``"sqrt"``, or ``"asinh"``, which is linear below the unit, where noise is, and
        logarithmic above (Lupton, Gunn & Szalay, AJ 118 (1999) 1406, arXiv:astro-ph/9903081).
    unit : float, optional
        Of ``"asinh"``, and only of it: where the line bends, in the units that the images have by
        then; above 0.

    Raises
    ------
    ConfigError
        If `by` is not one of these, or the unit does not go with it.
    """

    by: PixelScale
    unit: float | None = None

    def __post_init__(self) -> None:
        check_choice("scale by", self.by, PixelScale)
        if self.by != "asinh" and self.unit is not None:
            raise ConfigError(f"scale unit: {self.unit:g}, but {self.by} has none: leave it out")
        if self.by == "asinh" and not (self.unit is not None and 0 < self.unit < np.inf):
            raise ConfigError(
                f"scale unit: {self.unit}, expected a number above 0 for asinh: the size of the "
                "noise, say"
            )

    def changed(self, block: ImageBlock) -> Values:
        """Return the images, compressed."""
        if self.unit is not None:
            return np.asarray(np.arcsinh(block.values / np.float32(self.unit)))
        scale = np.log1p if self.by == "log1p" else np.sqrt
        return np.copysign(scale(np.abs(block.values)), block.values)


@dataclass(frozen=True, slots=True)
class Threshold(ValueStep):
    """Empty the pixels that are not above a threshold, of the channels that hold momenta.

    Channels as in `NormaliseImage`: counts and charges are left alone.

    Parameters
    ----------
    above : float
        A pixel of absolute value up to this becomes 0, in the units that the images have by then;
        above 0.

    Raises
    ------
    ConfigError
        If the threshold is not above 0.
    """

    above: float

    def __post_init__(self) -> None:
        if not 0 < self.above < np.inf:
            raise ConfigError(f"threshold above: {self.above}, expected a number above 0")

    def changed(self, block: ImageBlock) -> Values:
        """Return the images without their faint pixels."""
        is_faint = block.by_channel(block.is_normalised) & (np.abs(block.values) <= self.above)
        return np.where(is_faint, np.float32(0), block.values)
