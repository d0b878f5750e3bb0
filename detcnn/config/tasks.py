"""The ``train.task`` section: what is learned of the images."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from detcnn.config.section import Section

ImbalanceWeights = Literal["none", "inverse", "sqrt_inverse", "effective"]

# Lists come as such to fields behind a validator of ours, hence `strict=False` on tuples below.

PER_PIXEL = frozenset({"segmentation", "pixel-regression", "localisation"})
"""Names of the tasks whose network says something of each pixel."""

PixelLoss = Literal["cross_entropy", "focal", "dice", "tversky", "lovasz"]


class ClassificationConfig(Section):
    """One class for each image."""

    name: Literal["classification"]
    loss: Literal["cross_entropy", "quadratic"] = Field(
        default="cross_entropy",
        description="quadratic: half the squared distance of the logistic outputs from 1 for the "
        "class of the image and 0 for the others.",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Share of each target that is spread over all classes."
    )


class SegmentationConfig(Section):
    """One class for each pixel."""

    name: Literal["segmentation"]
    truth: str = Field(default="mask", description="The pixel truth that is learned.")
    loss: PixelLoss | dict[PixelLoss, PositiveFloat] = Field(
        default="cross_entropy",
        description="One, or several with their weights: {cross_entropy: 1, dice: 1}.",
    )
    class_weights: ImbalanceWeights | dict[str, PositiveFloat] = Field(
        default="none",
        description="Of the pixels of each class, from their numbers in the training split; or the "
        "weights of some classes by name, 1 for the others.",
    )
    focal_gamma: NonNegativeFloat = Field(
        default=2.0, description="How much the focal loss turns to pixels that are not settled."
    )
    tversky: tuple[NonNegativeFloat, NonNegativeFloat] = Field(
        default=(0.3, 0.7),
        strict=False,
        description="Weights of false and of missed pixels; 0.5, 0.5 is Dice.",
    )
    pixels: Literal["all", "filled"] = Field(
        default="all",
        description="filled: pixels without content are neither learned nor judged.",
    )


class PixelRegressionConfig(Section):
    """One number for each pixel."""

    name: Literal["pixel-regression"]
    truth: str = Field(description="The pixel truth that is learned.")
    loss: Literal["squared", "absolute", "huber"] = "squared"
    pixels: Literal["all", "filled"] = Field(
        default="all",
        description="filled: pixels without content are neither learned nor judged.",
    )


class RegressionConfig(Section):
    """One number or several for each image."""

    name: Literal["regression"]
    targets: tuple[str, ...] = Field(
        min_length=1, strict=False, description="Event columns to learn."
    )
    loss: Literal["squared", "absolute", "huber", "gaussian"] = Field(
        default="huber",
        description="gaussian: the likelihood of a normal distribution whose width the network "
        "predicts, too.",
    )
    scale: Literal["linear", "log"] = Field(
        default="linear", description="log: the logarithm is learned, of targets above 0."
    )


class MultiLabelConfig(Section):
    """Yes or no to several questions about each image."""

    name: Literal["multi-label"]
    labels: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="Event columns that are 1 where the answer is yes, and else 0.",
    )
    balance: bool = Field(
        default=False, description="Give the images of either answer the same total weight."
    )


class LocalisationConfig(Section):
    """Points in each image."""

    name: Literal["localisation"]
    points: str = Field(default="points", description="The points that are learned.")
    width: PositiveFloat = Field(
        default=1.0, description="Standard deviation of a point's peak in the target, in pixels."
    )
    offset_weight: NonNegativeFloat = Field(
        default=1.0, description="Of the distance from the middle of the pixel, in the loss."
    )
    tolerance: PositiveFloat = Field(
        default=2.0, description="Largest distance of a point found from a true one, in pixels."
    )


EventTaskConfig = Annotated[
    ClassificationConfig | RegressionConfig | MultiLabelConfig, Field(discriminator="name")
]


class HeadConfig(Section):
    """One of several tasks that share a network."""

    task: Annotated[EventTaskConfig, BeforeValidator(lambda value: _by_name(value))]
    weight: PositiveFloat = Field(default=1.0, description="Of its loss in the sum.")


class MultiTaskConfig(Section):
    """Several tasks about whole images, each with outputs of its own."""

    name: Literal["multi-task"]
    heads: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")], HeadConfig] = Field(
        description="Name to task and weight; at least two."
    )

    @model_validator(mode="after")
    def _check_number(self) -> "MultiTaskConfig":
        if len(self.heads) < 2:
            raise ValueError(f"heads: {len(self.heads)}, expected two or more")
        return self


def _by_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    # So that a flag can change an option of the default alone.
    return {"name": "classification", **value} if isinstance(value, dict) else value


TaskConfig = Annotated[
    Annotated[
        ClassificationConfig
        | SegmentationConfig
        | PixelRegressionConfig
        | RegressionConfig
        | MultiLabelConfig
        | LocalisationConfig
        | MultiTaskConfig,
        Field(discriminator="name"),
    ],
    BeforeValidator(_by_name),
]
