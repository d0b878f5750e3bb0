"""Event displays: an image beside what is true of it, what is predicted, and where these differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
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
    positive_scale,
    signed_scale,
)
from detcnn.plotting.style import FAINT, INK, colour, literal, new_figure, styled

_PANEL = 2.5
_BAR = 0.9
_LINE = 0.18
# Of no class, and the same in every study.
_VERDICTS = {
    "right": "#c3c9cd",
    "missed": "#111111",
    "made up": "#ff4fb0",
    "taken for another": "#1f9e4b",
    "not judged": "#f1f1f1",
}


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
        are grey, wrong ones coloured by what is wrong, and pixels that are not judged pale: in
        colours that no class has.
    """
    rows = [(event, plane) for event in events for plane in range(len(event.truth))]
    n_images = _images_of_plane(events, channels)
    figure, panels = image_panels(grid, len(rows), n_images + 3, n_bars=n_images, n_lines=2)
    n_classes = len(classes)
    colours = ["white", *(colour(i) for i in range(n_classes - 1))]
    of_classes = (ListedColormap(colours), BoundaryNorm(np.arange(n_classes + 1) - 0.5, n_classes))
    verdicts = ["white", *_VERDICTS.values()]
    shown: set[int] = set()
    of_verdicts = (ListedColormap(verdicts), BoundaryNorm(np.arange(7) - 0.5, 6))
    scales = image_scales(events, len(channels))
    for axes, (event, plane) in zip(panels, rows, strict=True):
        # One scale for all events: the bars of the first say what it is.
        barred = figure if event is events[0] else None
        draw_images(axes[:n_images], event, plane, grid, channels, units, scales, barred=barred)
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
    handles = [
        *(Patch(color=colour(i), label=literal(name)) for i, name in enumerate(classes[1:])),
        *(
            Patch(facecolor=of, edgecolor=FAINT, linewidth=0.4, label=word)
            for i, (word, of) in enumerate(_VERDICTS.items(), start=1)
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
        What is predicted. Truth and prediction of all rows have one scale of colours, and the
        differences have one: diverging if the truth has both signs, else for the difference alone.
        The bars say where one is logarithmic.
    """
    rows = [(event, plane) for event in events for plane in range(len(event.truth))]
    n_images = _images_of_plane(events, channels)
    figure, panels = image_panels(grid, len(rows), n_images + 3, n_bars=n_images + 2, n_lines=2)
    true, said = (
        np.stack([np.asarray(of[plane], np.float64) for of, plane in rows_of])
        for rows_of in (
            [(event.truth, plane) for event, plane in rows],
            [(event.predicted, plane) for event, plane in rows],
        )
    )
    scale = number_scale(true, said)
    signed = signed_scale(said - true, is_linear=not scale.kind())
    scales = image_scales(events, len(channels))
    for axes, (event, plane), truth, predicted in zip(panels, rows, true, said, strict=True):
        # One scale for all events: the bars of the first say what it is.
        barred = figure if event is events[0] else None
        draw_images(axes[:n_images], event, plane, grid, channels, units, scales, barred=barred)
        for panel, title, picture, colours in zip(
            axes[-3:],
            ("truth", "prediction", "prediction − truth"),
            (truth, predicted, predicted - truth),
            (scale, scale, signed),
            strict=True,
        ):
            # That of the truth stands beside the prediction.
            of = None if title == "truth" else barred
            draw_scaled(panel, picture, grid, colours, barred=of, name=name, unit=unit)
            panel.set_title(title)
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
    scales = image_scales(events, len(channels))
    for axes, event in zip(panels, events, strict=True):
        barred = figure if event is events[0] else None
        draw_images(axes, event, 0, grid, channels, units, scales, barred=barred)
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
    grid: Grid, n_down: int, n_across: int, *, n_bars: int, side: float = _PANEL, n_lines: int = 1
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure of panels, (n_down, n_across), that have the shape of a grid's images.

    Each has a title of so many lines.
    """
    shape = panel_shape(grid)
    height = side * shape + 0.4 + _LINE * (n_lines - 1)
    figure = new_figure(side * n_across + _BAR * n_bars + 0.8, height * n_down + 0.9)
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
    scales: Sequence[PixelScale],
    *,
    barred: Figure | None,
) -> None:
    """Draw one channel, that of a plane, or all, above the first of them the title.

    Bars of colours are drawn if their figure is given.
    """
    shown = range(len(channels)) if len(panels) == len(channels) else [plane]
    for axes, channel in zip(panels, shown, strict=True):
        draw_scaled(
            axes,
            np.asarray(event.image[channel], np.float64),
            grid,
            scales[channel],
            barred=barred,
            name=channels[channel],
            unit=units[channel],
        )
    panels[0].set_title(literal(event.title))


def image_scales(events: Sequence[_Titled], n_channels: int) -> list[PixelScale]:
    """Return the colours of each channel, the same for all events of a figure."""
    return [
        log_scale(np.stack([np.asarray(event.image[i], np.float64) for event in events]))
        for i in range(n_channels)
    ]


def number_scale(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> PixelScale:
    """Return the colours of true and predicted numbers: diverging only if truths have both signs.

    Without a truth, `truth` is the prediction itself.
    """
    both = np.stack([truth, predicted])
    return log_scale(both) if truth.min() < 0 else positive_scale(both)


def draw_scaled(
    axes: Axes,
    image: NDArray[np.float64],
    grid: Grid,
    scale: PixelScale,
    *,
    barred: Figure | None,
    name: str,
    unit: str,
) -> None:
    """Draw an image, and in its figure a bar of colours: what they are of and how they go."""
    drawn = draw_pixels(axes, scale.shown(image), grid, cmap=scale.colour_map, norm=scale.norm)
    # Inside the room of its panel, so that it is as high.
    if barred is None:
        return
    bar = barred.colorbar(drawn, cax=axes.inset_axes((1.03, 0, 0.045, 1)), format="{x:g}")
    bar.set_ticks(scale.ticks)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=7.5)
    label = name if unit == "1" else f"{name} [{unit}]"
    bar.set_label(literal("\n".join(filter(None, (label, scale.kind())))), fontsize=8.5)


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
