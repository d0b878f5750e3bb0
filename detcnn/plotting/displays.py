"""Event displays: an image beside what is true of it, what is predicted, and where these differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from detcnn.events.grid import Axis, Grid
from detcnn.plotting.images import (
    PixelScale,
    draw_pixels,
    label_panels,
    log_scale,
    panel_shape,
)
from detcnn.plotting.style import FAINT, INK, colour, literal, new_figure, styled

_PANEL = 2.5
_BAR = 0.75
_NOT_JUDGED = "#f1f1f1"
_RIGHT = "#7f8b94"
_WRONG = ("missed", "made up", "taken for another")
# No greys, which are for what is right or not judged.
_COLOURS_OF_WRONG = (
    "#832db6",
    "#e76300",
    "#ffa90e",
    "#92dadd",
    "#bd1f01",
    "#3f90da",
    "#a96b59",
    "#b9ac70",
)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedEvent:
    """An event with the classes of its pixels.

    Parameters
    ----------
    title : str
        What stands above it, for example its number and score.
    image : numpy.ndarray
        Shape (n_channels, n_rows, n_columns).
    truth, predicted : numpy.ndarray
        Whole numbers, shape (n_planes, n_rows, n_columns). As many planes as channels belong to one
        each; any other number, to all channels. Pixels whose truth is no class are not judged.
    judged : numpy.ndarray, optional
        bool, the same shape: leaves out further pixels.
    """

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    judged: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredEvent:
    """An event with numbers of its pixels, which take the place of classes in `SegmentedEvent`."""

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class LocatedEvent:
    """An event with points in it.

    Parameters
    ----------
    title : str
        What stands above it.
    image : numpy.ndarray
        Shape (n_channels, n_rows, n_columns).
    true, found : numpy.ndarray
        Shapes (n, 2) and (m, 2): (row, column) in pixels, the centre of the first at (0, 0); NaN
        where there is none.
    """

    title: str
    image: NDArray[Any]
    true: NDArray[np.floating]
    found: NDArray[np.floating]


class _Titled(Protocol):
    """What has an image and a title."""

    @property
    def title(self) -> str: ...

    @property
    def image(self) -> NDArray[Any]: ...


@styled
def segmentation_display(
    events: Sequence[SegmentedEvent],
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    classes: Sequence[str],
) -> Figure:
    """Draw images beside the true and the predicted classes of their pixels.

    Parameters
    ----------
    events : sequence of SegmentedEvent
        A row of panels for each plane of each.
    grid : Grid
        Rows and columns.
    channels, units : sequence of str
        Name and unit of each channel.
    classes : sequence of str
        Names; the first, the background, is blank. In the last panel right pixels of other classes
        are grey, wrong ones coloured by what is wrong, and pixels that are not judged pale.
    """
    rows = [(event, plane) for event in events for plane in range(len(event.truth))]
    n_images = _images_of_plane(events, channels)
    figure, panels = image_panels(grid, len(rows), n_images + 3, n_bars=n_images)
    n_classes = len(classes)
    colours = ["white", *(colour(i) for i in range(n_classes - 1))]
    of_classes = (ListedColormap(colours), BoundaryNorm(np.arange(n_classes + 1) - 0.5, n_classes))
    # Other colours than those of the classes, while there are any.
    free = sorted(_COLOURS_OF_WRONG, key=lambda of: of in colours)
    verdicts = ["white", _RIGHT, *free[: len(_WRONG)], _NOT_JUDGED]
    shown: set[int] = set()
    of_verdicts = (ListedColormap(verdicts), BoundaryNorm(np.arange(7) - 0.5, 6))
    for axes, (event, plane) in zip(panels, rows, strict=True):
        draw_images(axes[:n_images], event, plane, grid, channels, units, figure=figure)
        judged = _judged(event, plane, n_classes)
        truth = np.ma.masked_where(~judged, event.truth[plane])
        verdict = _verdict(event.truth[plane], event.predicted[plane], judged)
        shown.update(np.unique(verdict).tolist())
        for place, title, picture, (cmap, norm) in (
            (-3, "truth", truth, of_classes),
            (-2, "prediction", event.predicted[plane], of_classes),
            (-1, "difference", verdict, of_verdicts),
        ):
            draw_pixels(axes[place], picture, grid, cmap=cmap, norm=norm)
            axes[place].set_title(title)
    words = ["", "right", *_WRONG, "not judged"]
    handles = [
        *(Patch(color=colour(i), label=literal(name)) for i, name in enumerate(classes[1:])),
        *(
            Patch(facecolor=verdicts[i], edgecolor=FAINT, linewidth=0.4, label=words[i])
            for i in range(1, 6)
            if i in shown
        ),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=min(len(handles), 6))
    label_panels(panels, grid)
    return figure


@styled
def pixel_regression_display(
    events: Sequence[MeasuredEvent],
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    name: str,
    unit: str,
) -> Figure:
    """Draw images beside the true and the predicted number of each pixel, and their difference.

    Parameters
    ----------
    events, grid, channels, units
        As in `segmentation_display`.
    name, unit : str
        What is predicted. Truth and prediction of a plane have one scale of colours.
    """
    rows = [(event, plane) for event in events for plane in range(len(event.truth))]
    n_images = _images_of_plane(events, channels)
    figure, panels = image_panels(grid, len(rows), n_images + 3, n_bars=n_images + 3)
    for axes, (event, plane) in zip(panels, rows, strict=True):
        draw_images(axes[:n_images], event, plane, grid, channels, units, figure=figure)
        truth, predicted = (
            np.asarray(of[plane], np.float64) for of in (event.truth, event.predicted)
        )
        scale = log_scale(np.stack([truth, predicted]))
        label = _with_unit(name, unit)
        for place, title, picture in ((-3, "truth", truth), (-2, "prediction", predicted)):
            _draw_scaled(axes[place], picture, grid, scale, figure=figure, label=label)
            axes[place].set_title(title)
        reach = float(np.abs(predicted - truth).max()) or 1.0
        norm = SymLogNorm(reach / 100, vmin=-reach, vmax=reach)
        decade = 10.0 ** np.floor(np.log10(reach))
        signed = PixelScale(norm, [-decade, 0.0, decade], "RdBu_r")
        _draw_scaled(axes[-1], predicted - truth, grid, signed, figure=figure, label=label)
        axes[-1].set_title("prediction − truth")
    label_panels(panels, grid)
    return figure


@styled
def localisation_display(
    events: Sequence[LocatedEvent],
    *,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
) -> Figure:
    """Draw images with the true points (open circles) and the found ones (crosses) on them.

    Parameters
    ----------
    events : sequence of LocatedEvent
        A row of panels for each.
    grid, channels, units
        As in `segmentation_display`; a panel for each channel.
    """
    figure, panels = image_panels(grid, len(events), len(channels), n_bars=len(channels), side=3.2)
    for axes, event in zip(panels, events, strict=True):
        draw_images(axes, event, 0, grid, channels, units, figure=figure)
        for of_channel in axes:
            across, up = places(event.true, grid)
            of_channel.plot(
                across, up, "o", markersize=9, markerfacecolor="none", color=colour(1),
                markeredgewidth=1.4,
            )  # fmt: skip
            across, up = places(event.found, grid)
            of_channel.plot(across, up, "x", markersize=6, color=INK, markeredgewidth=1.4)
    handles = [
        Line2D([], [], marker="o", linestyle="none", markerfacecolor="none", color=colour(1),
               markersize=9, label="true"),
        Line2D([], [], marker="x", linestyle="none", color=INK, markersize=6, label="found"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    label_panels(panels, grid)
    return figure


def _images_of_plane(
    events: Sequence[SegmentedEvent] | Sequence[MeasuredEvent], channels: Sequence[str]
) -> int:
    """Return how many channels stand beside a plane: its own, or all if it belongs to all."""
    return 1 if len(events[0].truth) == len(channels) else len(channels)


def image_panels(
    grid: Grid, n_down: int, n_across: int, *, n_bars: int, side: float = _PANEL
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure of panels, (n_down, n_across), that have the shape of a grid's images."""
    shape = panel_shape(grid)
    figure = new_figure(side * n_across + _BAR * n_bars + 0.8, (side * shape + 0.4) * n_down + 0.9)
    panels = figure.subplots(n_down, n_across, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat:
        axes.set_box_aspect(shape)
        axes.minorticks_off()
        axes.tick_params(color=FAINT)
    return figure, panels


def draw_images(
    panels: Sequence[Axes],
    event: _Titled,
    plane: int,
    grid: Grid,
    channels: Sequence[str],
    units: Sequence[str],
    *,
    figure: Figure,
) -> None:
    """Draw one channel, that of a plane, or all, above the first of them the title."""
    shown = range(len(channels)) if len(panels) == len(channels) else [plane]
    for axes, channel in zip(panels, shown, strict=True):
        image = np.asarray(event.image[channel], np.float64)
        label = _with_unit(channels[channel], units[channel])
        _draw_scaled(axes, image, grid, log_scale(image), figure=figure, label=label)
    panels[0].set_title(literal(event.title))


def _draw_scaled(
    axes: Axes,
    image: NDArray[np.float64],
    grid: Grid,
    scale: PixelScale,
    *,
    figure: Figure,
    label: str,
) -> None:
    drawn = draw_pixels(
        axes,
        np.ma.masked_where(np.abs(image) < scale.floor, image),
        grid,
        cmap=scale.colour_map,
        norm=scale.norm,
    )
    # Inside the room of its panel, so that it is as high.
    bar = figure.colorbar(drawn, cax=axes.inset_axes((1.03, 0, 0.045, 1)), format="{x:g}")
    bar.set_ticks(scale.ticks)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=7.5)
    bar.set_label(label, fontsize=9)


def _judged(event: SegmentedEvent, plane: int, n_classes: int) -> NDArray[np.bool_]:
    judged = (event.truth[plane] >= 0) & (event.truth[plane] < n_classes)
    if event.judged is not None:
        judged &= event.judged[plane]
    return np.asarray(judged)


def _verdict(
    truth: NDArray[Any], predicted: NDArray[Any], judged: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return 0 for right background, 1 right, 2 missed, 3 made up, 4 confused, 5 not judged."""
    return np.select(
        [~judged, (truth == predicted) & (truth == 0), truth == predicted, predicted == 0,
         truth == 0],
        [5, 0, 1, 2, 3],
        default=4,
    )  # fmt: skip


def places(
    points: NDArray[np.floating], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where points lie on the axes as `draw_pixels` draws them: across, and up."""

    def place(along: NDArray[np.floating], axis: Axis) -> NDArray[np.float64]:
        return np.asarray(axis.low + (along + 0.5) * axis.pixel_width, np.float64)

    rows, columns = place(points[:, 0], grid.rows), place(points[:, 1], grid.columns)
    return (columns, rows) if grid.is_picture else (rows, columns)


def _with_unit(name: str, unit: str) -> str:
    return literal(name if unit == "1" else f"{name} [{unit}]")
