"""The ``preprocess`` section: events to images."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from detcnn.config.presets import IMAGE_PRESETS
from detcnn.config.section import Fraction, Incidental, Section


class SourceConfig(Section):
    """One input file and, where detection would not find it, which dataset plays which part."""

    path: Annotated[Path, Incidental()] = Field(
        description="Input file, relative to the study file."
    )
    layout: Literal["jagged", "padded", "images"] | None = Field(
        default=None, description="How events are laid out; detected if left out."
    )
    class_name: str | None = Field(
        default=None,
        alias="class",
        min_length=1,
        description="The class of all events of this file.",
    )
    constituents: dict[str, str] = Field(
        default_factory=dict,
        description="Role (pt, eta, rapidity, phi, energy, mass, charge, pdgid) to dataset; "
        "'X[..., 2]' is the third feature of a padded dataset.",
    )
    offsets: str | None = Field(default=None, description="Dataset of the n + 1 offsets.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Event column to dataset; label, weight and event_id have a meaning.",
    )
    event_id: tuple[str, ...] = Field(
        default=(), description="Datasets that name an event together: run, block, event."
    )
    images: dict[str, str] = Field(
        default_factory=dict,
        description="Dataset to class name, for ready images; '' where a label column tells.",
    )
    channels_last: bool | None = Field(
        default=None, description="Whether images are (event, row, column, channel)."
    )
    units: dict[str, Literal["GeV", "MeV", "TeV", "rad", "deg"]] = Field(
        default_factory=dict, description="Column to unit, where the file states none or lies."
    )


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
