"""Random changes of images: of those trained on, and of those scored more than once."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from detcnn.config.section import Fraction, Section

_Factor = Annotated[float, Field(ge=1)]


class ShiftConfig(Section):
    """Move each image by up to so many pixels."""

    policy: Literal["shift"]
    max_pixels: PositiveInt = Field(
        default=1, description="Rows and columns each move by up to so many, either way."
    )
    subpixel: bool = Field(
        default=False, description="By parts of a pixel, too, with bilinear interpolation."
    )


class FlipImageConfig(Section):
    """Mirror each image, or not, along its rows and along its columns."""

    policy: Literal["flip"]
    rows: bool = True
    columns: bool = True
    probability: Fraction = 0.5


class RotateImageConfig(Section):
    """Turn each image by a random angle."""

    policy: Literal["rotate"]
    max_degrees: Annotated[float, Field(gt=0, le=180)] = 180.0


class ZoomConfig(Section):
    """Enlarge or shrink each image about its centre."""

    policy: Literal["zoom"]
    max_factor: _Factor = Field(
        default=1.2, description="The factor lies between this and its inverse."
    )


class ShearConfig(Section):
    """Shear each image about its centre."""

    policy: Literal["shear"]
    max_slope: Annotated[float, Field(gt=0, le=0.9)] = Field(
        default=0.2, description="Pixels along one axis for each pixel along the other."
    )


class RandomCropConfig(Section):
    """Keep a window at a random place of each image."""

    policy: Literal["crop"]
    min_share: Annotated[float, Field(ge=0.01, le=1)] = Field(
        default=0.8, description="Smallest side of the window over that of the image."
    )
    resize: bool = Field(
        default=True,
        description="Enlarge the window to the whole image; otherwise empty what is outside it.",
    )


class ElasticConfig(Section):
    """Deform each image as if it was drawn on rubber."""

    policy: Literal["elastic"]
    max_pixels: PositiveFloat = Field(
        default=1.0,
        description="No pixel moves by more along either axis; less than a quarter of a cell.",
    )
    cells: PositiveInt = Field(
        default=3, description="Cells of the coarse grid that the deformation is drawn on."
    )


class NoiseConfig(Section):
    """Add normal noise."""

    policy: Literal["noise"]
    sigma: NonNegativeFloat = 0.05
    relative: bool = Field(default=True, description="sigma is a share of each pixel's value.")
    filled_only: bool = Field(default=True, description="Leave empty pixels empty.")


class DropPixelsConfig(Section):
    """Empty filled pixels at random, as if their constituents had been lost."""

    policy: Literal["drop_pixels"]
    probability: Fraction = 0.05


class ColourConfig(Section):
    """Multiply the channels of each image by random factors, as a wrong calibration would."""

    policy: Literal["colour"]
    max_factor: _Factor = Field(
        default=1.1, description="Each factor lies between this and its inverse."
    )
    together: bool = Field(default=False, description="One factor for all channels of an image.")


AugmentationConfig = Annotated[
    ShiftConfig
    | FlipImageConfig
    | RotateImageConfig
    | ZoomConfig
    | ShearConfig
    | RandomCropConfig
    | ElasticConfig
    | NoiseConfig
    | DropPixelsConfig
    | ColourConfig,
    Field(discriminator="policy"),
]
