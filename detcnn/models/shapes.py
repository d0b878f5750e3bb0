"""What comes out of layers for images of a given shape, and the smallest image they can take."""

import torch
from torch import nn

from detcnn.errors import ConfigError

_AMPLE = 1024
"""Pixels along an axis that no network of the catalogue finds too few."""


def output_shape(
    trunk: nn.Module,
    shape: tuple[int, ...],
    *,
    network: str,
    remedy: str = "use a finer grid or another network",
) -> tuple[int, ...]:
    """Return the shape that layers give one image, without computing any pixel.

    Parameters
    ----------
    trunk : torch.nn.Module
        The layers, on any device; they are left as they were.
    shape : tuple of int
        (channels, *axes) of an image.
    network : str
        What the layers belong to, for the message.
    remedy : str
        What to do about an image that is too small, for the message.

    Returns
    -------
    tuple of int
        Without the batch axis.

    Raises
    ------
    ConfigError
        If the image is too small; the smallest one is named.
    """
    try:
        return _dry_run(trunk, shape)
    except RuntimeError:
        if not _runs(trunk, (shape[0], *[_AMPLE] * len(shape[1:]))):
            # Not for want of pixels.
            raise
    sides = [_smallest_side(trunk, shape, axis) for axis in range(1, len(shape))]
    raise ConfigError(
        f"the image is {_times(shape[1:])}, too small for {_first_failing(trunk, shape)!r}; "
        f"the smallest for {network} is {_times(sides)}: {remedy}"
    )


def _dry_run(trunk: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Run without an image: a batch of none has the shapes, and the errors, of any other."""
    device = next((tensor.device for tensor in trunk.parameters()), torch.device("cpu"))
    modes = {module: module.training for module in trunk.modules()}
    # No image has no statistics.
    trunk.eval()
    try:
        with torch.no_grad():
            output = trunk(torch.empty(0, *shape, device=device))
    finally:
        for module, mode in modes.items():
            module.training = mode
    return tuple(output.shape[1:])


def _runs(trunk: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        _dry_run(trunk, shape)
    except RuntimeError:
        return False
    return True


def _smallest_side(trunk: nn.Module, shape: tuple[int, ...], axis: int) -> int:
    """Bisect: what a side can do, every longer one can. The other axes are of no matter."""
    below, enough = 0, _AMPLE
    while enough - below > 1:
        middle = (below + enough) // 2
        trial = [shape[0]] + [_AMPLE] * (len(shape) - 1)
        trial[axis] = middle
        below, enough = (below, middle) if _runs(trunk, tuple(trial)) else (middle, enough)
    return enough


def _first_failing(trunk: nn.Module, shape: tuple[int, ...]) -> str:
    for name, stage in trunk.named_children():
        if not _runs(stage, shape):
            return name
        shape = _dry_run(stage, shape)
    return "the network"


def _times(sides: tuple[int, ...] | list[int]) -> str:
    return "x".join(map(str, sides))
