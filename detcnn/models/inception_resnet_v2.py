"""Inception-ResNet-v2: Szegedy et al., "Inception-v4, Inception-ResNet" (arXiv:1602.07261)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.connections import Branches, Residual
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_planes, require_sizes, scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs

Path = Sequence[tuple[int, int | tuple[int, int]]]
"""Filters and kernel of the convolutions of one branch, in order."""

_MIXED: Mapping[str, Path] = {
    "point": ((96, 1),),
    "five": ((48, 1), (64, 5)),
    "three_twice": ((64, 1), (96, 3), (96, 3)),
}
_BLOCKS_A: Mapping[str, Path] = {
    "point": ((32, 1),),
    "three": ((32, 1), (32, 3)),
    "three_twice": ((32, 1), (48, 3), (64, 3)),
}
_BLOCKS_B: Mapping[str, Path] = {
    "point": ((192, 1),),
    "seven": ((128, 1), (160, (1, 7)), (192, (7, 1))),
}
_BLOCKS_C: Mapping[str, Path] = {
    "point": ((192, 1),),
    "three": ((192, 1), (224, (1, 3)), (256, (3, 1))),
}
_REDUCTION_A: Mapping[str, Path] = {
    "three": ((384, 3),),
    "three_twice": ((256, 1), (256, 3), (384, 3)),
}
_REDUCTION_B: Mapping[str, Path] = {
    "three": ((256, 1), (384, 3)),
    "three_too": ((256, 1), (288, 3)),
    "three_twice": ((256, 1), (288, 3), (320, 3)),
}


def inception_resnet_v2(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    depths: Sequence[int] = (10, 20, 10),
    width: float = 1.0,
    dropout: float = 0.2,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build Inception-ResNet-v2 (arXiv:1602.07261).

    Ten, twenty and ten residual blocks whose bodies are Inception blocks, with a reduction by two
    after the first two groups. For 3×299×299 with the stem ``"imagenet"`` and 1000 classes it has
    55,843,464 parameters; its sizes are those of the authors' code, which differ in places from the
    figures of the paper. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        The five convolutions of the stem at every pixel and maximum pooling of 3 by 2 at their end;
        or the first at every second pixel, without padding, and that pooling twice.
    depths : sequence of int
        Residual blocks of each of the three groups.
    width : float
        Factor of all numbers of filters.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last channels, (batch, 1536) at a width of 1.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("inception_resnet_v2", shape)
    require_sizes("depths", depths)
    if len(depths) != 3:
        raise ConfigError(f"'depths' is {depths!r}, expected three numbers of blocks")
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    stages["stem"], channels = _stem(channels, is_for_photographs(stem), width, layers)

    branches = _branches(channels, _MIXED, width, layers)
    n_pooled = scaled(64, width)
    branches["pool"] = nn.Sequential(
        OrderedDict(
            mean=layers.mean_pool(3, stride=1, padding=1),
            convolution=layers.unit(channels, n_pooled, 1),
        )
    )
    stages["mixed"] = Branches(branches)
    channels = n_pooled + _n_out(_MIXED, width)

    stages["blocks_a"] = _residuals(channels, _BLOCKS_A, [0.17] * depths[0], width, layers)
    stages["reduction_a"], channels = _reduction(channels, _REDUCTION_A, width, layers)
    stages["blocks_b"] = _residuals(channels, _BLOCKS_B, [0.1] * depths[1], width, layers)
    stages["reduction_b"], channels = _reduction(channels, _REDUCTION_B, width, layers)
    stages["blocks_c"] = _residuals(channels, _BLOCKS_C, [0.2] * (depths[2] - 1), width, layers)
    stages["last_block_c"] = _residual(channels, _BLOCKS_C, 1.0, width, layers, is_active=False)
    stages["last"] = layers.unit(channels, scaled(1536, width), 1)
    return globally_pooled(
        stages, shape, n_outputs, name="inception_resnet_v2", layers=layers, dropout=dropout
    )


def _stem(n_in: int, is_large: bool, width: float, layers: Layers) -> tuple[nn.Sequential, int]:
    padding = 0 if is_large else 1
    n1, n2, n3, n4 = (scaled(filters, width) for filters in (32, 64, 80, 192))
    stem: OrderedDict[str, nn.Module] = OrderedDict(
        convolution1=layers.unit(n_in, n1, 3, stride=2 if is_large else 1, padding=padding),
        convolution2=layers.unit(n1, n1, 3, padding=padding),
        convolution3=layers.unit(n1, n2, 3),
    )
    if is_large:
        stem["pool3"] = layers.max_pool(3, stride=2)
    stem["convolution4"] = layers.unit(n2, n3, 1)
    stem["convolution5"] = layers.unit(n3, n4, 3, padding=padding)
    stem["pool5"] = layers.max_pool(3, stride=2, padding=padding)
    return nn.Sequential(stem), n4


def _branches(
    n_in: int, paths: Mapping[str, Path], width: float, layers: Layers, *, stride: int = 1
) -> dict[str, nn.Module]:
    """Return the branches; a stride is that of the last convolution, which then has no padding."""
    branches: dict[str, nn.Module] = {}
    for name, path in paths.items():
        branch: OrderedDict[str, nn.Module] = OrderedDict()
        channels = n_in
        for place, (filters, kernel) in enumerate(path, start=1):
            n_out = scaled(filters, width)
            is_striding = stride > 1 and place == len(path)
            branch[f"convolution{place}"] = layers.unit(
                channels,
                n_out,
                kernel,
                stride=stride if is_striding else 1,
                padding=0 if is_striding else None,
            )
            channels = n_out
        branches[name] = nn.Sequential(branch)
    return branches


def _n_out(paths: Mapping[str, Path], width: float) -> int:
    return sum(scaled(path[-1][0], width) for path in paths.values())


def _residual(
    channels: int,
    paths: Mapping[str, Path],
    scale: float,
    width: float,
    layers: Layers,
    *,
    is_active: bool = True,
) -> Residual:
    body = nn.Sequential(
        OrderedDict(
            branches=Branches(_branches(channels, paths, width, layers)),
            project=layers.convolution(_n_out(paths, width), channels, 1, bias=True),
        )
    )
    return Residual(body, scale=scale, activation=layers.activate() if is_active else None)


def _residuals(
    channels: int, paths: Mapping[str, Path], scales: list[float], width: float, layers: Layers
) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            (f"block{number}", _residual(channels, paths, scale, width, layers))
            for number, scale in enumerate(scales, start=1)
        )
    )


def _reduction(
    channels: int, paths: Mapping[str, Path], width: float, layers: Layers
) -> tuple[Branches, int]:
    branches = _branches(channels, paths, width, layers, stride=2)
    branches["pool"] = layers.max_pool(3, stride=2)
    return Branches(branches), channels + _n_out(paths, width)
