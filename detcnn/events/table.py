"""A block of events: with constituents, or as images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.images import DenseImages
from detcnn.events.truth import NO_TRUTH, Truth

Column = NDArray[Any]


def _check_columns(columns: Mapping[str, Column], n_events: int) -> None:
    for name, column in columns.items():
        if len(column) != n_events:
            raise DataError(f"event column {name!r} has {len(column)} rows for {n_events} events")


@dataclass(frozen=True, slots=True)
class EventTable:
    """Events as flat constituent columns with offsets.

    Constituent ``k`` of event ``i`` is row ``offsets[i] + k`` of each constituent column. An event
    may have no constituent.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,); starts at 0, never falls, ends at the number of constituents.
    constituents : mapping
        Name to array of shape (n_constituents,). ``pt`` [GeV] and ``phi`` [rad] with ``eta`` or
        ``rapidity``; optionally ``energy`` and ``mass`` [GeV], ``charge`` [e], ``pdgid``. Hits have
        whatever was measured of them, under names of their own.
    columns : mapping
        Name to array of shape (n_events,): ``label`` and ``event_id``, and what evaluation needs
        later, for example ``pt`` [GeV], ``eta``, ``rapidity``, ``phi`` [rad], ``mass`` [GeV] of the
        jet, ``weight``.
    first_row : int
        Row of the first event in its file, so that messages can name the others.

    Raises
    ------
    DataError
        If a column has another length than the offsets say.
    """

    offsets: NDArray[np.int64]
    constituents: Mapping[str, Column]
    columns: Mapping[str, Column] = field(default_factory=dict)
    first_row: int = 0

    def __post_init__(self) -> None:
        for name, column in self.constituents.items():
            if len(column) != self.n_constituents:
                raise DataError(
                    f"constituent column {name!r} has {len(column)} rows, "
                    f"but the offsets end at {self.n_constituents}"
                )
        _check_columns(self.columns, self.n_events)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.offsets) - 1

    @property
    def has_momenta(self) -> bool:
        """Whether the constituents have a momentum and a direction; hits have none."""
        names = self.constituents.keys()
        return {"pt", "phi"} <= names and not names.isdisjoint({"eta", "rapidity"})

    @property
    def n_constituents(self) -> int:
        """Number of constituents of all events together."""
        return int(self.offsets[-1])


@dataclass(frozen=True, slots=True)
class ImageTable:
    """Events that come as images.

    Parameters
    ----------
    images : DenseImages
        One image an event, float32, (n_events, channels, rows, columns).
    columns : mapping
        As in `EventTable`.
    truth : Truth
        What is true of their pixels, and points in them.

    Raises
    ------
    DataError
        If a column has another length than there are images.
    """

    images: DenseImages
    columns: Mapping[str, Column] = field(default_factory=dict)
    truth: Truth = NO_TRUTH

    def __post_init__(self) -> None:
        _check_columns(self.columns, self.n_events)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.images.n_images
