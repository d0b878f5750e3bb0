"""The dense network: every pixel to every unit, as before there were convolutions."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import nn

from detcnn.models.layers import ACTIVATIONS
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_choice, require_dropout, require_sizes

INITS = ("he", "scaled_normal", "normal")


def dense(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    sizes: Sequence[int] = (128,),
    activation: str = "relu",
    init: str = "he",
    dropout: float = 0.0,
) -> Network:
    """Build a fully connected network.

    One hidden layer of 30 for 28×28 pixels and ten classes (784-30-10) has 23,860 parameters; it is
    the first network of Nielsen, "Neural networks and deep learning" (Determination Press, 2015),
    there with sigmoids.

    Parameters
    ----------
    shape : tuple of int
        (channels, *axes) of an image, of any size and number of axes.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    sizes : sequence of int
        Units of each hidden layer; empty for a linear classifier.
    activation : str
        A name in `ACTIVATIONS`.
    init : {"he", "scaled_normal", "normal"}
        How weights are drawn: by `he_uniform`; or as in Nielsen's book, biases from N(0, 1) and
        weights from N(0, 1)/√n with n inputs of the layer (chapter 3) or from N(0, 1) (chapter 1).
    dropout : float
        Dropout after each hidden layer, 0 to 1 exclusive.

    Returns
    -------
    Network
        Its features are the last hidden layer, shape (batch, sizes[-1]).

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    require_sizes("sizes", sizes)
    require_choice("activation", activation, ACTIVATIONS)
    require_choice("init", init, INITS)
    require_dropout("'dropout'", dropout)
    trunk: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    n_inputs = prod(shape)
    for number, size in enumerate(sizes, start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(n_inputs, size),
                activation=ACTIVATIONS[activation](),
                dropout=nn.Dropout(dropout),
            )
        )
        n_inputs = size
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(n_inputs, n_outputs))
    if init == "he":
        he_uniform(network)
    else:
        _normal(network, is_scaled=init == "scaled_normal")
    return network


def _normal(network: nn.Module, *, is_scaled: bool) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5 if is_scaled else 1.0)
