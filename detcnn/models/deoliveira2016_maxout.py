"""The MaxOut W tagger of de Oliveira et al., JHEP 07 (2016) 069 (arXiv:1511.05190)."""

from collections import OrderedDict
from math import prod

from torch import Tensor, nn

from detcnn.models.network import Network, he_uniform

_PIECES = 5


class MaxOut(nn.Module):
    """A dense layer whose every unit is the largest of several linear pieces.

    Goodfellow et al., "Maxout networks" (arXiv:1302.4389), eqs. 1 and 2.

    Parameters
    ----------
    n_inputs, n_units : int
        Size of what comes in and goes out.
    n_pieces : int
        Linear pieces of a unit, each with its own weights and bias.
    """

    def __init__(self, n_inputs: int, n_units: int, n_pieces: int) -> None:
        super().__init__()
        self.units_and_pieces = n_units, n_pieces
        self.linear = nn.Linear(n_inputs, n_units * n_pieces)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the largest piece of each unit: (batch, n_inputs) to (batch, n_units)."""
        pieces: Tensor = self.linear(inputs)
        return pieces.reshape(-1, *self.units_and_pieces).amax(dim=2)


def deoliveira2016_maxout(shape: tuple[int, ...], n_outputs: int) -> Network:
    """Build the fully connected network that told W from QCD jets (arXiv:1511.05190).

    Two MaxOut layers of 256 and 128 units of five pieces, two dense layers of 64 and 25 with
    rectifiers; He initialisation. The layers are read in the public re-implementation of Barnard
    et al., PRD 95 (2017) 014018, which trains them with Adam. For one channel, 25×25 pixels and
    two classes it has 975,693 parameters. The outputs are logits in place of the authors' sigmoid.

    Parameters
    ----------
    shape : tuple of int
        (channels, *axes) of an image, of any size and number of axes.
    n_outputs : int
        Number of classes.

    Returns
    -------
    Network
        Its features have the shape (batch, 25).
    """
    trunk = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            maxout1=MaxOut(prod(shape), 256, _PIECES),
            maxout2=MaxOut(256, 128, _PIECES),
            dense1=nn.Sequential(nn.Linear(128, 64), nn.ReLU()),
            dense2=nn.Sequential(nn.Linear(64, 25), nn.ReLU()),
        )
    )
    network = Network(trunk=trunk, head=nn.Linear(25, n_outputs))
    he_uniform(network)
    return network
