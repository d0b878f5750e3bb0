"""Networks of the library timm, where it is installed: the same trunk and head as our own."""

import importlib
from collections.abc import Mapping
from math import prod
from typing import Any

from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.network import Network
from detcnn.models.options import require_planes
from detcnn.models.shapes import output_shape

PREFIX = "timm:"


def timm_network(
    name: str, shape: tuple[int, ...], n_outputs: int, options: Mapping[str, Any]
) -> Network:
    """Build a network of timm, with freshly drawn weights.

    Parameters
    ----------
    name : str
        A name in timm's own catalogue, ``resnet10t`` for instance.
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    options : mapping
        Keyword arguments of ``timm.create_model``; transformers need ``img_size``.

    Returns
    -------
    Network
        Its features are timm's, after pooling.

    Raises
    ------
    ConfigError
        If timm is not installed, has no such network, or cannot build it for such images.
    """
    require_timm(name)
    timm = importlib.import_module("timm")
    channels, _, _ = require_planes(PREFIX + name, shape)
    for fixed in ("pretrained", "num_classes", "in_chans"):
        if fixed in options:
            raise ConfigError(
                f"network {PREFIX + name!r}: {fixed!r} is not for you to set: "
                "channels and outputs follow from the images, and weights are drawn"
            )
    try:
        trunk: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=0, in_chans=channels, **options
        )
        n_features = prod(output_shape(trunk, shape, network=PREFIX + name))
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"network {PREFIX + name!r}: timm cannot build it: {reason}") from error
    return Network(trunk=trunk, head=nn.Linear(n_features, n_outputs))


def require_timm(name: str) -> None:
    """Raise ConfigError unless timm is installed and has a network of that name."""
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"network {PREFIX + name!r}: timm is not installed: pip install timm"
        ) from error
    if not timm.is_model(name):
        raise ConfigError(f"network {PREFIX + name!r}: timm has no {name!r}: see timm.list_models")
