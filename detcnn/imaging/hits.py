"""A block of hits to images: every axis, weight and selection is a column of the hits."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.images import SparseImages, concatenate, pixel_dtype
from detcnn.events.table import Column, EventTable
from detcnn.events.windows import Window
from detcnn.imaging.projection import Projection
from detcnn.kernels.binning import bin_index
from detcnn.kernels.deposits import Rule, deposit

COUNT = "count"
"""The weight that is 1 for every hit."""

LARGEST = 1e30
"""Weights beyond it cannot be used: sums leave the range of float32."""

_HITS_AT_ONCE = 1 << 20
"""Bounds the scratch; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class HitChannel:
    """One image plane: a column of the hits, put together in each pixel.

    Parameters
    ----------
    name : str
        As it appears in the store and on figures.
    weight : str
        ``"count"``, or a column of the hits.
    by : {"sum", "mean", "max", "min"}
        What becomes of the hits that share a pixel; a time of first arrival is the ``min``. A pixel
        that comes to 0 is as one without hits.
    where : tuple of Window
        The hits it takes: those in all of the windows, such as one plane of sensors.
    unit : str
        Of the weight; ``"1"`` for a pure number.
    """

    name: str
    weight: str = COUNT
    by: Literal["sum", "mean", "max", "min"] = "sum"
    where: tuple[Window, ...] = ()
    unit: str = "1"

    @property
    def meaning(self) -> str:
        """What its pixels hold, in words."""
        what = "number of hits" if self.weight == COUNT else f"{self.by} of {self.weight}"
        return ", ".join([what, *(_told(window) for window in self.where)])


@dataclass(frozen=True, slots=True)
class HitRecipe:
    """How the hits of an event become an image.

    Parameters
    ----------
    grid : Grid
        One to three axes; pixels are half-open, [low, high).
    columns : tuple of str
        The column of the hits that each axis measures.
    channels : tuple of HitChannel
        At least one, with different names.

    Raises
    ------
    ConfigError
        If two channels have one name, an axis has no column, or a channel counts by anything but
        the sum.
    """

    grid: Grid
    columns: tuple[str, ...]
    channels: tuple[HitChannel, ...]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.grid.axes):
            raise ConfigError(
                f"{len(self.columns)} columns for {len(self.grid.axes)} axes: expected one each"
            )
        if not self.channels:
            raise ConfigError("no channels: expected at least 1")
        name, count = Counter(channel.name for channel in self.channels).most_common(1)[0]
        if count > 1:
            raise ConfigError(f"{count} channels are named {name!r}: give each its own name")
        for channel in self.channels:
            if channel.weight == COUNT and channel.by != "sum":
                raise ConfigError(
                    f"channel {channel.name!r}: the {channel.by} of a count is always 1: "
                    "count by sum, or name a column of the hits as weight"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *axes) of the images."""
        return len(self.channels), *self.grid.shape

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns of the hits that it needs."""
        weights = [channel.weight for channel in self.channels if channel.weight != COUNT]
        cut = [window.column for channel in self.channels for window in channel.where]
        return tuple(dict.fromkeys([*self.columns, *weights, *cut]))


def project_hits(table: EventTable, recipe: HitRecipe) -> Projection:
    """Make the images of a block of events.

    Parameters
    ----------
    table : EventTable
        Left as it is.
    recipe : HitRecipe
        What to do.

    Returns
    -------
    Projection
        Sparse; an event without hits has an image without pixels. Its `n_outside` are the hits
        that a channel takes and that are outside the grid; they have no pT.

    Raises
    ------
    DataError
        If a column is missing, or the position or weight of a hit that a channel takes is not
        finite, or a weight beyond ±1e30; the message names the event and the hit.
    """
    missing = [name for name in recipe.needed if name not in table.constituents]
    if missing:
        raise DataError(
            f"the input has no column {missing[0]!r} of the hits, which the images need: "
            f"it has {', '.join(sorted(table.constituents)) or 'none'}"
        )
    parts = [_project_some(block, recipe) for block in _blocks(table)]
    return Projection(
        images=concatenate([images for images, _ in parts]),
        n_outside=np.concatenate([n_outside for _, n_outside in parts]),
        pt_outside=np.zeros(table.n_events),
    )


def _blocks(table: EventTable) -> list[EventTable]:
    """Cut a table into blocks of events with not many more hits each than are taken at once."""
    blocks: list[EventTable] = []
    start = 0
    while start < table.n_events or not blocks:
        limit = table.offsets[start] + _HITS_AT_ONCE
        stop = int(np.searchsorted(table.offsets, limit, side="right")) - 1
        stop = min(max(stop, start + 1), table.n_events)
        first, last = int(table.offsets[start]), int(table.offsets[stop])
        blocks.append(
            EventTable(
                offsets=table.offsets[start : stop + 1] - first,
                constituents={
                    name: values[first:last] for name, values in table.constituents.items()
                },
                columns={name: values[start:stop] for name, values in table.columns.items()},
                first_row=table.first_row + start,
            )
        )
        start = stop
    return blocks


def _project_some(table: EventTable, recipe: HitRecipe) -> tuple[SparseImages, NDArray[np.int64]]:
    hits = table.constituents
    shape = (len(recipe.channels), table.n_constituents)
    is_taken = np.ones(shape, dtype=np.bool_)
    weight = np.ones(shape)
    for i, channel in enumerate(recipe.channels):
        for window in channel.where:
            is_taken[i] &= window.holds(hits[window.column])
        if channel.weight != COUNT:
            weight[i] = hits[channel.weight]
            _check(channel.weight, weight[i], is_taken[i], table, largest=LARGEST)
    is_used = np.asarray(is_taken.any(axis=0))
    place = np.zeros(table.n_constituents, dtype=np.int64)
    is_inside = np.ones(table.n_constituents, dtype=np.bool_)
    for name, axis in zip(recipe.columns, recipe.grid.axes, strict=True):
        _check(name, hits[name], is_used, table, largest=np.finfo(np.float64).max)
        number = bin_index(hits[name], axis.edges) - 1
        is_inside &= (number >= 0) & (number < axis.n_pixels)
        place = place * axis.n_pixels + number
    found = deposit(
        table.offsets.astype(np.int64),
        np.where(is_inside, place, -1),
        is_taken,
        weight,
        np.array([Rule[channel.by.upper()] for channel in recipe.channels], dtype=np.int64),
        n_pixels=recipe.grid.n_pixels,
        dtype=pixel_dtype(recipe.shape),
    )
    return SparseImages(found.offsets, found.pixel, found.value, recipe.shape), found.n_outside


def _check(
    name: str, values: Column, is_used: NDArray[np.bool_], table: EventTable, *, largest: float
) -> None:
    is_bad = is_used & ~(np.abs(values) <= largest)
    if not is_bad.any():
        return
    bad = int(np.argmax(is_bad))
    row = int(np.searchsorted(table.offsets, bad, side="right")) - 1
    number = table.columns.get("event_id")
    event = f"event in row {table.first_row + row}"
    if number is not None:
        event = f"event {number[row]} (row {table.first_row + row})"
    raise DataError(
        f"{event}, hit {bad - int(table.offsets[row])}: {name} is {values[bad]}, expected a number "
        f"of at most {largest:.3g}: mend the event, or leave such hits out of the channel by where"
    )


def _told(window: Window) -> str:
    if window.low is None:
        return f"{window.column} < {window.high:.12g}"
    if window.high is None:
        return f"{window.column} ≥ {window.low:.12g}"
    return f"{window.column} in [{window.low:.12g}, {window.high:.12g})"
