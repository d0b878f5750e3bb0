"""Opening HDF5 files that others wrote, without being led astray.

External links, external storage and virtual datasets make HDF5 read other files, and read zeros
where such a file is missing; a compression filter that is not installed fails late and obscurely.
All of them are found here, before any work starts.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError

_UNIT_ATTRIBUTES = ("units", "unit")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of one dataset without reading it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unit: str | None
    attributes: Mapping[str, Any]

    @property
    def base_name(self) -> str:
        """The last part of the name, in lower case."""
        return self.name.rsplit("/", 1)[-1].lower()


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    DataError
        If it is not there, is no HDF5 file, or a read inside the block fails.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as HDF5, truncated or damaged: {reason}") from None


def list_datasets(file: h5py.File) -> dict[str, Dataset]:
    """Return every dataset of a file by its full name.

    Raises
    ------
    DataError
        If the file refers to another file, or a dataset is of a kind or compression that cannot
        be read.
    """
    found: dict[str, Dataset] = {}
    _walk(file, file, found, visited=set())
    return found


def _walk(file: h5py.File, group: h5py.Group, found: dict[str, Dataset], visited: set[Any]) -> None:
    address = h5py.h5o.get_info(group.id).addr
    if address in visited:
        return
    visited.add(address)
    for key in group:
        link = group.get(key, getlink=True)
        name = f"{group.name.rstrip('/')}/{key}".lstrip("/")
        if isinstance(link, h5py.ExternalLink):
            raise DataError(
                f"{file.filename}: {name!r} is a link to another file ({link.filename}): "
                "copy its data into this file"
            )
        if isinstance(link, h5py.SoftLink):
            # Its target is found under its own name, or does not exist.
            continue
        entry = group[key]
        if isinstance(entry, h5py.Group):
            _walk(file, entry, found, visited)
        elif isinstance(entry, h5py.Dataset):
            found[name] = _describe(file, name, entry)


def _describe(file: h5py.File, name: str, dataset: h5py.Dataset) -> Dataset:
    if dataset.is_virtual or dataset.external:
        raise DataError(
            f"{file.filename}: dataset {name!r} keeps its data in other files: "
            "copy them into this file"
        )
    creation = dataset.id.get_create_plist()
    for i in range(creation.get_nfilters()):
        code, _, _, label = creation.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            raise DataError(
                f"{file.filename}: dataset {name!r} is compressed with filter {code} "
                f"({label.decode(errors='replace').split(chr(0))[0]}), which is not installed: "
                f"rewrite it with: h5repack -f {name}:GZIP=4 IN OUT"
            )
    attributes = {key: dataset.attrs[key] for key in dataset.attrs if _is_plain(dataset, key)}
    unit = next((str(attributes[key]) for key in _UNIT_ATTRIBUTES if key in attributes), None)
    return Dataset(name, dataset.shape or (), dataset.dtype, unit, attributes)


def _is_plain(dataset: h5py.Dataset, key: str) -> bool:
    # Opaque attributes are how PyTables keeps pickles: they are never looked at.
    return dataset.attrs.get_id(key).dtype.kind in "iufbSOU"


def read_rows(file: h5py.File, name: str, start: int, stop: int) -> NDArray[Any]:
    """Read rows `start` to `stop` of a dataset.

    Raises
    ------
    DataError
        If they cannot be read: a damaged chunk, a file cut short.
    """
    try:
        return np.asarray(file[name][start:stop])
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{file.filename}: dataset {name!r}, rows {start} to {stop}: cannot be read: {reason}"
        ) from None
