"""HDF5 datasets whose numbers lie in other files.

Where a file that an HDF5 file refers to is absent or too short, HDF5 reads zeros without a word. So
whatever refers elsewhere is refused unless it is asked for, and then all of it must be there.
"""

import math
from pathlib import Path
from typing import Any

import h5py

from detcnn.errors import DataError

_DEEPEST = 32
_REMEDY = "set allow_links: true in the study to read it, or copy the data into this file"


def check_link(place: str, link: h5py.ExternalLink, *, allow_links: bool) -> None:
    """Raise if a link leads to another file, and that is not asked for.

    Parameters
    ----------
    place : str
        File and name, for the message.
    link : h5py.ExternalLink
        The link.
    allow_links : bool
        Whether to follow it.

    Raises
    ------
    DataError
        Naming the other file.
    """
    if not allow_links:
        raise DataError(f"{place} is a link to another file ({link.filename}): {_REMEDY}")


def check_storage(
    place: str, dataset: h5py.Dataset, *, allow_links: bool, depth: int = 0
) -> set[Path]:
    """Return the other files that the numbers of a dataset are in; raise if they are not all there.

    Parameters
    ----------
    place : str
        File and dataset, for the message.
    dataset : h5py.Dataset
        The dataset.
    allow_links : bool
        Whether it may keep its numbers in other files.
    depth : int
        How many virtual datasets led here.

    Raises
    ------
    DataError
        If they are in another file and that is not asked for, or a part of them is missing.
    """
    if dataset.external:
        return _check_external(place, dataset, allow_links=allow_links)
    if dataset.is_virtual:
        return _check_virtual(place, dataset, allow_links=allow_links, depth=depth)
    return set()


def check_same_file(place: str, entry: Any, file: h5py.File, *, allow_links: bool) -> None:
    """Raise if what was found under a name is in another file, and that is not asked for.

    Raises
    ------
    DataError
        Naming the other file.
    """
    if entry is not None and entry.file.filename != file.filename and not allow_links:
        raise DataError(f"{place} is in another file ({entry.file.filename}): {_REMEDY}")


def _check_external(place: str, dataset: h5py.Dataset, *, allow_links: bool) -> set[Path]:
    if not allow_links:
        raise DataError(
            f"{place} keeps its data in other files ({dataset.external[0][0]}): {_REMEDY}"
        )
    needed = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    for name, offset, size in dataset.external:
        path = Path(name)
        # HDF5 takes these names, unlike all others, from where the process runs.
        present = path.stat().st_size - offset if path.is_file() else 0
        used = min(size, needed)
        if present < used:
            raise DataError(
                f"{place} keeps {used} bytes of its data in {name}, which has "
                f"{max(present, 0)} of them: copy all of it there, or copy the data into this file"
            )
        needed -= used
    if needed > 0:
        raise DataError(f"{place}: {needed} bytes of its data are kept in no file")
    return {Path(name) for name, _, _ in dataset.external}


def _check_virtual(
    place: str, dataset: h5py.Dataset, *, allow_links: bool, depth: int
) -> set[Path]:
    if depth > _DEEPEST:
        raise DataError(f"{place} is a virtual dataset of virtual datasets without an end")
    n_mapped = 0
    others: set[Path] = set()
    for part in dataset.virtual_sources():
        is_here = part.file_name == "."
        if not is_here and not allow_links:
            raise DataError(f"{place} keeps its data in other files ({part.file_name}): {_REMEDY}")
        if "%" in part.file_name.replace("%%", "") or "%" in part.dset_name.replace("%%", ""):
            raise DataError(
                f"{place} is a virtual dataset of any number of files ({part.file_name}), of which "
                "none can be missed: copy the data into this file"
            )
        n_mapped += part.vspace.get_select_npoints()
        if is_here:
            file = dataset.file
            others |= _check_source(place, part, file, allow_links=allow_links, depth=depth)
            continue
        path = Path(dataset.file.filename).parent / part.file_name
        try:
            with h5py.File(path, "r", locking=False) as file:
                others |= _check_source(place, part, file, allow_links=allow_links, depth=depth)
            others.add(path)
        except OSError:
            raise DataError(
                f"{place} takes its data from {path}, which is missing or damaged: "
                "copy it there, or copy the data into this file"
            ) from None
    if n_mapped < math.prod(dataset.shape):
        raise DataError(
            f"{place} is a virtual dataset of which {math.prod(dataset.shape) - n_mapped} of "
            f"{math.prod(dataset.shape)} numbers come from nowhere"
        )
    return others


def _check_source(
    place: str, part: Any, file: h5py.File, *, allow_links: bool, depth: int
) -> set[Path]:
    source = file.get(part.dset_name)
    where = f"{file.filename}: dataset {part.dset_name!r}"
    check_same_file(where, source, file, allow_links=allow_links)
    if not isinstance(source, h5py.Dataset):
        raise DataError(f"{place} takes its data from {where}, which is not there")
    is_whole = part.src_space.get_select_type() == h5py.h5s.SEL_ALL
    if is_whole:
        is_there = math.prod(source.shape) == part.vspace.get_select_npoints()
    else:
        _, last = part.src_space.get_select_bounds()
        is_there = len(last) == len(source.shape) and all(
            at < n for at, n in zip(last, source.shape, strict=True)
        )
    if not is_there:
        raise DataError(
            f"{place} takes its data from {where}, which has the shape {source.shape} and so not "
            "all of it: copy the data into this file"
        )
    return check_storage(where, source, allow_links=allow_links, depth=depth + 1)
