"""GoogLeNet and its Inception block: Szegedy et al., "Going deeper with convolutions"."""

from collections import OrderedDict

from torch import nn

from detcnn.models.connections import Branches
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_planes, scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs

Filters = tuple[int, int, int, int, int, int]
"""Of an Inception block: 1×1; 1×1 before 3×3; 3×3; 1×1 before 5×5; 5×5; 1×1 after pooling."""

_STAGES: tuple[tuple[Filters, ...], ...] = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Table 1 of the paper: blocks 3a to 5b."""


def inception(
    n_in: int, filters: Filters, layers: Layers, *, width: float = 1.0
) -> tuple[Branches, int]:
    """Return an Inception block (Szegedy et al., figure 2b) and the channels that come out.

    Parameters
    ----------
    n_in : int
        Channels that come in.
    filters : tuple of int
        See `Filters`.
    layers : Layers
        What makes the layers.
    width : float
        Factor of `filters`.
    """
    one, before_three, three, before_five, five, after_pool = (scaled(n, width) for n in filters)
    block = Branches(
        {
            "point": layers.unit(n_in, one, 1),
            "three": _two(layers.unit(n_in, before_three, 1), layers.unit(before_three, three, 3)),
            "five": _two(layers.unit(n_in, before_five, 1), layers.unit(before_five, five, 5)),
            "pool": _two(layers.max_pool(3, stride=1, padding=1), layers.unit(n_in, after_pool, 1)),
        }
    )
    return block, one + three + five + after_pool


def _two(first: nn.Module, then: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(first=first, then=then))


def response_norm() -> nn.LocalResponseNorm:
    """Return the normalisation of Krizhevsky et al. (NIPS 2012, section 3.3), as in GoogLeNet."""
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


def googlenet(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.4,
    activation: str = "relu",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build GoogLeNet, the first Inception network (arXiv:1409.4842).

    Nine Inception blocks in three stages, maximum pooling of 3 by 2 between them, without the
    auxiliary classifiers. For 3×224×224 with the stem ``"imagenet"`` and 1000 classes it has
    6,998,552 parameters; with batch normalisation it is what became Inception v2
    (arXiv:1502.03167). Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        Convolutions of 3×3, 1×1 and 3×3 with 64, 64 and 192 filters; or the same with 7×7 by 2 for
        the first, local response normalisation, and pooling of 3 by 2 before and after the others.
    width : float
        Factor of all numbers of filters.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last block's channels, (batch, 1024) at a width of 1.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("googlenet", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    first, last = scaled(64, width), scaled(192, width)
    if is_for_photographs(stem):
        stages["stem"] = nn.Sequential(
            OrderedDict(
                convolution1=layers.unit(channels, first, 7, stride=2),
                pool1=layers.max_pool(3, stride=2, partial=True),
                normalise1=response_norm(),
                convolution2=layers.unit(first, first, 1),
                convolution3=layers.unit(first, last, 3),
                normalise3=response_norm(),
                pool3=layers.max_pool(3, stride=2, partial=True),
            )
        )
    else:
        stages["stem"] = nn.Sequential(
            OrderedDict(
                convolution1=layers.unit(channels, first, 3),
                convolution2=layers.unit(first, first, 1),
                convolution3=layers.unit(first, last, 3),
            )
        )
    channels = last
    for number, blocks in enumerate(_STAGES, start=3):
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        if number > 3:
            stage["pool"] = layers.max_pool(3, stride=2, partial=True)
        for letter, published in zip("abcde", blocks, strict=False):
            block, channels = inception(channels, published, layers, width=width)
            stage[f"inception{letter}"] = block
        stages[f"stage{number}"] = nn.Sequential(stage)
    return globally_pooled(
        stages, shape, n_outputs, name="googlenet", layers=layers, dropout=dropout
    )
