"""How paths through a network part and join."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Branches(nn.Module):
    """Several paths from the same images, joined along the channels.

    Parameters
    ----------
    branches : mapping of str to torch.nn.Module
        The paths, in the order of their channels. Their outputs have the same axes.
    """

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, images: Tensor) -> Tensor:
        """Return the channels of all paths."""
        return torch.cat([branch(images) for branch in self.children()], dim=1)


class Residual(nn.Module):
    """What layers add to what they are given (He et al., arXiv:1512.03385, eqs. 1 and 2).

    Parameters
    ----------
    body : torch.nn.Module
        The layers.
    shortcut : torch.nn.Module, optional
        What is given is brought to the shape of their output by this.
    activation : torch.nn.Module, optional
        Acts on the sum.
    scale : float
        Factor of what is added.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        shortcut: nn.Module | None = None,
        activation: nn.Module | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.activation = nn.Identity() if activation is None else activation
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        """Return the activated sum."""
        change: Tensor = self.body(images)
        if self.scale != 1:
            change = self.scale * change
        outputs: Tensor = self.activation(self.shortcut(images) + change)
        return outputs
