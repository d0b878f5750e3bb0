"""The ``train`` section: from an image store to a model."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from detcnn.config.section import Fraction, Section, Seed


class NetworkConfig(Section):
    """Which network, and its options."""

    name: str = "plain_cnn"
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the network: blocks, dense, activation ..."
    )


class OptimiserConfig(Section):
    """How weights follow the gradient."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    momentum: Fraction = Field(default=0.9, description="For sgd.")
    nesterov: bool = Field(default=False, description="For sgd.")


class ScheduleConfig(Section):
    """How the learning rate changes."""

    name: Literal["constant", "cosine", "step", "plateau"] = "constant"
    warmup_epochs: NonNegativeFloat = Field(
        default=0.0, description="Linear rise from zero over the first epochs."
    )
    step_epochs: PositiveInt = Field(default=10, description="For step: epochs between drops.")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="For step and plateau: what the rate is multiplied by."
    )
    patience: NonNegativeInt = Field(
        default=3, description="For plateau: epochs without improvement before a drop."
    )


class EarlyStoppingConfig(Section):
    """When to stop before the last epoch."""

    patience: PositiveInt = Field(default=5, description="Epochs without improvement.")
    min_delta: NonNegativeFloat = Field(default=0.0, description="What counts as improvement.")


class ShiftConfig(Section):
    """Move each image by up to so many whole pixels."""

    policy: Literal["shift"]
    max_pixels: PositiveInt = 1


class MirrorConfig(Section):
    """Mirror each image, or not, along its rows and along its columns."""

    policy: Literal["flip"]
    rows: bool = True
    columns: bool = True
    probability: Fraction = 0.5


class TurnConfig(Section):
    """Turn each image by a random angle."""

    policy: Literal["rotate"]
    max_degrees: Annotated[float, Field(gt=0, le=180)] = 180.0


class NoiseConfig(Section):
    """Add normal noise."""

    policy: Literal["noise"]
    sigma: PositiveFloat
    filled_only: bool = Field(default=True, description="Leave empty pixels empty.")


class DropPixelsConfig(Section):
    """Empty each filled pixel with some probability, as if its constituent had been lost."""

    policy: Literal["drop"]
    probability: Fraction


AugmentationConfig = Annotated[
    ShiftConfig | MirrorConfig | TurnConfig | NoiseConfig | DropPixelsConfig,
    Field(discriminator="policy"),
]


class StandardiseConfig(Section):
    """Subtract the training mean of each pixel and divide by its spread."""

    centre: bool = True
    scale: bool = True
    floor: PositiveFloat = Field(
        default=1e-5, description="Added to the spread, so that pixels that never vary stay finite."
    )


class TrainConfig(Section):
    """From an image store to a model."""

    seed: Seed = 1
    network: NetworkConfig = NetworkConfig()
    standardise: StandardiseConfig | None = Field(
        default=StandardiseConfig(), description="null: the network sees the stored values."
    )
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    augment: tuple[AugmentationConfig, ...] = ()
    use_weights: bool = Field(
        default=True, description="Train with event, class and planing weights."
    )
    gradient_clip: PositiveFloat | None = Field(
        default=None, description="Largest norm of the gradient."
    )
    precision: Literal["float32", "bf16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt | None = Field(
        default=None, description="CPU threads; the cores this process may use if left out."
    )
    checkpoint_minutes: PositiveFloat = Field(
        default=10.0, description="Longest time between checkpoints inside an epoch."
    )
