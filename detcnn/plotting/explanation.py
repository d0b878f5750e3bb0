"""What a trained network looks for, what it finds, and where."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.plotting.images import draw_pixels, label_panels, panel_shape
from detcnn.plotting.style import FAINT, literal, new_figure, styled

_BLANK = "#dcdcdc"
_ACROSS = 8
_DECADES = 4
_PANELS_ACROSS = 3
_MANY_TIMES = 30
"""How far above the median the largest number may lie on a linear scale of colours."""


@styled
def mosaic_figure(
    groups: Mapping[str, NDArray[Any]],
    *,
    grid: Grid,
    quantity: str,
    is_signed: bool,
    has_own_scale: bool = False,
) -> Figure:
    """Draw many small images, a panel for each group of them.

    Parameters
    ----------
    groups : mapping
        Title to array of shape (n, rows, columns), drawn from left to right and downwards.
    grid : Grid
        A picture is drawn as it is looked at; otherwise rows run to the right.
    quantity : str
        What is drawn, for the colour bar.
    is_signed : bool
        Colours from minus to plus the largest number, or from zero up to it.
    has_own_scale : bool
        Each group has its own colours, and its own bar.
    """
    n_across = min(len(groups), _PANELS_ACROSS)
    n_down = -(-len(groups) // n_across)
    tiles = {name: _mosaic(values, grid) for name, values in groups.items()}
    tallest = max(tile.shape[0] / tile.shape[1] for tile in tiles.values())
    figure = new_figure(3.6 * n_across + 0.3, (3.3 * min(tallest, 2.0) + 1.0) * n_down + 0.3)
    panels = figure.subplots(n_down, n_across, squeeze=False)
    reach = max(float(np.nanmax(np.abs(tile), initial=0)) for tile in tiles.values()) or 1.0
    drawn = []
    for axes, (name, tile) in zip(panels.flat, tiles.items(), strict=False):
        own = float(np.nanmax(np.abs(tile), initial=0)) or 1.0 if has_own_scale else reach
        norm = Normalize(-own if is_signed else 0.0, own)
        colours = "RdBu_r" if is_signed else "viridis"
        drawn.append(axes.imshow(np.ma.masked_invalid(tile), cmap=colours, norm=norm))
        axes.set_title(literal(name))
        _bare(axes)
        if has_own_scale:
            bar = figure.colorbar(
                drawn[-1], ax=axes, location="bottom", aspect=30, pad=0.02, shrink=0.9
            )
            bar.ax.tick_params(labelsize=8)
            bar.minorticks_off()
    for axes in list(panels.flat)[len(tiles) :]:
        axes.set_visible(False)
    if has_own_scale:
        figure.supxlabel(quantity, fontsize=11)
    else:
        bar = figure.colorbar(
            drawn[0], ax=panels, location="bottom", aspect=30 * n_across, pad=0.02, shrink=0.9
        )
        bar.minorticks_off()
        bar.set_label(quantity)
    return figure


@styled
def maps_table_figure(
    rows: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    grid: Grid,
    quantity: str = "",
    signed: Collection[str] = (),
    shares_scale: bool = False,
) -> Figure:
    """Draw maps on the axes of the image as a table of panels.

    Parameters
    ----------
    rows : mapping
        Title of each row to title of each column to array of shape (rows, columns); NaN is grey.
        All rows have the same columns.
    grid : Grid
        The axes of the image.
    quantity : str
        What is drawn, for the colour bar that all panels share.
    signed : collection of str
        Columns whose colours go from minus to plus the largest number; those of the others begin
        at zero, and are logarithmic where the largest number is far above the median.
    shares_scale : bool
        All panels have the same colours, told by a bar; if not, each has its own.
    """
    columns = list(next(iter(rows.values())))
    height = 2.6 * panel_shape(grid)
    figure = new_figure(2.8 * len(columns) + 0.6, (height + 0.4) * len(rows) + 0.5)
    if shares_scale:
        figure.set_figheight(figure.get_figheight() + 0.7)
    panels = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    every = np.stack([np.asarray(m, np.float64) for own in rows.values() for m in own.values()])
    for axes_of_row, (title, own) in zip(panels, rows.items(), strict=True):
        for axes, (name, values) in zip(axes_of_row, own.items(), strict=True):
            shown = np.asarray(values, np.float64)
            norm = _scale(every if shares_scale else shown, is_signed=name in signed)
            drawn = draw_pixels(
                axes,
                np.ma.masked_less_equal(shown, 0)
                if isinstance(norm, LogNorm)
                else np.ma.masked_invalid(shown),
                grid,
                cmap="RdBu_r" if name in signed else "viridis",
                norm=norm,
            )
            axes.set_title(literal(f"{title}: {name}" if title else name), fontsize=9.5)
            axes.set_facecolor("white" if isinstance(norm, LogNorm) else _BLANK)
            axes.set_box_aspect(panel_shape(grid))
            axes.tick_params(color=FAINT)
            axes.minorticks_off()
    label_panels(panels, grid)
    if shares_scale:
        bar = figure.colorbar(
            drawn,
            ax=panels,
            location="bottom",
            aspect=28 * len(columns),
            pad=0.02,
            format="{x:.3g}",
        )
        bar.minorticks_off()
        bar.set_label(quantity)
    return figure


def _scale(values: NDArray[np.float64], *, is_signed: bool) -> Normalize:
    reach = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    if is_signed:
        return Normalize(-reach, reach)
    filled = values[values > 0]
    if len(filled) and reach > _MANY_TIMES * np.median(filled):
        return LogNorm(max(float(filled.min()), reach / 10**_DECADES), reach)
    return Normalize(0.0, reach)


def _mosaic(values: NDArray[Any], grid: Grid) -> NDArray[np.float64]:
    """Return images side by side in one, with gaps that are NaN."""
    oriented = np.asarray(values, dtype=np.float64)
    if not grid.is_picture:
        oriented = oriented.transpose(0, 2, 1)[:, ::-1]
    n, height, width = oriented.shape
    across = min(n, _ACROSS)
    down = -(-n // across)
    gap = max(1, round(max(height, width) / 12))
    mosaic = np.full((down * (height + gap) - gap, across * (width + gap) - gap), np.nan)
    for i, image in enumerate(oriented):
        top, left = (i // across) * (height + gap), (i % across) * (width + gap)
        mosaic[top : top + height, left : left + width] = image
    return mosaic


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
