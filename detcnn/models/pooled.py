"""The end of most networks since 2014: the mean of each channel, dropout, one linear layer."""

from collections import OrderedDict

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import require_dropout
from detcnn.models.shapes import output_shape


def globally_pooled(
    stages: OrderedDict[str, nn.Module],
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    name: str,
    layers: Layers,
    dropout: float,
) -> Network:
    """Return a network of convolutional stages, its weights drawn by `he_uniform`.

    Parameters
    ----------
    stages : OrderedDict
        The stages by name.
    shape : tuple of int
        (channels, *axes) of an image.
    n_outputs : int
        Number of outputs.
    name : str
        Of the network, for messages.
    layers : Layers
        What makes the layers.
    dropout : float
        Of the features, 0 to 1 exclusive.

    Returns
    -------
    Network
        Its features are the means of the last stage's channels.

    Raises
    ------
    ConfigError
        If the image is too small for the stages, or `dropout` is out of range.
    """
    require_dropout("'dropout'", dropout)
    n_features = output_shape(nn.Sequential(stages), shape, network=name)[0]
    trunk = OrderedDict(stages)
    trunk["pool"] = layers.global_mean()
    if dropout > 0:
        trunk["dropout"] = nn.Dropout(dropout)
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(n_features, n_outputs))
    he_uniform(network)
    return network
