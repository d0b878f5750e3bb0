"""DenseNet: Huang et al., "Densely connected convolutional networks" (arXiv:1608.06993)."""

from collections import OrderedDict

from torch import nn

from detcnn.models.connections import Branches
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_planes, require_whole
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs

_DEPTHS = (6, 12, 24, 16)


def densenet121(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    growth: int = 32,
    dropout: float = 0.0,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build DenseNet-121 (arXiv:1608.06993).

    Four stages in which every layer sees the channels of all layers before it and adds `growth` of
    its own; between them a point-wise convolution halves the channels and mean pooling the axes.
    For 3×224×224 with the stem ``"imagenet"`` and 1000 classes it has 7,978,856 parameters. Weights
    are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        A convolution of 3×3 at every pixel; or one of 7×7 at every second, and maximum pooling of 3
        by 2.
    growth : int
        Channels that a layer adds; the stem has twice as many.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last channels, (batch, 1024) at a growth of 32.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("densenet121", shape)
    require_whole("'growth'", growth, least=1)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    if is_for_photographs(stem):
        stages["stem"] = layers.unit(channels, 2 * growth, 7, stride=2)
        stages["stem_pool"] = layers.max_pool(3, stride=2, padding=1)
    else:
        stages["stem"] = layers.unit(channels, 2 * growth, 3)
    channels = 2 * growth
    for number, depth in enumerate(_DEPTHS, start=1):
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        if number > 1:
            stage["halve"] = _before(channels, channels // 2, 1, layers)
            stage["pool"] = layers.mean_pool(2)
            channels //= 2
        for place in range(1, depth + 1):
            added = nn.Sequential(
                OrderedDict(
                    narrow=_before(channels, 4 * growth, 1, layers),
                    convolution=_before(4 * growth, growth, 3, layers),
                )
            )
            stage[f"layer{place}"] = Branches({"kept": nn.Identity(), "added": added})
            channels += growth
        stages[f"stage{number}"] = nn.Sequential(stage)
    stages["last"] = nn.Sequential(
        OrderedDict(norm=layers.normalisation(channels), activation=layers.activate())
    )
    return globally_pooled(
        stages, shape, n_outputs, name="densenet121", layers=layers, dropout=dropout
    )


def _before(n_in: int, n_out: int, kernel: int, layers: Layers) -> nn.Sequential:
    """Return normalisation and activation before their convolution."""
    return nn.Sequential(
        OrderedDict(
            norm=layers.normalisation(n_in),
            activation=layers.activate(),
            convolution=layers.convolution(n_in, n_out, kernel),
        )
    )
