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
from detcnn.storage.schema import Schema

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
    ) -> None:
        split = group.create_group(name)
        per_event = partial(_create, rows_per_chunk=_EVENTS_PER_CHUNK, dimensions=("event",))
        self._encoding = schema.encoding
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
        if schema.encoding == "dense":
            self._images = {
                "images": _create(
                    split,
                    "images",
                    (n_events, *schema.shape),
                    np.float32,
                    rows_per_chunk=max(1, _PIXELS_PER_CHUNK // int(np.prod(schema.shape))),
                    dimensions=("event", *schema.dimension_names),
                )
            }
        else:
            images = split.create_group("images")
            per_pixel = partial(_create, rows_per_chunk=_PIXELS_PER_CHUNK, dimensions=("pixel",))
            self._images = {
                "offsets": _create(
                    images,
                    "offsets",
                    (n_events + 1,),
                    np.int64,
                    rows_per_chunk=_EVENTS_PER_CHUNK,
                    dimensions=("event_edge",),
                ),
                "pixel": per_pixel(images, "pixel", (n_filled,), pixel_dtype(schema.shape)),
                "value": per_pixel(images, "value", (n_filled,), np.float32),
            }
            self._images["offsets"].append(np.zeros(1, dtype=np.int64))
        self._n_filled = 0

    def append(
        self,
        images: Images,
        *,
        label: NDArray[np.int64],
        weight: NDArray[np.floating],
        training_weight: NDArray[np.floating],
        columns: Mapping[str, NDArray[Any]],
    ) -> None:
        """Add a block of events; all arrays have one row per event."""
        if self._encoding == "dense":
            self._images["images"].append(as_dense(images).values)
        else:
            sparse = as_sparse(images)
            self._images["offsets"].append(sparse.offsets[1:] + self._n_filled)
            self._images["pixel"].append(sparse.pixel)
            self._images["value"].append(sparse.value)
            self._n_filled += len(sparse.pixel)
        self._arrays["label"].append(label)
        self._arrays["weight"].append(weight.astype(np.float32))
        self._arrays["training_weight"].append(training_weight.astype(np.float32))
        for name, array in self._columns.items():
            array.append(columns[name])

    def close(self) -> None:
        """Write what was held back."""
        for array in (*self._arrays.values(), *self._columns.values(), *self._images.values()):
            array.flush()


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
