"""A block of events to a block of images, by a recipe."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.images import DenseImages, Images, SparseImages, concatenate, pixel_dtype
from detcnn.events.table import Column, EventTable
from detcnn.imaging.alignment import Centre, Normalise, Step, encoded
from detcnn.imaging.channels import (
    MAX_CHANNELS,
    Channel,
    distinct_selections,
    distinct_weights,
    membership,
    weight_columns,
    with_charges,
)
from detcnn.imaging.image_steps import (
    ImageStep,
    apply_image_steps,
    grid_after,
    radius_of_subjets,
)
from detcnn.imaging.value_steps import NormaliseImage
from detcnn.kernels import projection as kernel
from detcnn.kernels.angles import wrapped

_EVENTS_AT_ONCE = 4096
"""Bounds the scratch, and is what one thread takes; results do not depend on it."""

_WORD, _MOST_PIXELS = 64, 2**31 - 1
"""Pixels are counted in 32 bits, and those of a channel in whole words."""

_WEIGHTS_OF_KERNEL = [weight.name.lower() for weight in kernel.Weight]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an event becomes an image.

    Parameters
    ----------
    grid : Grid
        Rows along `longitudinal`, columns along φ, both relative to the image centre.
    channels : tuple of Channel
        1 to 64, with different names.
    steps : tuple of Centre, Rotate, Flip or Normalise
        They act in the order given, each any number of times; `Normalise` only once and last.
        Without `Centre`, coordinates are the detector's, with φ in [−π, π).
    longitudinal : str
        ``"eta"`` or ``"rapidity"``: the column that the rows measure.
    image_steps : tuple of ImageStep
        What is done to the images afterwards, in the order given.

    Raises
    ------
    ConfigError
        If the channels or the order of the steps cannot be, a crop is larger than the grid, or
        there are 2³¹ pixels or more.
    """

    grid: Grid
    channels: tuple[Channel, ...]
    steps: tuple[Step, ...] = ()
    longitudinal: Literal["eta", "rapidity"] = "eta"
    image_steps: tuple[ImageStep, ...] = ()

    def __post_init__(self) -> None:
        if self.longitudinal not in ("eta", "rapidity"):
            raise ConfigError(f"longitudinal: {self.longitudinal!r}, expected eta or rapidity")
        if not 1 <= len(self.channels) <= MAX_CHANNELS:
            raise ConfigError(f"{len(self.channels)} channels: expected 1 to {MAX_CHANNELS}")
        name, count = Counter(channel.name for channel in self.channels).most_common(1)[0]
        if count > 1:
            raise ConfigError(f"{count} channels are named {name!r}: give each its own name")
        if any(isinstance(step, Normalise) for step in self.steps[:-1]):
            raise ConfigError("steps: normalise must be the last step, and there only once")
        is_asked_for = any(isinstance(s, Normalise | NormaliseImage) for s in self._all_steps)
        if is_asked_for and not self.is_normalised.any():
            raise ConfigError(
                "steps: nothing to normalise, for no channel has the weight pt, energy or "
                "charge_pt; drop the step"
            )
        n_pixels = len(self.channels) * (prod(self.grid.shape) + _WORD)
        if n_pixels > _MOST_PIXELS:
            raise ConfigError(
                f"images of {len(self.channels)} × {' × '.join(map(str, self.grid.shape))} pixels: "
                f"expected {_MOST_PIXELS} at most; choose larger pixels"
            )
        grid_after(self.grid, self.image_steps)
        radius_of_subjets(self.image_steps)

    @property
    def _all_steps(self) -> tuple[Step | ImageStep, ...]:
        return *self.steps, *self.image_steps

    @property
    def image_grid(self) -> Grid:
        """The grid of the images: `grid`, less what is cropped."""
        return grid_after(self.grid, self.image_steps)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, rows, columns) of the images."""
        return len(self.channels), *self.image_grid.shape

    @property
    def is_normalised(self) -> NDArray[np.bool_]:
        """Bool, shape (channels,): which channels hold momenta or energies."""
        return np.array([channel.is_normalised for channel in self.channels])

    @property
    def normalise(self) -> Normalise | None:
        """The last step, if it is a normalisation."""
        last = self.steps[-1] if self.steps else None
        return last if isinstance(last, Normalise) else None


@dataclass(frozen=True, slots=True)
class Projection:
    """Images of a block of events, and what of the events is not in them.

    Parameters
    ----------
    images : SparseImages or DenseImages
        One for each event, in order; dense only if an image step rotates them.
    n_outside : numpy.ndarray
        int64, shape (n_events,): constituents outside the grid, of those that a channel takes.
    pt_outside : numpy.ndarray
        float64, shape (n_events,): their pT [GeV].
    """

    images: Images
    n_outside: NDArray[np.int64]
    pt_outside: NDArray[np.float64]

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Bool, shape (n_events,): which images have no pixel that is not 0."""
        if isinstance(self.images, DenseImages):
            values = self.images.values
            return np.asarray(~values.any(axis=tuple(range(1, values.ndim))))
        return np.asarray(np.diff(self.images.offsets) == 0)


def project(table: EventTable, recipe: Recipe, *, n_threads: int = 1) -> Projection:
    """Make the images of a block of events.

    Parameters
    ----------
    table : EventTable
        Left as it is. Needs the constituent columns ``pt``, ``phi`` and the recipe's
        `longitudinal`, what the channels ask for, and for ``centre on jet_axis`` the event
        columns ``phi`` and `longitudinal`.
    recipe : Recipe
        What to do.
    n_threads : int
        Threads to use, at least 1; the result is the same for any number. More than one pays for
        blocks of many thousand events, outside a training process.

    Returns
    -------
    Projection
        An event without constituents has an image without pixels.

    Raises
    ------
    DataError
        If a column is missing, offsets fall, or a value that is used is NaN, beyond ±1e30, or (pT)
        negative; the message names the event and the constituent.
    ConfigError
        If a channel's selection is unknown.
    """
    _check_columns(table, recipe)
    _check_offsets(table)
    plan = _plan(recipe)
    starts = range(0, max(table.n_events, 1), _EVENTS_AT_ONCE)
    work = partial(_project_from, table=table, recipe=recipe, plan=plan)
    if n_threads == 1:
        return _joined(list(map(work, starts)))
    with ThreadPoolExecutor(n_threads) as pool:
        return _joined(list(pool.map(work, starts)), each=pool.map)


@lru_cache(maxsize=8)
def _plan(recipe: Recipe) -> kernel.Plan:
    weights = [*_WEIGHTS_OF_KERNEL, *_further_weights(recipe)]
    selections = distinct_selections(recipe.channels)
    normalise = recipe.normalise
    return kernel.Plan(
        steps=encoded([s for s in recipe.steps if not isinstance(s, Normalise)], recipe.grid),
        row_edges=recipe.grid.rows.edges,
        column_edges=recipe.grid.columns.edges,
        selection_of_channel=np.array([selections.index(c.selection) for c in recipe.channels]),
        weight_of_channel=np.array([weights.index(c.weight) for c in recipe.channels]),
        is_scaled=recipe.is_normalised,
        # A plain number, for numba takes long to look at others.
        norm=int(kernel.Norm[normalise.by.upper()] if normalise else kernel.Norm.NONE),
        subjet_radius=float(radius_of_subjets(recipe.image_steps) or 0),
    )


def _project_from(
    start: int, *, table: EventTable, recipe: Recipe, plan: kernel.Plan
) -> Projection:
    stop = min(start + _EVENTS_AT_ONCE, table.n_events)
    first, last = int(table.offsets[start]), int(table.offsets[stop])
    events = {name: column[start:stop] for name, column in table.columns.items()}
    constituents = {name: column[first:last] for name, column in table.constituents.items()}
    block = EventTable(
        offsets=table.offsets[start : stop + 1] - first,
        constituents=constituents,
        columns=events,
        first_row=table.first_row + start,
    )
    shape = (len(recipe.channels), *recipe.grid.shape)
    lists = kernel.project(_deposits(block, recipe), plan, dtype=pixel_dtype(shape))
    if lists is None:
        raise _complaint(block, recipe)
    stepped = apply_image_steps(
        SparseImages(lists.offsets, lists.pixel, lists.value, shape),
        recipe.image_steps,
        grid=recipe.grid,
        is_normalised=recipe.is_normalised,
        subjets=lists.subjets,
    )
    return Projection(stepped.images, lists.n_outside, lists.pt_outside)


def _deposits(block: EventTable, recipe: Recipe) -> kernel.Deposits:
    """Return what the kernel takes; it looks at every value that it uses."""
    x_name = recipe.longitudinal
    constituents = with_charges(block.constituents, recipe.channels)
    axes = np.zeros((2, block.n_events))
    if _centres_on_jet_axis(recipe):
        for name in (x_name, "phi"):
            _check_axes(name, block.columns[name], block)
        axes[0], axes[1] = block.columns[x_name], wrapped(block.columns["phi"])
    pt, x, phi = _coordinates(constituents, x_name)
    return kernel.Deposits(
        offsets=block.offsets.astype(np.int64),
        pt=pt,
        x=x,
        y=phi,
        axes=axes,
        membership=membership(constituents, recipe.channels),
        weights=weight_columns(constituents, _further_weights(recipe), longitudinal=x_name),
    )


def _coordinates(
    constituents: Mapping[str, Column], longitudinal: str
) -> list[NDArray[np.floating]]:
    """Return pT and coordinates of one kind, for the kernel is compiled anew for each."""
    columns = [constituents[name] for name in ("pt", longitudinal, "phi")]
    is_single = all(column.dtype == np.float32 for column in columns)
    kind: type[np.floating] = np.float32 if is_single else np.float64
    return [np.ascontiguousarray(column, dtype=kind) for column in columns]


def _further_weights(recipe: Recipe) -> list[str]:
    """Return the weights that the kernel does not know by itself."""
    return [name for name in distinct_weights(recipe.channels) if name not in _WEIGHTS_OF_KERNEL]


def _complaint(block: EventTable, recipe: Recipe) -> DataError:
    """Return what is wrong with a block in which the kernel met a value that it cannot use."""
    constituents = with_charges(block.constituents, recipe.channels)
    pt, x, phi = _coordinates(constituents, recipe.longitudinal)
    _check_values("pt", pt, block, lowest=0.0)
    _check_values(recipe.longitudinal, x, block)
    _check_values("phi", phi, block)
    names = _further_weights(recipe)
    weights = weight_columns(constituents, names, longitudinal=recipe.longitudinal)
    for name, column in zip(names, weights, strict=True):
        _check_values(name, column, block)
    raise AssertionError("the kernel and the checks disagree")


def _joined(
    parts: Sequence[Projection], *, each: Callable[..., Iterable[None]] = map
) -> Projection:
    if len(parts) == 1:
        return parts[0]
    images: Images
    dense = [part.images.values for part in parts if isinstance(part.images, DenseImages)]
    if dense:
        images = DenseImages(np.concatenate(dense))
    else:
        lists = [part.images for part in parts if isinstance(part.images, SparseImages)]
        images = concatenate(lists, each=each)
    return Projection(
        images,
        np.concatenate([part.n_outside for part in parts]),
        np.concatenate([part.pt_outside for part in parts]),
    )


def _centres_on_jet_axis(recipe: Recipe) -> bool:
    return any(isinstance(step, Centre) and step.on == "jet_axis" for step in recipe.steps)


def _check_columns(table: EventTable, recipe: Recipe) -> None:
    for name in ("pt", recipe.longitudinal, "phi"):
        if name not in table.constituents:
            other = {"eta": "rapidity", "rapidity": "eta"}.get(name)
            remedy = f"; set longitudinal: {other}" if other in table.constituents else ""
            raise DataError(
                f"the input has no constituent column {name!r}, which the images need: "
                f"it has {', '.join(sorted(table.constituents)) or 'none'}{remedy}"
            )
    for name in (recipe.longitudinal, "phi") if _centres_on_jet_axis(recipe) else ():
        if name not in table.columns:
            raise DataError(
                f"the input has no event column {name!r}, which centre on jet_axis needs: "
                "centre on pt_centroid, hardest or leading_subjet"
            )


def _check_offsets(table: EventTable) -> None:
    if table.offsets[0] != 0:
        raise DataError(f"offsets start at {table.offsets[0]}: expected 0")
    falls = np.diff(table.offsets) < 0
    if falls.any():
        row = int(np.argmax(falls))
        raise DataError(
            f"{_event(table, row)}: offsets fall from {table.offsets[row]} to "
            f"{table.offsets[row + 1]}, expected that they never do"
        )


def _check_values(
    name: str, values: Column, block: EventTable, *, lowest: float = -kernel.LARGEST
) -> None:
    is_good = (values >= lowest) & (values <= kernel.LARGEST)
    if is_good.all():
        return
    bad = int(np.argmin(is_good))
    row = int(np.searchsorted(block.offsets, bad, side="right")) - 1
    raise DataError(
        f"{_event(block, row)}, constituent {bad - int(block.offsets[row])}: "
        f"{name} is {values[bad]}, expected {lowest:g} to {kernel.LARGEST:g}; "
        "mend or drop the event"
    )


def _check_axes(name: str, values: Column, block: EventTable) -> None:
    is_good = np.isfinite(values)
    if not is_good.all():
        row = int(np.argmin(is_good))
        raise DataError(
            f"{_event(block, row)}: the jet's {name} is {values[row]}, expected a "
            "finite number; drop the event, or centre on something else than jet_axis"
        )


def _event(table: EventTable, row: int) -> str:
    if "event_id" in table.columns:
        return f"event {table.columns['event_id'][row]} (row {table.first_row + row})"
    return f"event in row {table.first_row + row}"
