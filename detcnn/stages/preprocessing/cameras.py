"""From the ``hexagonal`` section of a study, and a file of pixels, to pictures of a camera."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.config.preprocess import HexagonalConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages, Images
from detcnn.events.truth import Truth
from detcnn.imaging.hexagonal import HexagonalCamera, check_means, hexagonal_camera
from detcnn.sources.base import PixelTruth, Source
from detcnn.stages.preprocessing.recipes import image_channels, pair
from detcnn.storage.csv_tables import read_csv


@dataclass(frozen=True, slots=True)
class Resampling:
    """How the images of a camera, and what is true of their pixels, become pictures.

    Parameters
    ----------
    camera : HexagonalCamera
        The shares of its pixels.
    means : mapping
        Channel that is a mean to that of its charge.
    """

    camera: HexagonalCamera
    means: Mapping[int, int]

    def images(self, images: Images) -> DenseImages:
        """Return pictures of images."""
        return self.camera.averaged(images, self.means)

    def truth(self, truth: Truth, kinds: Mapping[str, PixelTruth]) -> Truth:
        """Return pictures of truths: classes as their owners have them, values shared out.

        Squares beside the camera are of the number after the last class, and so do not count: they
        would be background that no network can miss.
        """
        return Truth(
            pixels={
                name: self.camera.owned(images, beside=len(kinds[name].classes))
                if kinds[name].classes
                else self.camera.shared_out(images)
                for name, images in truth.pixels.items()
            }
        )


def build_resampling(config: HexagonalConfig, source: Source, *, base: Path) -> Resampling:
    """Return the resampling that a ``hexagonal`` section describes, for images of a source.

    Parameters
    ----------
    config : HexagonalConfig
        The section.
    source : Source
        Of ready images.
    base : Path
        Folder that a relative path of the geometry starts from.

    Raises
    ------
    ConfigError
        If the images are not of one axis, or have another number of pixels than the geometry.
    DataError
        If the geometry is not that of a camera.
    """
    shape = source.image_shape
    assert shape is not None
    if len(shape) != 2:
        raise ConfigError(
            f"preprocess.hexagonal: {source.path.name} has images of {len(shape) - 1} axes, "
            "expected one, that of the pixels: name it under axes, or leave hexagonal out"
        )
    if source.layout.points:
        raise ConfigError(
            f"preprocess.hexagonal: the points {', '.join(source.layout.points)} would stay where "
            "the image moves: leave them out of the study"
        )
    channels = image_channels(shape, None, stated=source.layout.channel_units)
    names = [channel.name for channel in channels]
    try:
        means = check_means(config.means, names)
    except ConfigError as error:
        raise ConfigError(f"preprocess.hexagonal.means: {error}") from None
    path = base / config.geometry
    centres = _read_centres(config, path)
    if len(centres) != shape[1]:
        raise ConfigError(
            f"{path}: has {len(centres):,} pixels, but the images of {source.path.name} have "
            f"{shape[1]:,}: name the geometry of their camera as preprocess.hexagonal.geometry"
        )
    try:
        camera = hexagonal_camera(centres, pixels=pair(config.pixels), unit=config.unit)
    except DataError as error:
        raise DataError(f"{path}: columns {config.x!r} and {config.y!r}: {error}") from None
    return Resampling(camera, means)


def _read_centres(config: HexagonalConfig, path: Path) -> NDArray[np.float64]:
    """Return x and y of each pixel, in the order of the images."""
    rows = read_csv(path)
    wanted = [config.x, config.y, *([] if config.number is None else [config.number])]
    for name in wanted:
        if not rows or name not in rows[0]:
            there = ", ".join(name for name in (rows[0] if rows else {}) if name) or "none"
            raise ConfigError(
                f"{path}: no column {name!r}; there are: {there}: name those of the pixels under "
                "preprocess.hexagonal"
            )
    table = np.empty((len(rows), len(wanted)))
    for i, row in enumerate(rows):
        for k, name in enumerate(wanted):
            try:
                table[i, k] = float(row[name])
            except (TypeError, ValueError):
                raise DataError(
                    f"{path}: row {i + 1}: column {name!r} is {row[name]!r}, expected a number: "
                    "mend the file"
                ) from None
    if config.number is None:
        return table
    order = np.argsort(table[:, 2], kind="stable")
    if not np.array_equal(table[order, 2], np.arange(len(rows))):
        raise DataError(
            f"{path}: column {config.number!r}: expected each number from 0 to {len(rows) - 1} "
            "once: name the column of the places in the images as preprocess.hexagonal.number"
        )
    return table[order, :2]
