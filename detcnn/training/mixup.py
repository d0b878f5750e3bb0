"""Training on mixtures of pairs of images (Zhang et al., "mixup", arXiv:1710.09412)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detcnn.training.batches import Batch
from detcnn.training.device import memory_format
from detcnn.training.tasks import Task


@dataclass(frozen=True, slots=True)
class Mixture:
    """How the images of a batch are mixed in pairs.

    Parameters
    ----------
    partner : torch.Tensor
        int64, shape (B,): which image of the batch each one is mixed with.
    share : torch.Tensor
        float32, shape (B,), 0 to 1: what is kept of each one.
    """

    partner: Tensor
    share: Tensor

    def images(self, images: Tensor) -> Tensor:
        """Return the mixed images; it is the same before and after standardisation."""
        share = self.share.view(-1, *(1,) * (images.dim() - 1))
        mixed = torch.lerp(images[self.partner], images, share)
        return mixed.contiguous(memory_format=memory_format(images.dim() - 2))

    def extra(self, extra: Tensor) -> Tensor:
        """Return what is known beside the images, mixed as they are."""
        return torch.lerp(extra[self.partner], extra, self.share[:, None])

    def losses(self, task: Task, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the weighted loss of each mixed image against both of its targets, shape (B,).

        λ w l(y) + (1 − λ) w' l(y'): the expectation over the event that λ lets a coin choose. For
        the cross entropy and equal weights it is the loss against the mixed target, which the paper
        takes; for the quadratic loss, that but for a constant.
        """
        own = batch.weights * task.training_loss(outputs, batch.targets)
        other = task.training_loss(outputs, batch.targets[self.partner])
        other = batch.weights[self.partner] * other
        return torch.lerp(other, own, self.share)


def draw_mixture(
    n_images: int, *, alpha: float, rng: np.random.Generator, device: torch.device
) -> Mixture:
    """Draw partners and shares for a batch.

    Parameters
    ----------
    n_images : int
        Images in the batch.
    alpha : float
        Shares follow a beta distribution of α = β = alpha, above 0: small values leave most images
        almost as they are, 1 takes all shares alike.
    rng : numpy.random.Generator
        All randomness comes from it.
    device : torch.device
        Where the batch is.

    Returns
    -------
    Mixture
    """
    partner = torch.from_numpy(rng.permutation(n_images))
    share = torch.from_numpy(rng.beta(alpha, alpha, n_images).astype(np.float32))
    return Mixture(partner.to(device), share.to(device))
