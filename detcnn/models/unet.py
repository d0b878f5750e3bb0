"""U-Net: Ronneberger, Fischer and Brox, "U-Net" (arXiv:1505.04597), plain and residual."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from detcnn.models.connections import Residual
from detcnn.models.layers import Layers
from detcnn.models.network import Network, he_uniform
from detcnn.models.options import (
    require_choice,
    require_dropout,
    require_planes,
    require_whole,
    scaled,
)
from detcnn.models.periodic import wrapped
from detcnn.models.variants import variant

UPSAMPLINGS = ("transposed", "nearest")


class Up(nn.Module):
    """One step up: twice the pixels, joined with what was seen on the way down, and convolved.

    Parameters
    ----------
    enlarge : torch.nn.Module
        Twice the rows and columns.
    convolve : torch.nn.Module
        Takes the enlarged channels after those of the way down.
    """

    def __init__(self, enlarge: nn.Module, convolve: nn.Module) -> None:
        super().__init__()
        self.enlarge = enlarge
        self.convolve = convolve

    def forward(self, images: Tensor, seen: Tensor) -> Tensor:
        """Return images of the size of `seen`."""
        outputs: Tensor = self.convolve(torch.cat([seen, self.enlarge(images)], dim=1))
        return outputs


class DownAndUp(nn.Module):
    """The path down, the bottom, the path up: features for each pixel of an image of any size.

    An image is made as large as the steps need, with rows of zeros and columns that are zeros too
    or, on a barrel, those that follow; the features are cut back to its size.

    Parameters
    ----------
    down : sequence of torch.nn.Module
        Before each halving.
    pool : torch.nn.Module
        Halves rows and columns.
    bottom : torch.nn.Module
        At the smallest size.
    up : sequence of Up
        In the order of use: the first takes the output of the last of `down`.
    periodic : bool
        Whether the columns close on themselves.
    """

    def __init__(
        self,
        down: list[nn.Module],
        pool: nn.Module,
        bottom: nn.Module,
        up: list[Up],
        *,
        periodic: bool,
    ) -> None:
        super().__init__()
        self.n_steps = len(down)
        self.periodic = periodic
        for number, stage in enumerate(down, start=1):
            self.add_module(f"down{number}", stage)
        self.pool = pool
        self.bottom = bottom
        for number, step in zip(range(len(up), 0, -1), up, strict=True):
            self.add_module(f"up{number}", step)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, n_features, rows, columns) of (batch, channels, rows, columns)."""
        multiple = 2**self.n_steps
        rows, columns = images.shape[-2], images.shape[-1]
        if self.periodic:
            images = wrapped(images, 0, multiple, multiple)
            images = nn.functional.pad(images, (0, 0, 0, -rows % multiple))
        else:
            images = nn.functional.pad(images, (0, -columns % multiple, 0, -rows % multiple))
        seen = []
        for number in range(1, self.n_steps + 1):
            images = self.get_submodule(f"down{number}")(images)
            seen.append(images)
            images = self.pool(images)
        images = self.bottom(images)
        for number in range(self.n_steps, 0, -1):
            images = self.get_submodule(f"up{number}")(images, seen.pop())
        return images[..., :rows, :columns]


def _unet(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    name: str,
    is_residual: bool,
    depth: int = 4,
    width: float = 1.0,
    upsampling: str = "transposed",
    dropout: float = 0.0,
    activation: str = "relu",
    norm: str = "batch",
    periodic: bool = False,
) -> Network:
    """Build one of the U-Nets.

    Stages of two convolutions of 3×3, with 64 filters at the full size and twice as many after each
    of `depth` times maximum pooling by 2; then back up, each step joined with the stage of its size
    on the way down. Zeros keep the size under each kernel, where the authors let images shrink.
    Weights are drawn by `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, of any size.
    n_outputs : int
        Number of outputs of each pixel.
    depth : int
        How often rows and columns are halved.
    width : float
        Factor of all numbers of filters.
    upsampling : {"transposed", "nearest"}
        A transposed convolution of 2×2 by 2; or each pixel four times and a convolution of 3×3,
        which leaves no checkerboard (Odena et al., Distill 1 (2016) e3).
    dropout : float
        At the bottom, 0 to 1 exclusive.
    activation, norm, periodic
        See `Layers`; the authors of the plain U-Net have no normalisation.

    Returns
    -------
    Network
        Its features are (batch, 64, rows, columns) at a width of 1, its outputs (batch, n_outputs,
        rows, columns); the head is a convolution of 1×1.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    """
    channels, _, _ = require_planes(name, shape)
    require_whole("'depth'", depth, least=1)
    require_choice("upsampling", upsampling, UPSAMPLINGS)
    require_dropout("'dropout'", dropout)
    layers = Layers(norm=norm, activation=activation, periodic=periodic)
    stage = _residual_stage if is_residual else _stage
    filters = [scaled(64 * 2**level, width) for level in range(depth + 1)]
    down: list[nn.Module] = []
    for n_filters in filters[:-1]:
        down.append(stage(channels, n_filters, layers))
        channels = n_filters
    bottom = nn.Sequential(
        OrderedDict(stage=stage(channels, filters[-1], layers), dropout=nn.Dropout(dropout))
    )
    up = []
    for large, small in zip(filters[:0:-1], filters[-2::-1], strict=True):
        enlarge: nn.Module = (
            nn.ConvTranspose2d(large, small, 2, stride=2)
            if upsampling == "transposed"
            else nn.Sequential(
                OrderedDict(
                    repeat=nn.Upsample(scale_factor=2, mode="nearest"),
                    convolution=layers.convolution(large, small, 3, bias=True),
                )
            )
        )
        up.append(Up(enlarge, stage(2 * small, small, layers)))
    trunk = DownAndUp(down, layers.max_pool(2), bottom, up, periodic=periodic)
    network = Network(trunk=trunk, head=nn.Conv2d(filters[0], n_outputs, 1))
    he_uniform(network)
    return network


def _stage(n_in: int, n_out: int, layers: Layers) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            convolution1=layers.unit(n_in, n_out, 3), convolution2=layers.unit(n_out, n_out, 3)
        )
    )


def _residual_stage(n_in: int, n_out: int, layers: Layers) -> nn.Module:
    body = nn.Sequential(
        OrderedDict(
            convolution1=layers.unit(n_in, n_out, 3),
            convolution2=layers.unit(n_out, n_out, 3, active=False),
        )
    )
    shortcut = layers.unit(n_in, n_out, 1, active=False)
    return Residual(body, shortcut=shortcut, activation=layers.activate())


unet = variant(
    _unet,
    "unet",
    "Build U-Net, outputs for each pixel (arXiv:1505.04597).",
    is_residual=False,
)
residual_unet = variant(
    _unet,
    "residual_unet",
    "Build a U-Net of residual blocks, as for MicroBooNE's tracks and showers (arXiv:1808.07269).",
    is_residual=True,
)
