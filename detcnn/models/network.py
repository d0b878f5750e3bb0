"""What every network of the catalogue is: a trunk and a head."""

import torch
from torch import Tensor, nn

_WITH_WEIGHTS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
)


class Network(nn.Module):
    """A trunk that turns images into features, and a head that turns features into outputs.

    Parameters
    ----------
    trunk : torch.nn.Module
        float32 images of shape (batch, channels, *axes) to features, of shape (batch, n_features)
        or, where there is an output for each pixel, (batch, n_features, rows, columns).
    head : torch.nn.Linear or torch.nn.Conv2d
        Features to outputs, for a classifier logits of shape (batch, classes).
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.n_extra = 0

    def features(self, images: Tensor) -> Tensor:
        """Return what the network makes of each image, without the extra values."""
        features: Tensor = self.trunk(images)
        return features

    def forward(self, images: Tensor, extra: Tensor | None = None) -> Tensor:
        """Return the outputs, for a classifier the logits.

        Parameters
        ----------
        images : torch.Tensor
            Shape (batch, channels, *axes).
        extra : torch.Tensor, optional
            Shape (batch, n_extra): values of each event, about as large as one, that are joined to
            the features. Needed where `n_extra` is not zero.

        Raises
        ------
        ValueError
            If `extra` is missing, or not asked for.
        """
        features = self.features(images)
        if (extra is None) != (self.n_extra == 0):
            given = "none" if extra is None else "some"
            raise ValueError(f"the network takes {self.n_extra} extra values, {given} are given")
        if extra is not None:
            places = features.shape[2:]
            extra = extra.reshape(*extra.shape, *[1] * len(places)).expand(-1, -1, *places)
            features = torch.cat([features, extra], dim=1)
        outputs: Tensor = self.head(features)
        return outputs

    def join_extra(self, n_extra: int) -> None:
        """Let the head see `n_extra` values of the event beside the features of its image.

        The weights of the new inputs are zero: the network starts as the one that does not know
        them, and learns what they are good for.
        """
        old = self.head
        new: nn.Linear | nn.Conv2d
        if isinstance(old, nn.Linear):
            new = nn.Linear(old.in_features + n_extra, old.out_features)
        elif isinstance(old, nn.Conv2d):
            new = nn.Conv2d(old.in_channels + n_extra, old.out_channels, 1)
        else:
            raise TypeError(f"no extra values can be joined before a {type(old).__name__}")
        with torch.no_grad():
            new.weight.zero_()
            new.weight[:, : old.weight.shape[1]] = old.weight
            if new.bias is not None and old.bias is not None:
                new.bias.copy_(old.bias)
        self.head = new
        self.n_extra += n_extra


def he_uniform(network: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers anew; set their biases to zero.

    Weights are uniform in ±√(6 / fan-in), from torch's default generator: a variance of 2 / fan-in
    keeps the size of a signal through layers of rectifiers (He et al., arXiv:1502.01852, eq. 10).
    """
    for layer in network.modules():
        if isinstance(layer, _WITH_WEIGHTS):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def n_parameters(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(weight.numel() for weight in network.parameters())
