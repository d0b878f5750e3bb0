"""What every reader of an input file offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from detcnn.events.table import EventTable, ImageTable

LayoutKind = Literal["jagged", "padded", "images"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which dataset of a file plays which part; what is left empty is detected.

    Parameters
    ----------
    kind : {"jagged", "padded", "images"}, optional
        How events are laid out: flat constituent columns with offsets, constituents padded with
        zeros to a fixed number, or ready images.
    constituents : mapping
        Role (``pt``, ``eta``, ``rapidity``, ``phi``, ``energy``, ``mass``, ``charge``, ``pdgid``)
        to dataset. ``"X[..., 2]"`` is the third feature of a padded dataset (event, constituent,
        feature).
    offsets : str, optional
        Dataset of the n_events + 1 offsets of a jagged layout.
    columns : mapping
        Event column to dataset. ``label``, ``weight`` and ``event_id`` have a meaning of their own.
    event_id : tuple of str
        Several datasets that name an event together (run, luminosity block, event).
    images : mapping
        Dataset to class name, for ready images; an empty name where a label column tells.
    channels_last : bool, optional
        Whether images are (event, row, column, channel) rather than (event, channel, row, column).
    units : mapping
        Dataset role or event column to unit: GeV, MeV, TeV, rad, deg.
    class_name : str, optional
        The class of all events of the file.
    """

    kind: LayoutKind | None = None
    constituents: Mapping[str, str] = field(default_factory=dict)
    offsets: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    event_id: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    channels_last: bool | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A run of rows of one file, read by row number.

    Parameters
    ----------
    name : str
        The dataset or group the rows are in.
    n_events : int
        Number of rows.
    class_name : str, optional
        The class of all of them; None where a label column tells.
    """

    name: str
    n_events: int
    class_name: str | None = None


class Source(Protocol):
    """One input file, opened and understood.

    A source holds no open file, so it can be sent to another process.
    """

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def layout(self) -> Layout:
        """The layout with every part found."""
        ...

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What is in the file."""
        ...

    @property
    def label_names(self) -> Mapping[int, str]:
        """Value of the label column to class name, for every value that occurs."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(channels, rows, columns) of ready images, or None for constituents."""
        ...

    def read(self, sample: int, start: int, stop: int) -> EventTable | ImageTable:
        """Read rows `start` to `stop` of a sample, in GeV and rad.

        Columns are float32 or integers as stored; ``label`` and ``event_id`` are there where the
        file has them.

        Raises
        ------
        DataError
            If the file cannot be read there, or says something impossible.
        """
        ...
