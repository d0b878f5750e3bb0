"""What is said of the pixels of images, stored as images are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from detcnn.events.images import Images
from detcnn.storage.reader import damage_named, images_of
from detcnn.storage.schema import Encoding
from detcnn.storage.writer import ImagesWriter

MAPS = "maps.zarr"


class MapWriter:
    """Writes maps, block by block.

    Parameters
    ----------
    folder : Path
        `MAPS` is made in it.
    shape : tuple of int
        (planes, *axes) of the maps of one event.
    encoding : {"sparse", "dense"}
        Of the store.
    dimensions : tuple of str
        Names of the axes of the maps of one event.
    attributes : mapping
        What the planes are, as JSON-able values.
    n_events, n_filled : int
        How many events will come, and how many sparse pixels in all.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, ...],
        *,
        encoding: Encoding,
        dimensions: tuple[str, ...],
        attributes: Mapping[str, Any],
        n_events: int,
        n_filled: int,
    ) -> None:
        group = zarr.create_group(
            folder / MAPS,
            zarr_format=3,
            attributes={
                **attributes,
                "encoding": encoding,
                "shape": list(shape),
                "n_events": n_events,
            },
        )
        self._writer = ImagesWriter(
            group,
            "maps",
            shape,
            encoding=encoding,
            dimensions=dimensions,
            n_events=n_events,
            n_filled=n_filled,
        )

    def append(self, maps: Images) -> None:
        """Add the maps of some events."""
        self._writer.append(maps)

    def close(self) -> None:
        """Write what was held back."""
        self._writer.flush()


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps, opened for reading.

    Parameters
    ----------
    path : Path
        Their folder.
    attributes : mapping
        What was written of them: planes, classes, encoding, shape, n_events.
    group : zarr.Group
        The store.
    """

    path: Path
    attributes: Mapping[str, Any]
    group: zarr.Group

    def read(self, start: int, stop: int) -> Images:
        """Read the maps of events `start` to `stop`.

        Raises
        ------
        DataError
            If they are damaged.
        """
        return images_of(
            self._read,
            "maps",
            encoding=self.attributes["encoding"],
            shape=tuple(self.attributes["shape"]),
            start=start,
            stop=stop,
            place=str(self.path),
        )

    def _read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        with damage_named(f"{self.path}/{name}"):
            return np.asarray(self.group[name][start:stop])


def open_maps(folder: Path) -> Maps:
    """Open the maps in a folder of scores.

    Raises
    ------
    DataError
        If there are none, or they are damaged.
    """
    path = folder / MAPS
    with damage_named(str(path)):
        group = zarr.open_group(path, mode="r", zarr_format=3)
        return Maps(path, dict(group.attrs), group)
