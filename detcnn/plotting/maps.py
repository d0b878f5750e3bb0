"""Signed quantities of pixels on the axes of the image: correlations, changes of a score."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.plotting.images import draw_pixels, label_panels, panel_shape
from detcnn.plotting.style import FAINT, literal, new_figure, styled

_MOST_ACROSS = 4
_BLANK = "#dcdcdc"


@styled
def signed_maps_figure(
    maps: Mapping[str, NDArray[Any]],
    *,
    grid: Grid,
    quantity: str,
    note: str = "",
    linear_to: float | None = None,
) -> Figure:
    """Draw maps side by side on one diverging colour scale, centred on zero.

    Parameters
    ----------
    maps : mapping
        Title to array of shape (n_rows, n_columns); pixels that are NaN are grey.
    grid : Grid
        Rows run along the horizontal axis, columns along the vertical one.
    quantity : str
        What is drawn, for the colour bar.
    note : str
        Said below it, such as how large the noise is.
    linear_to : float, optional
        Where the scale goes over from linear to logarithmic, on both sides; it is linear
        throughout by default.
    """
    values = np.stack([np.asarray(image, np.float64) for image in maps.values()])
    reach = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    norm = Normalize(-reach, reach)
    ticks: list[float] | None = None
    if linear_to is not None and 0 < linear_to < reach:
        norm = SymLogNorm(linear_to, linscale=0.4, vmin=-reach, vmax=reach)
        decades = 10.0 ** np.arange(np.ceil(np.log10(linear_to)), np.log10(reach))
        ticks = [*(-decades[::-1]).tolist(), 0.0, *decades.tolist()]
    n_across = min(len(maps), _MOST_ACROSS)
    n_down = -(-len(maps) // n_across)
    height = 3.0 * panel_shape(grid)
    figure = new_figure(3.3 * n_across + 0.4, (height + 0.35) * n_down + 1.4)
    panels = figure.subplots(n_down, n_across, squeeze=False, sharex=True, sharey=True)
    for axes, (title, image) in zip(panels.flat, zip(maps, values, strict=True), strict=False):
        drawn = draw_pixels(axes, np.ma.masked_invalid(image), grid, cmap="RdBu_r", norm=norm)
        axes.set_title(literal(title))
        axes.set_facecolor(_BLANK)
        axes.set_box_aspect(panel_shape(grid))
        axes.tick_params(color=FAINT)
        axes.minorticks_off()
    for axes in list(panels.flat)[len(maps) :]:
        axes.set_visible(False)
    label_panels(panels, grid)
    bar = figure.colorbar(
        drawn, ax=panels, location="bottom", aspect=28 * n_across, pad=0.02, format="{x:g}"
    )
    if ticks is not None:
        bar.set_ticks(ticks)
    bar.minorticks_off()
    bar.set_label(f"{quantity}\n{note}" if note else quantity)
    return figure
