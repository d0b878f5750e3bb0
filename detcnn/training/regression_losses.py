"""Losses of numbers: energies, positions, the value of a pixel.

`outputs` and `target` have one shape, (B, n_targets) or (B, n_targets, *pixels), and `valid` one
that broadcasts to it. Each loss is the mean over the valid numbers of an image, shape (B,): 0, with
gradient zero, where there are none. What is not valid may be NaN. Targets should be scaled to a
spread of about one, or the losses that have a scale of their own will not know small from large.
"""

from math import log, pi

import torch
from torch import Tensor, nn

from detcnn.training.losses import full_precision

LOG_VARIANCE_RANGE = (-14.0, 14.0)
"""Logarithm of the least and greatest variance that `gaussian_nll` can tell."""


def squared(outputs: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean of d², d = output − target; its best constant is the mean."""
    return _mean(_difference(outputs, target, valid).square(), valid)


def absolute(outputs: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean of |d|, d = output − target; its best constant is the median."""
    return _mean(_difference(outputs, target, valid).abs(), valid)


def huber(
    outputs: Tensor, target: Tensor, valid: Tensor | None = None, *, delta: float = 1.0
) -> Tensor:
    """Return the mean of ½ d² up to |d| = δ and of δ (|d| − ½ δ) beyond.

    Huber, Ann. Math. Statist. 35 (1964) 73. `delta` is positive, in units of the target.
    """
    d = _difference(outputs, target, valid)
    loss = nn.functional.huber_loss(d, torch.zeros_like(d), reduction="none", delta=delta)
    return _mean(loss, valid)


def log_cosh(outputs: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean of ln cosh d: ½ d² for small d, |d| − ln 2 for large, smooth between."""
    d = _difference(outputs, target, valid)
    return _mean(d + nn.functional.softplus(-2 * d) - log(2), valid)


def bounded_log_variance(
    raw: Tensor, *, limits: tuple[float, float] = LOG_VARIANCE_RANGE
) -> Tensor:
    """Return a network's output within limits, so that a variance is neither 0 nor infinite.

    Bent smoothly at both ends (Chua et al., arXiv:1805.12114, appendix A.1): unlike a cut, it keeps
    a slope outside, by which a network finds its way back. Whoever publishes a variance takes it
    from here, as the loss does.

    Parameters
    ----------
    raw : torch.Tensor
        Any shape.
    limits : tuple of float
        Of the result, natural logarithms, rising.

    Returns
    -------
    torch.Tensor
        Same shape, float32 or float64.
    """
    low, high = limits
    below = high - nn.functional.softplus(high - full_precision(raw))
    return low + nn.functional.softplus(below - low)


def gaussian_nll(
    mean: Tensor,
    raw_log_variance: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    limits: tuple[float, float] = LOG_VARIANCE_RANGE,
    beta: float = 0.0,
) -> Tensor:
    """Return the mean negative logarithm of a Gaussian density of predicted width.

    ½ (s + d² e^−s + ln 2π) with s = ln σ² (Nix and Weigend, Proc. ICNN 1994, p. 55; in s, Kendall
    and Gal, arXiv:1703.04977, eq. 8). A wide Gaussian slows the learning of its mean; a factor σ^2β
    that has no gradient of its own takes that away (Seitzer et al., arXiv:2203.09168, eq. 5).

    Parameters
    ----------
    mean, raw_log_variance, target, valid
        As for all losses of numbers; s is `bounded_log_variance` of the second.
    limits : tuple of float
        Of s.
    beta : float
        β, 0 to 1: 0 is the likelihood, 1 gives the mean the gradient of `squared`.

    Returns
    -------
    torch.Tensor
        Shape (B,), in nat for β = 0; of either sign.
    """
    s = bounded_log_variance(raw_log_variance, limits=limits)
    d = _difference(mean, target, valid)
    loss = (s + d.square() * torch.exp(-s) + log(2 * pi)) / 2
    if beta > 0:
        loss = loss * torch.exp(beta * s).detach()
    return _mean(loss, valid)


def _difference(outputs: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    outputs = full_precision(outputs)
    d = outputs - target.to(outputs.dtype)
    return d if valid is None else torch.where(valid, d, 0)


def _mean(loss: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return loss.flatten(1).mean(1)
    counts = valid.expand_as(loss).flatten(1)
    total = torch.where(counts, loss.flatten(1), 0).sum(1)
    return total / counts.sum(1).clamp_min(1)
