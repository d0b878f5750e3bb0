"""ROOT files: the columns of one TTree or RNTuple, read by uproot."""

import lzma
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError, MissingExtraError
from detcnn.sources.base import Layout
from detcnn.sources.container import Dataset, damaged

_MAGIC = b"root"
_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")
_OBVIOUS = ("Events", "Delphes")
_MOST_NAMED = 20
_NOT_NUMBERS = np.dtype(object)

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True, slots=True)
class RootFormat:
    """The ROOT format; see `detcnn.sources.container.Format`."""

    name: str = "ROOT"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell a ROOT file by its first four bytes."""
        return head.startswith(_MAGIC)

    @contextmanager
    def open(self, path: Path, layout: Layout) -> Iterator["RootContainer"]:
        """Open the tree that `layout` names, or the only or obvious one.

        Raises
        ------
        ConfigError
            If there are several trees and none is named, or the named one is not there.
        DataError
            If the file is damaged or holds no tree.
        MissingExtraError
            If uproot is not installed.
        """
        try:
            import uproot
        except ImportError:
            raise MissingExtraError("uproot", extra="root", purpose=f"{path}: ROOT") from None
        with _damage_named(f"{path}"):
            # As a mapping, so that a colon in the path does not start the name of a tree; mapped,
            # so that a forked worker inherits no thread.
            file = uproot.open({path: None}, handler=uproot.MemmapSource, array_cache=None)
        with file:
            key = _find_tree(path, file, layout.tree)
            with _damage_named(f"{path}: tree {key!r}"):
                tree = file[key]
                container = RootContainer(path, key, int(tree.num_entries), _name_columns(tree))
            yield container


ROOT = RootFormat()


@dataclass(frozen=True, slots=True)
class RootContainer:
    """One tree of an open ROOT file; see `detcnn.sources.container.Container`.

    A column goes by its branch's own name (``EFlowTrack.PT``), by the path to it
    (``EFlowTrack/EFlowTrack.PT``) where two branches have that name, and by the path and a number
    (``Particle/Particle.PT#2``) where they have the same path too. A field in a record of an
    RNTuple goes by its path with slashes (``PFCands/pt``).

    Parameters
    ----------
    path : Path
        The file.
    tree : str
        Name and cycle of the tree.
    n_rows : int
        Number of entries.
    columns : mapping
        Name to uproot's branch or field.
    """

    path: Path
    tree: str
    n_rows: int
    columns: Mapping[str, Any]

    def datasets(self) -> dict[str, Dataset]:
        """Return every column; ``object`` is the dtype of those that are no numbers or lists."""
        with _damage_named(f"{self.path}: tree {self.tree!r}"):
            return {name: _describe(name, column) for name, column in self.columns.items()}

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of a column of numbers, or of arrays of one size."""
        stop = min(stop, self.n_rows)
        with self._damage_named(name, start, stop):
            import awkward

            values = np.asarray(awkward.to_numpy(self._array(name, start, stop)))
        if len(values) != stop - start:
            raise self._damage(name, start, stop, f"it has {len(values)} rows there")
        return values

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a column of lists."""
        stop = min(stop, self.n_rows)
        with self._damage_named(name, start, stop):
            offsets, content = _flattened(self._array(name, start, stop))
            content = np.asarray(content.data)
        self._check(name, start, stop, offsets, stop - start, len(content))
        return offsets, content[: offsets[-1]]

    def is_nested(self, name: str) -> bool:
        """Tell whether a column holds lists of lists, or of arrays of references."""
        with _damage_named(f"{self.path}: column {name!r}"):
            form = _form(self.columns[name])
            return _is(form, "ListOffsetForm") and _inner_list(form.content) is not None

    def read_nested(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a column of lists of lists.

        Returns
        -------
        rows : numpy.ndarray
            int64, shape (n_rows + 1,), from 0: offsets of the lists of each row.
        offsets : numpy.ndarray
            int64, shape (n_lists + 1,), from 0: offsets of the numbers of each list.
        content : numpy.ndarray
            The numbers of all lists, one list after the other.
        """
        stop = min(stop, self.n_rows)
        with self._damage_named(name, start, stop):
            rows, lists = _flattened(self._array(name, start, stop))
            offsets, content = _flattened(lists.content("refs") if lists.is_record else lists)
            content = np.asarray(content.data)
        self._check(name, start, stop, rows, stop - start, len(offsets) - 1)
        offsets = offsets[: rows[-1] + 1]
        self._check(name, start, stop, offsets, int(rows[-1]), len(content))
        return rows, offsets, content[: offsets[-1]]

    def words(self, attribute: str) -> list[str]:
        """Return nothing: a tree states no class names."""
        return []

    def _array(self, name: str, start: int, stop: int) -> Any:
        return self.columns[name].array(entry_start=start, entry_stop=stop, library="ak").layout

    def _check(
        self,
        name: str,
        start: int,
        stop: int,
        offsets: NDArray[np.int64],
        n_lists: int,
        n_content: int,
    ) -> None:
        if len(offsets) != n_lists + 1:
            raise self._damage(name, start, stop, f"it has {len(offsets) - 1} lists for {n_lists}")
        if offsets[0] != 0 or np.any(np.diff(offsets) < 0) or offsets[-1] > n_content:
            raise self._damage(name, start, stop, "the lengths of its lists do not add up")

    def _damage_named(self, name: str, start: int, stop: int) -> Any:
        return _damage_named(f"{self.path}: column {name!r}, rows {start} to {stop}")

    def _damage(self, name: str, start: int, stop: int, found: str) -> DataError:
        return DataError(
            f"{self.path}: column {name!r}, rows {start} to {stop}: {found}: the file is damaged: "
            "copy or make it again"
        )


def _flattened(layout: Any) -> tuple[NDArray[np.int64], Any]:
    """Return the offsets from 0 of an awkward array of lists, and the layout of what is in them."""
    lists = layout.to_ListOffsetArray64(True)
    return np.asarray(lists.offsets.data), lists.content


def _find_tree(path: Path, file: Any, wanted: str | None) -> str:
    """Return name and cycle of the tree to read: of several cycles, the last."""
    with _damage_named(f"{path}"):
        classes: dict[str, str] = file.classnames(recursive=True)
    keys: dict[str, str] = {}
    for key, class_name in classes.items():
        name, _, cycle = key.rpartition(";")
        if class_name in _TREES and int(cycle) >= int(keys.get(name, ";0").rpartition(";")[2]):
            keys[name] = key
    named = ", ".join(list(keys)[:_MOST_NAMED])
    if not keys:
        found = ", ".join(f"{key} ({name})" for key, name in list(classes.items())[:_MOST_NAMED])
        raise DataError(f"{path}: holds no TTree or RNTuple; there is: {found or 'nothing'}")
    if wanted is not None:
        wanted = wanted.strip("/")
        if wanted in keys:
            return keys[wanted]
        if classes.get(wanted) in _TREES:
            return wanted
        raise ConfigError(f"{path}: no tree {wanted!r}; there are: {named}")
    obvious = list(keys) if len(keys) == 1 else [name for name in _OBVIOUS if name in keys]
    if not obvious:
        raise ConfigError(f"{path}: holds {len(keys)} trees: name one as tree: {named}")
    return keys[obvious[0]]


def _name_columns(tree: Any) -> dict[str, Any]:
    """Return the branches or fields of a tree that hold data, by a name that only they have."""
    is_ntuple = tree.classname == "ROOT::RNTuple"
    columns = [
        (path.replace(".", "/") if is_ntuple else path.removesuffix("."), column)
        for path, column in tree.iteritems(recursive=True)
        if not len(column)
    ]
    n_named = Counter(column.name for _, column in columns)
    seen: Counter[str] = Counter()
    named = {}
    for path, column in columns:
        seen[path] += 1
        name = column.name
        if is_ntuple or n_named[name] > 1:
            name = path if seen[path] == 1 else f"{path}#{seen[path]}"
        named[name] = column
    return named


def _describe(name: str, column: Any) -> Dataset:
    n_rows = int(column.num_entries)
    form = _form(column)
    inner: tuple[int, ...] = ()
    is_ragged = _is(form, "ListOffsetForm")
    if is_ragged:
        form = form.content
    while _is(form, "RegularForm"):
        inner += (int(form.size),)
        form = form.content
    if _is(form, "NumpyForm") and not form.parameter("__array__") and not (is_ragged and inner):
        dtype = np.dtype(form.primitive)
        return Dataset(name=name, shape=(n_rows, *inner), dtype=dtype, is_ragged=is_ragged)
    if is_ragged and _inner_list(form) is not None:
        problem = "a list of lists; give collection as the name of the jets that the lists are of"
    else:
        problem = f"it holds {getattr(column, 'typename', 'nothing that uproot can read')}"
    return Dataset(name=name, shape=(n_rows,), dtype=_NOT_NUMBERS, problem=problem)


def _inner_list(form: Any) -> Any:
    """Return the form of the numbers in a list in a list, None for what is no such thing.

    A TRefArray counts as the list of the unique ids it refers to.
    """
    if _is(form, "RecordForm") and "refs" in (form.fields or ()):
        form = form.content("refs")
    is_numbers = _is(form, "ListOffsetForm") and _is(form.content, "NumpyForm")
    return form.content if is_numbers and not form.content.parameter("__array__") else None


def _form(column: Any) -> Any:
    """Return the awkward form of a branch or field, None where uproot has none."""
    import uproot

    try:
        if hasattr(column, "interpretation"):
            return column.interpretation.awkward_form(column.file)
        form = column.to_akform()
    except (
        uproot.interpretation.objects.CannotBeAwkward,
        uproot.interpretation.identify.UnknownInterpretation,
        NotImplementedError,
    ):
        return None
    form = form[0] if isinstance(form, tuple) else form
    # A part of a record in a list comes wrapped in what it is a part of.
    form = _unwrapped(form)
    if _is(form, "ListOffsetForm"):
        form = form.copy(content=_unwrapped(form.content))
    return form


def _unwrapped(form: Any) -> Any:
    while _is(form, "RecordForm") and len(form.contents) == 1:
        form = form.contents[0]
    return form


def _is(form: Any, kind: str) -> bool:
    # By name, so that awkward need not be imported to look at a file of another format.
    return type(form).__name__ == kind


@contextmanager
def _damage_named(place: str) -> Iterator[None]:
    """Turn what uproot makes of a damaged file into one error.

    uproot trusts the bytes of a file, so that almost any error can come of wrong ones.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except ImportError as error:
        raise MissingExtraError(
            error.name or "cramjam", extra="root", purpose=f"{place}: its compression"
        ) from None
    except _kinds_of_damage() as error:
        raise damaged(place, error) from None


def _kinds_of_damage() -> tuple[type[Exception], ...]:
    import cramjam
    import uproot

    return (
        *_DAMAGE,
        cramjam.DecompressionError,
        uproot.deserialization.DeserializationError,
        uproot.interpretation.identify.UnknownInterpretation,
        uproot.interpretation.objects.CannotBeAwkward,
    )
