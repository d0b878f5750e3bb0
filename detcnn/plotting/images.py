"""Images on their η-φ axes, or whatever the axes of the grid are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from detcnn.events.grid import Axis, Grid
from detcnn.plotting.style import FAINT, literal, new_figure, styled

_SYMBOLS = {"eta": r"$\Delta\eta$", "rapidity": r"$\Delta y$", "phi": r"$\Delta\phi$"}
_DECADES = 5
_SIGNED_DECADES = 4
_POSITIVE_DECADES = 3
_NOISE_SIGMAS = 3
_NOISY = 0.3
"""Share of pixels below zero from which they are taken for noise: of noise alone it is a half."""
_MEDIAN_OF_NOISE = 0.6745
"""Of the absolute value of normal noise, in standard deviations."""
_MOST_ACROSS = 4


@styled
def images_figure(
    images: Mapping[str, NDArray[Any]],
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
) -> Figure:
    """Draw images: a row of panels for each image, a column for each channel.

    Images of one channel stand side by side. Suits averages by class and single events alike. The
    colour scale is shared by all panels of a channel and logarithmic over at most five decades; of
    a channel with negative pixels, as splines leave beside bright ones, over four decades on either
    side of zero, or down to three standard deviations of the noise that its pixels are full of.
    What is empty or weaker than the faintest colour is blank, and the colour bar says where that is
    if it is not nothing.

    Parameters
    ----------
    images : mapping
        Title to array of shape (n_channels, n_rows, n_columns).
    grid : Grid
        Rows (η) run along the horizontal axis, columns (φ) along the vertical one; a picture
        without axes of its own is drawn as it is looked at.
    channels, units : sequence of str
        Name and unit of each channel; ``"1"`` for a pure number.
    """
    return _panels(images, grid, channels, units, scale_of=log_scale)


@styled
def difference_figure(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    names: tuple[str, str],
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
) -> Figure:
    """Draw the difference of two images, one panel for each channel, on a diverging scale.

    Parameters
    ----------
    first, second : numpy.ndarray
        Shape (n_channels, n_rows, n_columns); drawn is ``first - second``, logarithmic on either
        side over two decades and linear below.
    names : tuple of str
        What the two are.
    grid, channels, units
        As in `images_figure`.
    """
    title = f"{names[0]} − {names[1]}"
    return _panels(
        {title: np.asarray(first, np.float64) - second},
        grid,
        channels,
        units,
        scale_of=_diverging_scale,
    )


@dataclass(frozen=True, slots=True)
class PixelScale:
    """Colours of a channel; pixels of absolute value below the floor are blank.

    Where no value below zero is expected, `is_signed` is false, and such pixels are blank too.
    """

    norm: Normalize
    ticks: list[float]
    colour_map: str
    floor: float = 0.0
    is_signed: bool = True

    def shown(self, image: NDArray[np.float64]) -> np.ma.MaskedArray[Any, Any]:
        """Return an image without its blank pixels."""
        return np.ma.masked_where((np.abs(image) if self.is_signed else image) < self.floor, image)

    def kind(self) -> str:
        """Return what to say of the scale: nothing if it is linear."""
        if isinstance(self.norm, SymLogNorm):
            return f"logarithmic, linear within ±{self.norm.linthresh:.1g}"
        return "logarithmic" if isinstance(self.norm, LogNorm) else ""


def log_scale(values: NDArray[np.float64]) -> PixelScale:
    """Return the colours of a channel, for values of any shape, as `images_figure` says."""
    high = float(values.max(initial=0)) or 1.0
    if values.min(initial=0) < -high / 10**_DECADES:
        return _signed_log_scale(values)
    positive = values[values > 0]
    low = max(float(positive.min(initial=high)), high / 10**_DECADES)
    bottom = low if low < high else high / 10
    ticks: list[float] = []
    for steps in ((1,), (1, 2, 5), range(1, 10)):
        if len(ticks) < 3:
            every = [step * decade for decade in _powers_of_ten(bottom, high) for step in steps]
            ticks = [tick for tick in every if bottom <= tick <= high]
    return PixelScale(LogNorm(bottom, high), ticks, "viridis", floor=low)


def positive_scale(values: NDArray[np.float64]) -> PixelScale:
    """Return the colours of numbers that are 0 or more in truth, for values of any shape.

    Logarithmic over at most three decades, or linear if the numbers above zero span less than one.
    Those below zero, which a prediction may be, are blank.
    """
    positive = values[values > 0]
    high = float(positive.max(initial=0)) or 1.0
    low = max(float(positive.min(initial=high)), high / 10**_POSITIVE_DECADES)
    if low > high / 10:
        return PixelScale(Normalize(0, high), linear_ticks(0, high), "viridis", is_signed=False)
    ticks = [tick for tick in _powers_of_ten(low, high) if low <= tick <= high]
    return PixelScale(LogNorm(low, high), ticks, "viridis", floor=low, is_signed=False)


def linear_ticks(low: float, high: float) -> list[float]:
    """Return a few round numbers from `low` to `high`."""
    ticks = MaxNLocator(4).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def signed_scale(values: NDArray[np.float64], *, is_linear: bool) -> PixelScale:
    """Return diverging colours of differences, linear or logarithmic over two decades each side."""
    if not is_linear:
        return _diverging_scale(values)
    reach = float(np.abs(values).max(initial=0)) or 1.0
    return PixelScale(Normalize(-reach, reach), linear_ticks(-reach, reach), "RdBu_r")


def _signed_log_scale(values: NDArray[np.float64]) -> PixelScale:
    reach = float(np.abs(values).max())
    floor = reach / 10**_SIGNED_DECADES
    negative = values[values < 0]
    if negative.size > _NOISY * values.size:
        noise = -float(np.median(negative)) / _MEDIAN_OF_NOISE
        floor = max(floor, min(_NOISE_SIGMAS * noise, reach / 10))
    decades = [decade for decade in _powers_of_ten(floor, reach) if floor < decade <= reach]
    norm = SymLogNorm(floor, linscale=0.1, vmin=-reach, vmax=reach)
    # Every other one, the largest among them, so that the numbers do not touch.
    shown = decades[::-2]
    return PixelScale(norm, [*(-d for d in shown), 0.0, *shown[::-1]], "RdBu_r", floor=floor)


def _powers_of_ten(low: float, high: float) -> list[float]:
    return [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def _diverging_scale(values: NDArray[np.float64]) -> PixelScale:
    reach = float(np.abs(values).max(initial=0)) or 1.0
    decade = 10.0 ** math.floor(math.log10(reach))
    ticks = [-decade, -decade / 10, 0, decade / 10, decade]
    norm = SymLogNorm(reach / 100, vmin=-reach, vmax=reach)
    return PixelScale(norm, ticks, "RdBu_r")


def _panels(
    images: Mapping[str, NDArray[Any]],
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    *,
    scale_of: Callable[[NDArray[np.float64]], PixelScale],
) -> Figure:
    n_down, n_across = len(images), len(channels)
    if n_across == 1:
        n_across = min(n_down, _MOST_ACROSS)
        n_down = -(-n_down // n_across)
    height = 3.0 * panel_shape(grid)
    figure = new_figure(3.3 * n_across + 0.8, (height + 0.35) * n_down + 1.0)
    panels = figure.subplots(n_down, n_across, squeeze=False, sharex=True, sharey=True)
    for axes in list(panels.flat)[len(images) * len(channels) :]:
        axes.set_visible(False)
    for j, (channel, unit) in enumerate(zip(channels, units, strict=True)):
        values = np.stack([np.asarray(image[j], np.float64) for image in images.values()])
        scale = scale_of(values)
        for axes, title, image in zip(
            panels.flat[j :: len(channels)], images, values, strict=False
        ):
            drawn = draw_pixels(
                axes,
                scale.shown(image),
                grid,
                cmap=scale.colour_map,
                norm=scale.norm,
            )
            axes.set_title(literal(f"{title}, {channel}"))
            axes.set_box_aspect(panel_shape(grid))
            axes.tick_params(color=FAINT)
            axes.minorticks_off()
        own = panels if len(channels) == 1 else panels[:, [j]]
        bar = figure.colorbar(
            drawn, ax=own, location="bottom", aspect=28 * own.shape[1], pad=0.02, format="{x:g}"
        )
        bar.set_ticks(scale.ticks)
        bar.minorticks_off()
        bar.ax.tick_params(labelsize=8.5)
        bar.set_label(literal(bar_label(channel, unit, values, scale)))
    label_panels(panels, grid)
    return figure


def bar_label(channel: str, unit: str, values: NDArray[np.float64], scale: PixelScale) -> str:
    """Return what stands beside a bar of colours: what it is of, and what is blank."""
    label = channel if unit == "1" else f"{channel} [{unit}]"
    is_hidden = (np.abs(values) < scale.floor) & (values != 0)
    if not is_hidden.any():
        return label
    where = "between ±" if isinstance(scale.norm, SymLogNorm) else "below "
    return f"{label}\nblank {where}{scale.floor:.1g}"


def draw_pixels(
    axes: Axes, image: NDArray[Any], grid: Grid, *, cmap: str | Colormap, norm: Normalize
) -> AxesImage:
    """Draw one channel, shape (n_rows, n_columns): a picture as it is looked at, η to the right."""
    rows = (grid.rows.low, grid.rows.high)
    columns = (grid.columns.low, grid.columns.high)
    return axes.imshow(
        image if grid.is_picture else image.T,
        origin="upper" if grid.is_picture else "lower",
        extent=(*columns, *rows[::-1]) if grid.is_picture else (*rows, *columns),
        cmap=cmap,
        norm=norm,
        aspect="auto",
    )


def label_panels(all_axes: NDArray[Any], grid: Grid) -> None:
    """Label the outer axes of panels, shape (n_down, n_across), that `draw_pixels` drew."""
    across, up = (grid.columns, grid.rows) if grid.is_picture else (grid.rows, grid.columns)
    for axes in all_axes[-1]:
        axes.set_xlabel(axis_label(across))
    for axes in all_axes[:, 0]:
        axes.set_ylabel(axis_label(up))


def panel_shape(grid: Grid) -> float:
    """Return height over width of a panel: true to scale if the axes share a unit, else square."""
    if {grid.rows.unit, grid.columns.unit} <= {"1", "rad"} or grid.rows.unit == grid.columns.unit:
        ratio = (grid.columns.high - grid.columns.low) / (grid.rows.high - grid.rows.low)
        return min(max(1 / ratio if grid.is_picture else ratio, 0.5), 2.0)
    return 1.0


def axis_label(axis: Axis) -> str:
    """Return the label of an image axis with its unit."""
    name = _SYMBOLS.get(axis.name) or literal(axis.name)
    return name if axis.unit == "1" else f"{name} [{axis.unit}]"
