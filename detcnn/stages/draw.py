"""Stage ``draw``: average images and single events of an input file or an image store."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.opening import open_artifact
from detcnn.errors import DataError
from detcnn.events.grid import Grid
from detcnn.events.images import Images, as_dense
from detcnn.events.table import ImageTable
from detcnn.plotting.images import images_figure
from detcnn.plotting.style import write_figure
from detcnn.sources.chain import expand_paths, open_sources
from detcnn.stages.recipes import first_recipe, image_channels, image_grid, project_events
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE, ChannelInfo, picture_channels

_LOOKED_AT = 10_000
_SINGLE_EVENTS = 2


@dataclass(frozen=True, slots=True)
class _Gallery:
    """Images of each class, and what their axes and channels mean."""

    images: Mapping[str, Images]
    grid: Grid
    channels: tuple[ChannelInfo, ...]


def run(path: Path, *, folder: Path, preset: str | None = None) -> tuple[Path, ...]:
    """Draw the average image and single events of each class.

    Parameters
    ----------
    path : Path
        An images artifact, of which the training split is drawn, or an input file. Of either, the
        first 10,000 events of each sample are looked at.
    folder : Path
        Where the figures go; made if need be.
    preset : str, optional
        The image to make of constituents, as `detcnn.stages.recipes.first_recipe` has it.

    Returns
    -------
    tuple of Path
        The figures as PNG; a PDF stands beside each.

    Raises
    ------
    DataError
        If it is not there, not something detcnn reads, damaged, or without events.
    ConfigError
        If a file's parts cannot be told apart without being named, or the preset is unknown.
    """
    gallery = _stored_gallery(path) if path.is_dir() else _source_gallery(path, preset)
    filled = {name: images for name, images in gallery.images.items() if images.n_images}
    if not filled:
        raise DataError(f"{path}: no events to draw")
    averages = {
        name: as_dense(images.folded).values.mean(axis=0, dtype=np.float64)
        for name, images in filled.items()
    }
    singles = {
        f"{name}, event {i + 1}": as_dense(images.slice(i, i + 1).folded).values[0]
        for name, images in filled.items()
        for i in range(min(_SINGLE_EVENTS, images.n_images))
    }
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        name: images_figure(
            pictures,
            grid=gallery.grid,
            channels=[channel.name for channel in gallery.channels],
            units=[channel.unit for channel in gallery.channels],
        )
        for name, pictures in (("averages", averages), ("events", singles))
    }
    return tuple(write_figure(figure, folder, name).png for name, figure in figures.items())


def _stored_gallery(path: Path) -> _Gallery:
    artifact = open_artifact(path, expected=IMAGES)
    store = open_store(artifact.path / STORE)
    split = store.splits["train"]
    images, label = split.images(0, min(split.n_events, _LOOKED_AT)), split.label[:_LOOKED_AT]
    return _Gallery(
        images={
            name: images.take(np.flatnonzero(label == index))
            for index, name in enumerate(store.schema.classes)
        },
        grid=store.schema.grid.picture,
        channels=store.schema.picture_channels,
    )


def _source_gallery(path: Path, preset: str | None) -> _Gallery:
    source = open_sources(expand_paths(str(path), base=Path()))
    recipe = first_recipe(source, preset)
    shape = source.image_shape if recipe is None else recipe.shape
    assert shape is not None
    by_class: dict[str, Images] = {}
    for number, sample in enumerate(source.samples):
        table = source.read(number, 0, min(sample.n_events, _LOOKED_AT))
        images: Images
        if isinstance(table, ImageTable):
            images = table.images
        else:
            assert recipe is not None
            images = project_events(table, recipe, path=path).images
        label = table.columns.get("label")
        if sample.class_name is not None or label is None:
            by_class[sample.class_name or sample.name] = images
        else:
            for value, name in source.label_names.items():
                by_class[name] = images.take(np.flatnonzero(label == value))
    grid = image_grid(shape, recipe, names=source.layout.axes)
    channels = picture_channels(image_channels(shape, recipe), grid)
    return _Gallery(by_class, grid.picture, channels)
