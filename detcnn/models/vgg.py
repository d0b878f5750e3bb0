"""VGG: Simonyan and Zisserman, "Very deep convolutional networks" (arXiv:1409.1556)."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_planes, scaled
from detcnn.models.stems import is_for_photographs
from detcnn.models.variants import variant
from detcnn.models.wide_dense import add_dense_layers

_FILTERS = (64, 128, 256, 512, 512)


def _vgg(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    name: str,
    depths: tuple[int, ...],
    stem: str = "detector",
    width: float = 1.0,
    dense: Sequence[int] = (4096, 4096),
    dropout: float = 0.5,
    activation: str = "relu",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build one of the VGG networks.

    Five stages of convolutions of 3×3, with 64, 128, 256, 512 and 512 filters and maximum pooling
    by 2 after each, and two dense layers of 4096 with dropout. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        Without or with pooling after the first stage.
    width : float
        Factor of all numbers of filters.
    dense : sequence of int
        Sizes of the hidden dense layers.
    dropout : float
        Before each hidden dense layer, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`. The authors have no normalisation; the deeper networks are hard to train so.

    Returns
    -------
    Network
        Its features have the shape (batch, dense[-1]).

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes(name, shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    is_pooled_at_once = is_for_photographs(stem)
    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (depth, filters) in enumerate(zip(depths, _FILTERS, strict=True), start=1):
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, depth + 1):
            stage[f"convolution{place}"] = layers.unit(channels, scaled(filters, width), 3)
            channels = scaled(filters, width)
        if number > 1 or is_pooled_at_once:
            stage["pool"] = layers.max_pool(2)
        trunk[f"stage{number}"] = nn.Sequential(stage)
    n_features = add_dense_layers(
        trunk, shape, sizes=dense, dropout=dropout, layers=layers, network=name
    )
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(n_features, n_outputs))
    he_uniform(network)
    return network


vgg11 = variant(
    _vgg,
    "vgg11",
    "Build VGG-11, 132,863,336 parameters for ImageNet (arXiv:1409.1556, configuration A).",
    depths=(1, 1, 2, 2, 2),
)
vgg13 = variant(
    _vgg,
    "vgg13",
    "Build VGG-13, 133,047,848 parameters for ImageNet (arXiv:1409.1556, configuration B).",
    depths=(2, 2, 2, 2, 2),
)
vgg16 = variant(
    _vgg,
    "vgg16",
    "Build VGG-16, 138,357,544 parameters for ImageNet (arXiv:1409.1556, configuration D).",
    depths=(2, 2, 3, 3, 3),
)
vgg19 = variant(
    _vgg,
    "vgg19",
    "Build VGG-19, 143,667,240 parameters for ImageNet (arXiv:1409.1556, configuration E).",
    depths=(2, 2, 4, 4, 4),
)
