"""Losses of classes, labels and points: one number for each image.

Every loss looks at its image alone and has the shape (B,). So the loss of a validation split does
not depend on how it is cut into batches, an event weight means the same in every batch, and an
image whose pixels are all to be ignored costs nothing, with gradient zero. Half precision is
computed in float32.

The losses of pixels take

- `logits`, shape (B, n_classes, *pixels);
- `target`, int64, shape (B, *pixels): 0 to n_classes − 1 where `valid`, anything elsewhere;
- `valid`, bool, shape (B, *pixels): pixels outside have no loss and no gradient;
- `class_weights`, shape (n_classes,), not negative; all alike if not given.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal, Protocol

import torch
from torch import Tensor, nn


class PixelLoss(Protocol):
    """A loss of the classes of pixels, all options chosen."""

    def __call__(
        self, logits: Tensor, target: Tensor, valid: Tensor, *, class_weights: Tensor | None = None
    ) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        ...


def pixel_cross_entropy(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Tensor | None = None,
    per: Literal["weight", "pixel"] = "weight",
) -> Tensor:
    """Return the mean cross entropy of the pixels of each image.

    Σ_p w(t_p) (−ln softmax(z_p)[t_p]) / N over the valid pixels p of one image.

    Parameters
    ----------
    logits, target, valid, class_weights
        As for all losses of pixels.
    per : {"weight", "pixel"}
        N. The sum of the class weights of the image's valid pixels: a mean, on the same scale for
        every image, in which weights shift the attention between the classes of an image. In an
        image of one class they cancel. Or the number of its valid pixels: an image of nothing but
        a class of small weight then counts little, as it should where most images are empty; the
        weights ought to be 1 in the mean over all pixels, as those of `class_weights` in
        `detcnn.imaging.weighting` are.

    Returns
    -------
    torch.Tensor
        Shape (B,), in nat, not negative; 0 for an image without valid pixels.
    """
    return focal(logits, target, valid, class_weights=class_weights, gamma=0.0, per=per)


def focal(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Tensor | None = None,
    gamma: float = 2.0,
    per: Literal["weight", "pixel"] = "weight",
) -> Tensor:
    """Return the cross entropy with what is easy weighted down (Lin et al., arXiv:1708.02002).

    Σ_p w(t_p) (1 − q_p)^γ (−ln q_p) / N with q_p the softmax of the true class: eq. 5 there, its α
    being the class weights, its sum over anchors a mean over pixels.

    Parameters
    ----------
    logits, target, valid, class_weights
        As for all losses of pixels.
    gamma : float
        γ, not negative; 0 is the cross entropy.
    per : {"weight", "pixel"}
        N, as for `pixel_cross_entropy`.

    Returns
    -------
    torch.Tensor
        Shape (B,), not negative.
    """
    known = _known(target, valid)
    log_q = full_precision(logits).log_softmax(dim=1).gather(1, known.unsqueeze(1)).squeeze(1)
    loss = -log_q
    if gamma > 0:
        # The slope of a small power has no bound at zero, where the softmax is saturated.
        loss = loss * (-torch.expm1(log_q)).clamp_min(torch.finfo(loss.dtype).eps) ** gamma
    weight = valid.to(loss.dtype)
    norm = weight
    if class_weights is not None:
        weight = weight * class_weights.to(loss)[known]
        if per == "weight":
            norm = weight
    total = torch.where(valid, weight * loss, 0).flatten(1).sum(1)
    return _ratio(total, norm.flatten(1).sum(1), empty=0)


def dice(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Tensor | None = None,
    smooth: float = 1.0,
    foreground_only: bool = False,
    squared: bool = False,
) -> Tensor:
    """Return one minus the mean soft Dice coefficient of the classes in each image.

    D_c = (2 Σ_p q_pc y_pc + s) / (Σ_p q_pc + Σ_p y_pc + s) over the valid pixels of one image, with
    q the softmax and y 1 for the true class, else 0. Milletari et al. (V-Net, arXiv:1606.04797,
    section 3) have one class, squares in the denominator (`squared`), and s = 0.

    A class that is not in the image has D_c = s / (Σ_p q_pc + s): the smoothing is what makes false
    pixels in it cost something.

    Parameters
    ----------
    logits, target, valid, class_weights
        As for all losses of pixels; the weights are those of the mean over the classes.
    smooth : float
        s, in pixels, not negative.
    foreground_only : bool
        Leave class 0 out of the mean.
    squared : bool
        Sum squares in the denominator.

    Returns
    -------
    torch.Tensor
        Shape (B,), 0 to 1; 0 for an image without valid pixels.
    """
    q, y = _shares(logits, target, valid)
    both = 2 * (q * y).sum(2) + smooth
    either = (q.square() if squared else q).sum(2) + y.sum(2) + smooth
    return _class_mean(1 - _ratio(both, either, empty=1), class_weights, foreground_only)


def tversky(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Tensor | None = None,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    foreground_only: bool = False,
) -> Tensor:
    """Return one minus the mean soft Tversky index of the classes in each image.

    T_c = (TP + s/2) / (TP + α FP + β FN + s/2) with TP = Σ_p q_pc y_pc, FP = Σ_p q_pc (1 − y_pc)
    and FN = Σ_p (1 − q_pc) y_pc over the valid pixels of one image (Salehi et al.,
    arXiv:1706.05721, eq. 3). α = β = ½ is `dice`; a greater β finds more of a rare class at the
    price of its purity.

    Parameters
    ----------
    logits, target, valid, class_weights, smooth, foreground_only
        As for `dice`.
    alpha, beta : float
        Price of a false and of a missed pixel, not negative.

    Returns
    -------
    torch.Tensor
        Shape (B,), 0 to 1; 0 for an image without valid pixels.
    """
    q, y = _shares(logits, target, valid)
    hit = (q * y).sum(2)
    false = q.sum(2) - hit
    missed = y.sum(2) - hit
    both = hit + smooth / 2
    index = _ratio(both, both + alpha * false + beta * missed, empty=1)
    return _class_mean(1 - index, class_weights, foreground_only)


def lovasz_softmax(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Tensor | None = None,
    foreground_only: bool = False,
) -> Tensor:
    """Return the Lovász extension of the Jaccard loss of each image.

    The mean of Berman, Rannen Triki and Blaschko (arXiv:1705.08790, eq. 12), each image by itself,
    over the classes that are in the image. For errors of 0 and 1 it is one minus the intersection
    over union.

    Parameters
    ----------
    logits, target, valid, class_weights
        As for all losses of pixels; the weights are those of the mean over the classes.
    foreground_only : bool
        Leave class 0 out of the mean.

    Returns
    -------
    torch.Tensor
        Shape (B,), 0 to 1; 0 for an image that has none of the classes.
    """
    q, y = _shares(logits, target, valid)
    n_true = y.sum(2)
    # A pixel that is ignored has q = y = 0: it comes last and leaves the union as it is.
    error, order = (q - y).abs().sort(dim=2, descending=True)
    y = y.gather(2, order)
    counts = valid.to(q.dtype).flatten(1).unsqueeze(1).expand_as(order).gather(2, order)
    left = n_true.unsqueeze(2) - y.cumsum(2)
    union = n_true.unsqueeze(2) + (counts - y).cumsum(2)
    jaccard = 1 - _ratio(left, union, empty=1)
    slope = jaccard.diff(dim=2, prepend=torch.zeros_like(jaccard[..., :1]))
    is_there = (n_true > 0).to(q.dtype)
    return _class_mean((error * slope).sum(2), class_weights, foreground_only, counted=is_there)


def weighted_sum(parts: Sequence[tuple[float, PixelLoss]]) -> PixelLoss:
    """Return the loss that is the sum of factor times loss, such as cross entropy and Dice."""

    def total(
        logits: Tensor, target: Tensor, valid: Tensor, *, class_weights: Tensor | None = None
    ) -> Tensor:
        losses = [
            factor * loss(logits, target, valid, class_weights=class_weights)
            for factor, loss in parts
        ]
        return torch.stack(losses).sum(0)

    return total


def binary_cross_entropy(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    positive_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean over labels of their cross entropy, for each image.

    −w_l y ln σ(z) − (1 − y) ln(1 − σ(z)) for label l, σ being the logistic function.

    Parameters
    ----------
    logits : torch.Tensor
        Shape (B, n_labels).
    target : torch.Tensor
        y, shape (B, n_labels), 0 to 1 where valid.
    valid : torch.Tensor, optional
        bool, shape (B, n_labels): labels that are known.
    positive_weights : torch.Tensor, optional
        w, shape (n_labels,), not negative. For a label that few images have, the number of images
        without it over those with it makes both weigh alike.

    Returns
    -------
    torch.Tensor
        Shape (B,), in nat; 0 for an image without valid labels.
    """
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    logits = full_precision(logits)
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits,
        torch.where(valid, target, 0).to(logits.dtype),
        pos_weight=None if positive_weights is None else positive_weights.to(logits),
        reduction="none",
    )
    return _ratio(torch.where(valid, loss, 0).sum(1), valid.sum(1).to(loss.dtype), empty=0)


def focal_heat_map(
    logits: Tensor,
    heat: Tensor,
    valid: Tensor | None = None,
    *,
    alpha: float = 2.0,
    beta: float = 4.0,
) -> Tensor:
    """Return the focal loss of a map of points, pixels near a point forgiven.

    Zhou, Wang and Krähenbühl (arXiv:1904.07850, eq. 1), N being the points of one image:
    −(1/N) Σ_p (1 − q)^α ln q where the heat is 1, (1 − heat)^β q^α ln(1 − q) elsewhere, q being the
    logistic function of the logit.

    Parameters
    ----------
    logits : torch.Tensor
        Shape (B, n_kinds, *pixels); one kind of point: (B, 1, rows, columns).
    heat : torch.Tensor
        Same shape, 0 to 1: exactly 1 at the pixel of a point and falling around it.
    valid : torch.Tensor, optional
        bool, same shape.
    alpha, beta : float
        Exponents, not negative.

    Returns
    -------
    torch.Tensor
        Shape (B,), not negative; an image without points has N = 1, so that false ones cost.
    """
    logits = full_precision(logits)
    heat = heat.to(logits.dtype)
    is_point = heat == 1
    log_q, log_rest = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    at_points = torch.exp(alpha * log_rest) * log_q
    elsewhere = (1 - heat).clamp_min(0) ** beta * torch.exp(alpha * log_q) * log_rest
    loss = -torch.where(is_point, at_points, elsewhere)
    if valid is not None:
        loss, is_point = torch.where(valid, loss, 0), is_point & valid
    n_points = is_point.flatten(1).sum(1).clamp_min(1)
    return loss.flatten(1).sum(1) / n_points


def full_precision(values: Tensor) -> Tensor:
    """Return what is of half precision in float32, and anything else as it is."""
    return values if values.dtype == torch.float64 else values.float()


def _known(target: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, target, 0)


def _shares(logits: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax and truth, each (B, n_classes, n_pixels), zero in pixels to be ignored."""
    n_classes = logits.shape[1]
    q = full_precision(logits).softmax(dim=1).flatten(2)
    known = _known(target, valid).reshape(len(target), prod(target.shape[1:]))
    y = nn.functional.one_hot(known, n_classes).transpose(1, 2).to(q.dtype)
    counts = valid.flatten(1).unsqueeze(1)
    return torch.where(counts, q, 0), torch.where(counts, y, 0)


def _class_mean(
    loss: Tensor,
    class_weights: Tensor | None,
    foreground_only: bool,
    *,
    counted: Tensor | None = None,
) -> Tensor:
    """Return the weighted mean over classes of losses (B, n_classes), of those that count."""
    weight = torch.ones_like(loss) if counted is None else counted
    if class_weights is not None:
        weight = weight * class_weights.to(loss)
    if foreground_only:
        loss, weight = loss[:, 1:], weight[:, 1:]
    return _ratio((weight * loss).sum(1), weight.sum(1), empty=0)


def _ratio(numerator: Tensor, denominator: Tensor, *, empty: float) -> Tensor:
    """Return a quotient, and `empty` where the denominator is zero, with gradient zero."""
    is_empty = denominator == 0
    return torch.where(is_empty, empty, numerator / torch.where(is_empty, 1, denominator))
