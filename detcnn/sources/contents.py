"""What is in a file, whatever part of it may play: every column, and what its beginning holds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset
from detcnn.sources.formats.hepmc import HepmcFormat
from detcnn.sources.opening import find_format

_ROWS = 10_000
_VALUES = 1 << 24
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Content:
    """A column and what its beginning holds.

    Parameters
    ----------
    dataset : Dataset
        The column.
    low, high : float, optional
        Smallest and largest number; None where there are none.
    n_not_finite : int
        Numbers that are NaN or infinite.
    is_whole : bool
        Whether all numbers are whole.
    words : tuple of str
        Of text, the first few that differ.
    """

    dataset: Dataset
    low: float | None = None
    high: float | None = None
    n_not_finite: int = 0
    is_whole: bool = False
    words: tuple[str, ...] = ()


def list_contents(
    path: Path, layout: Layout | None = None, *, without: Collection[str] = ()
) -> tuple[Content, ...]:
    """Return every column of a file, in its order.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout, optional
        Which tree or group of it, and which links are followed.
    without : collection of str
        Columns that are passed over.

    Raises
    ------
    DataError
        If the file is not there, damaged, or of a format that no reader knows.
    """
    file_format = find_format(path)
    if isinstance(file_format, HepmcFormat):
        # It has particles, not columns.
        return ()
    with file_format.open(path, layout or Layout()) as container:
        datasets = container.datasets()
        return tuple(
            _content(container, datasets[name]) for name in datasets if name not in without
        )


def _content(container: Container, dataset: Dataset) -> Content:
    is_read = dataset.shape and (dataset.is_numeric or dataset.is_text) and not dataset.problem
    if not is_read:
        return Content(dataset)
    n_rows = max(1, min(dataset.shape[0], _ROWS, _VALUES // max(1, prod(dataset.shape[1:]))))
    try:
        if dataset.is_ragged:
            values = container.read_ragged(dataset.name, 0, n_rows)[1]
        else:
            values = container.read(dataset.name, 0, n_rows)
    except DataError:
        # That it is there can still be told.
        return Content(dataset)
    if dataset.is_text:
        return Content(dataset, words=_first_words(values.ravel().tolist()))
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Content(dataset, n_not_finite=values.size)
    return Content(
        dataset,
        low=float(finite.min()),
        high=float(finite.max()),
        n_not_finite=values.size - finite.size,
        is_whole=finite.size == values.size and bool((finite == np.floor(finite)).all()),
    )


def _first_words(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))[:_MOST_WORDS]
