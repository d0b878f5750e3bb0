"""Residual networks (arXiv:1512.03385), with groups (1611.05431) and squeeze-and-excitation."""

from collections import OrderedDict

from torch import Tensor, nn

from detcnn.models.connections import Residual
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs
from detcnn.models.variants import variant

_FILTERS = (64, 128, 256, 512)


class SqueezeExcite(nn.Module):
    """Weigh each channel by what all channels hold on average (Hu et al., arXiv:1709.01507).

    Parameters
    ----------
    n_channels : int
        Channels that come in and go out.
    layers : Layers
        What makes the layers.
    reduction : int
        How many times fewer units there are between the two point-wise layers.
    """

    def __init__(self, n_channels: int, layers: Layers, *, reduction: int = 16) -> None:
        super().__init__()
        n_units = max(1, n_channels // reduction)
        self.weigh = nn.Sequential(
            OrderedDict(
                mean=layers.global_mean()[0],
                squeeze=layers.convolution(n_channels, n_units, 1, bias=True),
                activation=layers.activate(),
                excite=layers.convolution(n_units, n_channels, 1, bias=True),
                gate=nn.Sigmoid(),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the weighted channels."""
        weighted: Tensor = images * self.weigh(images)
        return weighted


def _resnet(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    name: str,
    depths: tuple[int, ...],
    is_bottlenecked: bool,
    groups: int = 1,
    is_squeezed: bool = False,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.0,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build one of the residual networks.

    Four stages of residual blocks; each stage but the first halves the axes of the image and
    doubles the channels. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, *axes) of an image of one, two or three axes, of any size.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        A convolution of 3 pixels a side at every pixel; or one of 7 at every second, and maximum
        pooling of 3 by 2.
    width : float
        Factor of all numbers of filters.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last stage's channels.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    layers = Layers(n_axes=len(shape) - 1, norm=norm, activation=activation, periodic=periodic)
    channels = scaled(_FILTERS[0], width)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    if is_for_photographs(stem):
        stages["stem"] = layers.unit(shape[0], channels, 7, stride=2)
        stages["stem_pool"] = layers.max_pool(3, stride=2, padding=1)
    else:
        stages["stem"] = layers.unit(shape[0], channels, 3)
    for number, (depth, filters) in enumerate(zip(depths, _FILTERS, strict=True), start=1):
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, depth + 1):
            stride = 2 if number > 1 and place == 1 else 1
            if is_bottlenecked:
                # ResNeXt-50 has 32 groups of 4, 8, 16 and 32: twice the filters of ResNet-50.
                inner = scaled(filters * (2 if groups > 1 else 1), width, multiple=max(8, groups))
                outer = 4 * scaled(filters, width)
                body = _bottleneck(channels, inner, outer, stride, groups, layers)
            else:
                outer = scaled(filters, width)
                body = _two_convolutions(channels, outer, stride, layers)
            if is_squeezed:
                body.add_module("squeeze_excite", SqueezeExcite(outer, layers))
            shortcut = None
            if stride > 1 or channels != outer:
                shortcut = layers.unit(channels, outer, 1, stride=stride, active=False)
            blocks[f"block{place}"] = Residual(
                body, shortcut=shortcut, activation=layers.activate()
            )
            channels = outer
        stages[f"stage{number}"] = nn.Sequential(blocks)
    return globally_pooled(stages, shape, n_outputs, name=name, layers=layers, dropout=dropout)


def _two_convolutions(n_in: int, n_out: int, stride: int, layers: Layers) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            convolution1=layers.unit(n_in, n_out, 3, stride=stride),
            convolution2=layers.unit(n_out, n_out, 3, active=False),
        )
    )


def _bottleneck(
    n_in: int, inner: int, n_out: int, stride: int, groups: int, layers: Layers
) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            narrow=layers.unit(n_in, inner, 1),
            # Here and not in the first, which would see a quarter of the pixels only.
            convolution=layers.unit(inner, inner, 3, stride=stride, groups=groups),
            widen=layers.unit(inner, n_out, 1, active=False),
        )
    )


resnet18 = variant(
    _resnet,
    "resnet18",
    "Build ResNet-18, 11,689,512 parameters for ImageNet (arXiv:1512.03385).",
    depths=(2, 2, 2, 2),
    is_bottlenecked=False,
    groups=1,
    is_squeezed=False,
)
resnet34 = variant(
    _resnet,
    "resnet34",
    "Build ResNet-34, 21,797,672 parameters for ImageNet (arXiv:1512.03385).",
    depths=(3, 4, 6, 3),
    is_bottlenecked=False,
    groups=1,
    is_squeezed=False,
)
resnet50 = variant(
    _resnet,
    "resnet50",
    "Build ResNet-50, 25,557,032 parameters for ImageNet (arXiv:1512.03385).",
    depths=(3, 4, 6, 3),
    is_bottlenecked=True,
    groups=1,
    is_squeezed=False,
)
resnext50 = variant(
    _resnet,
    "resnext50",
    "Build ResNeXt-50 (32×4d), 25,028,904 parameters for ImageNet (arXiv:1611.05431).",
    depths=(3, 4, 6, 3),
    is_bottlenecked=True,
    groups=32,
    is_squeezed=False,
)
se_resnet18 = variant(
    _resnet,
    "se_resnet18",
    "Build SE-ResNet-18, 11,778,592 parameters for ImageNet (arXiv:1709.01507).",
    depths=(2, 2, 2, 2),
    is_bottlenecked=False,
    groups=1,
    is_squeezed=True,
)
se_resnet50 = variant(
    _resnet,
    "se_resnet50",
    "Build SE-ResNet-50, 28,088,024 parameters for ImageNet (arXiv:1709.01507).",
    depths=(3, 4, 6, 3),
    is_bottlenecked=True,
    groups=1,
    is_squeezed=True,
)
