"""FITS files of simulated frames: a cube of frames with what is true of them in extensions.

The first unit is (frame, row, column), its keywords are the settings. ``MASK`` and each other pixel
truth is an image extension by its name in capital letters, each event column one with a single
axis, and the points of all frames are tables of frame, row and column, counted from 0, with the
values of the points that have as many.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError, MissingExtraError, StorageError
from detcnn.simulation.image_sample import ImageDefinition, ImageSample

SUFFIXES = (".fits", ".fit", ".fts")
"""Of files that are FITS."""

_CHECKED = "of this unit"
_LONGEST = 8


def write_frames(
    path: Path,
    sample: ImageSample,
    *,
    unit: str = "",
    keywords: Mapping[str, str | int | float | bool] | None = None,
) -> None:
    """Write frames of one channel; the file is there entirely, flushed to disk, or not at all.

    Equal samples give equal bytes.

    Parameters
    ----------
    path : Path
        The file; what is there already is replaced.
    sample : ImageSample
        Images of shape (n_frames, 1, rows, columns).
    unit : str
        Of the images, for BUNIT.
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
    if sample.images.ndim != 4 or sample.images.shape[1] != 1:
        raise ConfigError(
            f"{path}: images of shape {sample.images.shape[1:]}: FITS files are made of frames of "
            "one channel, (1, rows, columns): write an HDF5 file"
        )
    for name in keywords or {}:
        if not name.isascii() or len(name) > _LONGEST or name != name.upper():
            raise ConfigError(
                f"{path}: {name!r} is no keyword of FITS: expected at most eight capital letters"
            )
    first = fits.PrimaryHDU(sample.images[:, 0])
    if unit:
        first.header["BUNIT"] = unit
    first.header.update(dict(keywords or {}))
    units = [first]
    for name, values in sample.truth.items():
        planes = values[:, 0] if values.shape[1] == 1 else values
        units.append(fits.ImageHDU(planes, name=name.upper()))
    for name, values in sample.columns.items():
        units.append(fits.ImageHDU(np.asarray(values), name=name.upper()))
    for name, places in sample.points.items():
        columns = _catalogue(places, sample.point_values)
        table = fits.BinTableHDU.from_columns(
            [fits.Column(key, _FORMATS[column.dtype.kind], array=column) for key, column in columns]
        )
        table.name = name.upper()
        units.append(table)
    for part in units:
        # astropy's own comment is the time.
        part.add_checksum(when=_CHECKED)
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            fits.HDUList(units).writeto(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


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


_FORMATS = {"i": "J", "f": "E"}


def _catalogue(
    places: NDArray[np.float32], values: Mapping[str, NDArray[np.float32]]
) -> list[tuple[str, NDArray[Any]]]:
    """Return the columns of a table of points."""
    is_there = np.isfinite(places).all(axis=2)
    frame, _ = np.nonzero(is_there)
    row, column = places[is_there].T
    return [
        ("FRAME", frame.astype(np.int32)),
        ("ROW", row),
        ("COLUMN", column),
        *(
            (name.upper(), of_each[is_there])
            for name, of_each in values.items()
            if of_each.shape == is_there.shape
        ),
    ]
