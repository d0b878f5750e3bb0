"""``simulate``: a file of detector images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import detcnn
from detcnn.artifacts.digests import value_digest
from detcnn.config.simulate import SimulateImagesConfig
from detcnn.errors import ConfigError
from detcnn.progress import SILENT, Progress
from detcnn.seeding import generator
from detcnn.simulation.fits_file import SUFFIXES, check_frames, read_keywords, write_frames
from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS
from detcnn.simulation.image_file import FORMAT, FORMAT_VERSION, read_images, write_images
from detcnn.simulation.image_sample import ImageDefinition, ImageSample
from detcnn.simulation.whole_file import read_attributes
from detcnn.stages.simulated_pieces import Rounds, make_file

_KEYWORDS = {
    "STUDY": "study",
    "SEED": "seed",
    "VERSION": "detcnn_version",
    "DIGEST": "digest",
    "COMPLETE": "complete",
}
"""Keyword of a FITS file to what of the origin it says."""


@dataclass(frozen=True, slots=True)
class SimulateImagesResult:
    """What was written.

    Parameters
    ----------
    path : Path
        The file of images.
    classes : mapping
        Class name to number of events, in the order of the labels.
    """

    path: Path
    classes: Mapping[str, int]

    @property
    def n_events(self) -> int:
        """Events of all classes together."""
        return sum(self.classes.values())


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the file, made by one process with one seed."""

    config: SimulateImagesConfig
    number: int
    first: int
    n_events: int
    path: Path


def run(
    config: SimulateImagesConfig,
    *,
    output: Path,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> SimulateImagesResult:
    """Simulate detector images and write them to one HDF5 file, or to one FITS file.

    It is made in pieces (`detcnn.stages.simulated_pieces`), of which one at a time is in memory.

    Parameters
    ----------
    config : SimulateImagesConfig
        Which images. It determines the bytes of the file.
    output : Path
        The file to write; its folder is made if need be. A name that ends in ``.fits`` asks for
        FITS, which holds frames of one channel.
    workers : int, optional
        Number of processes; all CPUs of this process by default.
    overwrite : bool
        Replace a file at `output`, once the new one is complete.
    progress : Progress
        Hears how many events are done.

    Returns
    -------
    SimulateImagesResult

    Raises
    ------
    ConfigError
        If there is no simulation of that name, or FITS has no place for its images.
    MissingExtraError
        If astropy is not installed, and FITS is asked for.
    OutputExistsError
        If `output` exists and may not be replaced, or another process is writing it.
    StorageError
        If the disk is full or cannot be written; the finished pieces are kept.
    DataError
        If a piece in the part folder is damaged.
    """
    definition = _definition(config.study)
    is_fits = output.suffix in SUFFIXES
    if is_fits:
        check_frames(output, definition)
    origin = _origin(config, definition)
    counts = make_file(
        output,
        origin["digest"],
        plan=lambda folder: _plan(config, folder),
        make=_make_piece,
        write=lambda path, rounds, is_complete: _write(
            path, rounds, {**origin, "complete": is_complete}, is_fits=is_fits
        ),
        unit="events",
        counted="events",
        attributes=read_keywords if is_fits else read_attributes,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
    )
    return SimulateImagesResult(output, dict(zip(definition.classes, counts, strict=True)))


def _definition(study: str) -> ImageDefinition:
    if study not in IMAGE_DEFINITIONS:
        known = ", ".join(IMAGE_DEFINITIONS)
        raise ConfigError(f"simulate {study!r}: no simulation of images, expected one of {known}")
    return IMAGE_DEFINITIONS[study]


def _origin(config: SimulateImagesConfig, definition: ImageDefinition) -> dict[str, Any]:
    """Return the attributes that say where the images come from."""
    origin = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "detcnn_version": detcnn.__version__,
        "config": config.identity(),
        "study": definition.name,
        "seed": config.seed,
        "classes": list(definition.classes),
        "channels": dict(definition.channels),
        "axes": list(definition.axes),
        "settings": dict(definition.settings),
    }
    return {**origin, "digest": value_digest(origin)}


def _plan(config: SimulateImagesConfig, folder: Path) -> list[tuple[_Piece]]:
    size = config.events_per_piece
    return [
        (
            _Piece(
                config=config,
                number=number,
                first=start,
                n_events=min(size, config.events - start),
                path=folder / f"{number:06d}.h5",
            ),
        )
        for number, start in enumerate(range(0, config.events, size))
    ]


def _first_id(config: SimulateImagesConfig) -> int:
    """Return the id of the first event: another one for each stream of events."""
    stream = value_digest([config.study, config.seed, config.events_per_piece])
    return int(stream[:8], 16) >> 1 << 32


def _make_piece(piece: _Piece) -> int:
    definition = IMAGE_DEFINITIONS[piece.config.study]
    rng = generator(piece.config.seed, f"simulate/{definition.name}", piece.number)
    sample = definition.generate(piece.n_events, rng)
    event_id = _first_id(piece.config) + piece.first + np.arange(piece.n_events, dtype=np.int64)
    numbered = replace(sample, columns={**sample.columns, "event_id": event_id})
    write_images(piece.path, [numbered], definition, {})
    return piece.n_events


def _write(
    path: Path, rounds: Rounds[_Piece], origin: Mapping[str, Any], *, is_fits: bool
) -> list[int]:
    definition = IMAGE_DEFINITIONS[origin["study"]]
    counts = np.zeros(len(definition.classes), dtype=np.int64)

    def counted(sample: ImageSample) -> ImageSample:
        counts[:] += np.bincount(sample.columns["label"], minlength=len(counts))
        return sample

    blocks = (counted(read_images(piece.path)) for pieces in rounds for piece in pieces)
    if is_fits:
        (unit,) = definition.channels.values()
        keywords = {keyword: origin[name] for keyword, name in _KEYWORDS.items()}
        keywords["CLASSES"] = ", ".join(definition.classes)
        units = {name: kind.unit for name, kind in definition.columns.items()}
        # Values of pixels are those of the images; of classes there is no unit.
        units |= {name: unit for name, classes in definition.truth.items() if not classes}
        write_frames(path, blocks, unit=unit, units=units, keywords=keywords)
    else:
        write_images(path, blocks, definition, origin)
    return [int(count) for count in counts]
