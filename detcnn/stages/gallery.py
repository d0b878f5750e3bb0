"""Images to look at: the first ones of an image store or of an input file, as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.opening import open_artifact
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.images import Images, as_dense
from detcnn.events.table import ImageTable
from detcnn.sources.chain import expand_paths, open_sources
from detcnn.stages.preprocessing.recipes import (
    first_recipe,
    image_channels,
    image_grid,
    project_events,
)
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE, ChannelInfo, picture_channels

DEFAULT_SPLIT = "train"
LOOKED_AT = 10_000
"""Events of a store, or of each sample of a file, that are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Images of events, and what their axes and channels mean.

    Parameters
    ----------
    images : tuple of Images
        Folded, in the order of their files; together they hold the events 0, 1, 2, …
    class_names : numpy.ndarray
        Name of each event's class, empty where there is none.
    classes : tuple of str
        Those that there may be.
    grid : Grid
        The axes.
    channels : tuple of ChannelInfo
        The channels.
    """

    images: tuple[Images, ...]
    class_names: NDArray[np.str_]
    classes: tuple[str, ...]
    grid: Grid
    channels: tuple[ChannelInfo, ...]

    def take(self, events: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the images of events, shape (n_events, channels, rows, columns)."""
        wanted = np.asarray(events, dtype=np.int64)
        found = np.zeros((len(wanted), len(self.channels), *self.grid.shape), dtype=np.float32)
        start = 0
        for block in self.images:
            is_here = (wanted >= start) & (wanted < start + block.n_images)
            found[is_here] = as_dense(block.take(wanted[is_here] - start)).values
            start += block.n_images
        return found

    def events_of(self, name: str) -> NDArray[np.int64]:
        """Return the events of a class."""
        return np.flatnonzero(self.class_names == name)

    def chosen(self, events: Sequence[int] | None) -> tuple[int, ...]:
        """Return the events asked for, by default the first one of each class.

        Raises
        ------
        ConfigError
            If there is no such event.
        DataError
            If there are none at all.
        """
        n = len(self.class_names)
        if n == 0:
            raise DataError("no events to look at")
        if events is None:
            firsts = [self.events_of(name)[:1] for name in self.classes]
            return tuple(int(event) for own in firsts for event in own)
        for event in events:
            if not 0 <= event < n:
                raise ConfigError(
                    f"--event {event}: the first {n:,} events are looked at, from 0 to {n - 1:,}"
                )
        return tuple(events)

    def title(self, event: int) -> str:
        """Return what to call an event in a figure."""
        name = str(self.class_names[event])
        return f"{name}, event {event}" if name else f"event {event}"


def open_gallery(path: Path, *, preset: str | None = None, split: str | None = None) -> Gallery:
    """Open images to look at.

    Parameters
    ----------
    path : Path
        An images artifact, or an input file.
    preset : str, optional
        The image to make of constituents, as `preprocessing.recipes.first_recipe` has it.
    split : str, optional
        Of an images artifact, ``"train"`` by default.

    Raises
    ------
    DataError
        If it is not there, not something detcnn reads, or damaged.
    ConfigError
        If a file's parts cannot be told apart without being named, the preset is unknown, or an
        artifact is given a preset or a file a split.
    """
    if not path.is_dir():
        gallery = _of_source(path, preset)
        if split is not None:
            raise ConfigError(f"--split {split}: {path} is an input file, which has no splits")
        return gallery
    gallery = _of_store(path, split or DEFAULT_SPLIT)
    if preset is not None:
        raise ConfigError(
            f"--preset {preset}: {path} holds images already, made by their own recipe"
        )
    return gallery


def _of_store(path: Path, split: str) -> Gallery:
    artifact = open_artifact(path, expected=IMAGES)
    store = open_store(artifact.path / STORE)
    chosen = store.splits[split]
    classes = np.array(store.schema.classes)
    return Gallery(
        images=(chosen.images(0, min(chosen.n_events, LOOKED_AT)).folded,),
        class_names=classes[chosen.label[:LOOKED_AT]],
        classes=store.schema.classes,
        grid=store.schema.grid.picture,
        channels=store.schema.picture_channels,
    )


def _of_source(path: Path, preset: str | None) -> Gallery:
    source = open_sources(expand_paths(str(path), base=Path()))
    recipe = first_recipe(source, preset)
    shape = source.image_shape if recipe is None else recipe.shape
    if shape is None:
        raise ConfigError(f"{path}: holds hits: preprocess them with a study, and draw its images")
    blocks: list[Images] = []
    class_names, classes = [], []
    for number, sample in enumerate(source.samples):
        table = source.read(number, 0, min(sample.n_events, LOOKED_AT))
        if isinstance(table, ImageTable):
            images: Images = table.images
        else:
            assert recipe is not None
            images = project_events(table, recipe, path=path).images
        label = table.columns.get("label")
        if sample.class_name is not None or label is None:
            name = sample.class_name or sample.name
            class_names.append(np.full(images.n_images, name))
            classes.append(name)
        else:
            own = np.full(images.n_images, "", dtype=object)
            for value, name in source.label_names.items():
                own[label == value] = name
            class_names.append(own.astype(str))
            classes += source.label_names.values()
        blocks.append(images.folded)
    grid = image_grid(shape, recipe, names=source.layout.axes)
    return Gallery(
        images=tuple(blocks),
        class_names=np.concatenate(class_names) if class_names else np.array([], dtype=str),
        classes=tuple(dict.fromkeys(classes)),
        grid=grid.picture,
        channels=picture_channels(
            image_channels(shape, recipe, stated=source.layout.channel_units), grid
        ),
    )
