"""The random changes of images that a study asks for."""

from collections.abc import Sequence

from detcnn.config.augmentation import (
    AugmentationConfig,
    ColourConfig,
    DropPixelsConfig,
    ElasticConfig,
    FlipImageConfig,
    NoiseConfig,
    RandomCropConfig,
    ShearConfig,
    ShiftConfig,
    ZoomConfig,
)
from detcnn.events.grid import Grid
from detcnn.imaging.augmentation import Colour, DropPixels, Noise, Policy
from detcnn.imaging.geometric_policies import Crop, ElasticWarp, Flip, Rotate, Shear, Shift, Zoom


def policies_of(entries: Sequence[AugmentationConfig], grid: Grid) -> tuple[Policy, ...]:
    """Return the policies that sections of a study describe, for images on `grid`."""
    return tuple(_policy(entry, grid) for entry in entries)


def _policy(config: AugmentationConfig, grid: Grid) -> Policy:
    options = config.model_dump(exclude={"policy"})
    match config:
        case ShiftConfig():
            return Shift(**options)
        case FlipImageConfig():
            return Flip(**options)
        case ZoomConfig():
            return Zoom(**options)
        case ShearConfig():
            return Shear(**options)
        case RandomCropConfig():
            return Crop(**options)
        case ElasticConfig():
            return ElasticWarp(**options)
        case NoiseConfig():
            return Noise(**options)
        case DropPixelsConfig():
            return DropPixels(**options)
        case ColourConfig():
            return Colour(**options)
        case _:
            aspect = grid.rows.pixel_width / grid.columns.pixel_width
            return Rotate(aspect=aspect, **options)
