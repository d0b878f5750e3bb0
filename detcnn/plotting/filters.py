"""Filters, and the feature maps that they make of an image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.plotting.style import FAINT, INK, literal, new_figure, styled

_MOST_WITH_NUMBERS = 8
"""Pixels along a side up to which the numbers are written into the pixels."""

_MOST_ACROSS = 6
_MANY_TIMES = 100
"""How far above the median the largest number may lie on a linear scale of colours."""
_NAMES = {"map": "feature map", "rectified": "rectified", "pooled": "pooled"}


@styled
def kernels_figure(kernels: Mapping[str, NDArray[Any]], *, has_own_scale: bool = True) -> Figure:
    """Draw filters side by side, as they are written down, with their numbers if they are small.

    Parameters
    ----------
    kernels : mapping
        Title to array of shape (rows, columns).
    has_own_scale : bool
        Each filter has its own colours, from minus to plus its largest number; if not, all share
        those of the largest one.
    """
    n_across = min(len(kernels), _MOST_ACROSS)
    n_down = -(-len(kernels) // n_across)
    figure = new_figure(1.75 * n_across + 0.2, 2.0 * n_down + 0.1)
    panels = figure.subplots(n_down, n_across, squeeze=False)
    reach = max(float(np.abs(kernel).max()) for kernel in kernels.values()) or 1.0
    for axes, (name, kernel) in zip(panels.flat, kernels.items(), strict=False):
        own = float(np.abs(kernel).max()) or 1.0 if has_own_scale else reach
        _draw_pixels(axes, kernel, Normalize(-own, own), "RdBu_r")
        axes.set_title(literal(name), fontsize=9.5)
    for axes in list(panels.flat)[len(kernels) :]:
        axes.set_visible(False)
    return figure


@styled
def steps_figure(
    image: NDArray[Any],
    steps: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    grid: Grid,
    title: str,
) -> Figure:
    """Draw an image and what each filter makes of it, a row for each filter.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (rows, columns).
    steps : mapping
        Name of each filter to name of each step to the map, shape (rows, columns). The steps of a
        filter share their colours, red above zero and blue below; where the largest number is more
        than a hundred times the median, colours are logarithmic beyond a hundredth of it. Of a
        filter that makes nothing below zero they are those of an image.
    grid : Grid
        A picture is drawn as it is looked at; η runs to the right.
    title : str
        Of the image.
    """
    n_across = 1 + max(len(own) for own in steps.values())
    figure = new_figure(2.5 * n_across + 0.3, 2.55 * len(steps) + 0.4)
    panels = figure.subplots(len(steps), n_across, squeeze=False)
    figure.suptitle(literal(title), fontsize=11)

    def oriented(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values if grid.is_picture else values.T[::-1], dtype=np.float64)

    for axes, (name, own) in zip(panels, steps.items(), strict=True):
        _draw_pixels(axes[0], oriented(image), _image_scale(image), "viridis")
        axes[0].set_title("image")
        axes[0].set_ylabel(literal(name))
        first = next(iter(own.values()))
        is_signed = bool(first.min() < 0)
        norm = _signed_scale(first) if is_signed else _image_scale(first)
        for panel, (step, values) in zip(axes[1:], own.items(), strict=False):
            _draw_pixels(panel, oriented(values), norm, "RdBu_r" if is_signed else "viridis")
            panel.set_title(_NAMES.get(step, step))
        for panel in axes[1 + len(own) :]:
            panel.set_visible(False)
        for panel in (axes[0], axes[len(own)]):
            # Beside the picture, which may be lower than the place that is left for it.
            place = panel.inset_axes((1.03, 0.0, 0.055, 1.0))
            bar = figure.colorbar(panel.images[0], cax=place, format="{x:.3g}")
            _tidy(bar, panel.images[0].norm)
    return figure


def _tidy(bar: Any, norm: Normalize) -> None:
    bar.ax.tick_params(labelsize=8, length=3)
    bar.minorticks_off()
    if isinstance(norm, SymLogNorm) and norm.vmax is not None:
        decade = 10.0 ** np.floor(np.log10(norm.vmax))
        bar.set_ticks([-decade, 0, decade])


def _image_scale(image: NDArray[Any]) -> Normalize:
    filled = np.abs(image[image != 0])
    if len(filled) and image.min() >= 0 and filled.max() > _MANY_TIMES / 10 * np.median(filled):
        return LogNorm(filled.max() / 1e4, filled.max())
    return Normalize(float(image.min()), float(image.max()) or 1.0)


def _signed_scale(values: NDArray[Any]) -> Normalize:
    reach = float(np.abs(values).max()) or 1.0
    filled = np.abs(values[values != 0])
    if len(filled) and reach > _MANY_TIMES * float(np.median(filled)):
        return SymLogNorm(reach / _MANY_TIMES, linscale=0.4, vmin=-reach, vmax=reach)
    return Normalize(-reach, reach)


def _draw_pixels(axes: Axes, values: NDArray[Any], norm: Normalize, colours: str) -> None:
    shown = np.ma.masked_less_equal(values, 0) if isinstance(norm, LogNorm) else values
    drawn = axes.imshow(shown, cmap=colours, norm=norm)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color(FAINT)
    if max(values.shape) > _MOST_WITH_NUMBERS:
        return
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        red, green, blue, _ = drawn.cmap(norm(value))
        is_dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        axes.text(
            column,
            row,
            f"{value + 0.0:.2g}".replace("-", "−"),
            ha="center",
            va="center",
            fontsize=7 if max(values.shape) > 4 else 8.5,
            color="white" if is_dark else INK,
        )
