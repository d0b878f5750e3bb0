"""Writing an image store, shard by shard.

Zarr loses data when two writers share a shard, so each array is written by one writer that holds
back rows until a shard is full.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from detcnn.events.images import Images, as_dense, as_sparse, pixel_dtype
from detcnn.events.truth import NO_TRUTH, Truth, filled_up
from detcnn.storage.schema import Encoding, Schema

_EVENTS_PER_CHUNK = 1 << 14
_PIXELS_PER_CHUNK = 1 << 18
_CHUNKS_PER_SHARD = 16


@dataclass(slots=True)
class _ShardedArray:
    """One zarr array, appended to and written in whole shards."""

    array: zarr.Array[Any]
    rows_per_shard: int
    n_written: int = 0
    held_back: list[NDArray[Any]] = field(default_factory=list)
    n_held: int = 0

    def append(self, rows: NDArray[Any]) -> None:
        while len(rows):
            room = self.rows_per_shard - self.n_held
            self.held_back.append(rows[:room])
            self.n_held += len(rows[:room])
            rows = rows[room:]
            if self.n_held == self.rows_per_shard:
                self.flush()

    def flush(self) -> None:
        if self.n_held:
            stop = self.n_written + self.n_held
            self.array[self.n_written : stop] = np.concatenate(self.held_back)
            self.n_written, self.n_held, self.held_back = stop, 0, []


def _create(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    rows_per_chunk: int,
    dimensions: tuple[str, ...],
) -> _ShardedArray:
    n_chunks = min(_CHUNKS_PER_SHARD, max(1, -(-shape[0] // rows_per_chunk)))
    array = group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(rows_per_chunk, *shape[1:]),
        shards=(rows_per_chunk * n_chunks, *shape[1:]),
        compressors=(ZstdCodec(level=1), Crc32cCodec()),
        dimension_names=dimensions,
    )
    return _ShardedArray(array, rows_per_chunk * n_chunks)


class ImagesWriter:
    """Writes images, or what is true of their pixels, as one array or as three of pixel lists."""

    def __init__(
        self,
        group: zarr.Group,
        name: str,
        shape: tuple[int, ...],
        *,
        encoding: Encoding,
        dimensions: tuple[str, ...],
        n_events: int,
        n_filled: int,
    ) -> None:
        self._encoding = encoding
        self._n_filled = 0
        if encoding == "dense":
            self._arrays = {
                "values": _create(
                    group,
                    name,
                    (n_events, *shape),
                    np.float32,
                    rows_per_chunk=max(1, _PIXELS_PER_CHUNK // int(np.prod(shape))),
                    dimensions=("event", *dimensions),
                )
            }
            return
        lists = group.create_group(name)
        per_pixel = partial(_create, rows_per_chunk=_PIXELS_PER_CHUNK, dimensions=("pixel",))
        self._arrays = {
            "offsets": _create(
                lists,
                "offsets",
                (n_events + 1,),
                np.int64,
                rows_per_chunk=_EVENTS_PER_CHUNK,
                dimensions=("event_edge",),
            ),
            "pixel": per_pixel(lists, "pixel", (n_filled,), pixel_dtype(shape)),
            "value": per_pixel(lists, "value", (n_filled,), np.float32),
        }
        self._arrays["offsets"].append(np.zeros(1, dtype=np.int64))

    def append(self, images: Images) -> None:
        """Add a block of images."""
        if self._encoding == "dense":
            self._arrays["values"].append(as_dense(images).values)
            return
        sparse = as_sparse(images)
        self._arrays["offsets"].append(sparse.offsets[1:] + self._n_filled)
        self._arrays["pixel"].append(sparse.pixel)
        self._arrays["value"].append(sparse.value)
        self._n_filled += len(sparse.pixel)

    def flush(self) -> None:
        """Write what was held back."""
        for array in self._arrays.values():
            array.flush()


class SplitWriter:
    """Writes one split, block by block, in the order the blocks are given.

    Parameters
    ----------
    group : zarr.Group
        The store.
    name : str
        The split.
    schema : Schema
        What the images are.
    n_events, n_filled : int
        How many events will come, and how many sparse pixels in all.
    columns : mapping
        Column name to dtype.
    n_filled_of : mapping
        Name of a pixel truth to how many sparse pixels will come of it.
    """

    def __init__(
        self,
        group: zarr.Group,
        name: str,
        schema: Schema,
        *,
        n_events: int,
        n_filled: int,
        columns: Mapping[str, np.dtype[Any]],
        n_filled_of: Mapping[str, int] | None = None,
    ) -> None:
        split = group.create_group(name)
        per_event = partial(_create, rows_per_chunk=_EVENTS_PER_CHUNK, dimensions=("event",))
        self._arrays = {
            name: per_event(split, name, (n_events,), dtype)
            for name, dtype in (
                ("label", np.int64),
                ("weight", np.float32),
                ("training_weight", np.float32),
            )
        }
        stored = split.create_group("columns")
        self._columns = {
            name: per_event(stored, name, (n_events,), dtype) for name, dtype in columns.items()
        }
        self._images = ImagesWriter(
            split,
            "images",
            schema.shape,
            encoding=schema.encoding,
            dimensions=schema.dimension_names,
            n_events=n_events,
            n_filled=n_filled,
        )
        planes = "plane", *schema.dimension_names[1:]
        truth = split.create_group("truth") if schema.truth else split
        self._truth = {
            info.name: ImagesWriter(
                truth,
                info.name,
                schema.truth_shape(info.name),
                encoding=info.encoding,
                dimensions=planes,
                n_events=n_events,
                n_filled=(n_filled_of or {}).get(info.name, 0),
            )
            for info in schema.truth
        }
        points = split.create_group("points") if schema.points else split
        self._points = {
            info.name: _create(
                points,
                info.name,
                (n_events, info.most, 2),
                np.float32,
                rows_per_chunk=max(1, _PIXELS_PER_CHUNK // max(1, 2 * info.most)),
                dimensions=("event", "point", "coordinate"),
            )
            for info in schema.points
        }

    def append(
        self,
        images: Images,
        *,
        label: NDArray[np.int64],
        weight: NDArray[np.floating],
        training_weight: NDArray[np.floating],
        columns: Mapping[str, NDArray[Any]],
        truth: Truth = NO_TRUTH,
    ) -> None:
        """Add a block of events; all arrays have one row per event."""
        self._images.append(images)
        self._arrays["label"].append(label)
        self._arrays["weight"].append(weight.astype(np.float32))
        self._arrays["training_weight"].append(training_weight.astype(np.float32))
        for name, array in self._columns.items():
            array.append(columns[name])
        for name, writer in self._truth.items():
            writer.append(truth.pixels[name])
        for name, array in self._points.items():
            array.append(filled_up(truth.points[name], array.array.shape[1]))

    def close(self) -> None:
        """Write what was held back."""
        for array in (*self._arrays.values(), *self._columns.values(), *self._points.values()):
            array.flush()
        for writer in (self._images, *self._truth.values()):
            writer.flush()


def create_store(folder: Path, schema: Schema) -> zarr.Group:
    """Create an empty image store at `folder`, which must not exist."""
    return zarr.create_group(folder, zarr_format=3, attributes=schema.attributes())


def write_statistics(group: zarr.Group, **arrays: NDArray[np.float64]) -> None:
    """Write per-pixel statistics, each ending in the axes (channel, row, column)."""
    statistics = group.create_group("statistics")
    for name, values in arrays.items():
        stored = statistics.create_array(
            name,
            shape=values.shape,
            dtype=np.float64,
            chunks=values.shape,
            compressors=(ZstdCodec(level=1), Crc32cCodec()),
        )
        stored[...] = values
