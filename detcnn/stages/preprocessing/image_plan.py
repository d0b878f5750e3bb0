"""How the events of input files become images: a section of the study, turned into plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from detcnn.artifacts.digests import file_digest
from detcnn.config.preprocess import DownsampleConfig, PreprocessConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.identity import split_indices
from detcnn.events.labels import Classes
from detcnn.events.observables import MassesFrom, masses_from
from detcnn.events.windows import Window
from detcnn.imaging.hits import HitRecipe
from detcnn.imaging.image_steps import ImageStep, grid_after
from detcnn.imaging.projection import Recipe
from detcnn.imaging.tiling import Tiling
from detcnn.sources.base import PixelTruth, Source
from detcnn.stages.preprocessing.cameras import Resampling, build_resampling
from detcnn.stages.preprocessing.event_columns import (
    check_select,
    column_units,
    common_columns,
    wanted_observables,
    with_tile_columns,
)
from detcnn.stages.preprocessing.inputs import classes_of, known_classes
from detcnn.stages.preprocessing.recipes import (
    build_hit_recipe,
    build_ready_steps,
    build_recipe,
    build_tiling,
    check_recipe,
    image_channels,
    image_grid,
    stated_channels,
)
from detcnn.storage.schema import (
    SPLITS,
    ChannelInfo,
)

_VALUES_AT_ONCE = 1 << 26
"""Of ready images and the truth of their pixels, in one partition: a quarter of a GiB."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """All that a worker needs to turn a partition into a piece.

    Parameters
    ----------
    sources : tuple of Source
        The input.
    classes : Classes
        Those of the events.
    recipe : Recipe or HitRecipe, optional
        How constituents or hits become an image; None for ready images.
    resampling : Resampling, optional
        How pixels of a hexagonal camera become squares.
    image_steps : tuple of ImageStep
        What is done to images then.
    grid : Grid
        Of an image of the store.
    channels : tuple of ChannelInfo
        What its channels mean.
    columns : tuple of str
        Event columns of the store.
    column_units : mapping
        Those of known unit to it.
    truth : mapping
        Name to what all inputs know of their pixels.
    points : tuple of str
        Points that all inputs have.
    tiling : Tiling, optional
        How images are cut at last.
    windows : tuple of Window
        Which events are taken.
    observables : tuple of str
        What is worked out of constituents.
    masses : MassesFrom
        Where the masses of constituents come from.
    fractions : mapping
        Share of each split.
    salt : int
        Of the hash that decides the split.
    is_unseen : bool
        Whether events need no class.
    n_partitions : int
        Into how many parts the input is cut.
    """

    sources: tuple[Source, ...]
    classes: Classes
    recipe: Recipe | HitRecipe | None
    resampling: Resampling | None
    image_steps: tuple[ImageStep, ...]
    grid: Grid
    channels: tuple[ChannelInfo, ...]
    columns: tuple[str, ...]
    column_units: Mapping[str, str]
    truth: Mapping[str, PixelTruth]
    points: tuple[str, ...]
    tiling: Tiling | None
    windows: tuple[Window, ...]
    observables: tuple[str, ...]
    masses: MassesFrom
    fractions: Mapping[str, float]
    salt: int
    is_unseen: bool
    n_partitions: int


def plan_images(
    config: PreprocessConfig,
    sources: tuple[Source, ...],
    *,
    base: Path,
    unseen_by: Classes | None,
    unstated: tuple[ChannelInfo, ...] = (),
) -> ImagePlan:
    """Hold a study against its input and return what is to be done.

    Parameters
    ----------
    config : PreprocessConfig
        The study's section.
    sources : tuple of Source
        The input.
    base : Path
        Folder that relative paths start from.
    unseen_by : Classes, optional
        Those of a trained model that is to be shown these events.
    unstated : tuple of ChannelInfo
        What the channels of ready images are, where the files state nothing of them.

    Raises
    ------
    ConfigError
        If the study does not fit the input.
    DataError
        If the input is malformed or holds no events.
    """
    shapes = {source.image_shape for source in sources}
    kinds = {(s.image_shape, s.layout.axes, tuple(s.layout.channels)) for s in sources}
    if len(kinds) > 1:
        named = ", ".join(
            f"{s.path.name}: {s.image_shape or 'constituents'} "
            f"{', '.join((*s.layout.axes, *s.layout.channels))}".strip()
            for s in sources
        )
        raise ConfigError(f"preprocess.sources: the inputs do not go together ({named})")
    shape = shapes.pop()
    if shape is None and config.image is None and config.hits is None:
        is_hits = sources[0].layout.kind == "hits"
        raise ConfigError(
            f"{sources[0].path}: holds hits: say how they become an image under preprocess.hits"
            if is_hits
            else f"{sources[0].path}: holds constituents: say how they become an image under "
            "preprocess.image, for example 'preset: komiske2017'"
        )
    if shape is not None and (config.image is not None or config.hits is not None):
        section = "image" if config.hits is None else "hits"
        raise ConfigError(
            f"{sources[0].path}: holds ready images: leave out preprocess.{section}; "
            "preprocess.image_steps may change them"
        )
    if config.image is not None and config.image_steps:
        raise ConfigError(
            f"{sources[0].path}: holds constituents: give their image's steps as "
            "preprocess.image.image_steps, not preprocess.image_steps"
        )
    recipe: Recipe | HitRecipe | None = None
    if config.image is not None:
        recipe = build_recipe(config.image)
    elif config.hits is not None:
        recipe = build_hit_recipe(config.hits)
    if recipe is not None:
        shape = recipe.shape
        for source in sources:
            check_recipe(recipe, source)
    assert shape is not None
    resampling = None
    if config.hexagonal is not None:
        resampling = build_resampling(config.hexagonal, sources[0], base=base)
        shape = (shape[0], *resampling.camera.grid.shape)
    steps = build_ready_steps(config.image_steps, shape)
    truth = _common_truth(sources)
    points = _common_points(sources)
    grid = (
        image_grid(shape, recipe, steps, names=sources[0].layout.axes)
        if resampling is None
        else grid_after(resampling.camera.grid, steps)
    )
    tiling = None if config.tiles is None else build_tiling(config.tiles, grid)
    samples = [sample for source in sources for sample in source.samples]
    empty = [f"{source.path}" for source in sources if not sum(s.n_events for s in source.samples)]
    if empty:
        raise DataError(f"{empty[0]}: holds no events")
    if unseen_by is None:
        classes = classes_of(config, sources)
        fractions = {name: float(getattr(config.split, name)) for name in SPLITS}
    else:
        classes = known_classes(unseen_by, sources)
        fractions = {name: float(name == "test") for name in SPLITS}
    # Refuses bad shares before any work starts.
    split_indices(np.zeros(1, dtype=np.int64), fractions)
    columns, roles = common_columns(sources)
    observables = wanted_observables(config, columns)
    columns = tuple(sorted({*columns, *observables}))
    # Events are selected whole, before they are cut.
    check_select(config, columns)
    if tiling is not None:
        columns = with_tile_columns(columns)
    if config.planing is not None and config.planing.column not in columns:
        raise ConfigError(
            f"preprocess.planing.column: no column {config.planing.column!r} in the input; "
            f"there are: {', '.join(columns)}"
        )
    return ImagePlan(
        sources=sources,
        classes=classes,
        recipe=recipe,
        resampling=resampling,
        image_steps=steps,
        grid=grid if tiling is None else tiling.grid(grid),
        channels=image_channels(
            shape, recipe, steps, stated=stated_channels(sources), unstated=unstated
        ),
        columns=columns,
        column_units=column_units(sources, columns),
        truth=truth,
        points=points,
        tiling=tiling,
        windows=tuple(Window(name, low, high) for name, (low, high) in config.select.items()),
        observables=observables,
        masses=masses_from(roles),
        fractions=fractions,
        salt=config.split.salt,
        is_unseen=unseen_by is not None,
        # No more than the largest sample has events, so that no partition is empty.
        n_partitions=min(
            -(
                -sum(sample.n_events for sample in samples)
                // _events_at_once(config, sources, resampling)
            ),
            max(s.n_events for s in samples),
        ),
    )


def remarks(config: PreprocessConfig, plan: ImagePlan) -> Iterator[str]:
    """Say what a study may not have meant."""
    steps = config.image_steps if config.image is None else config.image.image_steps
    shape = plan.grid.shape if plan.tiling is None else plan.tiling.frame
    for step in steps:
        if not isinstance(step, DownsampleConfig):
            continue
        block = (step.pixels, step.pixels) if isinstance(step.pixels, int) else step.pixels
        if all(n < side for n, side in zip(shape[-2:], block, strict=True)):
            yield (
                f"preprocess.image_steps: downsample puts blocks of {block[0]}x{block[1]} pixels "
                f"together, and images of {shape[-2]}x{shape[-1]} remain: its pixels are those of "
                "a block, not of the result"
            )


def image_identity(config: PreprocessConfig, *, base: Path) -> dict[str, Any] | None:
    """Return what of a study makes images what they are; None where they stay as in the input.

    Raises
    ------
    DataError
        If the geometry of a camera, at a path relative to `base`, cannot be read.
    """
    steps = [step.identity() for step in config.image_steps]
    identity: dict[str, Any] = {"image_steps": steps}
    if config.image is not None:
        identity = config.image.identity()
    elif config.hits is not None:
        identity["hits"] = config.hits.identity()
    if config.hexagonal is not None:
        geometry = file_digest(base / config.hexagonal.geometry)
        identity["hexagonal"] = config.hexagonal.identity() | {"geometry": geometry}
    if config.tiles is not None:
        identity["tiles"] = config.tiles.identity()
    # Images without steps are those of before there were any, and models go on with them.
    if not identity["image_steps"]:
        del identity["image_steps"]
    return identity or None


def _events_at_once(
    config: PreprocessConfig, sources: tuple[Source, ...], resampling: Resampling | None
) -> int:
    """Return how many events a partition has: fewer of large images."""
    shape = sources[0].image_shape
    if shape is None:
        return config.events_per_partition
    planes = shape[0] + len(sources[0].layout.pixels)
    n_pixels = prod(shape[1:])
    if resampling is not None:
        n_pixels = max(n_pixels, resampling.camera.grid.n_pixels)
    return max(1, min(config.events_per_partition, _VALUES_AT_ONCE // (planes * n_pixels)))


def _common_truth(sources: tuple[Source, ...]) -> dict[str, PixelTruth]:
    """Return what all inputs know of their pixels.

    Raises
    ------
    ConfigError
        If two have different classes or units for one name, or planes of something else.
    """
    first = sources[0].layout.pixels
    for source in sources[1:]:
        for name, truth in source.layout.pixels.items():
            if name in first and truth.unit != first[name].unit:
                raise ConfigError(
                    f"{source.path}: the pixel truth {name!r} is in {truth.unit or 'no unit'}, but "
                    f"{sources[0].path.name} has it in {first[name].unit or 'none'}: files that go "
                    "together state one unit"
                )
            if name in first and truth.classes != first[name].classes:
                raise ConfigError(
                    f"{source.path}: the classes of the pixel truth {name!r} are "
                    f"{', '.join(truth.classes) or 'none'}, but {sources[0].path.name} has "
                    f"{', '.join(first[name].classes) or 'none'}: give them in the study"
                )
            if name in first and truth.of != first[name].of:
                raise ConfigError(
                    f"{source.path}: the planes of the pixel truth {name!r} are of the "
                    f"{truth.of}, but those of {sources[0].path.name} of the {first[name].of}: set "
                    f"pixels.{name}.of of both in the study"
                )
    return {n: t for n, t in first.items() if all(n in s.layout.pixels for s in sources)}


def _common_points(sources: tuple[Source, ...]) -> tuple[str, ...]:
    return tuple(n for n in sources[0].layout.points if all(n in s.layout.points for s in sources))
