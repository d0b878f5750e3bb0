"""Standardisation as a model's first layer, so that a model carries its own preprocessing."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from detcnn.errors import DataError
from detcnn.models.network import Network


class Standardise(nn.Module):
    """Cut what is too large, subtract a mean and divide by a scale, for each pixel or channel.

    Parameters
    ----------
    mean, scale : array_like
        Shape (channels, *axes) or (channels, 1, ...), with as many axes as an image has, one to
        three, in the units of the pixels; or (values,) for what comes with an event beside its
        image. They are kept as float32 buffers with a batch axis in front, and saved with the
        weights.
    limit : array_like, optional
        Shape (channels,): the largest absolute value of a pixel; larger ones are cut to it. A
        buffer as the others, of shape (1, channels, 1, ...); none if left out.

    Raises
    ------
    DataError
        If the shapes differ, a value is not finite, or a scale or a limit is not positive.
    """

    mean: Tensor
    scale: Tensor
    limit: Tensor | None

    def __init__(self, mean: ArrayLike, scale: ArrayLike, limit: ArrayLike | None = None) -> None:
        super().__init__()
        means, scales = np.asarray(mean, dtype=np.float32), np.asarray(scale, dtype=np.float32)
        if means.shape != scales.shape or not 1 <= means.ndim <= 4:
            raise DataError(
                f"standardisation: mean of shape {means.shape} and scale of shape {scales.shape}, "
                "expected the same for both: (channels, *axes), (channels, 1, ...) or (values,)"
            )
        if not (np.isfinite(means).all() and np.isfinite(scales).all() and (scales > 0).all()):
            raise DataError(
                "standardisation: expected finite means and finite positive scales; "
                "make the image store again"
            )
        # With a batch axis, so that they follow the model into the channels-last layout: ten times
        # faster than mixing layouts.
        self.register_buffer("mean", torch.tensor(means[np.newaxis]))
        self.register_buffer("scale", torch.tensor(scales[np.newaxis]))
        self.register_buffer("limit", None if limit is None else _limits(limit, means.shape))

    @classmethod
    def from_statistics(
        cls,
        mean: ArrayLike,
        std: ArrayLike,
        *,
        floor: float = 0.0,
        relative_floor: float = 1.0,
        limit: ArrayLike | None = None,
    ) -> "Standardise":
        """Return the layer for a training split of given mean and standard deviation.

        A pixel that was never filled in training has a standard deviation σ of zero, and one that
        was filled once in n images makes a value √n times its σ: without a floor such pixels drown
        all others. The scale is σ + floor + relative_floor · s, where s is the root mean square
        of σ over the pixels of the channel; where that is zero nothing is divided.

        Parameters
        ----------
        mean, std : array_like
            Of the training split, shape (channels, *axes), (channels, 1, ...) or (values,); for the
            last, each value counts as a channel.
        floor : float
            Added to every σ, in the units of the pixels. Komiske et al., arXiv:1612.01551, add
            1e-5 to the σ of images normalised to a sum of one, and nothing else.
        relative_floor : float
            Added to every σ, in units of the channel's s; does not depend on the units of pixels.
        limit : array_like, optional
            As for the layer; mean and standard deviation are those of images that are cut to it.

        Returns
        -------
        Standardise
        """
        spread = np.asarray(std, dtype=np.float64)
        axes = tuple(range(1, spread.ndim))
        channel_spread = np.sqrt((spread**2).mean(axis=axes, keepdims=True))
        scale = spread + floor + relative_floor * channel_spread
        return cls(mean, np.where(scale > 0, scale, 1.0), limit)

    def forward(self, images: Tensor) -> Tensor:
        """Return (images − mean) / scale of images that are cut to the limit."""
        if self.limit is not None:
            images = images.clamp(-self.limit, self.limit)
        return (images - self.mean) / self.scale


def _limits(limit: ArrayLike, shape: tuple[int, ...]) -> Tensor:
    limits = np.asarray(limit, dtype=np.float32)
    if limits.shape != shape[:1] or not (np.isfinite(limits).all() and (limits > 0).all()):
        raise DataError(
            f"standardisation: limits {limits.tolist()}, expected a finite positive one for each "
            f"of {shape[0]} channels; make the image store again"
        )
    return torch.tensor(limits.reshape(1, -1, *[1] * (len(shape) - 1)))


class DetectorModel(nn.Module):
    """A network that takes images as they stand in a store: standardisation, then the network.

    Parameters
    ----------
    standardise : Standardise
        The first layer.
    network : Network
        What follows.
    extra_standardise : Standardise, optional
        The first layer for the extra values of an event, where the network takes some.
    """

    def __init__(
        self,
        standardise: Standardise,
        network: Network,
        extra_standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        self.standardise = standardise
        self.network = network
        self.extra_standardise = extra_standardise

    def features(self, images: Tensor) -> Tensor:
        """Return the network's features of images as they stand in a store."""
        return self.network.features(self.standardise(images))

    def standardised_extra(self, extra: Tensor | None) -> Tensor | None:
        """Return extra values as the network takes them, None where there are none."""
        if extra is None or extra.shape[1] == 0:
            return None
        layer = self.extra_standardise
        return extra if layer is None else layer(extra)

    def forward(self, images: Tensor, extra: Tensor | None = None) -> Tensor:
        """Return the network's outputs for images, and extra values, as they stand in a store."""
        outputs: Tensor = self.network(self.standardise(images), self.standardised_extra(extra))
        return outputs
