"""Changes of an image that may leave its class alone, by a given amount.

Each is a deterministic operation, made by the same amount of all images; what augmentation draws at
random is in `detcnn.imaging.augmentation`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.grid import Grid
from detcnn.kernels import warps

Values = NDArray[np.float32]

_LONGITUDINAL = ("eta", "rapidity")
_STEPS = 4
"""Amounts on either side of none."""


@dataclass(frozen=True, slots=True)
class Symmetry:
    """One kind of change.

    Parameters
    ----------
    amount : str
        What its amount is, with its unit, for an axis label; the unit is that of the grid where
        there is one.
    neutral : float
        The amount that changes nothing.
    amounts : callable
        From the grid to amounts that are worth looking at.
    limits : callable
        From the grid to the lowest and the highest amount: beyond them nothing of an image is left.
    move : callable
        From images of shape (n, channels, rows, columns), an amount and the grid to the changed
        images.
    is_whole : bool
        Only whole amounts can be.
    names : tuple of str
        What whole amounts from 0 on are called, where they are no quantity.
    """

    amount: str
    neutral: float
    amounts: Callable[[Grid], tuple[float, ...]]
    limits: Callable[[Grid], tuple[float, float]]
    move: Callable[[Values, float, Grid], Values]
    is_whole: bool = False
    names: tuple[str, ...] = ()

    def check(self, amount: float, grid: Grid) -> None:
        """Raise if images of a grid cannot be changed by an amount.

        Raises
        ------
        ConfigError
            Naming the amount and the range.
        """
        # As they are told, so that what is told can be given.
        low, high = (float(f"{limit:g}") for limit in self.limits(grid))
        is_inside = low <= amount <= high
        if is_inside and not (self.is_whole and amount != round(amount)):
            return
        told = f"{low:g} to {high:g}"
        if self.names:
            told = ", ".join(f"{i} ({name})" for i, name in enumerate(self.names))
        whole = "a whole number, " if self.is_whole and not self.names else ""
        raise ConfigError(
            f"--amount {amount:g}: expected {whole}{told} for these images: {self.amount}"
        )

    def change(self, values: Values, amount: float, grid: Grid) -> Values:
        """Return images, shape (n, channels, rows, columns), changed by an amount.

        Raises
        ------
        ConfigError
            As `check` does.
        """
        self.check(amount, grid)
        return self.move(values, amount, grid)


def symmetry(name: str, grid: Grid) -> Symmetry:
    """Return a symmetry that images of a grid can have.

    Raises
    ------
    ConfigError
        If there is none of that name, or the axes are others than it needs.
    """
    if name not in SYMMETRIES:
        raise ConfigError(f"--symmetry {name}: expected one of {', '.join(SYMMETRIES)}")
    if name == "boost" and grid.rows.name not in _LONGITUDINAL:
        raise ConfigError(
            f"--symmetry boost: the rows of these images are {grid.rows.name!r}, expected "
            f"{' or '.join(_LONGITUDINAL)}: a boost along the beam adds to the rapidity"
        )
    return SYMMETRIES[name]


def _shift(values: Values, amount: float, grid: Grid) -> Values:
    if grid.columns.is_full_turn:
        return np.roll(values, int(amount), axis=-1)
    n = len(values)
    return warps.shift(values, np.zeros(n, dtype=np.int64), np.full(n, int(amount)))


def _boost(values: Values, amount: float, grid: Grid) -> Values:
    # A pixel of the result is read where its content comes from.
    offsets = np.zeros((len(values), 2))
    offsets[:, 0] = -amount / grid.rows.pixel_width
    unit = np.broadcast_to(np.eye(2), (len(values), 2, 2))
    return warps.affine(values, unit, offsets=offsets)


def _rotate(values: Values, amount: float, grid: Grid) -> Values:
    aspect = grid.rows.pixel_width / grid.columns.pixel_width
    return warps.rotate(values, np.full(len(values), np.deg2rad(amount)), aspect=aspect)


def _mirror(values: Values, amount: float, grid: Grid) -> Values:
    chosen = int(amount)
    rows, columns = np.full((2, len(values)), [[bool(chosen & 1)], [bool(chosen & 2)]])
    return warps.flip(values, rows, columns)


def _zoom(values: Values, amount: float, grid: Grid) -> Values:
    return warps.zoom(values, np.full(len(values), float(amount)))


def _whole_pixels(grid: Grid) -> tuple[float, ...]:
    reach = max(1, grid.columns.n_pixels // 4)
    steps = np.linspace(-reach, reach, 2 * _STEPS + 1)
    return tuple(float(step) for step in np.unique(np.round(steps).astype(int)))


def _rapidities(grid: Grid) -> tuple[float, ...]:
    reach = (grid.rows.high - grid.rows.low) / 4
    return tuple(np.round(np.linspace(-reach, reach, 2 * _STEPS + 1), 6).tolist())


def _factors(grid: Grid) -> tuple[float, float]:
    # A waveform of one pixel can still be shown the usual amounts.
    most = max(2, grid.columns.n_pixels)
    return 1 / most, most


_MIRRORS = ("as it is", "rows", "columns", "both")

SYMMETRIES: Mapping[str, Symmetry] = {
    "shift": Symmetry(
        "shift along the columns [pixel]",
        0.0,
        _whole_pixels,
        lambda grid: (-grid.columns.n_pixels, grid.columns.n_pixels),
        _shift,
        is_whole=True,
    ),
    "rotate": Symmetry(
        "angle [degrees]",
        0.0,
        lambda grid: tuple(float(angle) for angle in range(-180, 181, 45)),
        lambda grid: (-360, 360),
        _rotate,
    ),
    "mirror": Symmetry(
        "mirrored",
        0.0,
        lambda grid: (0.0, 1.0, 2.0, 3.0),
        lambda grid: (0, 3),
        _mirror,
        is_whole=True,
        names=_MIRRORS,
    ),
    "zoom": Symmetry(
        "factor",
        1.0,
        lambda grid: (0.5, 0.6, 0.7, 0.85, 1.0, 1.15, 1.4, 1.7, 2.0),
        _factors,
        _zoom,
    ),
    "boost": Symmetry(
        "boost: shift in rapidity",
        0.0,
        _rapidities,
        lambda grid: (grid.rows.low - grid.rows.high, grid.rows.high - grid.rows.low),
        _boost,
    ),
}
"""Name to change: moved along the columns (φ), turned about the centre, mirrored, enlarged, and
boosted along the beam, which moves what is in an image of η or rapidity by parts of a pixel along
its rows. What leaves the image is lost, but what a shift moves across the end of a full turn of φ
comes in at its beginning."""
