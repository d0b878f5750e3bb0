"""Xception: Chollet, "Deep learning with depthwise separable convolutions" (arXiv:1610.02357)."""

from collections import OrderedDict

from torch import nn

from detcnn.models.connections import Residual
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_planes, scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs


def xception(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.5,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build Xception (arXiv:1610.02357).

    Convolutions that mix pixels of one channel, then channels of one pixel, in twelve residual
    blocks: three that halve the axes, eight of 728 filters, one that halves them again. For
    3×299×299 with the stem ``"imagenet"`` and 1000 classes it has 22,855,952 parameters. Weights
    are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        Two convolutions of 3×3 at every pixel; or the first at every second and without padding.
    width : float
        Factor of all numbers of filters.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last channels, (batch, 2048) at a width of 1.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("xception", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    is_large = is_for_photographs(stem)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    n1, n2 = scaled(32, width), scaled(64, width)
    padding = 0 if is_large else 1
    stages["stem"] = nn.Sequential(
        OrderedDict(
            convolution1=layers.unit(channels, n1, 3, stride=2 if is_large else 1, padding=padding),
            convolution2=layers.unit(n1, n2, 3, padding=padding),
        )
    )
    channels, middle = n2, scaled(728, width)
    for number, filters in enumerate((scaled(128, width), scaled(256, width), middle), start=1):
        stages[f"block{number}"] = _block(
            channels, (filters, filters), 2, layers, is_activated=number > 1
        )
        channels = filters
    for number in range(4, 12):
        stages[f"block{number}"] = _block(middle, (middle, middle, middle), 1, layers)
    n12 = scaled(1024, width)
    stages["block12"] = _block(middle, (middle, n12), 2, layers)
    n13, n14 = scaled(1536, width), scaled(2048, width)
    stages["last"] = nn.Sequential(
        OrderedDict(
            separable1=_separable(n12, n13, layers),
            activation1=layers.activate(),
            separable2=_separable(n13, n14, layers),
            activation2=layers.activate(),
        )
    )
    return globally_pooled(
        stages, shape, n_outputs, name="xception", layers=layers, dropout=dropout
    )


def _separable(n_in: int, n_out: int, layers: Layers) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            depthwise=layers.convolution(n_in, n_in, 3, groups=n_in),
            pointwise=layers.convolution(n_in, n_out, 1),
            norm=layers.normalisation(n_out),
        )
    )


def _block(
    n_in: int,
    filters: tuple[int, ...],
    stride: int,
    layers: Layers,
    *,
    is_activated: bool = True,
) -> Residual:
    """Return a residual block, its input `is_activated` or has just been."""
    body: OrderedDict[str, nn.Module] = OrderedDict()
    channels = n_in
    for place, n_out in enumerate(filters, start=1):
        if is_activated or place > 1:
            body[f"activation{place}"] = layers.activate()
        body[f"separable{place}"] = _separable(channels, n_out, layers)
        channels = n_out
    if stride == 1:
        return Residual(nn.Sequential(body))
    body["pool"] = layers.max_pool(3, stride=stride, padding=1)
    shortcut = layers.unit(n_in, channels, 1, stride=stride, active=False)
    return Residual(nn.Sequential(body), shortcut=shortcut)
