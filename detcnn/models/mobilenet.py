"""MobileNet v1 (arXiv:1704.04861) and v2 (arXiv:1801.04381): few multiplications for a phone."""

from collections import OrderedDict

from torch import nn

from detcnn.models.connections import Residual
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_planes, scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs

_V1 = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
"""Filters and stride of each block: table 1 of the paper, with a stride of 1 for the last."""

_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, filters, blocks and first stride of each stage: table 2 of the paper."""


def mobilenet_v1(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.0,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build MobileNet v1 (arXiv:1704.04861).

    Thirteen blocks of a convolution of 3×3 that mixes pixels of one channel and one of 1×1 that
    mixes channels. For 3×224×224 with the stem ``"imagenet"`` and 1000 classes it has 4,231,976
    parameters. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, of any size.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        A convolution of 3×3 at every pixel, or at every second.
    width : float
        Factor of all numbers of filters, the paper's α.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last channels, (batch, 1024) at a width of 1.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    channels, _, _ = require_planes("mobilenet_v1", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    first = scaled(32, width)
    stages["stem"] = layers.unit(channels, first, 3, stride=2 if is_for_photographs(stem) else 1)
    channels = first
    for number, (filters, stride) in enumerate(_V1, start=1):
        n_out = scaled(filters, width)
        stages[f"block{number}"] = nn.Sequential(
            OrderedDict(
                depthwise=layers.unit(channels, channels, 3, stride=stride, groups=channels),
                pointwise=layers.unit(channels, n_out, 1),
            )
        )
        channels = n_out
    return globally_pooled(
        stages, shape, n_outputs, name="mobilenet_v1", layers=layers, dropout=dropout
    )


def mobilenet_v2(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.2,
    activation: str = "relu6",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build MobileNet v2 (arXiv:1801.04381).

    Residual blocks that are wide inside and narrow outside: 1×1 to six times the channels, 3×3
    within each, 1×1 back, without activation. For 3×224×224 with the stem ``"imagenet"`` and 1000
    classes it has 3,504,872 parameters. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, of any size.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        A convolution of 3×3 at every pixel, or at every second.
    width : float
        Factor of all numbers of filters but, where it is below 1, the last.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last channels, (batch, 1280) up to a width of 1.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    channels, _, _ = require_planes("mobilenet_v2", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    first = scaled(32, width)
    stages["stem"] = layers.unit(channels, first, 3, stride=2 if is_for_photographs(stem) else 1)
    channels = first
    for number, (expansion, filters, depth, stride) in enumerate(_V2, start=1):
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, depth + 1):
            stage[f"block{place}"] = _inverted(
                channels,
                scaled(filters, width),
                expansion,
                stride if place == 1 else 1,
                layers,
            )
            channels = scaled(filters, width)
        stages[f"stage{number}"] = nn.Sequential(stage)
    stages["last"] = layers.unit(channels, scaled(1280, max(1.0, width)), 1)
    return globally_pooled(
        stages, shape, n_outputs, name="mobilenet_v2", layers=layers, dropout=dropout
    )


def _inverted(n_in: int, n_out: int, expansion: int, stride: int, layers: Layers) -> nn.Module:
    inner = expansion * n_in
    body: OrderedDict[str, nn.Module] = OrderedDict()
    if expansion > 1:
        body["expand"] = layers.unit(n_in, inner, 1)
    body["depthwise"] = layers.unit(inner, inner, 3, stride=stride, groups=inner)
    body["project"] = layers.unit(inner, n_out, 1, active=False)
    block = nn.Sequential(body)
    return Residual(block) if stride == 1 and n_in == n_out else block
