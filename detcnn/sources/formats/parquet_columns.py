"""Columns of Parquet files: numbers, lists of them, of a fixed length or not, and their records.

Row groups are decoded in batches, so that memory is set by the rows that are asked for and one
compressed row group. A number that is missing (null) is NaN; whole numbers, truth values, lists and
class labels may not be missing. The statistics of a column are never looked at: pyarrow ends the
process where those are damaged.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.container import Container, Dataset, damage_named

_ROWS_AT_ONCE = 1 << 16
_UNIT_KEYS = (b"units", b"unit")
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError, MemoryError)

_damage_named = partial(damage_named, kinds=_DAMAGE, kind=" as Parquet")


@dataclass(frozen=True, slots=True)
class _List:
    """A step into a list, of a fixed length if `size` is given."""

    size: int | None = None


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Where a column of numbers is: by its number, and the steps from the outermost column."""

    index: int
    type: Any
    steps: tuple[str | _List, ...] = ()
    unit: str | None = None

    @property
    def n_lists(self) -> int:
        """How many lists of any length it is in."""
        return sum(isinstance(step, _List) and step.size is None for step in self.steps)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the lists of fixed length it is in."""
        return tuple(
            step.size for step in self.steps if isinstance(step, _List) and step.size is not None
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """A Parquet file, opened; see `detcnn.sources.container.Container`."""

    path: Path
    file: Any
    leaves: Mapping[str, _Leaf]

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every column; ``jet/pt`` for the field of a record or of a list of records."""
        return {name: self._describe(name, leaf) for name, leaf in self.leaves.items()}

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of a column."""
        dataset = self._describe(name, self.leaves[name])
        blocks = [np.zeros((0, *dataset.shape[1:]), dtype=dataset.dtype)]
        for first, array in self._iter_arrays(name, start, stop):
            values, _ = self._numbers(dataset, array, first)
            blocks.append(values.reshape(len(array), *dataset.shape[1:]))
        return np.concatenate(blocks)

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a column of lists."""
        dataset = self._describe(name, self.leaves[name])
        lengths = [np.zeros(1, dtype=np.int64)]
        blocks = [np.zeros(0, dtype=dataset.dtype)]
        for first, array in self._iter_arrays(name, start, stop):
            values, found = self._numbers(dataset, array, first)
            lengths.append(found)
            blocks.append(values)
        return np.cumsum(np.concatenate(lengths)), np.concatenate(blocks)

    def words(self, attribute: str) -> list[str]:
        """Return what the file's metadata state."""
        stated = (self.file.schema_arrow.metadata or {}).get(attribute.encode())
        return [] if stated is None else [stated.decode(errors="replace")]

    def _describe(self, name: str, leaf: _Leaf) -> Dataset:
        n_rows = self.file.metadata.num_rows
        dataset = Dataset(name, (n_rows, *leaf.sizes), np.dtype(object), leaf.unit)
        if _is_text(leaf.type) and not leaf.steps:
            return replace(dataset, dtype=np.dtype(str))
        if not _is_number(leaf.type) or leaf.n_lists > 1 or (leaf.n_lists and leaf.sizes):
            return replace(
                dataset, problem=f"{leaf.type} is neither a number nor in one list of numbers"
            )
        dtype = np.dtype(leaf.type.to_pandas_dtype())
        return replace(dataset, dtype=dtype, is_ragged=leaf.n_lists > 0)

    def _iter_arrays(self, name: str, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """Yield the first row and the outermost column of one batch after another."""
        metadata = self.file.metadata
        column = self.file.schema.column(self.leaves[name].index).path
        stop = min(stop, metadata.num_rows)
        first = 0
        for group in range(metadata.num_row_groups):
            last = first + metadata.row_group(group).num_rows
            if first < stop and last > start:
                with _damage_named(f"{self.path}: column {name!r}, rows {start} to {stop}"):
                    batches = self.file.iter_batches(
                        _ROWS_AT_ONCE, row_groups=[group], columns=[column], use_threads=False
                    )
                    for batch in batches:
                        low, high = max(start - first, 0), min(stop - first, batch.num_rows)
                        if low < high:
                            yield first + low, batch.column(0)[low:high]
                        first += batch.num_rows
                        if first >= stop:
                            break
                if first < min(last, stop):
                    raise DataError(
                        f"{self.path}: column {name!r} ends at row {first}, expected {last}: "
                        "the file is damaged"
                    )
            first = last

    def _numbers(
        self, dataset: Dataset, array: Any, first: int
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the numbers of a column, and how many each row has in its list."""
        lengths = np.ones(len(array), dtype=np.int64)
        row: int | None = first
        for step in self.leaves[dataset.name].steps:
            if isinstance(step, str):
                array = pc.struct_field(array, step)
                continue
            self._refuse_gaps(dataset.name, array, row)
            if step.size is None:
                lengths = pc.list_value_length(array).to_numpy().astype(np.int64)
            array, row = array.flatten(), None
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if dataset.dtype.kind != "f":
            self._refuse_gaps(dataset.name, array, row)
        # Text that is none is found only here.
        with _damage_named(f"{self.path}: column {dataset.name!r}, rows from {first}"):
            values = np.asarray(array.to_numpy(zero_copy_only=False))
        return values.astype(np.str_) if dataset.is_text else values, lengths

    def _refuse_gaps(self, name: str, array: Any, first: int | None) -> None:
        if array.null_count:
            row = pc.index(pc.is_null(array), True).as_py()
            where = "" if first is None else f", event {first + row}"
            raise DataError(
                f"{self.path}: column {name!r}{where}: nothing is stored there (null), expected "
                "a value: fill in what is missing when writing the file"
            )


@contextmanager
def open_columns(path: Path) -> Iterator[Container]:
    """Open a Parquet file.

    Raises
    ------
    DataError
        If it is damaged.
    """
    with _damage_named(f"{path}"):
        file = pq.ParquetFile(path, page_checksum_verification=True)
    with file:
        with _damage_named(f"{path}"):
            leaves = _find_leaves(path, file.schema_arrow)
        yield _Table(path, file, leaves)


def _find_leaves(path: Path, schema: Any) -> dict[str, _Leaf]:
    """Return every column of numbers by its name, numbered as Parquet numbers them.

    Raises
    ------
    DataError
        If two have the same name.
    """
    found: dict[str, _Leaf] = {}
    index = 0

    def follow(name: str, kind: Any, steps: tuple[str | _List, ...], unit: str | None) -> None:
        nonlocal index
        if pa.types.is_struct(kind):
            for part in kind:
                follow(f"{name}/{part.name}", part.type, (*steps, part.name), _unit(part) or unit)
        elif pa.types.is_fixed_size_list(kind):
            follow(name, kind.value_type, (*steps, _List(kind.list_size)), unit)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            follow(name, kind.value_type, (*steps, _List()), unit)
        elif pa.types.is_map(kind):
            follow(f"{name}/key", kind.key_type, (*steps, _List(), _List()), None)
            follow(f"{name}/value", kind.item_type, (*steps, _List(), _List()), None)
        elif name in found:
            raise DataError(f"{path}: column {name!r} is there twice")
        else:
            is_coded = pa.types.is_dictionary(kind)
            found[name] = _Leaf(index, kind.value_type if is_coded else kind, steps, unit)
            index += 1

    for column in schema:
        follow(column.name, column.type, (), _unit(column))
    return found


def _unit(column: Any) -> str | None:
    stated = [(column.metadata or {}).get(key) for key in _UNIT_KEYS]
    return next((unit.decode(errors="replace") for unit in stated if unit), None)


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
