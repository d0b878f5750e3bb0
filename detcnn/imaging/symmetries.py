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
    change : callable
        From images of shape (n, channels, rows, columns), an amount and the grid to the changed
        images; raises `ConfigError` for an amount that cannot be.
    names : tuple of str
        What whole amounts from 0 on are called, where they are no quantity.
    """

    amount: str
    neutral: float
    amounts: Callable[[Grid], tuple[float, ...]]
    change: Callable[[Values, float, Grid], Values]
    names: tuple[str, ...] = ()


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
    if amount != round(amount):
        raise ConfigError(f"--amount {amount:g}: a shift is by whole pixels")
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
    if amount not in range(len(_MIRRORS)):
        raise ConfigError(
            f"--amount {amount:g}: expected "
            + ", ".join(f"{i} ({name})" for i, name in enumerate(_MIRRORS))
        )
    chosen = int(amount)
    rows, columns = np.full((2, len(values)), [[bool(chosen & 1)], [bool(chosen & 2)]])
    return warps.flip(values, rows, columns)


def _zoom(values: Values, amount: float, grid: Grid) -> Values:
    if amount <= 0:
        raise ConfigError(f"--amount {amount:g}: a factor is above 0")
    return warps.zoom(values, np.full(len(values), float(amount)))


def _whole_pixels(grid: Grid) -> tuple[float, ...]:
    reach = max(1, grid.columns.n_pixels // 4)
    steps = np.linspace(-reach, reach, 2 * _STEPS + 1)
    return tuple(float(step) for step in np.unique(np.round(steps).astype(int)))


def _rapidities(grid: Grid) -> tuple[float, ...]:
    reach = (grid.rows.high - grid.rows.low) / 4
    return tuple(np.round(np.linspace(-reach, reach, 2 * _STEPS + 1), 6).tolist())


_MIRRORS = ("as it is", "rows", "columns", "both")

SYMMETRIES: Mapping[str, Symmetry] = {
    "shift": Symmetry("shift along the columns [pixel]", 0.0, _whole_pixels, _shift),
    "rotate": Symmetry(
        "angle [degrees]",
        0.0,
        lambda grid: tuple(float(angle) for angle in range(-180, 181, 45)),
        _rotate,
    ),
    "mirror": Symmetry("mirrored", 0.0, lambda grid: (0.0, 1.0, 2.0, 3.0), _mirror, names=_MIRRORS),
    "zoom": Symmetry(
        "factor", 1.0, lambda grid: (0.5, 0.6, 0.7, 0.85, 1.0, 1.15, 1.4, 1.7, 2.0), _zoom
    ),
    "boost": Symmetry("boost: shift in rapidity", 0.0, _rapidities, _boost),
}
"""Name to change: moved along the columns (φ), turned about the centre, mirrored, enlarged, and
boosted along the beam, which moves what is in an image of η or rapidity by parts of a pixel along
its rows. What leaves the image is lost."""
