"""The convolutional W tagger of de Oliveira et al., JHEP 07 (2016) 069 (arXiv:1511.05190)."""

from collections import OrderedDict
from math import prod

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_planes
from detcnn.models.shapes import output_shape

_LAYERS = ((11, 2), (3, 3), (3, 3))
"""Side of the kernel and of the pooling window."""


def deoliveira2016(shape: tuple[int, ...], n_outputs: int, *, periodic: bool = False) -> Network:
    """Build the convolutional network that told W from QCD jets (arXiv:1511.05190).

    Three times dropout of 20 %, 32 filters, rectifier and maximum pooling, with kernels of 11, 3
    and 3 pixels and windows of 2, 3 and 3; local response normalisation; dropout of 20 %, a dense
    layer of 64 with a rectifier, dropout of 10 %. He initialisation. For one channel, 25×25 pixels
    and two classes it has 24,642 parameters.

    Layers and dropout are read in the public re-implementation of Barnard et al., PRD 95 (2017)
    014018, which puts batch normalisation where the authors have local response normalisation.
    Zeros keep the size under each kernel, for without them 25 pixels do not reach the third. The
    constants of the response normalisation are those of Krizhevsky et al. (NIPS 2012, section
    3.3), for want of the authors'. The outputs are logits in place of the authors' sigmoid, and
    their penalty on the convolutions' weights is the optimiser's weight decay, on all weights.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, at least 18×18.
    n_outputs : int
        Number of classes.
    periodic : bool
        See `Layers`.

    Returns
    -------
    Network
        Its features have the shape (batch, 64).

    Raises
    ------
    ConfigError
        If the image is too small.
    """
    layers = Layers(periodic=periodic)
    channels, _, _ = require_planes("deoliveira2016", shape)
    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (kernel, pool) in enumerate(_LAYERS, start=1):
        trunk[f"block{number}"] = nn.Sequential(
            OrderedDict(
                dropout=nn.Dropout(0.2),
                convolution=layers.convolution(channels, 32, kernel),
                # Before the rectifier: the same outputs, and fewer values to rectify.
                pool=layers.max_pool(pool),
                activation=nn.ReLU(),
            )
        )
        channels = 32
    n_values = prod(output_shape(nn.Sequential(trunk), shape, network="deoliveira2016"))
    # torch divides alpha by the size, Krizhevsky et al. do not.
    trunk["normalise"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    trunk["flatten"] = nn.Flatten()
    trunk["dense"] = nn.Sequential(
        OrderedDict(
            dropout=nn.Dropout(0.2),
            linear=nn.Linear(n_values, 64),
            activation=nn.ReLU(),
        )
    )
    trunk["dropout"] = nn.Dropout(0.1)
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(64, n_outputs))
    he_uniform(network)
    return network
