"""What an image store holds and how it is laid out.

::

    images.zarr/
      zarr.json            attributes: encoding, axes with edges and units, channels, classes,
                           units of columns
      statistics/          mean, std (channel, *axes); class_mean; of the training split
      train/ validation/ test/
        label              int64 (event): index into the classes
        weight             float32 (event): event weight of the input
        training_weight    float32 (event): weight with class balance and planing
        columns/NAME       one value per event: event_id, pt, eta, mass ...
        images             dense: float32 (event, channel, *axes)
        images/            sparse: offsets int64 (event + 1), pixel uint16 or uint32, value float32
        truth/NAME         what is true of each pixel: planes in place of channels, else as images
        points/NAME        float32 (event, point, 2): row and column; NaN where there is none

The axes are row and column, or one or three. A pixel number counts through (channel, *axes), the
last axis running fastest; the pixels of
event ``i`` are ``pixel[offsets[i]:offsets[i + 1]]``. Chunks are compressed with zstd and carry a
CRC-32C.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid

SPLITS = ("train", "validation", "test")

STORE = "images.zarr"
"""The store's folder in an images artifact."""

Encoding = Literal["sparse", "dense"]

MOST_SPARSE = 0.25
"""Occupancy above which dense chunks are written; a sparse pixel takes 6 to 8 bytes, not 4."""


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What one channel means: its name, its unit, and a phrase that says what was added up."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TruthInfo:
    """What a pixel truth holds.

    Parameters
    ----------
    name : str
        What it is called.
    encoding : {"sparse", "dense"}
        How it is stored.
    planes : int
        Images of one event.
    classes : tuple of str
        What the numbers 0, 1, ... of its pixels stand for; none if they are values.
    of_channels : bool
        Whether each plane is true of the channel of its place, not of all channels together.
    unit : str
        Of values; empty if it is not known.
    """

    name: str
    encoding: Encoding
    planes: int
    classes: tuple[str, ...] = ()
    of_channels: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PointsInfo:
    """Points in the images: what they are called, and the most of one event."""

    name: str
    most: int


@dataclass(frozen=True, slots=True)
class Schema:
    """What all images of a store have in common.

    Parameters
    ----------
    encoding : {"sparse", "dense"}
        How the images are stored.
    grid : Grid
        Their axes.
    channels : tuple of ChannelInfo
        What they hold.
    classes : tuple of str
        Of the events, in the order of their labels.
    truth : tuple of TruthInfo
        What is known of pixels.
    points : tuple of PointsInfo
        What is known of places in the images.
    column_units : mapping
        Event column to its unit; without those of which it is not known.
    """

    encoding: Encoding
    grid: Grid
    channels: tuple[ChannelInfo, ...]
    classes: tuple[str, ...]
    truth: tuple[TruthInfo, ...] = ()
    points: tuple[PointsInfo, ...] = ()
    column_units: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *axes) of one image."""
        return len(self.channels), *self.grid.shape

    def truth_of(self, name: str) -> TruthInfo:
        """Return what a pixel truth holds.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        return _named(self.truth, name, "pixel truth", "preprocess.sources[].pixels")

    def points_of(self, name: str) -> PointsInfo:
        """Return what some points are.

        Raises
        ------
        ConfigError
            If there are none of that name.
        """
        return _named(self.points, name, "points", "preprocess.sources[].points")

    def truth_shape(self, name: str) -> tuple[int, ...]:
        """(planes, *axes) of a pixel truth."""
        return self.truth_of(name).planes, *self.grid.shape

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """Names of the axes of one image."""
        return "channel", *(axis.name for axis in self.grid.axes)

    @property
    def picture_channels(self) -> tuple[ChannelInfo, ...]:
        """The channels of folded images: of a volume, every layer of every channel."""
        return picture_channels(self.channels, self.grid)

    def attributes(self) -> dict[str, Any]:
        """Return the schema as JSON-able values, for the store's attributes."""
        return {
            "encoding": self.encoding,
            "image_shape": list(self.shape),
            "axes": [{**asdict(axis), "edges": axis.edges.tolist()} for axis in self.grid.axes],
            "channels": [asdict(channel) for channel in self.channels],
            "classes": list(self.classes),
            "truth": [{**asdict(info), "classes": list(info.classes)} for info in self.truth],
            "points": [asdict(info) for info in self.points],
            "column_units": dict(self.column_units),
        }


def picture_channels(channels: Sequence[ChannelInfo], grid: Grid) -> tuple[ChannelInfo, ...]:
    """Return the channels of folded images, named by channel and layer where there are layers."""
    layers = grid.axes[:-2]
    if not layers:
        return tuple(channels)
    return tuple(
        replace(channel, name=f"{channel.name}, {layer.name} {i}")
        for channel in channels
        for layer in layers
        for i in range(layer.n_pixels)
    )


def schema_from_attributes(attributes: Mapping[str, Any]) -> Schema:
    """Return the schema that a store's attributes describe."""
    axes = (
        Axis(**{key: value for key, value in axis.items() if key != "edges"})
        for axis in attributes["axes"]
    )
    return Schema(
        encoding=attributes["encoding"],
        grid=Grid(*axes),
        channels=tuple(ChannelInfo(**channel) for channel in attributes["channels"]),
        classes=tuple(attributes["classes"]),
        # Images of before there was any truth have none.
        truth=tuple(
            # Before it was said, planes were of the channels where there were as many.
            TruthInfo(
                **{
                    "of_channels": info["planes"] == len(attributes["channels"]),
                    **info,
                    "classes": tuple(info["classes"]),
                }
            )
            for info in attributes.get("truth", ())
        ),
        points=tuple(PointsInfo(**info) for info in attributes.get("points", ())),
        # Of images of before there were any, no unit is known.
        column_units=dict(attributes.get("column_units", {})),
    )


_Info = TypeVar("_Info", TruthInfo, PointsInfo)


def _named(infos: Sequence[_Info], name: str, kind: str, remedy: str) -> _Info:
    for info in infos:
        if info.name == name:
            return info
    there = ", ".join(info.name for info in infos) or "none"
    raise ConfigError(
        f"the images have no {kind} {name!r}; there are: {there}: name it in the study under "
        f"{remedy}"
    )
