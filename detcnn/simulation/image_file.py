"""Files of simulated images: one HDF5 file with images, what is true of their pixels, and events.

Format history
--------------
1
    ``/images`` float32 (n_events, channels, *axes); ``/truth/NAME`` (n_events, planes, *axes),
    the root's attribute ``classes_of_NAME`` naming their classes; ``/events/NAME`` (n_events).
    Where there are points, ``/points/NAME`` (n_events, most, 2) and ``/point_values/NAME``
    (n_events, most), filled up with NaN. ``units`` and ``meaning`` on each. The root's attributes
    tell the definition, its settings, the seed, the classes by label, and whether the file is
    complete.
2
    ``event_id`` differs between files of different definitions or seeds.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from detcnn.errors import DataError
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.image_sample import ImageDefinition, ImageSample
from detcnn.simulation.whole_file import WholeFile, append, create_growing, whole_file

FORMAT = "detcnn images"
FORMAT_VERSION = 2

EVENT_ID = ColumnType("<i8", "1", "unique: hash of definition and seed << 32 | number in the file")

_BYTES_PER_CHUNK = 1 << 19
_EVENTS_PER_CHUNK = 1 << 13
# Written half again to twice as fast as with the fourth level, and a fifth to a third larger; LZF
# is no faster, and larger.
_LEVEL = 1


def write_images(
    path: Path,
    blocks: Iterable[ImageSample],
    definition: ImageDefinition,
    attributes: Mapping[str, Any],
) -> None:
    """Write a file of images; it is there entirely, flushed to disk, or not at all.

    Equal images and attributes give equal bytes.

    Parameters
    ----------
    path : Path
        The file; what is there already is replaced.
    blocks : iterable of ImageSample
        Events with ``event_id`` among their columns, all of one shape, written one block after the
        other.
    definition : ImageDefinition
        Names, units and meanings of what the blocks hold.
    attributes : mapping
        Root attributes; lists and mappings are stored as JSON.

    Raises
    ------
    StorageError
        If the disk is full or cannot be written.
    """
    with whole_file(path, attributes) as whole:
        for number, block in enumerate(blocks):
            if number == 0:
                _create(whole, block, definition)
            append(whole.file["images"], block.images)
            for group, datasets in _parts(block).items():
                for name, values in datasets.items():
                    append(whole.file[group][name], values)
            whole.raise_error()


def read_images(path: Path) -> ImageSample:
    """Read all events of a file that `write_images` wrote.

    Raises
    ------
    DataError
        If it is no such file, or cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            parts = {
                group: {name: dataset[:] for name, dataset in file.get(group, {}).items()}
                for group in ("points", "point_values")
            }
            return ImageSample(
                images=file["images"][:],
                truth={name: dataset[:] for name, dataset in file["truth"].items()},
                columns={name: dataset[:] for name, dataset in file["events"].items()},
                **parts,
            )
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: is no file of images, or damaged: {error}") from None


def _parts(block: ImageSample) -> dict[str, Mapping[str, np.ndarray[Any, Any]]]:
    """Return what is true of a block, by the group that it goes to."""
    return {
        "truth": block.truth,
        "events": block.columns,
        "points": block.points,
        "point_values": block.point_values,
    }


def _create(whole: WholeFile, block: ImageSample, definition: ImageDefinition) -> None:
    """Create the datasets that blocks like this one go to."""
    # What is true of pixels and points is told in the units of the images.
    units = " ".join(sorted(set(definition.channels.values())))
    meaning = f"(event, channel, {', '.join(definition.axes)})"
    images = _create_pixels(whole.file, "images", ColumnType("<f4", units, meaning), block.images)
    images.attrs["channels"] = json.dumps(dict(definition.channels))
    truth, events = whole.file.create_group("truth"), whole.file.create_group("events")
    for name, classes in definition.truth.items():
        values = block.truth[name]
        dtype = values.dtype.newbyteorder("<").str
        kind = ColumnType(dtype, units, "true value of each pixel")
        if classes:
            kind = ColumnType(dtype, "1", "class of each pixel")
            # At the root, where a reader of any format looks for what a file states.
            whole.file.attrs[f"classes_of_{name}"] = list(classes)
        _create_pixels(truth, name, kind, values)
    for name, kind in {**definition.columns, "event_id": EVENT_ID}.items():
        create_growing(events, name, kind, rows_per_chunk=_EVENTS_PER_CHUNK)
    places = ColumnType("<f4", "pixel", "(row, column) of each point, NaN where there is none")
    true_of_each = ColumnType("<f4", units, "true of each point, NaN where there is none")
    for group, kind in (("points", places), ("point_values", true_of_each)):
        for name, values in _parts(block)[group].items():
            _create_pixels(whole.file.require_group(group), name, kind, values)


def _create_pixels(
    group: h5py.Group, name: str, kind: ColumnType, values: np.ndarray[Any, Any]
) -> h5py.Dataset:
    row = values.shape[1:]
    n_bytes = int(np.prod(row)) * values.itemsize
    rows_per_chunk = max(1, _BYTES_PER_CHUNK // n_bytes)
    return create_growing(group, name, kind, rows_per_chunk=rows_per_chunk, row=row, level=_LEVEL)
