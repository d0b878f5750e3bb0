"""The wide dense layers with dropout at the end of AlexNet and VGG."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.options import require_dropout, require_sizes
from detcnn.models.shapes import output_shape


def add_dense_layers(
    trunk: OrderedDict[str, nn.Module],
    shape: tuple[int, ...],
    *,
    sizes: Sequence[int],
    dropout: float,
    layers: Layers,
    network: str,
) -> int:
    """Put dense layers behind convolutions.

    Parameters
    ----------
    trunk : OrderedDict
        The convolutions by name; the dense layers are added.
    shape : tuple of int
        (channels, *axes) of an image.
    sizes : sequence of int
        Units of each dense layer.
    dropout : float
        Before each dense layer, 0 to 1 exclusive.
    layers : Layers
        What makes the activations.
    network : str
        Its name, for messages.

    Returns
    -------
    int
        Number of features that come out.

    Raises
    ------
    ConfigError
        If the image is too small for the convolutions, or an option is out of range.
    """
    require_sizes("dense", sizes)
    require_dropout("'dropout'", dropout)
    width = prod(output_shape(nn.Sequential(trunk), shape, network=network))
    trunk["flatten"] = nn.Flatten()
    for number, size in enumerate(sizes, start=1):
        trunk[f"dense{number}"] = nn.Sequential(
            OrderedDict(
                dropout=nn.Dropout(dropout),
                linear=nn.Linear(width, size),
                activation=layers.activate(),
            )
        )
        width = size
    return width
