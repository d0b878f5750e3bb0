"""The plain CNN: convolution, activation, pooling, a few times over; then dense layers."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.network import Network, he_uniform

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}

_RISING = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh)
"""Activations that never fall: the largest value of a window stays the largest."""


def _require_whole(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of at least {least}")


def _require_dropout(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{name} is {value!r}, expected a number from 0 to 1, without 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One convolution of stride 1, its activation, maximum pooling and dropout.

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

    def __post_init__(self) -> None:
        for name, least in (("filters", 1), ("kernel", 1), ("padding", 0), ("pool", 1)):
            _require_whole(f"block option {name!r}", getattr(self, name), least=least)
        _require_dropout("block option 'dropout'", self.dropout)

    def output(self, size: int) -> int:
        """Return the side that a side of `size` pixels has after convolution and pooling."""
        return (size + 2 * self.padding - self.kernel + 1) // self.pool

    def smallest_input(self, output: int) -> int:
        """Return the smallest side that leaves `output` pixels."""
        return max(1, output * self.pool + self.kernel - 1 - 2 * self.padding)


def plain_cnn(
    shape: tuple[int, int, int],
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
) -> Network:
    """Build a plain CNN, its weights drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    blocks : sequence of Block or of mappings
        The convolutional part, in order; a mapping holds the options of a `Block`.
    dense : sequence of int
        Sizes of the hidden dense layers; empty for none.
    dense_dropout : float
        Dropout after each hidden dense layer, 0 to 1 exclusive.
    activation : str
        A name in `ACTIVATIONS`, used throughout.

    Returns
    -------
    Network
        Its features are the last hidden layer, shape (batch, dense[-1]).

    Raises
    ------
    ConfigError
        If the image is too small for the blocks, or an option is unknown or out of range.
    """
    if activation not in ACTIVATIONS:
        raise ConfigError(
            f"unknown activation {activation!r}: expected one of {', '.join(ACTIVATIONS)}"
        )
    for name, value in (("blocks", blocks), ("dense", dense)):
        if not isinstance(value, Sequence):
            raise ConfigError(f"{name!r} is {value!r}, expected a list")
    for number, size in enumerate(dense, start=1):
        _require_whole(f"the size of dense layer {number}", size, least=1)
    _require_dropout("'dense_dropout'", dense_dropout)
    chain = [_as_block(number, entry) for number, entry in enumerate(blocks, start=1)]
    rows, columns = _output_size(shape, chain)

    trunk: OrderedDict[str, nn.Module] = OrderedDict()
    channels = shape[0]
    for number, block in enumerate(chain, start=1):
        trunk[f"block{number}"] = _convolutional(channels, block, ACTIVATIONS[activation]())
        channels = block.filters
    trunk["flatten"] = nn.Flatten()
    width = channels * rows * columns
    for number, size in enumerate(dense, start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(width, size),
                activation=ACTIVATIONS[activation](),
                dropout=nn.Dropout(dense_dropout),
            )
        )
        width = size

    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(width, n_outputs))
    he_uniform(network)
    return network


def _convolutional(channels: int, block: Block, activation: nn.Module) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        convolution=nn.Conv2d(channels, block.filters, block.kernel, padding=block.padding),
        activation=activation,
    )
    if block.pool > 1:
        layers["pool"] = nn.MaxPool2d(block.pool)
        if isinstance(activation, _RISING):
            # The same outputs and gradients, and pool² times fewer values to activate.
            layers.move_to_end("activation")
    if block.dropout > 0:
        layers["dropout"] = nn.Dropout2d(block.dropout)
    return nn.Sequential(layers)


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


def _output_size(shape: tuple[int, int, int], blocks: Sequence[Block]) -> tuple[int, int]:
    smallest = 1
    for block in reversed(blocks):
        smallest = block.smallest_input(smallest)
    _, rows, columns = shape
    for number, block in enumerate(blocks, start=1):
        if min(rows, columns) < block.smallest_input(1):
            raise ConfigError(
                f"block {number}: a {block.kernel}x{block.kernel} kernel with "
                f"{block.pool}x{block.pool} pooling does not fit {rows}x{columns} pixels; "
                f"the image is {shape[1]}x{shape[2]}, the smallest for these blocks is "
                f"{smallest}x{smallest}: use fewer blocks, smaller kernels or padding"
            )
        rows, columns = block.output(rows), block.output(columns)
    return rows, columns
