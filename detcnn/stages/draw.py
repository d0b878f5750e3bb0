"""Stage ``draw``: average images and single events of an input file or an image store."""

from pathlib import Path

import numpy as np

from detcnn.errors import DataError
from detcnn.plotting.images import images_figure
from detcnn.plotting.style import write_figure
from detcnn.stages.gallery import open_gallery

_SINGLE_EVENTS = 2


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
        The image to make of constituents, as `preprocessing.recipes.first_recipe` has it.

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
    gallery = open_gallery(path, preset=preset)
    rows = {name: gallery.events_of(name) for name in gallery.classes}
    filled = {name: events for name, events in rows.items() if len(events)}
    if not filled:
        raise DataError(f"{path}: no events to draw")
    averages = {
        name: gallery.take(events).mean(axis=0, dtype=np.float64) for name, events in filled.items()
    }
    singles = {
        f"{name}, event {i + 1}": gallery.take([event])[0]
        for name, events in filled.items()
        for i, event in enumerate(events[:_SINGLE_EVENTS].tolist())
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
    return tuple(write_figure(figure, folder, name)["png"] for name, figure in figures.items())
