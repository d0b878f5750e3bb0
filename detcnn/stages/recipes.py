"""From the ``image`` section of a study to the recipe that imaging follows, and its meaning."""

from pathlib import Path

from detcnn.config.preprocess import (
    CentreConfig,
    FlipConfig,
    ImageConfig,
    RotateConfig,
    StepConfig,
)
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.table import EventTable
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate, Step
from detcnn.imaging.channels import Channel
from detcnn.imaging.projection import Projection, Recipe, project
from detcnn.storage.schema import ChannelInfo

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
    pixels, width = config.grid.pixels, config.grid.width
    n_rows, n_columns = pixels if isinstance(pixels, tuple) else (pixels, pixels)
    height, breadth = width if isinstance(width, tuple) else (width, width)
    return Recipe(
        grid=Grid(
            rows=Axis(config.longitudinal, n_rows, -height / 2, height / 2),
            columns=Axis("phi", n_columns, -breadth / 2, breadth / 2, unit="rad"),
        ),
        channels=tuple(Channel(c.name, c.weight, c.of) for c in config.channels),
        steps=tuple(_build_step(step) for step in config.align),
        longitudinal=config.longitudinal,
    )


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


def project_events(table: EventTable, recipe: Recipe, *, path: Path) -> Projection:
    """Return the images of a block of events of the file `path`.

    Raises
    ------
    DataError, ConfigError
        As `detcnn.imaging.projection.project`, with the file named.
    """
    try:
        return project(table, recipe)
    except (DataError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from None


def image_grid(shape: tuple[int, int, int], recipe: Recipe | None) -> Grid:
    """Return the grid of a recipe, or of ready images that only know their pixels.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of one image.
    recipe : Recipe, optional
        How the images are made; None for ready images.
    """
    if recipe is not None:
        return recipe.grid
    _, rows, columns = shape
    return Grid(
        Axis("row", rows, 0.0, float(rows), unit="pixel"),
        Axis("column", columns, 0.0, float(columns), unit="pixel"),
    )


def image_channels(shape: tuple[int, int, int], recipe: Recipe | None) -> tuple[ChannelInfo, ...]:
    """Return name, unit and meaning of each channel; parameters as for `image_grid`."""
    if recipe is not None:
        return tuple(_describe(channel, recipe.normalise) for channel in recipe.channels)
    return tuple(
        ChannelInfo(f"channel_{i}", unit="1", meaning="as in the input file")
        for i in range(shape[0])
    )


def _describe(channel: Channel, normalise: Normalise | None) -> ChannelInfo:
    which = (
        f"PDG ids {', '.join(map(str, channel.selection))}"
        if isinstance(channel.selection, tuple)
        else f"{channel.selection} constituents"
    )
    meaning, unit = f"{_SUMS[channel.weight]}, {which}", _UNITS[channel.weight]
    if normalise is not None and channel.is_normalised:
        meaning, unit = f"{meaning}, normalised by {normalise.by}", "1"
    return ChannelInfo(channel.name, unit, meaning)
