"""Convolution and pooling on a barrel: the last axis, φ, has no ends.

A detector around the beam closes on itself in φ and ends in η. These layers see it so: windows
that reach beyond the last column go on at the first, and rows beyond the first and the last are
zeros, as many as the layer is told. There is one output column for every stride begun, also where
an ordinary layer without padding would lose some. So when an image turns by a multiple of the
stride, and its columns are a multiple of it too, the output turns by as many strides, and nothing
else happens to it.
"""

from typing import Any

import torch
from torch import Tensor, nn


def wrapped(images: Tensor, before: int, window: int, stride: int) -> Tensor:
    """Return images whose last axis goes on where it began.

    Parameters
    ----------
    images : torch.Tensor
        Shape (..., columns).
    before : int
        Columns to put in front.
    window : int
        Columns that one window covers.
    stride : int
        Columns from one window to the next.

    Returns
    -------
    torch.Tensor
        Columns for ⌈columns / stride⌉ windows, the first of which begins `before` columns ahead.
    """
    columns = images.shape[-1]
    needed = (-(-columns // stride) - 1) * stride + window
    if before == 0 and needed <= columns:
        return images
    after = max(0, needed - before - columns)
    turns = -(-max(before, after) // columns)
    around = images if turns <= 1 else torch.cat([images] * turns, dim=-1)
    # Joined and not indexed, which would undo the channels-last layout and take five times longer.
    return torch.cat(
        [
            around[..., turns * columns - before :],
            images[..., : needed - before],
            around[..., :after],
        ],
        dim=-1,
    )


# A step of its own when a network is traced, for it depends on the size of an image.
torch.fx.wrap("wrapped")


class _Periodic(nn.Module):
    """What goes before a layer of torch that has a window: the columns are wrapped.

    Its arguments are those of that layer, with sizes given for each axis.
    """

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any = 1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        dilation = self.dilation if isinstance(self.dilation, int) else self.dilation[-1]
        self.before = self.padding[-1]
        self.window = dilation * (self.kernel_size[-1] - 1) + 1
        self.padding = (*self.padding[:-1], 0)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the layer makes of the wrapped images."""
        outputs: Tensor = super().forward(
            wrapped(images, self.before, self.window, self.stride[-1])
        )
        return outputs


class PeriodicConv1d(_Periodic, nn.Conv1d):
    """`torch.nn.Conv1d` whose columns are wrapped."""


class PeriodicConv2d(_Periodic, nn.Conv2d):
    """`torch.nn.Conv2d` whose columns are wrapped."""


class PeriodicConv3d(_Periodic, nn.Conv3d):
    """`torch.nn.Conv3d` whose columns are wrapped."""


class PeriodicMaxPool1d(_Periodic, nn.MaxPool1d):
    """`torch.nn.MaxPool1d` whose columns are wrapped."""


class PeriodicMaxPool2d(_Periodic, nn.MaxPool2d):
    """`torch.nn.MaxPool2d` whose columns are wrapped."""


class PeriodicMaxPool3d(_Periodic, nn.MaxPool3d):
    """`torch.nn.MaxPool3d` whose columns are wrapped."""


class PeriodicAvgPool1d(_Periodic, nn.AvgPool1d):
    """`torch.nn.AvgPool1d` whose columns are wrapped."""


class PeriodicAvgPool2d(_Periodic, nn.AvgPool2d):
    """`torch.nn.AvgPool2d` whose columns are wrapped."""


class PeriodicAvgPool3d(_Periodic, nn.AvgPool3d):
    """`torch.nn.AvgPool3d` whose columns are wrapped."""
