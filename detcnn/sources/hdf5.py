"""Opening HDF5 files that others wrote, without being led astray.

External links, external storage and virtual datasets make HDF5 read other files, and read zeros
where such a file is missing; a compression filter that is not installed fails late and obscurely.
All of them are found here, before any work starts.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError

_UNIT_ATTRIBUTES = ("units", "unit")
_FEATURE_ATTRIBUTES = ("feature_names", "features", "columns", "names")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of one dataset without reading it.

    Parameters
    ----------
    name : str
        Full name, without a slash in front.
    shape : tuple of int
        Empty for a scalar.
    dtype : numpy.dtype
        ``object`` where NumPy has no such type.
    unit : str, optional
        As the file states it.
    features : tuple of str
        Names along the last axis, as the file states them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unit: str | None
    features: tuple[str, ...]

    @property
    def base_name(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers or truth values."""
        return self.dtype.kind in "iufb"


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    DataError
        If it is not there, is no HDF5 file, or a read inside the block fails.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read as HDF5, truncated or damaged: {_first_line(error)}"
        ) from None


def list_datasets(file: h5py.File) -> dict[str, Dataset]:
    """Return every dataset of a file by its full name, in alphabetical order.

    A soft link is passed over: its target is found under its own name, or does not exist.

    Raises
    ------
    DataError
        If the file refers to another file, or a dataset is of a kind or compression that cannot
        be read.
    """
    found: dict[str, Dataset] = {}
    visited = set()
    groups: deque[h5py.Group] = deque([file])
    while groups:
        group = groups.popleft()
        with _damage_named(f"{file.filename}: group {group.name!r}"):
            address = h5py.h5o.get_info(group.id).addr
            names = [] if address in visited else list(group)
            visited.add(address)
        for key in names:
            name = f"{group.name}/{key}".lstrip("/")
            with _damage_named(f"{file.filename}: {name!r}"):
                entry = _follow(file, group, key, name)
                if isinstance(entry, h5py.Group):
                    groups.append(entry)
                elif isinstance(entry, h5py.Dataset):
                    found[name] = _describe(file, name, entry)
    return dict(sorted(found.items()))


def read_words(holder: h5py.File | h5py.Dataset, attribute: str) -> list[str]:
    """Return an attribute as text: one entry for a scalar, none for what states nothing."""
    try:
        value = holder.attrs.get(attribute)
    except TypeError:
        # Of a type that NumPy has no word for.
        return []
    if value is None or isinstance(value, h5py.Empty):
        return []
    return [w.decode(errors="replace") if isinstance(w, bytes) else str(w) for w in np.ravel(value)]


def read_provenance(path: Path) -> dict[str, str | int | float | bool]:
    """Return what a file says of its own origin: its root attributes that are one plain value.

    Raises
    ------
    DataError
        If the file is not there, or is no HDF5 file.
    """
    found: dict[str, str | int | float | bool] = {}
    with open_hdf5(path) as file:
        for key in file.attrs:
            if file.attrs.get_id(key).dtype.kind in "iufbSO" and not file.attrs.get_id(key).shape:
                value = file.attrs[key]
                found[key] = (
                    value.decode(errors="replace")
                    if isinstance(value, bytes)
                    else value.item()
                    if isinstance(value, np.generic)
                    else str(value)
                )
    return found


def _follow(file: h5py.File, group: h5py.Group, key: str, name: str) -> Any:
    link = group.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise DataError(
            f"{file.filename}: {name!r} is a link to another file ({link.filename}): "
            "copy its data into this file"
        )
    return None if isinstance(link, h5py.SoftLink) else group[key]


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
    try:
        dtype = dataset.dtype
    except TypeError:
        dtype = np.dtype(object)
    units = [words[0] for key in _UNIT_ATTRIBUTES if (words := read_words(dataset, key))]
    features = (tuple(words) for key in _FEATURE_ATTRIBUTES if (words := read_words(dataset, key)))
    return Dataset(
        name=name,
        shape=dataset.shape or (),
        dtype=dtype,
        unit=units[0] if units else None,
        features=next(features, ()),
    )


def read_rows(file: h5py.File, name: str, start: int, stop: int) -> NDArray[Any]:
    """Read rows `start` to `stop` of a dataset.

    Raises
    ------
    DataError
        If they cannot be read: a damaged chunk, a file cut short.
    """
    with _damage_named(f"{file.filename}: dataset {name!r}, rows {start} to {stop}"):
        return np.asarray(file[name][start:stop])


@contextmanager
def _damage_named(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # HDF5 has one kind of error; h5py makes any of these of it.
        raise DataError(f"{place}: cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
