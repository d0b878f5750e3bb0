"""Opening an input file with the reader that understands it."""

from dataclasses import replace
from pathlib import Path

import h5py

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout, Source
from detcnn.sources.columns import CONSTITUENT_ROLES
from detcnn.sources.hdf5 import list_datasets, open_hdf5
from detcnn.sources.hdf5_images import find_images, open_images
from detcnn.sources.hdf5_jagged import find_offsets, open_jagged
from detcnn.sources.hdf5_padded import find_features, open_padded


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
    """
    layout = _without_slashes(layout or Layout())
    if not path.is_file():
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    if not h5py.is_hdf5(path):
        raise DataError(f"{path}: not a format that detcnn reads (HDF5)")
    for role in layout.constituents:
        if role not in CONSTITUENT_ROLES:
            raise ConfigError(
                f"{path}: {role!r} is no part that constituents have: "
                f"expected one of {', '.join(CONSTITUENT_ROLES)}"
            )
    source = _open_hdf5(path, layout)
    unused = layout.units.keys() - source.layout.constituents.keys() - source.layout.columns.keys()
    if unused:
        raise ConfigError(
            f"{path}: units are given for {min(unused)!r}, which is no column; there are: "
            f"{', '.join(sorted({*source.layout.constituents, *source.layout.columns})) or 'none'}"
        )
    if not any(sample.n_events for sample in source.samples):
        raise DataError(f"{path}: holds no events")
    return source


def _open_hdf5(path: Path, layout: Layout) -> Source:
    with open_hdf5(path) as file:
        datasets = list_datasets(file)
    offsets = find_offsets(layout, datasets)
    if layout.kind == "jagged" or (layout.kind is None and offsets is not None):
        if offsets is None:
            raise ConfigError(
                f"{path}: no offsets of a jagged layout found; there are: "
                f"{', '.join(datasets)}; name them as offsets in the study"
            )
        return open_jagged(path, layout, datasets, offsets)
    if layout.kind == "padded" or (
        layout.kind is None and "pt" in find_features(path, layout, datasets)
    ):
        return open_padded(path, layout, datasets)
    images = find_images(layout, datasets)
    if images:
        return open_images(path, layout, datasets, images)
    raise ConfigError(
        f"{path}: neither constituents with offsets, nor padded constituents, nor images found; "
        f"there are: {', '.join(datasets) or 'no datasets'}; "
        "say in the study which dataset plays which part"
    )


def _without_slashes(layout: Layout) -> Layout:
    """Return the layout with datasets named as `list_datasets` names them."""
    return replace(
        layout,
        constituents={role: name.strip("/") for role, name in layout.constituents.items()},
        offsets=layout.offsets and layout.offsets.strip("/"),
        columns={column: name.strip("/") for column, name in layout.columns.items()},
        event_id=tuple(name.strip("/") for name in layout.event_id),
        images={name.strip("/"): class_name for name, class_name in layout.images.items()},
    )
