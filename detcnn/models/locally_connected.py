"""Locally connected convolution: every place of the image has its own kernel."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import (
    require_dropout,
    require_planes,
    require_sizes,
    require_whole,
)
from detcnn.models.periodic import wrapped
from detcnn.models.shapes import output_shape


class LocallyConnected(nn.Module):
    """A convolution of stride 1, without padding, that shares no weights between places.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    kernel : int
        Side of a kernel in pixels.
    n_rows, n_columns : int
        Size of the output.
    periodic : bool
        Whether the columns close on themselves; there are then as many after as before.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        *,
        n_rows: int,
        n_columns: int,
        periodic: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.n_rows, self.periodic = kernel, n_rows, periodic
        n_inputs = n_in * kernel**2
        self.weight = nn.Parameter(torch.empty(n_rows * n_columns, n_out, n_inputs))
        self.bias = nn.Parameter(torch.zeros(n_out, n_rows * n_columns))
        nn.init.uniform_(self.weight, -sqrt(6 / n_inputs), sqrt(6 / n_inputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, n_out, n_rows, n_columns)."""
        if self.periodic:
            images = wrapped(images, 0, self.kernel, 1)
        windows = nn.functional.unfold(images, self.kernel)
        outputs = torch.einsum("bip,poi->bop", windows, self.weight) + self.bias
        return torch.unflatten(outputs, 2, (self.n_rows, -1))


def locally_connected(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    filters: Sequence[int] = (8, 16),
    kernel: int = 3,
    pool: int = 2,
    dense: Sequence[int] = (64,),
    dropout: float = 0.0,
    activation: str = "relu",
    periodic: bool = False,
) -> Network:
    """Build a network of locally connected layers, as tried on jet images by arXiv:1603.09349.

    Each layer has an activation and maximum pooling; dense layers follow. Where images are aligned,
    a place means something, and a kernel of its own may be worth its weights; a shift of the image
    is not a shift of the features. Weights are uniform as in `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image; the weights fit this size only.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    filters : sequence of int
        Channels after each locally connected layer.
    kernel : int
        Side of the kernels in pixels; no padding.
    pool : int
        Side and stride of the pooling window in pixels; 1 for none.
    dense : sequence of int
        Sizes of the hidden dense layers.
    dropout : float
        After each hidden dense layer, 0 to 1 exclusive.
    activation, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the last hidden layer, shape (batch, dense[-1]).

    Raises
    ------
    ConfigError
        If the image is too small, or an option is unknown or out of range.
    """
    channels, _, _ = require_planes("locally_connected", shape)
    require_sizes("filters", filters)
    require_sizes("dense", dense)
    require_whole("'kernel'", kernel, least=1)
    require_whole("'pool'", pool, least=1)
    require_dropout("'dropout'", dropout)
    layers = Layers(activation=activation, periodic=periodic)
    # Ordinary convolutions tell the sizes, which the weights need to know.
    shared = nn.Sequential()
    for n_in, n_out in pairwise((channels, *filters)):
        shared.append(layers.convolution(n_in, n_out, kernel, padding=0))
        shared.append(layers.max_pool(pool))
    width = prod(output_shape(shared, shape, network="locally_connected"))
    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    for number, n_out in enumerate(filters, start=1):
        _, rows, columns = output_shape(
            shared[: 2 * number - 1], shape, network="locally_connected"
        )
        local = LocallyConnected(
            channels, n_out, kernel, n_rows=rows, n_columns=columns, periodic=periodic
        )
        trunk[f"block{number}"] = nn.Sequential(
            OrderedDict(
                local=local,
                # Before the activation: see `plain_cnn`.
                pool=layers.max_pool(pool),
                activation=layers.activate(),
            )
        )
        channels = n_out
    trunk["flatten"] = nn.Flatten()
    for number, size in enumerate(dense, start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(width, size),
                activation=layers.activate(),
                dropout=nn.Dropout(dropout),
            )
        )
        width = size
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(width, n_outputs))
    he_uniform(network)
    return network
