"""The ``preprocess`` section: events to images."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from detcnn.config.presets import IMAGE_PRESETS
from detcnn.config.section import Fraction, Incidental, Section


class ClusteringConfig(Section):
    """How the particles of collisions become jets."""

    radius: PositiveFloat = Field(description="Jet radius in rapidity and phi.")
    algorithm: Literal["antikt", "cambridge", "kt"] = "antikt"
    min_pt: NonNegativeFloat = Field(default=0.0, description="Softer jets are left out [GeV].")
    max_eta: PositiveFloat | None = Field(
        default=None, description="Jets beyond this absolute pseudorapidity are left out."
    )
    n_hardest: PositiveInt | None = Field(
        default=None, description="At most so many jets of a collision are kept, in falling pT."
    )


UnitName = Literal[
    "GeV",
    "MeV",
    "TeV",
    "eV",
    "keV",
    "PeV",
    "nm",
    "um",
    "mm",
    "cm",
    "m",
    "km",
    "ps",
    "ns",
    "us",
    "ms",
    "s",
    "rad",
    "mrad",
    "deg",
]

AxisName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]


class PixelTruthConfig(Section):
    """A column that tells the truth of each pixel."""

    column: str = Field(description="Of the axes of the images, with planes in place of channels.")
    classes: tuple[str, ...] = Field(
        default=(),
        description="What its numbers stand for, from 0, the background; none if they are values.",
    )
    above: float | None = Field(
        default=None, description="A pixel is of class 1 where the column is above this, else of 0."
    )
    of: Literal["channels", "image"] | None = Field(
        default=None,
        description="Whether each plane is true of the channel of its place, or of all channels "
        "together; left out, of channels where there are as many.",
    )

    @model_validator(mode="after")
    def _check_classes(self) -> "PixelTruthConfig":
        if len(self.classes) == 1 or (self.above is not None and len(self.classes) != 2):
            raise ValueError(
                f"classes: {', '.join(self.classes) or 'none'}, expected "
                f"{'two' if self.above is not None else 'none, or two or more'}"
            )
        return self


class SourceConfig(Section):
    """Input files and, where detection would not find it, which column plays which part."""

    path: Annotated[str | Annotated[tuple[str, ...], Field(min_length=1)], Incidental()] = Field(
        description="Input file, relative to the study file; a pattern such as 'jets_*.h5', "
        "'@list.txt' for a file with a path in each line, or a list of these: files of one layout, "
        "read one after the other.",
    )
    layout: Literal["hits", "jagged", "lists", "padded", "images"] | None = Field(
        default=None, description="How events are laid out; detected if left out."
    )
    class_name: str | None = Field(
        default=None,
        alias="class",
        min_length=1,
        description="The class of all events of these files.",
    )
    constituents: dict[str, str] = Field(
        default_factory=dict,
        description="Role (pt, eta, rapidity, phi, energy, mass, px, py, pz, pt_rel, eta_rel, "
        "phi_rel, charge, pdgid, mask) to column; 'X[..., 2]' is the third feature of a column, "
        "'X[..., 0:800:4]' every fourth of 800, 'PT_*' the columns PT_0, PT_1 and so on, and "
        "{class} in a name stands for the class that a group or dataset is called after.",
    )
    offsets: str | None = Field(default=None, description="Column of the n + 1 offsets.")
    hits: dict[AxisName, str] = Field(
        default_factory=dict,
        description="Any name (x, time, charge) to the column of the hits that it is called by: "
        "lists, or flat columns with offsets or with hit_event.",
    )
    hit_event: str | None = Field(
        default=None,
        description="Column of the event number of each hit; hits of one event lie together.",
    )
    event_number: str | None = Field(
        default=None,
        description="Column of the number of each event, by which hits find their event.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Event column to column; label, weight and event_id have a meaning.",
    )
    event_id: tuple[str, ...] = Field(
        default=(), description="Columns that name an event together: run, block, event."
    )
    one_hot: tuple[str, ...] = Field(
        default=(), description="Columns of which exactly one is 1 in every event: its class."
    )
    images: dict[str, str] = Field(
        default_factory=dict,
        description="Column to class name, for ready images; '' where a label column tells.",
    )
    channels: dict[str, str] = Field(
        default_factory=dict,
        description="Name to column of a channel, for ready images that have a column for each.",
    )
    channel_units: dict[str, str] = Field(
        default_factory=dict,
        description="Channel of ready images to unit, where the file states none or lies: any of "
        "channels; of images in one column, all in order, which names them.",
    )
    axes: Annotated[tuple[AxisName, ...], Field(max_length=3)] = Field(
        default=(),
        description="Names of the axes of ready images, in order and without the channels: [time] "
        "for waveforms, [layer, eta, phi] for volumes; left out, rows and columns.",
    )
    channels_last: bool | None = Field(
        default=None, description="Whether images are (event, row, column, channel)."
    )
    pixels: dict[str, PixelTruthConfig] = Field(
        default_factory=dict,
        description="Name to the truth of each pixel of ready images; those of a group 'truth' are "
        "found by themselves.",
    )
    points: dict[str, str] = Field(
        default_factory=dict,
        description="Name to column of points in ready images, (event, point, 2): row and column "
        "in pixels, the centre of the first pixel at 0, filled up with NaN.",
    )
    units: dict[str, UnitName] = Field(
        default_factory=dict,
        description="Part or event column to unit, where the file states none or lies; or a column "
        "by its own name, where events and constituents have one of a name. MeV and TeV become "
        "GeV, deg becomes rad; others stay.",
    )
    tree: str | None = Field(
        default=None, min_length=1, description="ROOT tree, or HDF5 group or table, to read."
    )
    collection: str | None = Field(
        default=None,
        min_length=1,
        description="The jets inside of events that become rows, such as FatJet.",
    )
    radius: PositiveFloat | None = Field(
        default=None,
        description="Take what is nearer to a jet's axis, not what the file links to the jet.",
    )
    allow_links: bool = Field(
        default=False, description="Whether to read other files that an HDF5 file refers to."
    )
    clustering: ClusteringConfig | None = Field(
        default=None, description="How the particles of collisions become jets."
    )

    def identity(self) -> dict[str, Any]:
        """Return the options that determine a result, as plain JSON-able values."""
        # Keys have no order in a digest, and channels have one.
        return super().identity() | {
            "channels": [[*pair] for pair in self.channels.items()],
            "channel_units": [[*pair] for pair in self.channel_units.items()],
        }


def _require_nothing(schema: dict[str, Any]) -> None:
    # A preset may give what a study leaves out, which an editor cannot know.
    del schema["required"]


class GridConfig(Section):
    """The pixel grid, around the image centre."""

    model_config = ConfigDict(json_schema_extra=_require_nothing)

    pixels: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        description="Pixels in eta and in phi."
    )
    width: PositiveFloat | tuple[PositiveFloat, PositiveFloat] = Field(
        description="Full width of the image in eta and in phi."
    )


class ChannelConfig(Section):
    """One channel: what is added up over which constituents."""

    name: str = Field(min_length=1)
    weight: Literal["pt", "energy", "count", "charge", "charge_pt"] = "pt"
    of: str | tuple[int, ...] = Field(
        default="all", description="all, charged, neutral, photon, electron, muon, or PDG ids."
    )


class CentreConfig(Section):
    """Move the image so that a point of the jet is in its middle."""

    step: Literal["centre"]
    on: Literal["jet_axis", "hardest", "pt_centroid", "leading_subjet"] = "pt_centroid"
    snap: bool = Field(default=False, description="Move by whole pixels only.")
    subjet_radius: PositiveFloat = 0.3


class RotateConfig(Section):
    """Turn the event so that a direction of it lies along the second axis (phi)."""

    step: Literal["rotate"]
    by: Literal["principal_axis", "second_subjet"] = "principal_axis"
    subjet_radius: PositiveFloat = 0.3


class FlipConfig(Section):
    """Mirror the image so that the heavier side is on the side of rising coordinates."""

    step: Literal["flip"]
    axis: Literal["rows", "columns", "both"] = "both"
    towards: Literal["pt_sum", "hardest"] = "pt_sum"


class NormaliseConfig(Section):
    """Divide the channels of momenta and energies together by one number of each image.

    pt_sum is the pT of all constituents, in the image or not; l1, l2 and max are the sum, the root
    of the sum of squares, and the largest of the pixels. Counts and charges are left alone.
    """

    step: Literal["normalise"]
    by: Literal["pt_sum", "l1", "l2", "max"] = "pt_sum"


StepConfig = Annotated[
    CentreConfig | RotateConfig | FlipConfig | NormaliseConfig, Field(discriminator="step")
]


class RotateImageConfig(Section):
    """Turn the image by a cubic spline, so that a direction lies along its columns' axis (phi).

    A pixel truth of classes takes the class of the nearest pixel; other truths of pixels are turned
    by the spline, too, and points exactly.
    """

    step: Literal["rotate"]
    by: Literal["principal_axis", "second_subjet"] = "principal_axis"
    subjet_radius: PositiveFloat = 0.3


class FlipImageConfig(Section):
    """Mirror the image so that the larger sum, or the third subjet, is at high rows or columns."""

    step: Literal["flip"]
    axis: Literal["rows", "columns", "both"] = "both"
    towards: Literal["sum", "third_subjet"] = "sum"
    subjet_radius: PositiveFloat = 0.3


class NormaliseImageConfig(Section):
    """Divide the image's channels together by their sum, root of squares, or largest pixel.

    Counts and charges of constituents are left alone.
    """

    step: Literal["normalise"]
    by: Literal["l1", "l2", "max"] = "l1"


class ScaleConfig(Section):
    """Compress every pixel: log(1 + I), the square root or asinh(I / unit), keeping the sign."""

    step: Literal["scale"]
    by: Literal["log1p", "sqrt", "asinh"] = "log1p"
    unit: PositiveFloat | None = Field(
        default=None,
        description="Of asinh, which is linear below it and logarithmic above: the size of the "
        "noise, in the units of the image by then.",
    )

    @model_validator(mode="after")
    def _check_unit(self) -> "ScaleConfig":
        if (self.by == "asinh") != (self.unit is not None):
            raise ValueError("unit: expected with asinh, and with nothing else")
        return self

    def identity(self) -> dict[str, Any]:
        """Return the options that determine a result, as plain JSON-able values."""
        identity = super().identity()
        # Images without a unit are those of before there were any, and models go on with them.
        return identity if self.unit is not None else {"step": self.step, "by": self.by}


class CropConfig(Section):
    """Cut out the middle of the image, and of what is true of its pixels."""

    step: Literal["crop"]
    pixels: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        description="Rows and columns that remain."
    )


class DownsampleConfig(Section):
    """Put blocks of pixels together.

    A pixel truth of classes becomes that of the pixel with most of the content of a block, and the
    most frequent one in an empty block; other truths of pixels become what the image does.
    """

    step: Literal["downsample"]
    pixels: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        description="Rows and columns of a block, which becomes one pixel, not those that remain; "
        "the image is made of whole blocks."
    )
    by: Literal["sum", "mean", "max"] = Field(
        default="sum", description="What becomes of the values of a block."
    )


class ThresholdConfig(Section):
    """Empty the pixels that are not above a threshold; counts and charges are left alone."""

    step: Literal["threshold"]
    above: PositiveFloat = Field(description="In the units of the image by then, such as GeV.")


ImageStepConfig = Annotated[
    RotateImageConfig
    | FlipImageConfig
    | NormaliseImageConfig
    | ScaleConfig
    | CropConfig
    | DownsampleConfig
    | ThresholdConfig,
    Field(discriminator="step"),
]


class ImageConfig(Section):
    """How constituents become an image."""

    model_config = ConfigDict(json_schema_extra=_require_nothing)

    # What it stands for is written out beside it, and that is what counts.
    preset: Annotated[str | None, Incidental()] = Field(
        default=None,
        description=f"A named image ({', '.join(IMAGE_PRESETS)}) that the other keys change.",
    )
    longitudinal: Literal["eta", "rapidity"] = "eta"
    grid: GridConfig
    channels: tuple[ChannelConfig, ...] = Field(min_length=1)
    align: tuple[StepConfig, ...] = ()
    image_steps: tuple[ImageStepConfig, ...] = Field(
        default=(), description="What is done to the image once it has pixels."
    )


class HexagonalConfig(Section):
    """Resample a camera of hexagonal pixels to a grid of squares that conserves the charge.

    Each pixel is shared out by its overlap with the squares. A pixel truth of classes becomes that
    of the pixel that covers most of a square, and class 0 where there is none.
    """

    # Its content is what counts.
    geometry: Annotated[str, Incidental()] = Field(
        description="CSV file of a row for each pixel, relative to the study file."
    )
    x: str = Field(default="x", description="Column of the x of its centre.")
    y: str = Field(default="y", description="Column of the y of its centre.")
    number: str | None = Field(
        default=None,
        description="Column of its place in the images, from 0; the order of the rows if left out.",
    )
    unit: str = Field(default="1", min_length=1, description="Of x and y, such as mm.")
    pixels: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        description="Squares along x (rows) and along y (columns), which just cover the camera."
    )
    means: dict[str, str] = Field(
        default_factory=dict,
        description="Channel that is a mean in each pixel, such as a time, to the channel of the "
        "charge that it is a mean of; all others are shared out.",
    )


class TilesConfig(Section):
    """Cut large frames into tiles that overlap; each becomes a row of the store."""

    pixels: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        description="Rows and columns of a tile."
    )
    overlap: NonNegativeInt = Field(
        default=0,
        description="Pixels that neighbours share at least: half of them is cut off again when the "
        "predictions are put together, so take twice what the network needs to see around a pixel.",
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> "TilesConfig":
        smallest = min(self.pixels) if isinstance(self.pixels, tuple) else self.pixels
        if self.overlap >= smallest:
            raise ValueError(f"overlap {self.overlap} is not below the tiles' {smallest} pixels")
        return self


def _check_window(window: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = window
    if low is None and high is None:
        raise ValueError("neither end is given: expected [low, high], either may be null")
    if low is not None and high is not None and not low < high:
        raise ValueError(f"low {low:g} is not below high {high:g}")
    return window


Limits = Annotated[tuple[float | None, float | None], AfterValidator(_check_window)]


class HitAxisConfig(Section):
    """One axis of the image: what is measured of a hit, in equal pixels over [low, high)."""

    of: str = Field(description="The column of the hits, as sources.hits names it.")
    low: float
    high: float
    pixels: PositiveInt
    unit: str = Field(default="1", min_length=1, description="Such as mm or ns.")
    name: AxisName | None = Field(
        default=None, description="What the axis is called, if not as the column."
    )


class HitChannelConfig(Section):
    """One channel: what is put together of which hits."""

    name: str = Field(min_length=1)
    weight: str = Field(default="count", description="count, or a column of the hits.")
    by: Literal["sum", "mean", "max", "min"] = Field(
        default="sum", description="What becomes of hits that share a pixel."
    )
    where: dict[str, Limits] = Field(
        default_factory=dict,
        description="Column of the hits to [low, high): the hits it takes; either may be null.",
    )
    unit: str = Field(default="1", min_length=1, description="Of the weight.")


class HitsConfig(Section):
    """How hits become an image."""

    axes: Annotated[tuple[HitAxisConfig, ...], Field(min_length=1, max_length=3)] = Field(
        description="One to three, the one that runs fastest last: rows, then columns."
    )
    channels: tuple[HitChannelConfig, ...] = Field(min_length=1)


class SplitConfig(Section):
    """Shares of the three splits; which event goes where is a hash of its id."""

    train: Fraction = 0.8
    validation: Fraction = 0.1
    test: Fraction = 0.1
    salt: NonNegativeInt = Field(default=0, description="Another salt, another division.")


class PlaningConfig(Section):
    """Training weights that give every class the same spectrum of a column."""

    column: str = "pt"
    bins: PositiveInt = 25
    low: float
    high: float

    @model_validator(mode="after")
    def _check_range(self) -> "PlaningConfig":
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


Observable = Literal[
    "jet_multiplicity", "jet_mass", "jet_width", "jet_ptd", "jet_tau21", "jet_tau32"
]


class PreprocessConfig(Section):
    """From input files to an image store."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    classes: dict[str, int | tuple[int, ...]] | tuple[str, ...] = Field(
        default=(),
        description="Class names in order, or name to label value(s); all of the input if empty.",
    )
    image: ImageConfig | None = Field(
        default=None, description="How constituents become an image; none for ready images."
    )
    hits: HitsConfig | None = Field(
        default=None, description="How hits become an image, in place of image."
    )
    hexagonal: HexagonalConfig | None = Field(
        default=None,
        description="The geometry of a camera of hexagonal pixels, whose images have one axis; "
        "before all image steps.",
    )
    image_steps: tuple[ImageStepConfig, ...] = Field(
        default=(),
        description="What is done to ready images, and those of hits; those of constituents have "
        "image.image_steps. What is true of pixels, and points, go with their image.",
    )
    tiles: TilesConfig | None = Field(
        default=None, description="Cut large frames into tiles, after all image steps."
    )
    select: dict[str, Limits] = Field(
        default_factory=dict,
        description="Event column to [low, high]: events below low, or not below high, are "
        "dropped; either may be null.",
    )
    observables: tuple[Observable, ...] | None = Field(
        default=None,
        description="Observables of the constituents to keep as columns; all if left out and the "
        "input has constituents.",
    )
    split: SplitConfig = SplitConfig()
    balance_classes: bool = Field(
        default=True, description="Give every class the same total training weight."
    )
    planing: PlaningConfig | None = None
    encoding: Literal["auto", "sparse", "dense"] = Field(
        default="auto", description="Pixel lists or dense chunks; auto decides by occupancy."
    )
    events_per_partition: PositiveInt = Field(
        default=16384, description="Events held in memory at once, by each worker."
    )

    @model_validator(mode="after")
    def _check_images(self) -> "PreprocessConfig":
        if self.image is not None and self.hits is not None:
            raise ValueError("image and hits: expected one of them, or neither for ready images")
        if self.hexagonal is not None and (self.image is not None or self.hits is not None):
            raise ValueError("hexagonal: is done to ready images: leave out image and hits")
        return self
