"""Images on their η-φ axes, or whatever the axes of the grid are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from detcnn.events.grid import Axis, Grid
from detcnn.plotting.style import FAINT, literal, new_figure, styled

_SYMBOLS = {"eta": r"$\Delta\eta$", "rapidity": r"$\Delta y$", "phi": r"$\Delta\phi$"}
_DECADES = 5


@styled
def images_figure(
    images: Mapping[str, NDArray[Any]],
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
) -> Figure:
    """Draw images: a row of panels for each image, a column for each channel.

    Suits averages by class and single events alike. The colour scale is logarithmic over at most
    five decades and shared by all panels of a channel; pixels that are not positive are blank.

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
    return _panels(images, grid, channels, units, scale_of=_log_scale)


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
class _Scale:
    norm: Normalize
    ticks: list[float]
    colour_map: str
    blanks_zeros: bool


def _log_scale(values: NDArray[np.float64]) -> _Scale:
    positive = values[values > 0]
    high = float(positive.max(initial=0)) or 1.0
    low = max(float(positive.min(initial=high)), high / 10**_DECADES)
    low = low if low < high else high / 10
    decades = [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    whole = [decade for decade in decades if low <= decade <= high]
    parts = [step * decade for decade in decades for step in (1, 2, 5)]
    ticks = whole if len(whole) > 2 else [part for part in parts if low <= part <= high]
    return _Scale(LogNorm(low, high, clip=True), ticks, "viridis", blanks_zeros=True)


def _diverging_scale(values: NDArray[np.float64]) -> _Scale:
    reach = float(np.abs(values).max()) or 1.0
    decade = 10.0 ** math.floor(math.log10(reach))
    ticks = [-decade, -decade / 10, 0, decade / 10, decade]
    norm = SymLogNorm(reach / 100, vmin=-reach, vmax=reach)
    return _Scale(norm, ticks, "RdBu_r", blanks_zeros=False)


def _panels(
    images: Mapping[str, NDArray[Any]],
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    *,
    scale_of: Callable[[NDArray[np.float64]], _Scale],
) -> Figure:
    height = 3.0 * panel_shape(grid)
    figure = new_figure(3.3 * len(channels) + 0.8, (height + 0.35) * len(images) + 1.0)
    all_axes = figure.subplots(len(images), len(channels), squeeze=False, sharex=True, sharey=True)
    for j, (channel, unit) in enumerate(zip(channels, units, strict=True)):
        scale = scale_of(np.stack([np.asarray(image[j], np.float64) for image in images.values()]))
        for axes, (title, image) in zip(all_axes[:, j], images.items(), strict=True):
            drawn = draw_pixels(
                axes,
                np.ma.masked_less_equal(image[j], 0) if scale.blanks_zeros else image[j],
                grid,
                cmap=scale.colour_map,
                norm=scale.norm,
            )
            axes.set_title(literal(f"{title}, {channel}"))
            axes.set_box_aspect(panel_shape(grid))
            axes.tick_params(color=FAINT)
            axes.minorticks_off()
        bar = figure.colorbar(
            drawn, ax=all_axes[:, j], location="bottom", aspect=28, pad=0.02, format="{x:g}"
        )
        bar.set_ticks(scale.ticks)
        bar.minorticks_off()
        bar.ax.tick_params(labelsize=8.5)
        bar.set_label(literal(channel if unit == "1" else f"{channel} [{unit}]"))
    label_panels(all_axes, grid)
    return figure


def draw_pixels(
    axes: Axes, image: NDArray[Any], grid: Grid, *, cmap: str, norm: Normalize
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
