"""AlexNet: Krizhevsky, "One weird trick for parallelizing CNNs" (arXiv:1404.5997)."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_planes, scaled
from detcnn.models.stems import is_for_photographs
from detcnn.models.wide_dense import add_dense_layers


def alexnet(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: str = "detector",
    width: float = 1.0,
    dense: Sequence[int] = (4096, 4096),
    dropout: float = 0.5,
    activation: str = "relu",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build AlexNet in its form for one processor (arXiv:1404.5997).

    Five convolutions of 64, 192, 384, 256 and 256 filters with maximum pooling of 3 by 2 after the
    first, second and last, and two dense layers of 4096. For 3×224×224 with the stem ``"imagenet"``
    and 1000 classes it has 61,100,840 parameters. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    stem : {"detector", "imagenet"}
        The first convolution: 3×3 at every pixel, or 11×11 at every fourth.
    width : float
        Factor of all numbers of filters.
    dense : sequence of int
        Sizes of the hidden dense layers.
    dropout : float
        Before each hidden dense layer, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features have the shape (batch, dense[-1]).

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("alexnet", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    filters = [scaled(n, width) for n in (64, 192, 384, 256, 256)]
    first = (
        layers.unit(channels, filters[0], 11, stride=4, padding=2)
        if is_for_photographs(stem)
        else layers.unit(channels, filters[0], 3)
    )
    trunk: OrderedDict[str, nn.Module] = OrderedDict(
        stem=first,
        pool1=layers.max_pool(3, stride=2),
        convolution2=layers.unit(filters[0], filters[1], 5),
        pool2=layers.max_pool(3, stride=2),
        convolution3=layers.unit(filters[1], filters[2], 3),
        convolution4=layers.unit(filters[2], filters[3], 3),
        convolution5=layers.unit(filters[3], filters[4], 3),
        pool5=layers.max_pool(3, stride=2),
    )
    n_features = add_dense_layers(
        trunk, shape, sizes=dense, dropout=dropout, layers=layers, network="alexnet"
    )
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(n_features, n_outputs))
    he_uniform(network)
    return network
