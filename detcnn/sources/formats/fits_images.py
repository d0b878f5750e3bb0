"""The images of a FITS file, each header-data unit a column (FITS Standard 4.0, 2018).

A unit of (frame, row, column) holds one event in each frame, one of (row, column) a single event,
and one with a single axis is a column of numbers. A unit is called by its EXTNAME, with EXTVER
behind it from the second of a name on (``SCI_2``); without one, the first is called ``images`` and
the others ``unit_1``, ``unit_2``, …. Values are scaled as BSCALE and BZERO say.

Rows are read by themselves, of compressed images the tiles that they are in. Checksums are told to
fit or not where a file is described, which reads it once from beginning to end; what is read later
is not summed up again. A file that is compressed as a whole with gzip is unpacked from its
beginning each time.

The keywords of the first header are numbers or words about the whole file, and become columns of
events where a study names them. So do the columns of a table that have one number in each row, as
``TABLE/COLUMN``: by themselves a list of stars that happens to be as long as there are frames would
be taken for something of the frames.
"""

import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError, VerifyWarning
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Dataset, damage_named
from detcnn.sources.formats.fits_checksums import misfit
from detcnn.sources.formats.gzipped import open_plain
from detcnn.sources.formats.stored_array import named_parts

_FIRST = "images"
_STRUCTURE = (
    *("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "BSCALE", "BZERO", "BLANK", "BUNIT", "DATAMIN"),
    *("DATAMAX", "EXTNAME", "EXTVER", "EXTLEVEL", "CHECKSUM", "DATASUM", "PCOUNT", "GCOUNT"),
    *("GROUPS", "COMMENT", "HISTORY", "CONTINUE", ""),
)
_ONE_NUMBER = re.compile(r"1?[LBIJKED]$|[IFED]\d+(\.\d+)?$")
"""Format of a column of a binary table, or of one of text, with a number in each row."""

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
    VerifyError,
    AstropyUserWarning,
)
"""What astropy makes of a damaged file."""


@dataclass(slots=True)
class _Images:
    """Images of a FITS file, opened; see `detcnn.sources.container.Container`."""

    path: Path
    stream: BufferedIOBase
    opened: Any
    units: Mapping[str, Any]
    tables: Mapping[str, "_TableColumn"]
    keywords: Mapping[str, Any]
    described: Mapping[str, Dataset]
    _is_checked: bool = False

    def datasets(self) -> Mapping[str, Dataset]:
        """Return every unit with an image and every keyword, once all checksums are seen to fit."""
        if not self._is_checked:
            self._check()
            self._is_checked = True
        return self.described

    def read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read frames `start` to `stop` of a unit, or a keyword for each of them."""
        dataset = self.described[name]
        stop = max(start, min(stop, dataset.shape[0] if dataset.shape else 1))
        if name in self.tables:
            with _damage_named(f"{self.path}: {name!r}, rows {start} to {stop}"):
                return self.tables[name].read(start, stop).astype(dataset.dtype)
        if name not in self.units:
            return np.full(stop - start, self.keywords[name])
        unit = self.units[name]
        if stop == start:
            return np.empty((0, *dataset.shape[1:]), dtype=dataset.dtype)
        with _damage_named(f"{self.path}: {name!r}, frames {start} to {stop}"):
            whole = len(unit.shape) == 2
            values = np.asarray(unit.section[:] if whole else unit.section[start:stop])
            values = values.reshape(stop - start, *dataset.shape[1:])
            self._refuse_blank(name, values, start)
            return values.astype(dataset.dtype, copy=False)

    def read_ragged(
        self, name: str, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Raise: the format has no lists of numbers outside of tables."""
        raise DataError(f"{self.path}: {name!r} has no lists")

    def words(self, attribute: str) -> list[str]:
        """Return the words of a keyword of that name."""
        value = self.keywords.get(attribute.upper())
        return value.replace(",", " ").split() if isinstance(value, str) else []

    def _check(self) -> None:
        for number, unit in enumerate(self.opened):
            name = unit.header.get("EXTNAME", number)
            with _damage_named(f"{self.path}: {name!r}"):
                if keyword := misfit(self.stream, unit):
                    raise DataError(
                        f"{self.path}: {name!r}: does not fit its checksum, {keyword}: it is "
                        "damaged: copy or make the file again"
                    )

    def _refuse_blank(self, name: str, values: NDArray[Any], start: int) -> None:
        if values.dtype.kind != "f" or values.ndim < 3 or np.isfinite(values).all():
            return
        frame, *place = np.argwhere(~np.isfinite(values))[0].tolist()
        raise DataError(
            f"{self.path}: {name!r}, frame {start + frame}: pixel {tuple(place)} is "
            f"{'BLANK or ' if 'BLANK' in self.units[name].header else ''}not a finite number: "
            "set such pixels to a value, or leave out the frame"
        )


@dataclass(frozen=True, slots=True)
class _TableColumn:
    """A column of a table with one number in each row."""

    table: Any
    index: int

    @property
    def n_rows(self) -> int:
        return int(self.table.header["NAXIS2"])

    @property
    def unit(self) -> str | None:
        return self.table.columns[self.index].unit or None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the numbers once they are scaled."""
        kind = self.read(0, 1).dtype
        return kind.newbyteorder("=")

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return np.asarray(self.table.data.field(self.index)[start:stop])


@contextmanager
def open_images(path: Path, layout: Layout) -> Iterator[_Images]:
    """Open a file.

    Parameters
    ----------
    path : Path
        A FITS file, also one that is compressed as a whole with gzip.
    layout : Layout
        Names the keywords that are columns of events.

    Raises
    ------
    DataError
        If it is damaged or cut short.
    """
    with ExitStack() as stack:
        with _damage_named(f"{path}"):
            # Where it fails, astropy leaves a file open that it has opened itself.
            stream = stack.enter_context(open_plain(path))
            opened = stack.enter_context(fits.open(stream, memmap=False, lazy_load_hdus=False))
            units = _named(opened)
            tables = _table_columns(opened)
            keywords = _keywords(opened[0].header)
        named = frozenset(named_parts(layout))
        described = _described(path, units, tables, keywords, named)
        yield _Images(path, stream, opened, units, tables, keywords, described)


def _described(
    path: Path,
    units: Mapping[str, Any],
    tables: Mapping[str, _TableColumn],
    keywords: Mapping[str, Any],
    named: frozenset[str],
) -> dict[str, Dataset]:
    found = {}
    for name, unit in units.items():
        with _damage_named(f"{path}: {name!r}"):
            stated = unit.header.get("BUNIT") or None
            found[name] = Dataset(name, _shape(unit), _dtype(unit), unit=stated)
    for name, column in tables.items():
        with _damage_named(f"{path}: {name!r}"):
            shape = (column.n_rows,) if name in named else ()
            found[name] = Dataset(name, shape, column.dtype, unit=column.unit)
    # Keywords are said for the events of the first unit.
    n_frames = next((dataset.shape[0] for dataset in found.values()), 0)
    for name, value in keywords.items():
        shape = (n_frames,) if name in named else ()
        dtype = np.dtype(str) if isinstance(value, str) else np.dtype(type(value))
        found[name] = Dataset(name, shape, dtype)
    return found


def _named(opened: Any) -> dict[str, Any]:
    """Return the units that hold images by name."""
    found: dict[str, Any] = {}
    for number, unit in enumerate(opened):
        if not unit.is_image or not unit.shape:
            continue
        name = str(unit.header.get("EXTNAME", "")).strip("/ ")
        name = name or (f"unit_{number}" if number else _FIRST)
        if name in found:
            name = f"{name}_{unit.header.get('EXTVER', number)}"
        found[name if name not in found else f"unit_{number}"] = unit
    return found


def _table_columns(opened: Any) -> dict[str, _TableColumn]:
    """Return the columns of tables that have one number in each row, by table and column."""
    found: dict[str, _TableColumn] = {}
    for number, unit in enumerate(opened):
        if unit.is_image or not hasattr(unit, "columns"):
            continue
        table = str(unit.header.get("EXTNAME", "")).strip("/ ") or f"unit_{number}"
        for index, column in enumerate(unit.columns):
            if _ONE_NUMBER.match(str(column.format)):
                found.setdefault(f"{table}/{column.name}", _TableColumn(unit, index))
    return found


def _keywords(header: Any) -> dict[str, Any]:
    """Return the keywords of a header that are not about its image."""
    return {
        card.keyword: card.value
        for card in header.cards
        if card.keyword.rstrip("0123456789") not in _STRUCTURE
        and isinstance(card.value, bool | int | float | str)
    }


def _shape(unit: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in unit.shape)
    return (1, *shape) if len(shape) == 2 else shape


def _dtype(unit: Any) -> np.dtype[Any]:
    """Return the type of the values once they are scaled."""
    header = unit.header
    bits = int(header["BITPIX"])
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    if bits < 0:
        return np.dtype(f"f{-bits // 8}")
    if scale == 1 and zero == 0 and "BLANK" not in header:
        return np.dtype("u1" if bits == 8 else f"i{bits // 8}")
    if scale == 1 and "BLANK" not in header:
        if bits > 8 and zero == 2 ** (bits - 1):
            return np.dtype(f"u{bits // 8}")
        if bits == 8 and zero == -128:
            return np.dtype("i1")
    return np.dtype("f4" if bits <= 16 else "f8")


@contextmanager
def _damage_named(place: str) -> Iterator[None]:
    """Turn what astropy says of a file into one error; what it mends by itself is mended."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AstropyUserWarning)
        warnings.simplefilter("ignore", VerifyWarning)
        with damage_named(place, kinds=_DAMAGE, kind=" as FITS"):
            yield
