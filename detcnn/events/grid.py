"""The pixel grid an event is projected onto."""

from dataclasses import dataclass

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
    def edges(self) -> NDArray[np.float64]:
        """The ``n_pixels + 1`` edges, in `unit`."""
        return np.linspace(self.low, self.high, self.n_pixels + 1)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The ``n_pixels`` pixel centres, in `unit`."""
        return (self.edges[:-1] + self.edges[1:]) / 2


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows and columns of an image; ``image[channel, row, column]``.

    For jets the rows are η (or rapidity) and the columns φ, both relative to the image centre.
    """

    rows: Axis
    columns: Axis

    @property
    def is_picture(self) -> bool:
        """Whether rows and columns are those of a picture, and measure nothing."""
        return (self.rows.name, self.columns.name) == ("row", "column")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.rows.n_pixels, self.columns.n_pixels

    @property
    def n_pixels(self) -> int:
        """Number of pixels of one channel."""
        return self.rows.n_pixels * self.columns.n_pixels
