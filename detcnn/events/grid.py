"""The pixel grid an event is projected onto."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image: equal pixels over [low, high).

    Parameters
    ----------
    name : str
        What the axis measures: ``"eta"``, ``"rapidity"``, ``"phi"``, ``"wire"`` ...
    n_pixels : int
        Number of pixels, at least 1.
    low, high : float
        Outer edges, in `unit`; ``low < high``. Pixels are half-open, [low, high).
    unit : str
        ``"1"`` for a pure number.

    Raises
    ------
    ConfigError
        If the axis has no pixel, no width, or an edge that is not finite.
    """

    name: str
    n_pixels: int
    low: float
    high: float
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.n_pixels < 1:
            raise ConfigError(f"axis {self.name!r}: {self.n_pixels} pixels, expected at least 1")
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ConfigError(
                f"axis {self.name!r}: edges {self.low} and {self.high}, expected low < high"
            )

    @property
    def pixel_width(self) -> float:
        """Width of one pixel, in `unit`."""
        return (self.high - self.low) / self.n_pixels

    @property
    def is_full_turn(self) -> bool:
        """Whether the last pixel is beside the first: φ, once round to within half a pixel."""
        missing = abs(self.high - self.low - 2 * np.pi)
        return self.name == "phi" and self.unit == "rad" and missing < self.pixel_width / 2

    @property
    def edges(self) -> NDArray[np.float64]:
        """The ``n_pixels + 1`` edges, in `unit`."""
        return np.linspace(self.low, self.high, self.n_pixels + 1)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The ``n_pixels`` pixel centres, in `unit`."""
        return (self.edges[:-1] + self.edges[1:]) / 2


_ONE_ROW = Axis("row", 1, 0.0, 1.0, unit="pixel")

PICTURE = ("layer", "row", "column")
"""What the axes of an image are called that measure nothing; one of fewer axes has the last."""


@dataclass(frozen=True, slots=True, init=False)
class Grid:
    """The axes of an image: rows and columns, one axis (a waveform) or three (a volume).

    For jets the rows are η (or rapidity) and the columns φ, both relative to the image centre.

    Parameters
    ----------
    *axes : Axis
        One to three, the one that runs fastest last; ``image[channel, row, column]`` for two.

    Raises
    ------
    ConfigError
        If there are none, or more than three.
    """

    axes: tuple[Axis, ...]

    def __init__(self, *axes: Axis) -> None:
        if not 1 <= len(axes) <= 3:
            raise ConfigError(f"an image of {len(axes)} axes, expected 1 to 3")
        object.__setattr__(self, "axes", axes)

    @property
    def rows(self) -> Axis:
        """The last axis but one; for a waveform one that is a single pixel."""
        return self.axes[-2] if len(self.axes) > 1 else _ONE_ROW

    @property
    def columns(self) -> Axis:
        """The last axis."""
        return self.axes[-1]

    @property
    def picture(self) -> "Grid":
        """Rows and columns alone: what is looked at of a waveform, or of one layer of a volume."""
        return Grid(self.rows, self.columns)

    @property
    def is_picture(self) -> bool:
        """Whether it is looked at with its rows going down: a picture or a waveform."""
        is_waveform = self.rows == _ONE_ROW
        return is_waveform or (self.rows.name, self.columns.name) == PICTURE[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of pixels along each axis."""
        return tuple(axis.n_pixels for axis in self.axes)

    @property
    def n_pixels(self) -> int:
        """Number of pixels of one channel."""
        return prod(self.shape)
