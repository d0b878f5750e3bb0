"""LeNet-5 of LeCun et al., "Gradient-based learning applied to document recognition" (1998)."""

from collections import OrderedDict
from math import prod

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_planes
from detcnn.models.shapes import output_shape


def lenet5(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    activation: str = "tanh",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build the network that read digits of 32×32 pixels (LeCun et al., Proc. IEEE 86 (1998) 2278).

    Convolutions of 6 and 16 filters of 5×5 without padding, each with its activation and mean
    pooling by 2, then dense layers of 120 and 84. For one channel, 32×32 pixels and ten classes it
    has 61,706 parameters.

    The authors' 60,000 had the second convolution see some of the six maps only, a gain and a bias
    for each pooled map, and fixed outputs; as is now common, all maps are seen, pooling learns
    nothing, and the outputs are a dense layer. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, at least 16×16.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features have the shape (batch, 84).

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown.
    """
    channels, _, _ = require_planes("lenet5", shape)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    for number, filters in enumerate((6, 16), start=1):
        block = layers.unit(channels, filters, 5, padding=0)
        block.add_module("pool", layers.mean_pool(2))
        trunk[f"block{number}"] = block
        channels = filters
    width = prod(output_shape(nn.Sequential(trunk), shape, network="lenet5"))
    trunk["flatten"] = nn.Flatten()
    for number, size in enumerate((120, 84), start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(linear=nn.Linear(width, size), activation=layers.activate())
        )
        width = size
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(width, n_outputs))
    he_uniform(network)
    return network
