"""The steps that change images once they are pixels, projected or ready-made, and their order.

Every step makes new images; those given stay as they are. An image without any content, and one
that a step has no direction or no number for, passes through unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, Images, SparseImages, as_dense, as_sparse, concatenate
from detcnn.kernels import splines

RotateImageBy = Literal["principal_axis", "second_subjet"]
FlipImageTowards = Literal["sum", "third_subjet"]
ImageNorm = Literal["l1", "l2", "max"]
PixelScale = Literal["log1p", "sqrt"]

Values = NDArray[np.float32]
Floats = NDArray[np.float64]

_VALUES_AT_ONCE = 1 << 23
"""Bounds the scratch; results do not depend on it."""

_ON_AXIS = 1e-9
_ISOTROPIC = 1e-9
"""Difference of squared widths, relative to their sum, below which there is no principal axis."""


@dataclass(frozen=True, slots=True)
class RotateImage:
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

    def __post_init__(self) -> None:
        _check_choice("rotate by", self.by, RotateImageBy)
        _check_radius(self.subjet_radius)


@dataclass(frozen=True, slots=True)
class FlipImage:
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

    axis: Literal["rows", "columns", "both"]
    towards: FlipImageTowards = "sum"
    subjet_radius: float = 0.3

    def __post_init__(self) -> None:
        _check_choice("flip axis", self.axis, Literal["rows", "columns", "both"])
        _check_choice("flip towards", self.towards, FlipImageTowards)
        _check_radius(self.subjet_radius)


@dataclass(frozen=True, slots=True)
class NormaliseImage:
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
        _check_choice("normalise by", self.by, ImageNorm)


@dataclass(frozen=True, slots=True)
class ScalePixels:
    """Compress every pixel of every channel: log(1 + I) or √I, of |I| with the sign of I.

    Parameters
    ----------
    by : str
        ``"log1p"`` or ``"sqrt"``.

    Raises
    ------
    ConfigError
        If `by` is not one of these.
    """

    by: PixelScale

    def __post_init__(self) -> None:
        _check_choice("scale by", self.by, PixelScale)


@dataclass(frozen=True, slots=True)
class Crop:
    """Cut out the middle of each image.

    The middle pixel stays the middle one: of n pixels, ⌊n/2⌋ becomes ⌊m/2⌋ of the m that remain.

    Parameters
    ----------
    rows, columns : int
        Size that remains, from 1 to the image's own.
    """

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Threshold:
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


ImageStep = RotateImage | FlipImage | NormaliseImage | ScalePixels | Crop | Threshold


def apply_image_steps(
    images: Images,
    steps: Sequence[ImageStep],
    *,
    grid: Grid,
    is_normalised: NDArray[np.bool_],
    subjets: Floats | None = None,
) -> Images:
    """Take images through steps, in the order given.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Left as they are.
    steps : sequence of ImageStep
        May be empty.
    grid : Grid
        Of the images; turns are by angles in its units.
    is_normalised : numpy.ndarray
        bool, shape (channels,): those that `NormaliseImage` and `Threshold` act on. They also
        decide where an image turns and flips to, or all channels if there is none.
    subjets : numpy.ndarray, optional
        float64, shape (n_images, 3, 2): coordinates of the hardest subjets on the rows' and the
        columns' axis, NaN where there are fewer; for steps that go by subjets.

    Returns
    -------
    SparseImages or DenseImages
        Sparse if `images` are and nothing rotates them.

    Raises
    ------
    ConfigError
        If a crop is larger than the image.
    """
    if not steps:
        return images
    is_sparse = isinstance(images, SparseImages)
    is_sparse = is_sparse and not any(isinstance(step, RotateImage) for step in steps)
    at_once = max(1, _VALUES_AT_ONCE // int(np.prod(images.shape)))
    blocks: list[Values] = []
    sparse: list[SparseImages] = []
    for start in range(0, max(images.n_images, 1), at_once):
        stop = min(start + at_once, images.n_images)
        block = _Block(
            values=as_dense(images.slice(start, stop)).values,
            grid=grid,
            is_normalised=is_normalised,
            subjets=np.full((stop - start, 3, 2), np.nan)
            if subjets is None
            else subjets[start:stop].copy(),
        )
        for step in steps:
            block.take(step)
        if is_sparse:
            sparse.append(as_sparse(DenseImages(block.values)))
        else:
            blocks.append(block.values)
    return concatenate(sparse) if is_sparse else DenseImages(np.concatenate(blocks))


def grid_after(grid: Grid, steps: Sequence[ImageStep]) -> Grid:
    """Return the grid that images have after the steps.

    Raises
    ------
    ConfigError
        If a crop is larger than the image.
    """
    for step in steps:
        if isinstance(step, Crop):
            n_rows, n_columns = grid.shape
            if not (1 <= step.rows <= n_rows and 1 <= step.columns <= n_columns):
                raise ConfigError(
                    f"image_steps: crop to {step.rows}x{step.columns} pixels: "
                    f"the image has {n_rows}x{n_columns}"
                )
            grid = Grid(_middle(grid.rows, step.rows), _middle(grid.columns, step.columns))
    return grid


def radius_of_subjets(steps: Sequence[ImageStep]) -> float | None:
    """Return the R of the subjets that the steps go by, None if they go by none.

    Raises
    ------
    ConfigError
        If two steps differ in it.
    """
    radii = {
        step.subjet_radius
        for step in steps
        if (isinstance(step, RotateImage) and step.by == "second_subjet")
        or (isinstance(step, FlipImage) and step.towards == "third_subjet")
    }
    if len(radii) > 1:
        given = ", ".join(f"{radius:g}" for radius in sorted(radii))
        raise ConfigError(f"image_steps: subjet_radius is {given}: give all steps the same")
    return radii.pop() if radii else None


@dataclass(slots=True)
class _Block:
    """Images on their way through the steps, and where their subjets are by now."""

    values: Values
    grid: Grid
    is_normalised: NDArray[np.bool_]
    subjets: Floats

    def take(self, step: ImageStep) -> None:
        match step:
            case RotateImage():
                self._rotate(step)
            case FlipImage():
                self._flip(step)
            case NormaliseImage():
                self._normalise(step)
            case ScalePixels(by):
                scale = np.log1p if by == "log1p" else np.sqrt
                self.values = np.copysign(scale(np.abs(self.values)), self.values)
            case Crop():
                self._crop(step)
            case Threshold(above):
                is_faint = self._by_channel(self.is_normalised) & (np.abs(self.values) <= above)
                self.values = np.where(is_faint, np.float32(0), self.values)

    def _by_channel(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values, the channels their last axis, such that they go with the images."""
        return values.reshape(*values.shape, *[1] * (self.values.ndim - 2))

    def _intensity(self) -> Floats:
        channels = self.is_normalised if self.is_normalised.any() else ~self.is_normalised
        return np.asarray(self.values[:, channels].sum(axis=1, dtype=np.float64))

    def _rotate(self, step: RotateImage) -> None:
        angle = np.pi / 2 - _principal_direction(self._intensity(), self.grid)
        by_axis = np.isfinite(angle)
        angle[~by_axis] = 0.0
        if step.by == "second_subjet":
            x, y = self.subjets[:, 1].T
            is_apart = np.hypot(x, y) > _ON_AXIS
            angle[is_apart] = -np.pi / 2 - np.arctan2(y, x)[is_apart]
            by_axis &= ~is_apart
        aspect = self.grid.rows.pixel_width / self.grid.columns.pixel_width
        self.values = splines.rotate(self.values, angle, aspect=aspect)
        upwards = -1 if step.by == "second_subjet" else 1
        turn = by_axis & (upwards * _imbalance(self._intensity(), axis=2) < 0)
        self.values[turn] = self.values[turn][:, :, ::-1, ::-1]
        angle[turn] += np.pi
        x, y = self.subjets.transpose(2, 0, 1)
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        self.subjets = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)

    def _flip(self, step: FlipImage) -> None:
        for which, name in enumerate(("rows", "columns")):
            if step.axis not in (name, "both"):
                continue
            is_low = _imbalance(self._intensity(), axis=1 + which) < 0
            if step.towards == "third_subjet":
                side = self.subjets[:, 2, which]
                is_low = np.where(np.isnan(side), is_low, side < -_ON_AXIS)
            self.values = self.values.copy()
            self.values[is_low] = np.flip(self.values[is_low], axis=2 + which)
            self.subjets[is_low, :, which] *= -1

    def _normalise(self, step: NormaliseImage) -> None:
        pixels = np.abs(self.values[:, self.is_normalised].astype(np.float64))
        all_axes = tuple(range(1, pixels.ndim))
        if step.by == "l1":
            norm = pixels.sum(axis=all_axes)
        elif step.by == "l2":
            norm = np.sqrt((pixels**2).sum(axis=all_axes))
        else:
            norm = pixels.max(axis=all_axes, initial=0.0)
        norm[norm == 0] = 1.0
        divisor = np.where(self.is_normalised, norm[:, None], 1.0)
        self.values = (self.values / self._by_channel(divisor)).astype(np.float32)

    def _crop(self, step: Crop) -> None:
        grid = grid_after(self.grid, [step])
        first_row, first_column = (
            _start(n, m) for n, m in zip(self.grid.shape, grid.shape, strict=True)
        )
        self.values = self.values[
            :, :, first_row : first_row + step.rows, first_column : first_column + step.columns
        ]
        # Subjets are where they are seen from the middle of the image.
        self.subjets -= np.subtract(_centre(grid), _centre(self.grid))
        self.grid = grid


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


def _check_choice(place: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise ConfigError(f"{place}: {value!r}, expected one of {', '.join(get_args(choices))}")


def _check_radius(radius: float) -> None:
    if not 0 < radius < np.inf:
        raise ConfigError(f"subjet_radius: {radius}, expected a number above 0")
