"""ParticleNet: Qu and Gouskos, "Jet tagging via particle clouds" (arXiv:1902.08570), on pixels."""

from collections import OrderedDict
from itertools import pairwise
from math import inf

import torch
from torch import Tensor, nn

from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import (
    require_dropout,
    require_flag,
    require_planes,
    require_whole,
    scaled,
)

_FILTERS = (64, 128, 256)


class BrightestPixels(nn.Module):
    """Turn an image into its brightest pixels: a cloud of points.

    A pixel is filled where a channel is not zero, and as bright as the sum of its channels; of
    equally bright ones the first in the image comes first.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_points : int
        Points of a cloud, at most the pixels of an image.
    """

    places: Tensor

    def __init__(self, shape: tuple[int, int, int], n_points: int) -> None:
        super().__init__()
        _, n_rows, n_columns = shape
        self.n_points = n_points
        # Square pixels, and numbers about as large as one.
        self.pixel = 2 / max(n_rows, n_columns)
        rows = torch.arange(n_rows) - (n_rows - 1) / 2
        columns = torch.arange(n_columns) - (n_columns - 1) / 2
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).flatten(1)
        self.register_buffer("places", places * self.pixel, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return points, shape (batch, 3 + channels, n_points).

        The first channel is 1 for a point and 0 where an image has fewer, with zeros in all others;
        then come row and column from the centre, in units of half the longer side, and the
        channels of the pixel.
        """
        pixels = images.flatten(2)
        filled = (pixels != 0).any(dim=1)
        brightness = pixels.sum(dim=1).masked_fill(~filled, -inf)
        order = brightness.sort(dim=1, descending=True, stable=True).indices[:, : self.n_points]
        is_point = filled.gather(1, order).unsqueeze(1)
        places = self.places[:, order].transpose(0, 1)
        values = pixels.gather(2, order.unsqueeze(1).expand(-1, pixels.shape[1], -1))
        points = torch.cat([torch.ones_like(places[:, :1]), places, values], dim=1)
        return points * is_point


class EdgeConv(nn.Module):
    """What each point learns from its nearest neighbours (arXiv:1801.07829; ParticleNet, fig. 1).

    The neighbours are found anew for each cloud; of equally near ones the brighter comes first.

    Parameters
    ----------
    n_in, n_out : int
        Features of a point.
    n_neighbours : int
        How many neighbours of a point count, or all others where there are fewer.
    layers : Layers
        Of two axes (points, neighbours).
    is_told_phi : bool
        Whether it is told how far apart points are in φ.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        n_neighbours: int,
        layers: Layers,
        *,
        is_told_phi: bool = False,
    ) -> None:
        super().__init__()
        self.n_neighbours = n_neighbours
        self.edges = nn.Sequential(
            OrderedDict(
                layer1=layers.unit(2 * n_in + is_told_phi, n_out, 1),
                layer2=layers.unit(n_out, n_out, 1),
                layer3=layers.unit(n_out, n_out, 1),
            )
        )
        self.shortcut = layers.unit(n_in, n_out, 1, active=False)
        self.activation = layers.activate()

    def forward(
        self,
        features: Tensor,
        coordinates: Tensor,
        is_point: Tensor,
        delta_phi: Tensor | None = None,
    ) -> Tensor:
        """Return new features.

        Parameters
        ----------
        features : torch.Tensor
            Shape (batch, n_in, points).
        coordinates : torch.Tensor
            Shape (batch, any, points): what is near is near in these.
        is_point : torch.Tensor
            Shape (batch, 1, points), 1 for points and 0 for what fills up the cloud.
        delta_phi : torch.Tensor, optional
            Shape (batch, points, points), from the first to the second: how far apart they are in
            an axis that is not among the coordinates, because it has no ends.

        Returns
        -------
        torch.Tensor
            Shape (batch, n_out, points), zero where there is no point.
        """
        nearest, is_neighbour = self._neighbours(coordinates.detach(), is_point, delta_phi)
        n_channels = features.shape[1]
        there = features.unsqueeze(2).expand(-1, -1, features.shape[2], -1)
        there = there.gather(3, nearest.unsqueeze(1).expand(-1, n_channels, -1, -1))
        here = features.unsqueeze(3).expand_as(there)
        pairs = [here, there - here]
        if delta_phi is not None:
            pairs.append(delta_phi.gather(2, nearest).unsqueeze(1))
        edges: Tensor = self.edges(torch.cat(pairs, dim=1)) * is_neighbour
        gathered = edges.sum(dim=3) / is_neighbour.sum(dim=3).clamp(min=1)
        kept: Tensor = self.shortcut(features.unsqueeze(3)).squeeze(3)
        outputs: Tensor = self.activation(gathered + kept) * is_point
        return outputs

    def _neighbours(
        self, coordinates: Tensor, is_point: Tensor, delta_phi: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        # Features in half precision are too coarse to measure by.
        at_least_single = torch.promote_types(coordinates.dtype, torch.float32)
        places = coordinates.transpose(1, 2).to(at_least_single)
        # Exactly equal distances, as pixels have many, must come out equal.
        distance = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
        if delta_phi is not None:
            distance = distance.hypot(delta_phi.to(at_least_single))
        distance = distance.masked_fill(is_point == 0, inf)
        itself = torch.ones_like(distance[:, 0], dtype=torch.bool).diag_embed()
        distance, nearest = distance.masked_fill(itself, inf).sort(dim=2, stable=True)
        is_neighbour = distance[..., : self.n_neighbours] < inf
        return nearest[..., : self.n_neighbours], is_neighbour.unsqueeze(1).to(is_point.dtype)


class PointCloud(nn.Module):
    """An image as a cloud of points, edge convolutions, and the mean of all points.

    Parameters
    ----------
    points : BrightestPixels
        Makes the cloud.
    normalise : torch.nn.Module
        Acts on what a point is given: row, column and channels.
    blocks : sequence of EdgeConv
        In order; the first looks for neighbours in the image, the others among the features.
    circumference : int, optional
        Number of columns, where they close on themselves. Then the first block is told how far
        apart points are in φ, the short way round, and none is told where in φ they are.

    Attributes
    ----------
    has_maps : bool
        False: what has four axes in here are points and neighbours, no rows and columns.
    """

    has_maps = False

    def __init__(
        self,
        points: BrightestPixels,
        normalise: nn.Module,
        blocks: list[EdgeConv],
        *,
        circumference: int | None = None,
    ) -> None:
        super().__init__()
        self.points = points
        self.normalise = normalise
        self.circumference = circumference
        self.n_blocks = len(blocks)
        for number, block in enumerate(blocks, start=1):
            self.add_module(f"block{number}", block)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, features)."""
        cloud: Tensor = self.points(images)
        is_point, coordinates, given = cloud[:, :1], cloud[:, 1:3], cloud[:, 1:]
        delta_phi = None
        if self.circumference is not None:
            delta_phi = self._delta_phi(cloud[:, 2:3], self.circumference)
            coordinates, given = cloud[:, 1:2], torch.cat([cloud[:, 1:2], cloud[:, 3:]], dim=1)
        features: Tensor = self.normalise(given) * is_point
        for number in range(1, self.n_blocks + 1):
            block = self.get_submodule(f"block{number}")
            features = block(features, coordinates, is_point, delta_phi)
            coordinates, delta_phi = features, None
        return features.sum(dim=2) / is_point.sum(dim=2).clamp(min=1)

    def _delta_phi(self, columns: Tensor, circumference: int) -> Tensor:
        apart = columns - columns.transpose(1, 2)
        # In whole pixels, so that rounding cannot send a point the other way round.
        steps = (apart / self.points.pixel).round()
        half = circumference // 2
        return (torch.remainder(steps + half, circumference) - half) * self.points.pixel


def particlenet(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    points: int = 64,
    neighbours: int = 16,
    width: float = 1.0,
    dropout: float = 0.1,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build ParticleNet, a network on graphs, for the brightest pixels (arXiv:1902.08570).

    Three edge convolutions of 64, 128 and 256 features, the mean over all points, and a dense layer
    of 256. With five channels a point has seven features, as in the paper, and the network for two
    classes 366,160 parameters. Weights are drawn by `he_uniform`.

    It needs to see which pixels are filled: train it on images as they stand in the store
    (``train.standardise: null``); what a point is given is normalised inside.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, of any size.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    points : int
        The brightest pixels that are seen; with fewer filled ones, those.
    neighbours : int
        Neighbours of a point.
    width : float
        Factor of all numbers of features.
    dropout : float
        After the dense layer, 0 to 1 exclusive.
    activation, norm
        See `Layers`.
    periodic : bool
        Whether the columns close on themselves: then neighbours are found across the last column,
        and the outputs of an image that is turned in φ are the same.

    Returns
    -------
    Network
        Its features are the dense layer, (batch, 256) at a width of 1.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    channels, rows, columns = require_planes("particlenet", shape)
    require_whole("'points'", points, least=2)
    require_whole("'neighbours'", neighbours, least=1)
    require_dropout("'dropout'", dropout)
    layers = Layers(norm=norm, activation=activation)
    of_points = Layers(n_axes=1, norm=norm, activation=activation)
    n_points = min(points, rows * columns)
    require_flag("'periodic'", periodic)
    # A point is given its row, its channels and, where there is a first one, its column.
    n_given = channels + 1 if periodic else channels + 2
    sizes = [n_given, *(scaled(filters, width) for filters in _FILTERS)]
    cloud = PointCloud(
        BrightestPixels((channels, rows, columns), n_points),
        of_points.normalisation(sizes[0]),
        [
            EdgeConv(n_in, n_out, neighbours, layers, is_told_phi=periodic and number == 0)
            for number, (n_in, n_out) in enumerate(pairwise(sizes))
        ],
        circumference=columns if periodic else None,
    )
    n_features = scaled(256, width)
    trunk = nn.Sequential(
        OrderedDict(
            cloud=cloud,
            dense=nn.Sequential(
                OrderedDict(
                    linear=nn.Linear(sizes[-1], n_features),
                    activation=layers.activate(),
                    dropout=nn.Dropout(dropout),
                )
            ),
        )
    )
    network = Network(trunk=trunk, head=nn.Linear(n_features, n_outputs))
    he_uniform(network)
    return network
