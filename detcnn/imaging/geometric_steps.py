"""Image steps that move what is in images.

Each looks at the images, finds an amount for every one, and gives the
`detcnn.imaging.transforms.Transform` of the block, so that what is true of pixels, and points, go
with their images.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.imaging.downsampling import DownsampleBy, PixelBlocks
from detcnn.imaging.image_block import Floats, ImageBlock
from detcnn.imaging.step_options import check_choice, check_radius
from detcnn.imaging.transforms import Cut, Mirror, SplineTurn, Transform

RotateImageBy = Literal["principal_axis", "second_subjet"]
FlipImageAxis = Literal["rows", "columns", "both"]
FlipImageTowards = Literal["sum", "third_subjet"]

_ON_AXIS = 1e-9
_ISOTROPIC = 1e-9
"""Difference of squared widths, relative to their sum, below which there is no principal axis."""


class GeometricStep(ABC):
    """A step that moves what is in images of two axes."""

    __slots__ = ()

    fills: ClassVar[bool] = False
    """Whether it leaves so few pixels empty that pixel lists are of no more use."""

    @abstractmethod
    def transforms(self, block: ImageBlock) -> Iterator[Transform]:
        """Yield what happens to the images, one thing after the other.

        Parameters
        ----------
        block : ImageBlock
            What one transform does is done to it before the next one is asked for. Subjets are
            this method's own to move.

        Yields
        ------
        Transform
        """

    def grid_after(self, grid: Grid) -> Grid:
        """Return the grid that images have after the step.

        Raises
        ------
        ConfigError
            If the step cannot be done to images of that size.
        """
        return grid

    def __call__(self, block: ImageBlock) -> None:
        """Take images, and what is true of them, through the step."""
        grid = self.grid_after(block.grid)
        for transform in self.transforms(block):
            block.move(transform)
        block.grid = grid


@dataclass(frozen=True, slots=True)
class RotateImage(GeometricStep):
    """Turn each image about its centre, interpolating with a cubic spline.

    All channels turn together. Pixels beside a bright one swing below zero, and the images come
    out dense, see `detcnn.kernels.splines.rotate`.

    Parameters
    ----------
    by : str
        ``"principal_axis"``: the longer axis of the covariance of the pixels, seen from their
        mean, comes to lie along the columns' axis, the half with the larger sum at high columns.
        ``"second_subjet"``, for images of constituents: the second-hardest kT subjet of the
        aligned event comes to lie at −π/2, straight towards low columns; where there is only one,
        the principal axis of the image, with the larger sum at low columns (de Oliveira et al.,
        JHEP 07 (2016) 069).
    subjet_radius : float
        R of the subjets, above 0.

    Raises
    ------
    ConfigError
        If a value is not one of these.
    """

    by: RotateImageBy
    subjet_radius: float = 0.3

    fills: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("rotate by", self.by, RotateImageBy)
        check_radius(self.subjet_radius)

    def transforms(self, block: ImageBlock) -> Iterator[Transform]:
        """Yield turns, and then half turns of the images that came out upside down."""
        angle = np.pi / 2 - _principal_direction(block.intensity(), block.grid)
        by_axis = np.isfinite(angle)
        angle[~by_axis] = 0.0
        if self.by == "second_subjet":
            x, y = block.subjets[:, 1].T
            is_apart = np.hypot(x, y) > _ON_AXIS
            angle[is_apart] = -np.pi / 2 - np.arctan2(y, x)[is_apart]
            by_axis &= ~is_apart
        rows, columns = block.grid.rows, block.grid.columns
        shape = rows.n_pixels, columns.n_pixels
        yield SplineTurn(angle, shape, aspect=rows.pixel_width / columns.pixel_width)
        upwards = -1 if self.by == "second_subjet" else 1
        turn = by_axis & (upwards * _imbalance(block.intensity(), axis=2) < 0)
        yield Mirror(turn, turn, shape)
        x, y = block.subjets.transpose(2, 0, 1)
        angle = np.where(turn, angle + np.pi, angle)
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        block.subjets = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


@dataclass(frozen=True, slots=True)
class FlipImage(GeometricStep):
    """Mirror each image at its middle.

    Parameters
    ----------
    axis : str
        What is reversed: ``"rows"``, ``"columns"``, or ``"both"``, each by itself.
    towards : str
        What is to lie in the half of high rows or columns: ``"sum"``, the larger sum of pixels,
        a middle row or column belonging to neither half; ``"third_subjet"``, for images of
        constituents, the third-hardest kT subjet, and the larger sum where there are only two.
    subjet_radius : float
        R of the subjets, above 0.

    Raises
    ------
    ConfigError
        If a value is not one of these.
    """

    axis: FlipImageAxis
    towards: FlipImageTowards = "sum"
    subjet_radius: float = 0.3

    def __post_init__(self) -> None:
        check_choice("flip axis", self.axis, FlipImageAxis)
        check_choice("flip towards", self.towards, FlipImageTowards)
        check_radius(self.subjet_radius)

    def transforms(self, block: ImageBlock) -> Iterator[Transform]:
        """Yield reversals of the rows, and then of the columns of what came of them."""
        shape = block.grid.rows.n_pixels, block.grid.columns.n_pixels
        for which, name in enumerate(("rows", "columns")):
            if self.axis not in (name, "both"):
                continue
            is_low = _imbalance(block.intensity(), axis=1 + which) < 0
            if self.towards == "third_subjet":
                side = block.subjets[:, 2, which]
                is_low = np.where(np.isnan(side), is_low, side < -_ON_AXIS)
            stays = np.zeros_like(is_low)
            yield Mirror(is_low, stays, shape) if which == 0 else Mirror(stays, is_low, shape)
            block.subjets = block.subjets.copy()
            block.subjets[is_low, :, which] *= -1


@dataclass(frozen=True, slots=True)
class Crop(GeometricStep):
    """Cut out the middle of each image.

    The middle pixel stays the middle one: of n pixels, ⌊n/2⌋ becomes ⌊m/2⌋ of the m that remain.

    Parameters
    ----------
    rows, columns : int
        Size that remains, from 1 to the image's own.
    """

    rows: int
    columns: int

    def grid_after(self, grid: Grid) -> Grid:
        """Return the grid of what remains.

        Raises
        ------
        ConfigError
            If that is more than there is.
        """
        n_rows, n_columns = grid.shape
        if not (1 <= self.rows <= n_rows and 1 <= self.columns <= n_columns):
            raise ConfigError(
                f"image_steps: crop to {self.rows}x{self.columns} pixels: "
                f"the image has {n_rows}x{n_columns}"
            )
        return Grid(_middle(grid.rows, self.rows), _middle(grid.columns, self.columns))

    def transforms(self, block: ImageBlock) -> Iterator[Transform]:
        """Yield the window, which is the same for all."""
        rows, columns = block.grid.rows, block.grid.columns
        first = _start(rows.n_pixels, self.rows), _start(columns.n_pixels, self.columns)
        yield Cut(first, (self.rows, self.columns))
        # Subjets are where they are seen from the middle of the image.
        moved = np.subtract(_centre(self.grid_after(block.grid)), _centre(block.grid))
        block.subjets = block.subjets - moved


@dataclass(frozen=True, slots=True)
class Downsample(GeometricStep):
    """Put blocks of pixels together, in every channel, see `PixelBlocks`.

    Parameters
    ----------
    rows, columns : int
        Of a block, at least 1.
    by : {"sum", "mean", "max"}
        What a block becomes: a sum conserves the charge of an image, to the rounding of float32.

    Raises
    ------
    ConfigError
        If a block has no pixel, or `by` is not one of these.
    """

    rows: int
    columns: int
    by: DownsampleBy = "sum"

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise ConfigError(
                f"downsample blocks of {self.rows}x{self.columns} pixels, expected at least 1x1"
            )
        check_choice("downsample by", self.by, DownsampleBy)

    def grid_after(self, grid: Grid) -> Grid:
        """Return the grid of the blocks, between the same edges.

        Raises
        ------
        ConfigError
            If the image is not made of whole blocks.
        """
        sizes = [(grid.rows, self.rows), (grid.columns, self.columns)]
        if any(axis.n_pixels % size for axis, size in sizes):
            n_rows, n_columns = grid.shape
            fits = [axis.n_pixels // size * size for axis, size in sizes]
            advice = f"crop it to {fits[0]}x{fits[1]} first" if all(fits) else "take smaller blocks"
            raise ConfigError(
                f"image_steps: downsample blocks of {self.rows}x{self.columns} pixels: the image "
                f"has {n_rows}x{n_columns}, which they do not fill: {advice}"
            )
        return Grid(
            *(
                Axis(axis.name, axis.n_pixels // size, axis.low, axis.high, axis.unit)
                for axis, size in sizes
            )
        )

    def transforms(self, block: ImageBlock) -> Iterator[Transform]:
        """Yield the blocks."""
        yield PixelBlocks((self.rows, self.columns), self.by, content=block.values)


def _principal_direction(intensity: Floats, grid: Grid) -> Floats:
    """Return the angle of each image's longer axis, from rows to columns; NaN without one."""
    x, y = grid.rows.centres, grid.columns.centres
    weight = np.clip(intensity, 0, None)
    total = weight.sum(axis=(1, 2))
    weight = weight / np.where(total > 0, total, 1)[:, None, None]
    # No matrix products: their last digits depend on the number of threads.
    by_row, by_column = weight.sum(axis=2), weight.sum(axis=1)
    mean_x, mean_y = (by_row * x).sum(axis=1), (by_column * y).sum(axis=1)
    xx = (by_row * x**2).sum(axis=1) - mean_x**2
    yy = (by_column * y**2).sum(axis=1) - mean_y**2
    xy = ((weight * y).sum(axis=2) * x).sum(axis=1) - mean_x * mean_y
    is_isotropic = np.hypot(xx - yy, 2 * xy) <= _ISOTROPIC * (xx + yy)
    return np.where(is_isotropic, np.nan, 0.5 * np.arctan2(2 * xy, xx - yy))


def _imbalance(intensity: Floats, *, axis: int) -> Floats:
    """Return the sum over high pixels along an axis less that over low ones, for each image."""
    along = intensity.sum(axis=3 - axis)
    half = along.shape[1] // 2
    return np.asarray(along[:, along.shape[1] - half :].sum(axis=1) - along[:, :half].sum(axis=1))


def _middle(axis: Axis, n_pixels: int) -> Axis:
    start = _start(axis.n_pixels, n_pixels)
    low, high = axis.edges[[start, start + n_pixels]]
    return Axis(axis.name, n_pixels, float(low), float(high), axis.unit)


def _start(n_pixels: int, n_kept: int) -> int:
    return n_pixels // 2 - n_kept // 2


def _centre(grid: Grid) -> tuple[float, float]:
    return (grid.rows.low + grid.rows.high) / 2, (grid.columns.low + grid.columns.high) / 2
