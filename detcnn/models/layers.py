"""The layers that networks are made of, for images of one, two or three axes."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod

from torch import Tensor, nn

from detcnn.models import periodic
from detcnn.models.options import require_choice, require_flag

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

RISING = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Sigmoid)
"""Activations that never fall: the largest value of a window stays the largest."""

NORMS = ("batch", "group", "layer", "none")

Side = int | tuple[int, ...]
"""A size for each axis of an image, or one for all."""

_CONVOLUTIONS: Mapping[tuple[int, bool], type[nn.Module]] = {
    (1, False): nn.Conv1d,
    (2, False): nn.Conv2d,
    (3, False): nn.Conv3d,
    (1, True): periodic.PeriodicConv1d,
    (2, True): periodic.PeriodicConv2d,
    (3, True): periodic.PeriodicConv3d,
}
_MAX_POOLS: Mapping[tuple[int, bool], type[nn.Module]] = {
    (1, False): nn.MaxPool1d,
    (2, False): nn.MaxPool2d,
    (3, False): nn.MaxPool3d,
    (1, True): periodic.PeriodicMaxPool1d,
    (2, True): periodic.PeriodicMaxPool2d,
    (3, True): periodic.PeriodicMaxPool3d,
}
_MEAN_POOLS: Mapping[tuple[int, bool], type[nn.Module]] = {
    (1, False): nn.AvgPool1d,
    (2, False): nn.AvgPool2d,
    (3, False): nn.AvgPool3d,
    (1, True): periodic.PeriodicAvgPool1d,
    (2, True): periodic.PeriodicAvgPool2d,
    (3, True): periodic.PeriodicAvgPool3d,
}
_BATCH_NORMS: Mapping[int, type[nn.Module]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}
_CHANNEL_DROPOUTS: Mapping[int, type[nn.Module]] = {
    1: nn.Dropout1d,
    2: nn.Dropout2d,
    3: nn.Dropout3d,
}
_GLOBAL_MEANS: Mapping[int, type[nn.Module]] = {
    1: nn.AdaptiveAvgPool1d,
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}


class SumPool(nn.Module):
    """The sum of each window, which for energies is what a coarser detector would have read.

    Parameters
    ----------
    mean : torch.nn.Module
        The mean of each window.
    window : int
        Pixels in a window.
    """

    def __init__(self, mean: nn.Module, window: int) -> None:
        super().__init__()
        self.mean = mean
        self.window = window

    def forward(self, images: Tensor) -> Tensor:
        """Return the sums."""
        sums: Tensor = self.mean(images) * self.window
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Makes the layers of one network, all with the same choices.

    Parameters
    ----------
    n_axes : {1, 2, 3}
        Axes of an image beside its channels: a waveform, a picture, a volume.
    norm : {"batch", "group", "layer", "none"}
        What follows a convolution: batch normalisation (arXiv:1502.03167); group normalisation
        (arXiv:1803.08494) with 32 groups, or as many as divide both that and the channels; layer
        normalisation (arXiv:1607.06450) over channels and pixels of an image, with a gain and a
        bias for each channel; or nothing, and then convolutions have a bias in its place.
    activation : str
        A name in `ACTIVATIONS`.
    periodic : bool
        Whether convolutions and pooling wrap the last axis, φ, around (`detcnn.models.periodic`).

    Raises
    ------
    ConfigError
        If one of them is unknown.
    """

    n_axes: int = 2
    norm: str = "none"
    activation: str = "relu"
    periodic: bool = False

    def __post_init__(self) -> None:
        require_choice("norm", self.norm, NORMS)
        require_choice("activation", self.activation, ACTIVATIONS)
        require_flag("'periodic'", self.periodic)

    def convolution(
        self,
        n_in: int,
        n_out: int,
        kernel: Side,
        *,
        stride: Side = 1,
        padding: Side | None = None,
        groups: int = 1,
        bias: bool | None = None,
    ) -> nn.Module:
        """Return a convolution.

        Parameters
        ----------
        n_in, n_out : int
            Channels.
        kernel, stride : int or tuple of int
            In pixels.
        padding : int or tuple of int, optional
            Zeros on each side; by default half a kernel, which keeps the size under an odd one.
        groups : int
            Groups of channels that do not see each other.
        bias : bool, optional
            By default where no normalisation follows.
        """
        sides = self._each(kernel)
        return _CONVOLUTIONS[self.n_axes, self.periodic](
            n_in,
            n_out,
            sides,
            stride=self._each(stride),
            padding=tuple(side // 2 for side in sides) if padding is None else self._each(padding),
            groups=groups,
            bias=self.norm == "none" if bias is None else bias,
        )

    def normalisation(self, n_channels: int) -> nn.Module:
        """Return the normalisation of `n_channels` channels."""
        if self.norm == "batch":
            return _BATCH_NORMS[self.n_axes](n_channels)
        if self.norm == "group":
            return nn.GroupNorm(gcd(32, n_channels), n_channels)
        if self.norm == "layer":
            return nn.GroupNorm(1, n_channels)
        return nn.Identity()

    def activate(self) -> nn.Module:
        """Return the activation."""
        return ACTIVATIONS[self.activation]()

    def unit(
        self,
        n_in: int,
        n_out: int,
        kernel: Side,
        *,
        stride: Side = 1,
        padding: Side | None = None,
        groups: int = 1,
        active: bool = True,
    ) -> nn.Sequential:
        """Return a convolution, its normalisation and, if it is to be `active`, activation."""
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            convolution=self.convolution(
                n_in, n_out, kernel, stride=stride, padding=padding, groups=groups
            )
        )
        if self.norm != "none":
            layers["norm"] = self.normalisation(n_out)
        if active:
            layers["activation"] = self.activate()
        return nn.Sequential(layers)

    def max_pool(
        self, kernel: Side, *, stride: Side | None = None, padding: Side = 0, partial: bool = False
    ) -> nn.Module:
        """Return the maximum of each window; the stride is by default that of the window.

        With `partial`, a last window that sticks out counts too.
        """
        return _MAX_POOLS[self.n_axes, self.periodic](
            self._each(kernel),
            stride=self._each(kernel if stride is None else stride),
            padding=self._each(padding),
            ceil_mode=partial,
        )

    def mean_pool(
        self, kernel: Side, *, stride: Side | None = None, padding: Side = 0
    ) -> nn.Module:
        """Return the mean of each window, over the pixels of the image in it."""
        return _MEAN_POOLS[self.n_axes, self.periodic](
            self._each(kernel),
            stride=self._each(kernel if stride is None else stride),
            padding=self._each(padding),
            count_include_pad=False,
        )

    def sum_pool(self, kernel: Side) -> nn.Module:
        """Return the sum of each window."""
        return SumPool(self.mean_pool(kernel), prod(self._each(kernel)))

    def global_mean(self) -> nn.Sequential:
        """Return the mean of each channel: (batch, channels, *axes) to (batch, channels)."""
        return nn.Sequential(OrderedDict(mean=_GLOBAL_MEANS[self.n_axes](1), flatten=nn.Flatten()))

    def channel_dropout(self, share: float) -> nn.Module:
        """Return dropout of whole channels."""
        return _CHANNEL_DROPOUTS[self.n_axes](share)

    def _each(self, value: Side) -> tuple[int, ...]:
        return (value,) * self.n_axes if isinstance(value, int) else tuple(value)
