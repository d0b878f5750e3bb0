"""Opening an input file with the format and the layout that it has."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout, LayoutKind, Source
from detcnn.sources.container import Container, Format
from detcnn.sources.formats.cvn import CVN, CvnFormat
from detcnn.sources.formats.fits import FITS
from detcnn.sources.formats.hdf5 import HDF5, Hdf5, read_hdf5_provenance
from detcnn.sources.formats.hepmc import HEPMC, HepmcFormat
from detcnn.sources.formats.idx import IDX, IdxFormat
from detcnn.sources.formats.json_lines import JSON_LINES
from detcnn.sources.formats.numpy_files import NPY, NPZ, NpyFormat
from detcnn.sources.formats.parquet import PARQUET
from detcnn.sources.formats.root import ROOT
from detcnn.sources.formats.root_jets import open_collections
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES
from detcnn.sources.layouts.event_columns import misfits
from detcnn.sources.layouts.hits import open_hits
from detcnn.sources.layouts.images import open_images
from detcnn.sources.layouts.jagged import open_jagged
from detcnn.sources.layouts.lists import open_lists
from detcnn.sources.layouts.padded import open_padded
from detcnn.sources.layouts.per_class import PerClass, find_classes
from detcnn.sources.layouts.references import listing, long_table_hint, problems, what_is_there

FORMATS: tuple[Format | HepmcFormat, ...] = (
    HDF5,
    ROOT,
    PARQUET,
    NPY,
    NPZ,
    HEPMC,
    IDX,
    CVN,
    JSON_LINES,
    FITS,
)
"""What is tried in turn on a file."""

LAYOUTS: Mapping[LayoutKind, Callable[[Container, Format, Layout], Source | None]] = {
    "hits": open_hits,
    "jagged": open_jagged,
    "lists": open_lists,
    "padded": open_padded,
    "images": open_images,
}
"""What is tried in turn on an open file; each gives None if a file does not look like it."""

_HEAD = 512


def open_source(path: Path, layout: Layout | None = None) -> Source:
    """Open an input file.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout, optional
        What is known of it; the rest is detected.

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If the file is not there, damaged, without events, or of a format that no reader knows.
    ConfigError
        If its parts cannot be told apart without being named in the study, or the layout speaks
        of parts that it does not have.
    MissingExtraError
        If its format needs a library that is not installed.
    """
    source = understand(path, layout)
    if not any(sample.n_events for sample in source.samples):
        raise DataError(f"{path}: holds no events: name a file that has some, or leave it out")
    return source


def understand(path: Path, layout: Layout | None = None) -> Source:
    """Open an input file that may be without events; otherwise as `open_source`."""
    layout = _without_slashes(layout or Layout())
    file_format = find_format(path)
    for role in layout.constituents:
        if role not in CONSTITUENT_ROLES:
            raise ConfigError(
                f"{path}: {role!r} is no part that constituents have: "
                f"expected one of {', '.join(CONSTITUENT_ROLES)}"
            )
    if isinstance(file_format, HepmcFormat):
        source: Source = file_format.understand(path, layout)
    elif layout.clustering is not None:
        raise ConfigError(
            f"{path}: {file_format.name}: only the particles of HepMC files can be clustered: "
            "leave out clustering"
        )
    else:
        with file_format.open(path, layout) as container:
            source = _understand(container, file_format, layout)
    parts = (source.layout.constituents, source.layout.hits, source.layout.columns)
    known = {name for part in parts for name in part}
    # Those of HepMC are names of ours.
    is_hepmc = isinstance(file_format, HepmcFormat)
    own = set() if is_hepmc else {column for part in parts for column in part.values()}
    # pT is worked out of its components.
    unused = layout.units.keys() - known - own - ({"pt"} if "px" in known else set())
    if unused:
        raise ConfigError(
            f"{path}: units are given for {min(unused)!r}, which is no column; there are: "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    return source


def find_format(path: Path) -> Format | HepmcFormat:
    """Return the format of a file, found by what it begins with.

    Raises
    ------
    DataError
        If the file is not there, cannot be read, or is of a format that no reader knows.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    for file_format in FORMATS:
        if file_format.recognises(path, head):
            return file_format
    names = dict.fromkeys(file_format.name for file_format in FORMATS)
    raise DataError(f"{path}: not a format that detcnn reads ({', '.join(names)})")


def files_read(path: Path, layout: Layout) -> tuple[Path, ...]:
    """Return a file and those that are read with it, such as one of its labels.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        As the source that was opened states it.
    """
    file_format = find_format(path)
    if isinstance(file_format, NpyFormat | IdxFormat | Hdf5 | CvnFormat):
        return (path, *file_format.companions(path, layout))
    return (path,)


def find_misfits(path: Path, layout: Layout, *, n_events: int) -> str:
    """Return what is to be said of columns of a file that nearly tell the classes of its events.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        As the source that was opened states it.
    n_events : int
        Number of its events.

    Returns
    -------
    str
        The end of a message; empty if there are none.
    """
    file_format = find_format(path)
    if isinstance(file_format, HepmcFormat):
        return ""
    with file_format.open(path, layout) as container:
        return misfits(container.datasets(), "label", n_events)


def read_provenance(path: Path) -> dict[str, str | int | float | bool]:
    """Return what a file says of its own origin; nothing for formats that have no place for it.

    Raises
    ------
    DataError
        If the file is not there, or cannot be read.
    """
    return read_hdf5_provenance(path) if isinstance(find_format(path), Hdf5) else {}


def _understand(container: Container, file_format: Format, layout: Layout) -> Source:
    if layout.may_lack_truth:
        layout = what_is_there(container.datasets(), layout)
    objects = None if layout.hits else open_collections(container, file_format, layout)
    if objects is not None:
        return objects
    classes = find_classes(container, layout)
    if classes:
        parts = tuple(
            _understand_one(selection, file_format, told) for selection, told in classes.values()
        )
        shapes = {part.image_shape for part in parts}
        if len(shapes) > 1:
            raise ConfigError(
                f"{container.path}: the classes {', '.join(classes)} have images of different "
                f"shapes: {', '.join(map(str, shapes))}"
            )
        return parts[0] if len(parts) == 1 else PerClass(parts)
    return _understand_one(container, file_format, layout)


def _understand_one(container: Container, file_format: Format, layout: Layout) -> Source:
    kinds = [layout.kind] if layout.kind is not None else list(LAYOUTS)
    for kind in kinds:
        source = LAYOUTS[kind](container, file_format, layout)
        if source is not None:
            return source
    datasets = container.datasets()
    raise ConfigError(
        f"{container.path}: neither constituents with offsets, nor lists or padded rows of them, "
        f"nor images found; there are: {listing(datasets) if datasets else 'no datasets'}"
        f"{problems(datasets)}; say in the study which dataset plays which part"
        f"{long_table_hint(datasets)}"
    )


def _without_slashes(layout: Layout) -> Layout:
    """Return the layout with columns named as containers name them."""
    return replace(
        layout,
        constituents={role: name.strip("/") for role, name in layout.constituents.items()},
        offsets=layout.offsets and layout.offsets.strip("/"),
        hits={role: name.strip("/") for role, name in layout.hits.items()},
        hit_event=layout.hit_event and layout.hit_event.strip("/"),
        event_number=layout.event_number and layout.event_number.strip("/"),
        columns={column: name.strip("/") for column, name in layout.columns.items()},
        event_id=tuple(name.strip("/") for name in layout.event_id),
        images={name.strip("/"): class_name for name, class_name in layout.images.items()},
        channels={name: column.strip("/") for name, column in layout.channels.items()},
        pixels={
            name: replace(truth, column=truth.column.strip("/"))
            for name, truth in layout.pixels.items()
        },
        points={name: column.strip("/") for name, column in layout.points.items()},
        units={name.strip("/"): unit for name, unit in layout.units.items()},
        one_hot=tuple(name.strip("/") for name in layout.one_hot),
        tree=layout.tree and layout.tree.strip("/"),
    )
