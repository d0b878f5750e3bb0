"""Vision transformer: Dosovitskiy et al., "An image is worth 16×16 words" (arXiv:2010.11929)."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from detcnn.errors import ConfigError
from detcnn.models.connections import Residual
from detcnn.models.layers import ACTIVATIONS
from detcnn.models.network import Network
from detcnn.models.options import require_choice, require_dropout, require_planes, require_whole
from detcnn.models.variants import variant

_EPSILON = 1e-6
"""Of the layer normalisation, as in the authors' code."""


class Patches(nn.Module):
    """Cut images into square patches, each a vector; what is missing from the last are zeros.

    Parameters
    ----------
    n_channels : int
        Channels of an image.
    dim : int
        Length of a vector.
    side : int
        Pixels along a patch.
    """

    def __init__(self, n_channels: int, dim: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.project = nn.Conv2d(n_channels, dim, side, stride=side)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, patches, dim), row by row."""
        rows, columns = images.shape[-2], images.shape[-1]
        images = nn.functional.pad(images, (0, -columns % self.side, 0, -rows % self.side))
        patches: Tensor = self.project(images)
        return patches.flatten(2).transpose(1, 2)


class Tokens(nn.Module):
    """Put one learned vector in front of the patches, and tell each where it is.

    Parameters
    ----------
    n_patches, dim : int
        Of an image.
    """

    def __init__(self, n_patches: int, dim: int) -> None:
        super().__init__()
        self.image_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.empty(1, n_patches + 1, dim))

    def forward(self, patches: Tensor) -> Tensor:
        """Return (batch, 1 + patches, dim)."""
        first = self.image_token.expand(patches.shape[0], -1, -1)
        return torch.cat([first, patches], dim=1) + self.positions


class Attention(nn.Module):
    """Every token gathers from all tokens what it looks for (Vaswani et al., arXiv:1706.03762).

    Parameters
    ----------
    dim : int
        Length of a token, a multiple of `heads`.
    heads : int
        Searches side by side.
    dropout : float
        Of what is found.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, tokens, dim)."""
        joined: Tensor = self.query_key_value(tokens)
        parts = torch.unflatten(joined, 2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        outputs: Tensor = self.dropout(self.project(found.transpose(1, 2).flatten(2)))
        return outputs


class FirstToken(nn.Module):
    """What stands in front of the patches, and has gathered from them."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (batch, dim) of (batch, tokens, dim)."""
        return tokens[:, 0]


def _vit(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    name: str,
    patch: int = 4,
    dim: int = 128,
    depth: int = 6,
    heads: int = 4,
    expansion: float = 4.0,
    dropout: float = 0.0,
    activation: str = "gelu",
) -> Network:
    """Build one of the vision transformers.

    An image is cut into patches; each is projected to a vector, told its place, and `depth` times
    gathers from all others and goes through two dense layers, each time with layer normalisation
    before. There is no convolution that could be periodic, and no shift that leaves the outputs
    alone: places are learned. Weights are drawn from a normal distribution of width 0.02.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, of any size; the weights fit this size only.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    patch : int
        Side of a patch in pixels.
    dim : int
        Length of a vector, a multiple of `heads`.
    depth : int
        Number of transformer blocks.
    heads : int
        Attention heads.
    expansion : float
        Units of the first dense layer of a block, in units of `dim`.
    dropout : float
        After attention and dense layers, 0 to 1 exclusive.
    activation : str
        A name in `ACTIVATIONS`.

    Returns
    -------
    Network
        Its features have the shape (batch, dim).

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    channels, rows, columns = require_planes(name, shape)
    for option, value in (("patch", patch), ("dim", dim), ("depth", depth), ("heads", heads)):
        require_whole(repr(option), value, least=1)
    require_dropout("'dropout'", dropout)
    require_choice("activation", activation, ACTIVATIONS)
    if dim % heads:
        raise ConfigError(f"'dim' is {dim}, expected a multiple of 'heads', which is {heads}")
    if not isinstance(expansion, int | float) or expansion <= 0 or int(expansion * dim) < 1:
        raise ConfigError(f"'expansion' is {expansion!r}, expected a positive number")
    if patch > min(rows, columns):
        raise ConfigError(
            f"the image is {rows}x{columns}, less than one patch of 'patch' {patch}; the smallest "
            f"for {name} is {patch}x{patch}: take smaller patches or a finer grid"
        )
    n_patches = -(-rows // patch) * -(-columns // patch)
    trunk: OrderedDict[str, nn.Module] = OrderedDict(
        patches=Patches(channels, dim, patch), tokens=Tokens(n_patches, dim)
    )
    for number in range(1, depth + 1):
        gather = OrderedDict(
            norm=nn.LayerNorm(dim, eps=_EPSILON), attention=Attention(dim, heads, dropout)
        )
        think = OrderedDict(
            norm=nn.LayerNorm(dim, eps=_EPSILON),
            linear1=nn.Linear(dim, int(expansion * dim)),
            activation=ACTIVATIONS[activation](),
            linear2=nn.Linear(int(expansion * dim), dim),
            dropout=nn.Dropout(dropout),
        )
        trunk[f"block{number}"] = nn.Sequential(
            OrderedDict(
                gather=Residual(nn.Sequential(gather)), think=Residual(nn.Sequential(think))
            )
        )
    trunk["norm"] = nn.LayerNorm(dim, eps=_EPSILON)
    trunk["first"] = FirstToken()
    network = Network(trunk=nn.Sequential(trunk), head=nn.Linear(dim, n_outputs))
    _narrow_normal(network)
    return network


def _narrow_normal(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Tokens):
            nn.init.normal_(layer.image_token, std=0.02)
            nn.init.normal_(layer.positions, std=0.02)


vit = variant(
    _vit,
    "vit",
    "Build a small vision transformer for detector images (arXiv:2010.11929).",
)
vit_b16 = variant(
    _vit,
    "vit_b16",
    "Build ViT-B/16, 86,567,656 parameters for ImageNet (arXiv:2010.11929).",
    patch=16,
    dim=768,
    depth=12,
    heads=12,
    expansion=4.0,
)
