"""The ``train`` section: from an image store to a model."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from detcnn.config.augmentation import AugmentationConfig
from detcnn.config.section import Fraction, Incidental, Section, Seed
from detcnn.config.tasks import PER_PIXEL, ClassificationConfig, TaskConfig


class NetworkConfig(Section):
    """Which network, and its options."""

    name: str = "plain_cnn"
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the network: blocks, dense, activation ..."
    )


class AdamConfig(Section):
    """Adam; weight decay enters the gradient."""

    name: Literal["adam"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


class AdamWConfig(Section):
    """Adam with weight decay decoupled from the gradient."""

    name: Literal["adamw"]
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01


class SgdConfig(Section):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    learning_rate: PositiveFloat = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0


class AdaDeltaConfig(Section):
    """AdaDelta; a learning rate of 1 is the algorithm as published."""

    name: Literal["adadelta"]
    learning_rate: PositiveFloat = 1.0
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    epsilon: PositiveFloat = 1e-6
    weight_decay: NonNegativeFloat = 0.0


def _adam_unless_named(value: Any) -> Any:
    # So that a study, or a flag, can change the learning rate of the default alone.
    return {"name": "adam", **value} if isinstance(value, dict) else value


OptimiserConfig = Annotated[
    Annotated[AdamConfig | AdamWConfig | SgdConfig | AdaDeltaConfig, Field(discriminator="name")],
    BeforeValidator(_adam_unless_named),
]

_Reduction = Annotated[
    float, Field(gt=0, lt=1, description="What the learning rate is multiplied by.")
]


class ConstantConfig(Section):
    """The same learning rate throughout."""

    name: Literal["constant"]


class CosineConfig(Section):
    """Half a cosine from the learning rate down to a share of it."""

    name: Literal["cosine"]
    final: Fraction = 0.0


class StepsConfig(Section):
    """A drop every so many epochs."""

    name: Literal["step"]
    every: PositiveInt = 10
    reduction: _Reduction = 0.1


class PlateauConfig(Section):
    """A drop whenever so many epochs bring no improvement."""

    name: Literal["plateau"]
    patience: PositiveInt = 3
    reduction: _Reduction = 0.1
    min_improvement: NonNegativeFloat = 0.0


ScheduleConfig = Annotated[
    ConstantConfig | CosineConfig | StepsConfig | PlateauConfig, Field(discriminator="name")
]


class EarlyStoppingConfig(Section):
    """When to stop before the last epoch."""

    patience: PositiveInt = Field(default=5, description="Epochs in a row without improvement.")
    min_improvement: NonNegativeFloat = Field(
        default=0.0, description="What an improvement must beat the best value by."
    )


class MixupConfig(Section):
    """Train on mixtures of two images (arXiv:1710.09412)."""

    alpha: PositiveFloat = Field(
        default=0.2,
        description="Of the beta distribution of the shares: small values leave most images almost "
        "as they are, 1 takes all shares alike.",
    )


class FavourConfig(Section):
    """Draw images that show what is rare more often than they are there."""

    classes: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="Classes of pixels, but not the background: an image that has a pixel of one "
        "of them is favoured.",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="Of the images of an epoch, favoured ones at least; nothing changes where "
        "they are more.",
    )


class EmaConfig(Section):
    """Validate and keep a running average of the weights."""

    decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.999, description="Share of the average that a step keeps."
    )


def _not_negative(stages: int | str) -> int | str:
    if isinstance(stages, int) and stages < 0:
        raise ValueError("expected a number of stages from 0, or the name of one")
    return stages


class StartConfig(Section):
    """Begin with the features of a trained network and a new head."""

    model: Annotated[Path | None, Incidental()] = Field(
        default=None, description="A model of detcnn; relative to the study file."
    )
    weights: Annotated[Path | None, Incidental()] = Field(
        default=None,
        description="Or a file of weights, .safetensors or a state dict of PyTorch, whose names "
        "are those of the network.",
    )
    freeze: Annotated[int | str, AfterValidator(_not_negative)] = Field(
        default=0,
        description="Stages of the network that stay as they are: the first so many, or those up "
        "to the one of this name.",
    )
    head: Literal["new", "keep"] = Field(
        default="new", description="keep: take the last layer, too, for the same classes."
    )
    channels: Literal["mean", "repeat", "zero"] = Field(
        default="mean",
        description="What the first convolution takes for another number of channels. mean: the "
        "mean over the old ones for each; repeat: the old ones in turn; zero: the old ones, and "
        "nothing for those beyond.",
    )
    standardise: Literal["start", "images"] = Field(
        default="start",
        description="start: the standardisation that the features were learned with, where it "
        "fits the images; images: that of the new images.",
    )

    @model_validator(mode="after")
    def _check_one(self) -> "StartConfig":
        if (self.model is None) == (self.weights is None):
            raise ValueError("expected either a model or weights")
        return self


class StandardiseConfig(Section):
    """Subtract the training mean and divide by the training spread, as the model's first layer."""

    per: Literal["pixel", "channel"] = Field(
        default="pixel",
        description="pixel: each has a mean and a spread of its own; channel: those of all its "
        "pixels together. If left out, channel for the tasks of pixels and points (segmentation, "
        "pixel-regression, localisation), where what a few events hold would be seen in what is "
        "said of every other one; else pixel.",
    )
    floor: NonNegativeFloat = Field(
        default=0.0,
        description="Added to every spread, in the units of the pixels.",
    )
    relative_floor: NonNegativeFloat = Field(
        default=1.0,
        description="Added to every spread, in units of the channel's own: keeps pixels that are "
        "hardly ever filled from drowning the others.",
    )
    clip: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Share of the filled pixels of each channel, over the training split, that "
        "stay as they are: those of larger absolute value are cut to the largest of these before "
        "all else, in every split; 0.999 say. null: none is cut.",
    )


class TrainConfig(Section):
    """From an image store to a model."""

    seed: Seed = 1
    network: NetworkConfig = NetworkConfig()
    task: TaskConfig = Field(
        default=ClassificationConfig(name="classification"),
        description="What is learned: a name, or a section with the name and its options.",
    )
    standardise: StandardiseConfig | None = Field(
        default=StandardiseConfig(),
        validate_default=True,
        description="null: the network sees the stored values.",
    )
    inputs: tuple[str, ...] = Field(
        default=(),
        description="Event columns that are joined, standardised, to the features of the image "
        "before the last layer: [pt, n_vertices] say.",
    )
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    optimiser: OptimiserConfig = AdamConfig()
    schedule: ScheduleConfig = ConstantConfig(name="constant")
    warmup_steps: NonNegativeInt = Field(
        default=0, description="Steps over which the learning rate rises from zero."
    )
    monitor: str = Field(
        default="loss",
        description="What is watched of the validation split: loss, or a metric of the task, "
        "such as accuracy or auc.",
    )
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    augment: tuple[AugmentationConfig, ...] = ()
    weights: Literal["training", "event", "none"] = Field(
        default="training",
        description="training: event weights with class balance and planing; event: those of the "
        "input; none: every event counts the same.",
    )
    favour: FavourConfig | None = Field(
        default=None,
        description="For a class of each pixel: images with rare classes are repeated within an "
        "epoch, in the places of others that are left out, drawn anew for each epoch. Weights "
        "of events, and class weights, stay those of the images as they are. null: each image "
        "once.",
    )
    mixup: MixupConfig | None = Field(
        default=None, description="Train on mixtures of two images; null: on each as it is."
    )
    ema: EmaConfig | None = Field(
        default=None,
        description="Validate and keep a running average of the weights; null: those of the last "
        "step.",
    )
    accumulate: PositiveInt = Field(
        default=1, description="Batches for each step, as if a batch was so many times as large."
    )
    gradient_clip: PositiveFloat | None = Field(
        default=None, description="Largest norm of the gradient."
    )
    max_events: PositiveInt | None = Field(
        default=None,
        description="Events of the training split, and of the validation split, to use at most: "
        "drawn by the seed, with the share that each class has.",
    )
    start: StartConfig | None = Field(
        default=None,
        description="Begin with what another network has learned; null: with drawn weights.",
    )
    memory_gib: PositiveFloat = Field(
        default=4.0,
        description="GiB that the images of a split may take in memory. Those of a larger one are "
        "read from disk in every epoch and shuffled in parts, in an order that depends on this "
        "number and not on the machine.",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        default="auto",
        description="Of the network's arithmetic. auto: bf16 where the hardware has it and the "
        "network is known to learn as much in it, float32 elsewhere.",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = Field(
        default=False, description="Run the network through torch.compile, which takes a compiler."
    )
    checkpoint_minutes: Annotated[PositiveFloat, Incidental()] = Field(
        default=10.0, description="Longest time between checkpoints inside an epoch."
    )

    @field_validator("standardise")
    @classmethod
    def _standardise_as_the_task_needs(
        cls, given: StandardiseConfig | None, info: ValidationInfo
    ) -> StandardiseConfig | None:
        task = info.data.get("task")
        if given is None or "per" in given.model_fields_set or task is None:
            return given
        is_of_pixels = task.name in PER_PIXEL
        return given.model_copy(update={"per": "channel"}) if is_of_pixels else given
