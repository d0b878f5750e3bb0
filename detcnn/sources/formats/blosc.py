"""Chunks of HDF5 datasets that Blosc compressed, which HDF5 itself cannot read.

PyTables, and so pandas, compress with Blosc (HDF5 filter 32001) where they are asked to be fast.
zarr brings a library that knows Blosc; HDF5 hands out the chunks as they are on disk.
"""

import importlib
import itertools
import struct
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

FILTER = 32001
_HEADER = struct.Struct("<4xIII")


def can_decode(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset went through Blosc alone, and the library for it is installed."""
    creation = dataset.id.get_create_plist()
    codes = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    if codes != [FILTER] or dataset.dtype.hasobject:
        return False
    try:
        importlib.import_module("numcodecs.blosc")
    except ImportError:
        return False
    return True


def read_rows(dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
    """Read rows `start` to `stop` of a dataset that `can_decode` accepts.

    Raises
    ------
    ValueError
        If a chunk is damaged.
    RuntimeError, OSError
        If HDF5 cannot find it.
    """
    stop = min(stop, dataset.shape[0])
    rows = np.full((max(stop - start, 0), *dataset.shape[1:]), dataset.fillvalue, dataset.dtype)
    chunk = dataset.chunks
    steps = [range(start // chunk[0] * chunk[0], stop, chunk[0])]
    steps += [range(0, n, size) for n, size in zip(dataset.shape[1:], chunk[1:], strict=True)]
    for corner in itertools.product(*steps) if len(rows) else ():
        found = dataset.id.get_chunk_info_by_coord(corner)
        if found.byte_offset is None:
            continue
        values = _decode(dataset, corner)
        first = max(start - corner[0], 0)
        inside = values[
            (
                slice(first, stop - corner[0]),
                *(slice(0, n - at) for n, at in zip(dataset.shape[1:], corner[1:], strict=True)),
            )
        ]
        into = (slice(corner[0] + first - start, corner[0] + first - start + len(inside)),)
        into += tuple(slice(at, at + n) for at, n in zip(corner[1:], inside.shape[1:], strict=True))
        rows[into] = inside
    return rows


def _decode(dataset: h5py.Dataset, corner: tuple[int, ...]) -> NDArray[Any]:
    blosc: Any = importlib.import_module("numcodecs.blosc")
    mask, data = dataset.id.read_direct_chunk(corner)
    size = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize
    if not mask:
        # What the header claims is what would be allocated and written to.
        if len(data) < 16 or _HEADER.unpack_from(data)[::2] != (size, len(data)):
            raise ValueError(f"the chunk at {corner} is no chunk of Blosc of {size} bytes")
        data = blosc.decompress(data)
    if len(data) != size:
        raise ValueError(f"the chunk at {corner} has {len(data)} bytes, expected {size}")
    return np.frombuffer(data, dtype=dataset.dtype).reshape(dataset.chunks)
