"""The ``evaluate`` section: what the scores are worth."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from detcnn.config.augmentation import AugmentationConfig
from detcnn.config.section import Section, Seed

CONFIDENCE = 0.5
"""Default confidence from which a point counts."""

_Efficiency = Annotated[float, Field(gt=0, lt=1)]


class BinsConfig(Section):
    """Equal bins of an event column."""

    column: str
    bins: PositiveInt = 10
    low: float | None = Field(
        default=None,
        description="In the unit that the column is told in; the smallest value if left out.",
    )
    high: float | None = Field(default=None, description="The largest value if left out.")

    @model_validator(mode="after")
    def _check_range(self) -> "BinsConfig":
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class OcclusionConfig(Section):
    """Maps of how the score changes when a patch of the image is emptied."""

    events: PositiveInt = Field(
        default=400, description="Events of the split to do it with, as many of each class."
    )
    patch: PositiveInt | None = Field(
        default=None,
        description="Side of the patch in pixels; an eleventh of the image if left out.",
    )
    stride: PositiveInt | None = Field(
        default=None, description="Pixels from one patch to the next; its side if left out."
    )
    seed: Seed = 1

    @model_validator(mode="after")
    def _check_stride(self) -> "OcclusionConfig":
        if self.stride is not None and (self.patch is None or self.stride > self.patch):
            raise ValueError(
                f"stride {self.stride} without a patch at least as large would leave pixels out"
            )
        return self


class VariationsConfig(Section):
    """Score each event several times, its image changed at random, and take the mean."""

    augment: tuple[AugmentationConfig, ...] = Field(
        min_length=1, description="What may happen to an image, as in train.augment."
    )
    draws: PositiveInt = Field(
        default=7, description="Changed images for each event, beside the one as it is."
    )
    seed: Seed = 1


class ObjectsConfig(Section):
    """Objects of one class of pixels: what hangs together, at a side or a corner."""

    of: str = Field(description="The class of pixels.")
    value: str = Field(
        default="sum of pixels",
        description="What the sum of the image over the pixels of an object is called.",
    )
    edges: tuple[float, ...] = Field(
        default=(),
        description="Bin edges of that sum; eight bins of equal numbers of true objects if none.",
    )
    least_pixels: PositiveInt = Field(
        default=1, description="Found objects of fewer pixels do not count."
    )


class CutConfig(Section):
    """A rectangular cut beside the network, whose thresholds are found."""

    select: str = Field(description="The class that it selects.")
    keep: dict[str, Literal["below", "above"]] = Field(
        min_length=1,
        max_length=3,
        description="Event column to what is kept: below or above the threshold, and at it.",
    )


class SelectionsConfig(Section):
    """Select each class at the threshold of the largest efficiency times purity."""

    tuned_on: Literal["train", "validation", "test"] = Field(
        default="validation",
        description="The split that gives the thresholds, another one than the split evaluated.",
    )
    cuts: tuple[CutConfig, ...] = Field(
        default=(), description="Rectangular cuts to compare with, at their own purity."
    )


class ResolutionConfig(Section):
    """How the relative resolution of a predicted number falls with it."""

    terms: tuple[Literal["stochastic", "constant", "noise"], ...] = Field(
        default=("stochastic", "constant"),
        description="Of the fit: a/√E, b and c/E, added in quadrature; no fit if none.",
    )
    by_class: bool = Field(
        default=False, description="Judge the events of each class on their own, too."
    )

    @model_validator(mode="after")
    def _check_terms(self) -> "ResolutionConfig":
        if len(set(self.terms)) < len(self.terms):
            raise ValueError(f"terms: {', '.join(self.terms)}, expected each at most once")
        return self


class EvaluateConfig(Section):
    """From a model and a split to tables, figures and a report."""

    split: Literal["train", "validation", "test"] = "test"
    signal: str | None = Field(
        default=None, description="The class whose efficiency is quoted; the last one if left out."
    )
    working_points: tuple[_Efficiency, ...] = Field(
        default=(0.3, 0.5, 0.7), description="Signal efficiencies to quote."
    )
    level: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.683, description="Confidence level of every interval."
    )
    replicas: PositiveInt = Field(default=1000, description="Bootstrap replicas.")
    seed: Seed = 1
    efficiency_bins: tuple[BinsConfig, ...] = Field(
        default=(), description="Columns against which efficiency is drawn; pt if it is there."
    )
    baselines: Literal["auto", "none"] | tuple[str, ...] = Field(
        default="auto",
        description="Columns to compare the network with, alone and in a boosted tree; auto takes "
        "the observables that preprocessing worked out.",
    )
    selections: SelectionsConfig | None = Field(
        default=None,
        description="Of a classification: efficiency and purity of a selection of each class, and "
        "of cuts on columns beside it; none if null.",
    )
    occlusion: OcclusionConfig | None = Field(
        default=OcclusionConfig(),
        description="Occlusion maps, made along with the scores; none if null.",
    )
    tta: VariationsConfig | None = Field(
        default=None,
        description="Test-time augmentation: the mean of the scores of an image and of changed "
        "ones. Occlusion maps are those of the image as it is.",
    )
    objects: tuple[ObjectsConfig, ...] = Field(
        default=(), description="Of a segmentation: objects to find and to count."
    )
    confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        default=CONFIDENCE,
        description="Of a localisation: points of less confidence do not count, but in the curve "
        "and in points.parquet.",
    )
    resolution: ResolutionConfig = Field(
        default=ResolutionConfig(), description="Of a regression: its fit, and of which events."
    )
    units: dict[str, str] = Field(
        default_factory=dict,
        description="Event column, or truth of pixels, to the unit that it is told in: turned into "
        "it from that of the images, or named by it where they know none. Bins of the column are "
        "in that unit, too; left out, all is told as the images have it.",
    )
    displays: PositiveInt = Field(
        default=6, description="Events to draw with what was said of their pixels or points."
    )
    formats: tuple[Literal["png", "pdf"], ...] = Field(
        default=("png", "pdf"),
        description="Of the files of figures; the report has its own, and PDF takes longest.",
    )

    @model_validator(mode="after")
    def _check_objects(self) -> "EvaluateConfig":
        names = [entry.of for entry in self.objects]
        if len(set(names)) < len(names):
            raise ValueError(f"objects: of {', '.join(names)}, expected each class at most once")
        return self

    @model_validator(mode="after")
    def _check_splits(self) -> "EvaluateConfig":
        if self.selections is not None and self.selections.tuned_on == self.split:
            raise ValueError(
                f"selections.tuned_on: the {self.split} split is the one evaluated: expected "
                "another one, so that thresholds are not judged by what they were chosen for"
            )
        return self
