"""What every network of the catalogue is: a trunk and a head."""

from torch import Tensor, nn


class Network(nn.Module):
    """A trunk that turns images into features, and a head that turns features into outputs.

    Parameters
    ----------
    trunk : torch.nn.Module
        float32 images of shape (batch, channels, rows, columns) to features.
    head : torch.nn.Module
        Features to outputs, for a classifier logits of shape (batch, classes).
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def features(self, images: Tensor) -> Tensor:
        """Return what the head sees of each image."""
        features: Tensor = self.trunk(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs, for a classifier the logits."""
        outputs: Tensor = self.head(self.features(images))
        return outputs


def he_uniform(network: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers anew; set their biases to zero.

    Weights are uniform in ±√(6 / fan-in), from torch's default generator: a variance of 2 / fan-in
    keeps the size of a signal through layers of rectifiers (He et al., arXiv:1502.01852, eq. 10).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
