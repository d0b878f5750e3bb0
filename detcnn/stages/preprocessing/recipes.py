"""From the ``image`` section of a study to the recipe that imaging follows, and its meaning."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from detcnn.config.preprocess import (
    CentreConfig,
    CropConfig,
    DownsampleConfig,
    FlipConfig,
    FlipImageConfig,
    HitsConfig,
    ImageConfig,
    ImageStepConfig,
    NormaliseImageConfig,
    RotateConfig,
    RotateImageConfig,
    ScaleConfig,
    StepConfig,
    ThresholdConfig,
    TilesConfig,
)
from detcnn.config.presets import expand_preset
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import PICTURE, Axis, Grid
from detcnn.events.table import EventTable
from detcnn.events.windows import Window
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate, Step
from detcnn.imaging.channels import Channel
from detcnn.imaging.geometric_steps import Crop, Downsample, FlipImage, GeometricStep, RotateImage
from detcnn.imaging.hits import HitChannel, HitRecipe, project_hits
from detcnn.imaging.image_steps import ImageStep, grid_after, radius_of_subjets
from detcnn.imaging.projection import Projection, Recipe, project
from detcnn.imaging.tiling import Tiling
from detcnn.imaging.value_steps import NormaliseImage, ScalePixels, Threshold
from detcnn.sources.base import Source
from detcnn.storage.schema import ChannelInfo

_FIRST_LOOK = "jet_pt"

_UNITS = {"pt": "GeV", "energy": "GeV", "count": "1", "charge": "e", "charge_pt": "e GeV"}
_SUMS = {
    "pt": "sum of pT",
    "energy": "sum of energy",
    "count": "number",
    "charge": "sum of charge",
    "charge_pt": "sum of charge times pT",
}


def build_recipe(config: ImageConfig) -> Recipe:
    """Return the recipe that an ``image`` section describes.

    Raises
    ------
    ConfigError
        If the channels or the order of the steps cannot be.
    """
    width = config.grid.width
    n_rows, n_columns = pair(config.grid.pixels)
    height, breadth = width if isinstance(width, tuple) else (width, width)
    return Recipe(
        grid=Grid(
            Axis(config.longitudinal, n_rows, -height / 2, height / 2),
            Axis("phi", n_columns, -breadth / 2, breadth / 2, unit="rad"),
        ),
        channels=tuple(Channel(c.name, c.weight, c.of) for c in config.channels),
        steps=tuple(_build_step(step) for step in config.align),
        longitudinal=config.longitudinal,
        image_steps=build_image_steps(config.image_steps),
    )


def build_hit_recipe(config: HitsConfig) -> HitRecipe:
    """Return the recipe that a ``hits`` section describes.

    Raises
    ------
    ConfigError
        If an axis has no width, or the channels cannot be.
    """
    return HitRecipe(
        grid=Grid(
            *(
                Axis(axis.name or axis.of, axis.pixels, axis.low, axis.high, unit=axis.unit)
                for axis in config.axes
            )
        ),
        columns=tuple(axis.of for axis in config.axes),
        channels=tuple(
            HitChannel(
                channel.name,
                channel.weight,
                channel.by,
                tuple(Window(name, low, high) for name, (low, high) in channel.where.items()),
                channel.unit,
            )
            for channel in config.channels
        ),
    )


def build_image_steps(configs: Sequence[ImageStepConfig]) -> tuple[ImageStep, ...]:
    """Return the steps that a list of ``image_steps`` describes.

    Raises
    ------
    ConfigError
        If two steps go by subjets of different radius.
    """
    steps = tuple(_build_image_step(config) for config in configs)
    radius_of_subjets(steps)
    return steps


def build_ready_steps(
    configs: Sequence[ImageStepConfig], shape: tuple[int, ...]
) -> tuple[ImageStep, ...]:
    """Return the ``image_steps`` of ready images of a shape.

    Raises
    ------
    ConfigError
        If a step goes by subjets, does not go with the size of the images, or is one of pictures
        and they are something else.
    """
    steps = build_image_steps(configs)
    if len(shape) != 3:
        for config, step in zip(configs, steps, strict=True):
            if isinstance(step, GeometricStep):
                raise ConfigError(
                    f"preprocess.image_steps: {config.step}: is a step of images of two axes, "
                    f"these have {len(shape) - 1}: leave it out"
                )
    if radius_of_subjets(steps) is not None:
        raise ConfigError(
            "preprocess.image_steps: ready images have no subjets: rotate by principal_axis, "
            "flip towards sum"
        )
    grid_after(image_grid(shape, None), steps)
    return steps


def build_tiling(config: TilesConfig, grid: Grid) -> Tiling:
    """Return the tiles that a ``tiles`` section cuts images of a grid into.

    Raises
    ------
    ConfigError
        If the images are no pictures, or smaller than a tile.
    """
    if len(grid.axes) != 2:
        raise ConfigError(
            f"preprocess.tiles: images of {len(grid.axes)} axes: only those of rows and columns "
            "are cut into tiles"
        )
    return Tiling(
        frame=(grid.rows.n_pixels, grid.columns.n_pixels),
        pixels=pair(config.pixels),
        overlap=config.overlap,
    )


def _build_image_step(config: ImageStepConfig) -> ImageStep:
    match config:
        case RotateImageConfig():
            return RotateImage(config.by, config.subjet_radius)
        case FlipImageConfig():
            return FlipImage(config.axis, config.towards, config.subjet_radius)
        case NormaliseImageConfig():
            return NormaliseImage(config.by)
        case CropConfig():
            return Crop(*pair(config.pixels))
        case DownsampleConfig():
            return Downsample(*pair(config.pixels), config.by)
        case ThresholdConfig():
            return Threshold(config.above)
        case ScaleConfig():
            return ScalePixels(config.by, config.unit)


def pair(pixels: int | tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns that are given as two numbers, or as one for both."""
    return pixels if isinstance(pixels, tuple) else (pixels, pixels)


def _build_step(config: StepConfig) -> Step:
    match config:
        case CentreConfig():
            return Centre(config.on, config.snap, config.subjet_radius)
        case RotateConfig():
            return Rotate(config.by, config.subjet_radius)
        case FlipConfig():
            return Flip(config.axis, config.towards)
        case _:
            return Normalise(config.by)


def project_events(table: EventTable, recipe: Recipe | HitRecipe, *, path: Path) -> Projection:
    """Return the images of a block of events of the file `path`.

    Raises
    ------
    DataError, ConfigError
        As `detcnn.imaging.projection.project` and `detcnn.imaging.hits.project_hits`, with the file
        named.
    """
    try:
        return _projected(table, recipe)
    except (DataError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from None


def _projected(table: EventTable, recipe: Recipe | HitRecipe) -> Projection:
    return project_hits(table, recipe) if isinstance(recipe, HitRecipe) else project(table, recipe)


def check_recipe(recipe: Recipe | HitRecipe | None, source: Source) -> None:
    """Raise if a file lacks a column that a recipe needs, and nothing if there is no recipe.

    What fails without any event is not the fault of one.

    Raises
    ------
    ConfigError
        Naming the file, the column and the remedy.
    """
    for number in range(len(source.samples) if recipe is not None else 0):
        table = source.read(number, 0, 0)
        if recipe is not None and isinstance(table, EventTable):
            try:
                _projected(table, recipe)
            except DataError as error:
                raise ConfigError(f"{source.path}: {error}") from None


def first_recipe(source: Source, preset: str | None) -> Recipe | None:
    """Return the image that a first look makes of a file's constituents.

    None for ready images, and for hits, whose image only a study can tell.

    Parameters
    ----------
    source : Source
        The file.
    preset : str, optional
        A named image; if left out, ``"jet_pt"`` in η, or in the rapidity where there is no η.

    Raises
    ------
    ConfigError
        If there is no such preset, or the file lacks a column that it needs.
    """
    if source.image_shape is not None or source.layout.kind == "hits":
        return None
    table = source.read(0, 0, 0)
    section = expand_preset({"preset": preset or _FIRST_LOOK})
    if preset is None and isinstance(table, EventTable) and "eta" not in table.constituents:
        section["longitudinal"] = "rapidity"
    recipe = build_recipe(ImageConfig.model_validate_json(json.dumps(section)))
    check_recipe(recipe, source)
    return recipe


def image_grid(
    shape: tuple[int, ...],
    recipe: Recipe | HitRecipe | None,
    steps: Sequence[ImageStep] = (),
    *,
    names: tuple[str, ...] = (),
) -> Grid:
    """Return the grid of a recipe, or of ready images that only know their pixels.

    Parameters
    ----------
    shape : tuple of int
        (channels, *axes) of one image, for ready images as the input has them.
    recipe : Recipe or HitRecipe, optional
        How the images are made; None for ready images.
    steps : sequence of ImageStep
        What is done to ready images, and those of hits.
    names : tuple of str
        What the axes of ready images are called, if not row and column.
    """
    if isinstance(recipe, Recipe):
        return recipe.image_grid
    if recipe is not None:
        return grid_after(recipe.grid, steps)
    sizes = shape[1:]
    axes = (
        Axis(name, size, 0.0, float(size), unit="pixel")
        for name, size in zip(names or PICTURE[-len(sizes) :], sizes, strict=True)
    )
    return grid_after(Grid(*axes), steps)


def image_channels(
    shape: tuple[int, ...],
    recipe: Recipe | HitRecipe | None,
    steps: Sequence[ImageStep] = (),
    *,
    stated: Mapping[str, str],
    unstated: tuple[ChannelInfo, ...] = (),
) -> tuple[ChannelInfo, ...]:
    """Return name, unit and meaning of each channel.

    Parameters
    ----------
    shape, recipe, steps
        As for `image_grid`.
    stated : mapping
        Names of the channels of ready images to their units, as their layout has them; empty where
        nothing is known of them.
    unstated : tuple of ChannelInfo
        What the channels are where `stated` tells no unit, nor other names: those that a model was
        trained on.
    """
    if isinstance(recipe, Recipe):
        return tuple(_describe(channel, recipe) for channel in recipe.channels)
    if recipe is not None:
        return tuple(
            _after(steps, ChannelInfo(channel.name, channel.unit, channel.meaning))
            for channel in recipe.channels
        )
    is_told = any(stated.values()) or [*stated] not in ([], [info.name for info in unstated])
    if len(unstated) == shape[0] and not is_told:
        return unstated
    return tuple(
        _after(
            steps,
            # A step may leave numbers without a unit, and files of another one are to be told.
            ChannelInfo(name, unit or "1", f"as in the input file{f', in {unit}' if unit else ''}"),
        )
        for name, unit in (stated or {f"channel_{i}": "" for i in range(shape[0])}).items()
    )


def stated_channels(sources: Sequence[Source]) -> Mapping[str, str]:
    """Return names and units of the channels of ready images, as the files of a study state them.

    What one file does not state is as another does.

    Raises
    ------
    ConfigError
        If two state different names or units.
    """
    known: dict[str, str] = {}
    told_by = Path()
    for source in sources:
        stated = source.layout.channel_units
        if not known:
            known, told_by = dict(stated), source.path
        differ = any(
            stated.get(name) and unit and stated[name] != unit for name, unit in known.items()
        )
        if stated and (differ or [*stated] != [*known]):
            raise ConfigError(
                f"{source.path}: the channels are {_told(stated)}, but those of {told_by.name} "
                f"{_told(known)}: give both sources the same channel_units in the study"
            )
        known = {name: unit or stated.get(name, "") for name, unit in known.items()}
    return known


def _told(channels: Mapping[str, str]) -> str:
    return ", ".join(f"{name} [{unit or 'no unit'}]" for name, unit in channels.items())


def _describe(channel: Channel, recipe: Recipe) -> ChannelInfo:
    which = (
        f"PDG ids {', '.join(map(str, channel.selection))}"
        if isinstance(channel.selection, tuple)
        else f"{channel.selection} constituents"
    )
    meaning, unit = f"{_SUMS[channel.weight]}, {which}", _UNITS[channel.weight]
    if recipe.normalise is not None and channel.is_normalised:
        meaning, unit = f"{meaning}, normalised by {recipe.normalise.by}", "1"
    steps = [
        step
        for step in recipe.image_steps
        if channel.is_normalised or not isinstance(step, NormaliseImage | Threshold)
    ]
    return _after(steps, ChannelInfo(channel.name, unit, meaning))


def _after(steps: Sequence[ImageStep], channel: ChannelInfo) -> ChannelInfo:
    """Return what a channel means once its images have been through the steps."""
    meaning, unit = channel.meaning, channel.unit
    for step in steps:
        match step:
            case NormaliseImage(by):
                meaning, unit = f"{meaning}, normalised by {by}", "1"
            case ScalePixels(by, bend):
                of = "" if bend is None else f" of multiples of {_amount(bend, unit)}"
                meaning, unit = f"{meaning}, {by}{of}", "1"
            case Threshold(above):
                meaning = f"{meaning}, pixels above {_amount(above, unit)}"
            case Downsample(rows, columns, by):
                meaning = f"{meaning}, {by} of {rows}x{columns} pixels"
    return ChannelInfo(channel.name, unit, meaning)


def _amount(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"
