"""The network of NOvA for several views: Aurisano et al., JINST 11 (2016) P09001."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from detcnn.errors import ConfigError
from detcnn.models.googlenet import Filters, inception, response_norm
from detcnn.models.layers import Layers
from detcnn.models.network import Network
from detcnn.models.options import require_flag, require_planes, require_whole, scaled
from detcnn.models.pooled import globally_pooled
from detcnn.models.stems import is_for_photographs

_OF_A_VIEW: tuple[Filters, ...] = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
)
"""GoogLeNet's blocks 3a, 3b and 4a."""

_OF_ALL_VIEWS: Filters = (384, 192, 384, 48, 128, 128)
"""GoogLeNet's block 5b."""


class Views(nn.Module):
    """Views of one event, each through its own layers, or all through the same (siamese).

    Parameters
    ----------
    branches : sequence of torch.nn.Module
        The layers: one for each view, or one for all.
    n_views : int
        Equal groups that the channels of an image are cut into.
    """

    def __init__(self, branches: list[nn.Sequential], n_views: int) -> None:
        super().__init__()
        self.n_views = n_views
        for number, branch in enumerate(branches, start=1):
            self.add_module(f"view{number}" if len(branches) > 1 else "every_view", branch)

    def forward(self, images: Tensor) -> Tensor:
        """Return the channels of all views: (batch, views · channels, rows, columns)."""
        branches = list(self.children())
        views = images.chunk(self.n_views, dim=1)
        return torch.cat([branches[i % len(branches)](views[i]) for i in range(self.n_views)], 1)


def cvn(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    views: int = 2,
    shared: bool = False,
    stem: str = "detector",
    width: float = 1.0,
    dropout: float = 0.0,
    activation: str = "relu",
    norm: str = "none",
    periodic: bool = False,
) -> Network:
    """Build the two-view Inception network that told neutrinos in NOvA (arXiv:1604.01444).

    Each view has a stem and three Inception blocks; the views' channels are joined, one more block
    sees them all, and their means are the features. Where the paper leaves filters open they are
    those of GoogLeNet. Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image; the channels of the first view come first.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    views : int
        Number of views; the channels are cut into as many equal groups.
    shared : bool
        Whether all views go through the same weights.
    stem : {"detector", "imagenet"}
        Of a view: convolutions of 3×3, 1×1 and 3×3 with 64, 64 and 192 filters and maximum pooling
        of 3 by 2; or the same with 7×7 by 2 for the first, another pooling behind it, and local
        response normalisation, which is the published one, for 100×80 pixels.
    width : float
        Factor of all numbers of filters.
    dropout : float
        Of the features, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`.

    Returns
    -------
    Network
        Its features are the means of the last block's channels, (batch, 1024) at a width of 1.

    Raises
    ------
    ConfigError
        If the channels cannot be cut into that many views, the image is too small, or an option is
        unknown or out of range.
    """
    channels, _, _ = require_planes("cvn", shape)
    require_whole("'views'", views, least=1)
    require_flag("'shared'", shared)
    if channels % views:
        raise ConfigError(
            f"{channels} channels cannot be cut into {views} views: "
            "set the option 'views' of cvn to a divisor of the channels"
        )
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    is_large = is_for_photographs(stem)
    branches = []
    for _ in range(1 if shared else views):
        branch, n_filters = _view(channels // views, is_large, width, layers)
        branches.append(branch)
    last, _ = inception(views * n_filters, _OF_ALL_VIEWS, layers, width=width)
    stages: OrderedDict[str, nn.Module] = OrderedDict(views=Views(branches, views), joined=last)
    return globally_pooled(stages, shape, n_outputs, name="cvn", layers=layers, dropout=dropout)


def _view(n_in: int, is_large: bool, width: float, layers: Layers) -> tuple[nn.Sequential, int]:
    first, last = scaled(64, width), scaled(192, width)
    view: OrderedDict[str, nn.Module] = OrderedDict()
    if is_large:
        view["convolution1"] = layers.unit(n_in, first, 7, stride=2)
        view["pool1"] = layers.max_pool(3, stride=2, partial=True)
        view["normalise1"] = response_norm()
    else:
        view["convolution1"] = layers.unit(n_in, first, 3)
    view["convolution2"] = layers.unit(first, first, 1)
    view["convolution3"] = layers.unit(first, last, 3)
    if is_large:
        view["normalise3"] = response_norm()
    view["pool3"] = layers.max_pool(3, stride=2, partial=True)
    channels = last
    for letter, filters in zip("abc", _OF_A_VIEW, strict=True):
        if letter == "c":
            view["pool4"] = layers.max_pool(3, stride=2, partial=True)
        block, channels = inception(channels, filters, layers, width=width)
        view[f"inception{letter}"] = block
    return nn.Sequential(view), channels
