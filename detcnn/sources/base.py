"""What every reader of an input file offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from detcnn.events.table import EventTable, ImageTable

LayoutKind = Literal["hits", "jagged", "lists", "padded", "images"]


@dataclass(frozen=True, slots=True)
class Clustering:
    """How the particles of a collision become jets.

    Parameters
    ----------
    radius : float
        Jet radius in rapidity and φ.
    algorithm : {"antikt", "cambridge", "kt"}
        Sequential recombination, E-scheme.
    min_pt : float
        Jets below this pT [GeV] are left out.
    max_eta : float, optional
        Jets beyond this absolute pseudorapidity are left out.
    n_hardest : int, optional
        At most so many jets of a collision are kept, in falling pT.
    """

    radius: float
    algorithm: Literal["antikt", "cambridge", "kt"] = "antikt"
    min_pt: float = 0.0
    max_eta: float | None = None
    n_hardest: int | None = None


@dataclass(frozen=True, slots=True)
class PixelTruth:
    """A column that tells the truth of each pixel.

    Parameters
    ----------
    column : str
        The column, of the axes of the images with or without planes in place of their channels.
    classes : tuple of str
        Names of the classes that its numbers stand for, from 0; none for values.
    above : float, optional
        A pixel is of class 1 where the column is above this, and else of class 0.
    of : {"channels", "image"}, optional
        Whether each plane is true of the channel of its place, or of all channels together; left
        out, of channels where there are as many of them as planes.
    unit : str
        Of values, as the file states it; empty if it does not.
    """

    column: str
    classes: tuple[str, ...] = ()
    above: float | None = None
    of: Literal["channels", "image"] | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file plays which part; what is left empty is detected.

    A part is named by its column; ``"X[..., 2]"`` is the third feature along the last axis of
    ``X``.

    Parameters
    ----------
    kind : {"hits", "jagged", "lists", "padded", "images"}, optional
        How events are laid out: hits of any kind, flat constituent columns with offsets, a list in
        each row, constituents padded with zeros to a fixed number, or ready images.
    constituents : mapping
        Role (``pt``, ``eta``, ``rapidity``, ``phi``, ``energy``, ``mass``, ``px``, ``py``, ``pz``,
        ``charge``, ``pdgid``, ``is_photon``, …) to column. In a padded layout ``"PT_*"`` stands for
        the columns ``PT_0``, ``PT_1``, …, and ``"X[..., 0:800:4]"`` for every fourth of a column's
        features.
    offsets : str, optional
        Column of the n_events + 1 offsets of a jagged layout.
    hits : mapping
        Any name (``x``, ``time``, ``charge``, …) to the column of the hits that it is called by.
    hit_event : str, optional
        Column of the number of the event that a hit belongs to; hits of one event lie together.
    event_number : str, optional
        Column of the number of each event; without it events are those that have hits.
    columns : mapping
        Event column to column. ``label``, ``weight`` and ``event_id`` have a meaning of their own.
    event_id : tuple of str
        Several datasets that name an event together (run, luminosity block, event).
    images : mapping
        Dataset to class name, for ready images; an empty name where a label column tells.
    channels : mapping
        Name to the column of a channel of ready images that come as a column each, (event, *axes).
    channel_units : mapping
        Name of a channel of ready images to its unit: of any of `channels`, or of every channel of
        images that come as one column, in their order, which names them.
    axes : tuple of str
        Names of the axes of a ready image, without that of the channels, the last one running
        fastest: one for waveforms, three for volumes. Left out: row and column, and a layer before
        them where there are five axes with those of events and channels.
    channels_last : bool, optional
        Whether images are (event, row, column, channel) rather than (event, channel, row, column).
    pixels : mapping
        Name to the column of a pixel truth of ready images.
    points : mapping
        Name to the column of points (row, column) in ready images.
    units : mapping
        Role or event column to unit: GeV, MeV, TeV, rad, deg; or a column by its own name, which
        goes before, where events and constituents have one of a name.
    class_name : str, optional
        The class of all events of the file.
    tree : str, optional
        The ROOT tree, or the HDF5 group or table, that the columns are in.
    collection : str, optional
        The jets inside of events that become rows, such as ``"FatJet"``.
    radius : float, optional
        Distance from the axis of a jet within which the constituents are its own, in place of those
        that the file links to it.
    one_hot : tuple of str
        Columns of which exactly one is 1 in every event, which tells its class.
    allow_links : bool
        Whether to read other files that this one refers to.
    clustering : Clustering, optional
        How the particles of collisions become jets.
    may_lack_truth : bool
        Whether the file may lack what is known of its events: columns, pixel truths and points that
        it has not are left out, as of new events for a trained model.
    """

    kind: LayoutKind | None = None
    constituents: Mapping[str, str] = field(default_factory=dict)
    offsets: str | None = None
    hits: Mapping[str, str] = field(default_factory=dict)
    hit_event: str | None = None
    event_number: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    event_id: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    channel_units: Mapping[str, str] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    channels_last: bool | None = None
    pixels: Mapping[str, PixelTruth] = field(default_factory=dict)
    points: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    class_name: str | None = None
    tree: str | None = None
    collection: str | None = None
    radius: float | None = None
    one_hot: tuple[str, ...] = ()
    allow_links: bool = False
    clustering: Clustering | None = None
    may_lack_truth: bool = False


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
    def format_name(self) -> str:
        """What the format of the file is called."""
        ...

    @property
    def layout(self) -> Layout:
        """The layout with every part found."""
        ...

    @property
    def stated_units(self) -> Mapping[str, str]:
        """Column, as the layout names it, to the unit that the study or the file states."""
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
    def image_shape(self) -> tuple[int, ...] | None:
        """(channels, *axes) of ready images, or None for constituents."""
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
