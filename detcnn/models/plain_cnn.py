"""The plain CNN: convolution, activation, pooling, a few times over; then dense layers."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.layers import RISING, Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_choice, require_dropout, require_sizes, require_whole
from detcnn.models.shapes import output_shape

POOLINGS = ("max", "mean", "sum", "stride")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One convolution, its activation, pooling and dropout.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel : int
        Side of the square kernel, in pixels.
    padding : int
        Rows and columns of zeros added on each side; ``kernel // 2`` keeps the size of an image
        under an odd kernel, 0 lets the kernel touch real pixels only.
    pool : int
        Side and stride of the square pooling window, in pixels; what does not fill a window is
        left out. 1 for no pooling.
    dropout : float
        Probability with which a whole channel is dropped in training, 0 to 1 exclusive (spatial
        dropout, arXiv:1411.4280).
    pooling : {"max", "mean", "sum", "stride"}
        What is kept of a window; with ``"stride"`` there is no window, and the convolution takes
        steps of `pool` pixels (arXiv:1412.6806).
    bottleneck : int
        Filters of a point-wise (1×1) convolution with activation before the kernel, which sees
        that many channels instead of all (arXiv:1312.4400); 0 for none.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    filters: int
    kernel: int = 3
    padding: int = 0
    pool: int = 2
    dropout: float = 0.0
    pooling: str = "max"
    bottleneck: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("filters", 1),
            ("kernel", 1),
            ("padding", 0),
            ("pool", 1),
            ("bottleneck", 0),
        ):
            require_whole(f"block option {name!r}", getattr(self, name), least=least)
        require_dropout("block option 'dropout'", self.dropout)
        require_choice("pooling", self.pooling, POOLINGS)


def plain_cnn(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    blocks: Sequence[Block | Mapping[str, Any]] = (
        Block(filters=32, padding=1),
        Block(filters=64, padding=1),
        Block(filters=64, padding=1, dropout=0.25),
    ),
    dense: Sequence[int] = (128,),
    dense_dropout: float = 0.25,
    activation: str = "relu",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build a plain CNN, its weights drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, *axes) of an image of one, two or three axes.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    blocks : sequence of Block or of mappings
        The convolutional part, in order; a mapping holds the options of a `Block`.
    dense : sequence of int
        Sizes of the hidden dense layers; empty for none.
    dense_dropout : float
        Dropout after each hidden dense layer, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the last hidden layer, shape (batch, dense[-1]).

    Raises
    ------
    ConfigError
        If the image is too small for the blocks, or an option is unknown or out of range.
    """
    layers = Layers(n_axes=len(shape) - 1, norm=norm, activation=activation, periodic=periodic)
    if not isinstance(blocks, Sequence):
        raise ConfigError(f"'blocks' is {blocks!r}, expected a list")
    require_sizes("dense", dense)
    require_dropout("'dense_dropout'", dense_dropout)
    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    channels = shape[0]
    for number, entry in enumerate(blocks, start=1):
        block = _as_block(number, entry)
        trunk[f"block{number}"] = _convolutional(channels, block, layers)
        channels = block.filters
    width = prod(
        output_shape(
            nn.Sequential(trunk),
            shape,
            network="these blocks",
            remedy="use a finer grid, fewer blocks, smaller kernels or padding",
        )
    )
    trunk["flatten"] = nn.Flatten()
    for number, size in enumerate(dense, start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(width, size),
                activation=layers.activate(),
                dropout=nn.Dropout(dense_dropout),
            )
        )
        width = size

    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(width, n_outputs))
    he_uniform(network)
    return network


def _convolutional(channels: int, block: Block, layers: Layers) -> nn.Sequential:
    made: OrderedDict[str, nn.Module] = OrderedDict()
    if block.bottleneck > 0:
        made["bottleneck"] = layers.unit(channels, block.bottleneck, 1)
        channels = block.bottleneck
    made["convolution"] = layers.convolution(
        channels,
        block.filters,
        block.kernel,
        stride=block.pool if block.pooling == "stride" else 1,
        padding=block.padding,
    )
    if layers.norm != "none":
        made["norm"] = layers.normalisation(block.filters)
    activation = made["activation"] = layers.activate()
    if block.pool > 1 and block.pooling == "max":
        made["pool"] = layers.max_pool(block.pool)
        if isinstance(activation, RISING):
            # The same outputs and gradients, and pool² times fewer values to activate.
            made.move_to_end("activation")
    elif block.pool > 1 and block.pooling == "mean":
        made["pool"] = layers.mean_pool(block.pool)
    elif block.pool > 1 and block.pooling == "sum":
        made["pool"] = layers.sum_pool(block.pool)
    if block.dropout > 0:
        made["dropout"] = layers.channel_dropout(block.dropout)
    return nn.Sequential(made)


def _as_block(number: int, entry: Block | Mapping[str, Any]) -> Block:
    if isinstance(entry, Block):
        return entry
    known = Block.__slots__
    if not isinstance(entry, Mapping) or "filters" not in entry or set(entry) - set(known):
        raise ConfigError(
            f"block {number} is {entry!r}, expected 'filters' and, if need be, "
            f"{', '.join(known[1:])}"
        )
    return Block(**entry)
