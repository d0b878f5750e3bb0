"""HDF5 files that others wrote, without being led astray.

External links, external storage and virtual datasets make HDF5 read other files, and read zeros
where such a file is missing; a compression filter that is not installed fails late and obscurely.
All of them are found here, before any work starts.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Dataset, damage_named, damaged, decoded
from detcnn.sources.formats import blosc
from detcnn.sources.formats.hdf5_links import check_link, check_same_file, check_storage
from detcnn.sources.formats.pandas_tables import block_names, fixed_names, is_frame
from detcnn.sources.formats.published import with_published_names

_UNIT_ATTRIBUTES = ("units", "unit")
_FEATURE_ATTRIBUTES = ("feature_names", "features", "columns", "names")
_REFERENCES = (
    "it holds references to other datasets, as cell arrays of MATLAB do: "
    "save the numbers themselves, as one array"
)
_NAMELESS = (
    "the names of the columns of this table of pandas are lost, or no list of plain texts: make "
    "the file again, or name the columns by their numbers, such as 'table/values_block_0[..., 0]'"
)

_DAMAGE = (OSError, KeyError, RuntimeError, TypeError, ValueError)
"""HDF5 has one kind of error; h5py makes any of these of it."""

_damage_named = partial(damage_named, kinds=_DAMAGE)


@dataclass(frozen=True, slots=True)
class Hdf5:
    """The format; see `detcnn.sources.container.Format`."""

    name: str = "HDF5"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell whether a file is HDF5; its signature may come after a block of the user's own."""
        return bool(h5py.is_hdf5(path))

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator["Hdf5File"]:
        """Open a file, or the group or table of it that `layout` names as its tree.

        Raises
        ------
        DataError
            If it is not there, is no HDF5 file, or a read inside the block fails.
        ConfigError
            If there is no such tree.
        """
        with _opened(path) as file:
            root = file
            if layout.tree:
                with _damage_named(f"{path}: {layout.tree!r}"):
                    root = file.get(layout.tree)
                place = f"{path}: {layout.tree!r}"
                check_same_file(place, root, file, allow_links=layout.allow_links)
                if root is None or isinstance(root, h5py.Datatype):
                    raise ConfigError(
                        f"{path}: no group {layout.tree!r}; there are: {', '.join(file) or 'none'}"
                    )
            yield Hdf5File(path, file, root, allow_links=layout.allow_links)

    def companions(self, path: Path, layout: Layout) -> tuple[Path, ...]:
        """Return the other files that are read with this one."""
        if not layout.allow_links:
            return ()
        with self.open(path, layout) as container:
            container.datasets()
            return tuple(sorted(container.others))


HDF5 = Hdf5()


@dataclass(slots=True)
class Hdf5File:
    """An open HDF5 file; see `detcnn.sources.container.Container`.

    The fields of a dataset of records are columns: ``jets/pt`` for the field ``pt`` of ``jets``.
    Those of a pandas frame go by its key: ``table/values_block_0``, with its columns as features.

    Parameters
    ----------
    path : Path
        The file.
    file : h5py.File
        It, opened.
    root : h5py.Group or h5py.Dataset
        What the columns are in.
    allow_links : bool
        Whether to read other files that it refers to.
    others : set of Path
        Those files, known once the datasets are.
    """

    path: Path
    file: h5py.File
    root: h5py.Group | h5py.Dataset
    allow_links: bool = False
    others: set[Path] = field(default_factory=set)
    _found: dict[str, Dataset] | None = None
    _records: dict[str, tuple[int, int, NDArray[Any]]] = field(default_factory=dict)

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every dataset, and every field of datasets of records, in alphabetical order.

        A soft link is passed over: its target is found under its own name, or does not exist.

        Raises
        ------
        DataError
            If the file refers to another file and that is not asked for, or a dataset is of a
            compression that cannot be read.
        """
        if self._found is None:
            found = {dataset.name: dataset for dataset in self._walk()}
            self._found = with_published_names(dict(sorted(found.items())))
        return self._found

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of a dataset or a field.

        Raises
        ------
        DataError
            If they cannot be read: a damaged chunk, a file cut short.
        """
        with _damage_named(f"{self.path}: dataset {name!r}, rows {start} to {stop}"):
            dataset, fields = self._locate(name)
            dtype = dataset.dtype
            if fields:
                values = self._read_records(dataset, start, stop)
                for part in fields:
                    values, dtype = values[part], dtype[part]
            else:
                values = _read_rows(dataset, start, stop)
            return decoded(values) if h5py.check_string_dtype(dtype) else values

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a dataset of lists.

        Raises
        ------
        DataError
            If they cannot be read.
        """
        rows = self.read(name, start, stop)
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        empty = np.zeros(0, dtype=self.datasets()[name].dtype)
        return offsets, np.concatenate([empty, *rows])

    def words(self, attribute: str) -> list[str]:
        """Return an attribute of the file as text: one entry for a scalar."""
        return read_words(self.file, attribute)

    def _walk(self) -> Iterator[Dataset]:
        if isinstance(self.root, h5py.Dataset):
            yield from self._described("", self.root)
            return
        visited = set()
        groups: deque[tuple[str, h5py.Group]] = deque([("", self.root)])
        while groups:
            prefix, group = groups.popleft()
            with _damage_named(f"{self.path}: group {group.name!r}"):
                # The same group may be reached in a circle.
                info = h5py.h5o.get_info(group.id)
                names = [] if (info.fileno, info.addr) in visited else list(group)
                visited.add((info.fileno, info.addr))
            for key in names:
                # A name that is no text comes as bytes.
                name = prefix + (key if isinstance(key, str) else key.decode(errors="replace"))
                with _damage_named(f"{self.path}: {name!r}"):
                    entry = self._follow(group, key, name)
                    if isinstance(entry, h5py.Group) and not _is_index(group, name):
                        groups.append((f"{name}/", entry))
                    elif isinstance(entry, h5py.Dataset):
                        yield from self._described(name, entry)

    def _follow(self, group: h5py.Group, key: str, name: str) -> Any:
        link = group.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            check_link(f"{self.path}: {name!r}", link, allow_links=self.allow_links)
            try:
                entry = group[key]
            except (OSError, KeyError):
                raise DataError(
                    f"{self.path}: {name!r} is a link to {link.path} in {link.filename}, "
                    "which is missing or damaged"
                ) from None
            self.others.add(Path(entry.file.filename))
            return entry
        return None if isinstance(link, h5py.SoftLink) else group[key]

    def _described(self, name: str, dataset: h5py.Dataset) -> Iterator[Dataset]:
        place = f"{self.path}: dataset {name!r}"
        self.others |= check_storage(place, dataset, allow_links=self.allow_links)
        _check_filters(place, name, dataset)
        try:
            dtype = dataset.dtype
        except TypeError:
            # Of a type that NumPy has no word for.
            dtype = np.dtype(object)
        stated = [words[0] for key in _UNIT_ATTRIBUTES if (words := read_words(dataset, key))]
        unit = stated[0] if stated else None
        if dtype.names is None:
            whole = _features(dataset) or fixed_names(dataset)
            yield _describe(name, dataset.shape or (), dtype, unit, whole)
            return
        prefix = name.removesuffix("table") if is_frame(dataset) else f"{name}/" if name else ""
        for path, of_field in _fields(dtype):
            shape = (*(dataset.shape or ()), *of_field.shape)
            names: tuple[str, ...] = ()
            if len(path) == 1 and len(of_field.shape) == 1 and is_frame(dataset):
                names = block_names(dataset, path[0], of_field.shape[0])
            found = _describe(prefix + "/".join(path), shape, of_field.base, unit, names)
            if is_frame(dataset) and path[0].startswith("values_block_") and not names:
                found = replace(found, problem=_NAMELESS)
            yield found

    def _locate(self, name: str) -> tuple[h5py.Dataset, list[str]]:
        """Return the dataset that a column is in, and the fields that lead to it."""
        entry, parts = self.root, name.split("/") if name else []
        while parts and isinstance(entry, h5py.Group):
            # What a frame's key leads to is its table.
            entry = entry[parts.pop(0)] if parts[0] in entry else entry["table"]
        if not isinstance(entry, h5py.Dataset):
            raise KeyError(f"no dataset {name!r}")
        return entry, parts

    def _read_records(self, dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
        """Read whole records, and keep them: their fields are asked for one after the other."""
        kept = self._records.get(dataset.name)
        if kept is None or kept[:2] != (start, stop):
            self._records.clear()
            kept = (start, stop, _read_rows(dataset, start, stop))
            self._records[dataset.name] = kept
        return kept[2]


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


def read_hdf5_provenance(path: Path) -> dict[str, str | int | float | bool]:
    """Return what a file says of its own origin: its root attributes that are one plain value.

    Raises
    ------
    DataError
        If the file is not there, or is no HDF5 file.
    """
    found: dict[str, str | int | float | bool] = {}
    with _opened(path) as file:
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


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        raise damaged(f"{path}", error, kind=" as HDF5") from None


def _describe(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    unit: str | None,
    features: tuple[str, ...],
) -> Dataset:
    inner = h5py.check_vlen_dtype(dtype)
    is_ragged = inner is not None and np.dtype(inner).kind in "iufb" and len(shape) == 1
    if h5py.check_string_dtype(dtype):
        dtype = np.dtype(str)
    return Dataset(
        name=name,
        shape=shape,
        dtype=np.dtype(inner) if is_ragged else dtype,
        unit=unit,
        features=features,
        is_ragged=is_ragged,
        problem=_REFERENCES if h5py.check_ref_dtype(dtype) else None,
    )


def _fields(dtype: np.dtype[Any]) -> Iterator[tuple[tuple[str, ...], np.dtype[Any]]]:
    """Return every field of records, also of records in records, with the way to it."""
    for name in dtype.names or ():
        inner = dtype[name]
        if inner.names is None:
            yield (name,), inner
        for path, deeper in _fields(inner):
            yield (name, *path), deeper


def _features(dataset: h5py.Dataset) -> tuple[str, ...]:
    found = (tuple(words) for key in _FEATURE_ATTRIBUTES if (words := read_words(dataset, key)))
    return next(found, ())


def _check_filters(place: str, name: str, dataset: h5py.Dataset) -> None:
    creation = dataset.id.get_create_plist()
    for i in range(creation.get_nfilters()):
        code, _, _, label = creation.get_filter(i)
        if not h5py.h5z.filter_avail(code) and not blosc.can_decode(dataset):
            raise DataError(
                f"{place} is compressed with filter {code} "
                f"({label.decode(errors='replace').split(chr(0))[0]}), which is not installed: "
                f"rewrite it with: h5repack -f {name}:GZIP=4 IN OUT"
            )


def _is_index(group: h5py.Group, name: str) -> bool:
    # What PyTables keeps to search a table by.
    base = name.rsplit("/", 1)[-1]
    return base.startswith("_i_") and base[3:] in group


def _read_rows(dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
    creation = dataset.id.get_create_plist()
    codes = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    if blosc.FILTER in codes and not h5py.h5z.filter_avail(blosc.FILTER):
        return blosc.read_rows(dataset, start, stop)
    return np.asarray(dataset[start:stop])
