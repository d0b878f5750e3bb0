"""What every file format offers: named columns, described without reading, read by row range."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of one column of a file without reading it.

    Parameters
    ----------
    name : str
        Full name, without a slash in front.
    shape : tuple of int
        Empty for a scalar; (n_rows,) for a ragged one.
    dtype : numpy.dtype
        Of the numbers in it; ``str`` for text; ``object`` where NumPy has no such type.
    unit : str, optional
        As the file states it.
    features : tuple of str
        Names along the last axis, as the file states them.
    is_ragged : bool
        Whether every row is a list of numbers, of any length.
    problem : str, optional
        What keeps it from being understood, and what to do about it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unit: str | None = None
    features: tuple[str, ...] = ()
    is_ragged: bool = False
    problem: str | None = None

    @property
    def base_name(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers or truth values."""
        return self.dtype.kind in "iufb"

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.dtype.kind == "U"


class Container(Protocol):
    """A file opened for reading."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every column by its full name.

        Raises
        ------
        DataError
            If the file cannot be described: it is damaged, or a column can never be read.
        """
        ...

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of a column that is not ragged, fewer past its end.

        Text comes as NumPy's ``str``.

        Raises
        ------
        DataError
            If they cannot be read, naming file, column and rows.
        """
        ...

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Read rows `start` to `stop` of a ragged column.

        Returns
        -------
        offsets : numpy.ndarray
            int64, shape (n_rows + 1,), from 0.
        content : numpy.ndarray
            The numbers of all rows, one row after the other.

        Raises
        ------
        DataError
            If they cannot be read, naming file, column and rows.
        """
        ...

    def words(self, attribute: str) -> list[str]:
        """Return what the file itself states under a name such as ``classes``; none if nothing."""
        ...


class Format(Protocol):
    """A file format; holds no open file, so it can be sent to another process."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell whether a file is of this format, by its first 512 bytes where they tell."""
        ...

    def open(self, path: Path, layout: Layout) -> AbstractContextManager[Container]:
        """Open a file for reading; `layout` says which tree to take and which links to follow.

        Raises
        ------
        DataError
            If the file is damaged or cannot be opened.
        MissingExtraError
            If the format needs a library that is not installed.
        """
        ...


def damaged(place: str, error: Exception, *, kind: str = "") -> DataError:
    """Return what to say where a library could not read a file.

    Parameters
    ----------
    place : str
        File and what of it was read.
    error : Exception
        What the library made of it: its first line is told, as an aside.
    kind : str
        What it was to be read as, such as ``" as HDF5"``.
    """
    reason = str(error).strip().partition("\n")[0].rstrip(" .,:;") or type(error).__name__
    return DataError(
        f"{place}: cannot be read{kind}, damaged or cut short ({reason}): "
        "copy or make the file again"
    )


@contextmanager
def damage_named(
    place: str, *, kinds: tuple[type[Exception], ...], kind: str = ""
) -> Iterator[None]:
    """Turn what a library makes of a damaged file into one error.

    Parameters
    ----------
    place, kind
        As for `damaged`.
    kinds : tuple of exception types
        What it may make of one.

    Raises
    ------
    DataError
        Naming the place.
    """
    try:
        yield
    except kinds as error:
        raise damaged(place, error, kind=kind) from None


def decoded(words: NDArray[Any]) -> NDArray[np.str_]:
    """Return text as NumPy's ``str``, what is no UTF-8 in it replaced."""
    if words.dtype.kind == "U":
        return words
    texts = [w.decode(errors="replace") if isinstance(w, bytes) else str(w) for w in words.flat]
    return np.array(texts, dtype=np.str_).reshape(words.shape)
