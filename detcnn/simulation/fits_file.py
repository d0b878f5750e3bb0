"""FITS files of simulated frames: a cube of frames with what is true of them in extensions.

The first unit is (frame, row, column), its keywords are the settings. ``MASK`` and each other pixel
truth is an image extension by its name in capital letters, each event column one with a single
axis, and the points of all frames are tables of frame, row and column, counted from 0, with the
values of the points that have as many.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError, MissingExtraError, StorageError
from detcnn.simulation.image_sample import ImageDefinition, ImageSample

SUFFIXES = (".fits", ".fit", ".fts")
"""Of files that are FITS."""

_CHECKED = "of this unit"
_FORMATS = {"i": "J", "f": "E"}
"""Letter of a column of a table: int32 and float32."""
_LONGEST = 8


def write_frames(
    path: Path,
    blocks: Iterable[ImageSample],
    *,
    unit: str = "",
    units: Mapping[str, str] | None = None,
    keywords: Mapping[str, str | int | float | bool] | None = None,
) -> None:
    """Write frames of one channel; the file is there entirely, flushed to disk, or not at all.

    Equal frames give equal bytes, in whatever blocks they come. Of a block, pixels go to disk at
    once, in files without a name beside `path`; event columns and points are held in memory.

    Parameters
    ----------
    path : Path
        The file; what is there already is replaced.
    blocks : iterable of ImageSample
        One or more, with images of shape (n_frames, 1, rows, columns), written one after the other.
    unit : str
        Of the images, for BUNIT; that of values of pixels and of points, too.
    units : mapping, optional
        Event column, or truth of pixels, to its unit; ``"1"`` for a pure number, which states none.
    keywords : mapping, optional
        Of the first header: at most eight capital letters, digits, ``-`` or ``_``.

    Raises
    ------
    ConfigError
        If the images have more channels or axes, or a keyword is none.
    MissingExtraError
        If astropy is not installed.
    StorageError
        If the disk is full or cannot be written.
    """
    fits = _astropy_fits(path)
    for name in keywords or {}:
        if not name.isascii() or len(name) > _LONGEST or name != name.upper():
            raise ConfigError(
                f"{path}: {name!r} is no keyword of FITS: expected at most eight capital letters"
            )
    with ExitStack() as stack:
        images: _Pixels | None = None
        truth: dict[str, _Pixels] = {}
        rest: list[ImageSample] = []
        for block in blocks:
            if block.images.ndim != 4 or block.images.shape[1] != 1:
                raise ConfigError(
                    f"{path}: images of shape {block.images.shape[1:]}: FITS files are made of "
                    "frames of one channel, (1, rows, columns): write an HDF5 file"
                )
            frames = block.images[:, 0]
            masks = {n: v[:, 0] if v.shape[1] == 1 else v for n, v in block.truth.items()}
            with _no_storage_named(path):
                if images is None:
                    images = stack.enter_context(_pixels_beside(path, frames))
                    truth = {
                        name: stack.enter_context(_pixels_beside(path, values))
                        for name, values in masks.items()
                    }
                images.append(frames)
                for name, values in masks.items():
                    truth[name].append(values)
            # No view, which would keep the pixels.
            nothing = np.zeros((len(frames), 1, 0, 0), dtype=np.float32)
            rest.append(replace(block, images=nothing, truth={}))
        assert images is not None
        sample = ImageSample.joined(rest)
        first = fits.PrimaryHDU(images.values())
        if unit:
            first.header["BUNIT"] = unit
        first.header.update(dict(keywords or {}))
        parts = [first]
        for name, values in [
            *((name, pixels.values()) for name, pixels in truth.items()),
            *((name, np.asarray(values)) for name, values in sample.columns.items()),
        ]:
            part = fits.ImageHDU(values, name=name.upper())
            if stated := _stated(units, name):
                part.header["BUNIT"] = stated
            parts.append(part)
        for name, places in sample.points.items():
            columns = _catalogue(places, sample.point_values, unit=unit)
            table = fits.BinTableHDU.from_columns(
                [
                    fits.Column(key, _FORMATS[of.dtype.kind], unit=stated or None, array=of)
                    for key, stated, of in columns
                ]
            )
            table.name = name.upper()
            parts.append(table)
        for part in parts:
            # astropy's own comment is the time.
            part.add_checksum(when=_CHECKED)
        _write(path, fits.HDUList(parts))


def _stated(units: Mapping[str, str] | None, name: str) -> str:
    """Return the unit to state of a column; empty for a pure number."""
    unit = (units or {}).get(name, "1")
    return "" if unit == "1" else unit


def _write(path: Path, units: Any) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    with _no_storage_named(path):
        try:
            with unfinished.open("wb") as file:
                units.writeto(file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@dataclass(slots=True)
class _Pixels:
    """Pixels that grow in a file, in the byte order of FITS, so that they need not be in memory."""

    file: IO[bytes]
    dtype: np.dtype[Any]
    row: tuple[int, ...]
    n: int = 0

    def append(self, values: NDArray[Any]) -> None:
        self.n += len(values)
        self.file.write(np.ascontiguousarray(values, dtype=self.dtype).data)

    def values(self) -> NDArray[Any]:
        self.file.flush()
        shape = (self.n, *self.row)
        if 0 in shape:
            return np.zeros(shape, dtype=self.dtype)
        kind = _Bytes if self.dtype.itemsize == 1 else np.memmap
        return kind(self.file, dtype=self.dtype, mode="r", shape=shape)


class _Bytes(np.memmap):
    """Pixels of one byte, which have no order: astropy would copy all of them to sum them up."""

    def byteswap(self, inplace: bool = False) -> "_Bytes":
        return self


@contextmanager
def _pixels_beside(path: Path, like: NDArray[Any]) -> Iterator[_Pixels]:
    # Without a name, so that nothing stays of it however this process ends.
    with tempfile.TemporaryFile(dir=path.parent) as file:
        yield _Pixels(file, like.dtype.newbyteorder(">"), like.shape[1:])


@contextmanager
def _no_storage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error


def check_frames(path: Path, definition: ImageDefinition) -> None:
    """Refuse what `write_frames` could not write, before it is made.

    Raises
    ------
    ConfigError
        If the images have more channels, or other axes than a frame.
    MissingExtraError
        If astropy is not installed.
    """
    _astropy_fits(path)
    if len(definition.channels) != 1 or len(definition.axes) != 2:
        raise ConfigError(
            f"{path}: FITS files hold frames of one channel, and images of {definition.name!r} "
            f"have the channels {', '.join(definition.channels)} and the axes "
            f"{', '.join(definition.axes)}: name an HDF5 file, .h5"
        )


def read_keywords(path: Path) -> dict[str, Any]:
    """Read the keywords of the first header of a file, in small letters.

    Raises
    ------
    DataError
        If it is no FITS file.
    MissingExtraError
        If astropy is not installed.
    """
    fits = _astropy_fits(path)
    try:
        return {name.lower(): value for name, value in fits.getheader(path).items()}
    except OSError as error:
        raise DataError(f"{path}: is no FITS file, or damaged: {error}") from None


def _astropy_fits(path: Path) -> Any:
    try:
        from astropy.io import fits
    except ModuleNotFoundError:
        raise MissingExtraError("astropy", extra="fits", purpose=f"{path}: FITS") from None
    return fits


def _catalogue(
    places: NDArray[np.float32], values: Mapping[str, NDArray[np.float32]], *, unit: str
) -> list[tuple[str, str, NDArray[Any]]]:
    """Return name, unit and values of the columns of a table of points."""
    is_there = np.isfinite(places).all(axis=2)
    frame, _ = np.nonzero(is_there)
    row, column = places[is_there].T
    return [
        ("FRAME", "", frame.astype(np.int32)),
        ("ROW", "pixel", row),
        ("COLUMN", "pixel", column),
        *(
            (name.upper(), unit, of_each[is_there])
            for name, of_each in values.items()
            if of_each.shape == is_there.shape
        ),
    ]
