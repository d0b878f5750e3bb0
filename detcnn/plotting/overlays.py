"""What a model says of an event, on its image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.plotting.displays import (
    draw_images,
    draw_scaled,
    image_panels,
    image_scales,
    number_scale,
    places,
)
from detcnn.plotting.images import draw_pixels, label_panels
from detcnn.plotting.style import INK, colour, literal, styled

_OPACITY = 0.7
_SIDE = 4.0
_SIGNED = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class SaidOfEvent:
    """An event, and what is said of it.

    Parameters
    ----------
    title : str
        What stands above it: its id, and what is said of it as a whole.
    image : numpy.ndarray
        Shape (n_channels, n_rows, n_columns).
    mask : numpy.ndarray, optional
        Class of each pixel, whole numbers, shape (n_planes, n_rows, n_columns); as many planes as
        channels belong to one each, any other number to all channels. Class 0 is left out.
    points : numpy.ndarray, optional
        Shape (n, 2): (row, column) in pixels, the centre of the first at (0, 0).
    numbers : numpy.ndarray, optional
        Predicted number of each pixel, shape (n_planes, n_rows, n_columns).
    """

    title: str
    image: NDArray[Any]
    mask: NDArray[Any] | None = None
    points: NDArray[np.floating] | None = None
    numbers: NDArray[np.floating] | None = None


@styled
def overlay_figure(
    event: SaidOfEvent,
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    classes: Sequence[str] = (),
    name: str = "",
) -> Figure:
    """Draw an event's channels, and on them its mask and its points, or beside them its numbers.

    Parameters
    ----------
    event : SaidOfEvent
        The event.
    grid : Grid
        Rows and columns.
    channels, units : sequence of str
        Name and unit of each channel; a panel for each, and a row of them for each plane that
        belongs to all.
    classes : sequence of str
        Names of the classes of a mask.
    name : str
        Of the numbers.
    """
    n_channels = len(channels)
    masks = _mask_of_each_panel(event.mask, n_channels)
    numbers = () if event.numbers is None else np.asarray(event.numbers, np.float64)
    n_panels = n_channels + len(numbers)
    n_lines = 1 + event.title.count("\n")
    figure, panels = image_panels(
        grid, len(masks), n_panels, n_bars=n_panels, side=_SIDE, n_lines=n_lines
    )
    scales = image_scales([event], n_channels)
    for of_row, row in zip(masks, panels, strict=True):
        of_channels, of_numbers = row[:n_channels], row[n_channels:]
        draw_images(list(of_channels), event, 0, grid, channels, units, scales, barred=figure)
        for axes, plane in zip(of_numbers, numbers, strict=True):
            # A little below zero is what a network says where nothing is.
            is_signed = -plane.min() > _SIGNED * plane.max()
            scale = number_scale(plane if is_signed else np.maximum(plane, 0), plane)
            draw_scaled(axes, plane, grid, scale, barred=figure, name=name, unit="1")
            axes.set_title(literal(f"predicted {name}"))
        for mask, axes in zip(of_row, of_channels, strict=True):
            if mask is not None:
                _draw_mask(axes, mask, grid, len(classes))
            if event.points is not None:
                across, up = places(event.points, grid)
                axes.plot(across, up, "x", markersize=7, color=INK, markeredgewidth=1.4)
    handles: list[Any] = []
    if event.mask is not None:
        handles = [Patch(color=colour(i), label=literal(c)) for i, c in enumerate(classes[1:])]
    elif event.points is not None:
        handles = [Line2D([], [], marker="x", linestyle="none", color=INK, label="found")]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
    label_panels(panels, grid)
    return figure


def _mask_of_each_panel(
    mask: NDArray[Any] | None, n_channels: int
) -> list[Sequence[NDArray[Any] | None]]:
    if mask is None:
        return [[None] * n_channels]
    return [list(mask)] if len(mask) == n_channels else [[plane] * n_channels for plane in mask]


def _draw_mask(axes: Axes, mask: NDArray[Any], grid: Grid, n_classes: int) -> None:
    drawn = draw_pixels(
        axes,
        np.ma.masked_equal(mask, 0),
        grid,
        cmap=ListedColormap([colour(i) for i in range(n_classes - 1)]),
        norm=BoundaryNorm(np.arange(1, n_classes + 1) - 0.5, n_classes - 1),
    )
    drawn.set_alpha(_OPACITY)
    # Below it the colours are those of classes alone.
    axes.images[0].set_cmap("Greys")
