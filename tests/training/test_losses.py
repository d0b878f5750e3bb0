import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from detcnn.training.losses import (
    binary_cross_entropy,
    dice,
    focal,
    focal_heat_map,
    lovasz_softmax,
    pixel_cross_entropy,
    tversky,
    weighted_sum,
)

LOSSES = {
    "cross_entropy": pixel_cross_entropy,
    "cross_entropy per pixel": partial(pixel_cross_entropy, per="pixel"),
    "focal": focal,
    "focal, small power": partial(focal, gamma=0.5),
    "dice": dice,
    "dice, squared": partial(dice, squared=True, smooth=0.0),
    "dice of foreground": partial(dice, foreground_only=True),
    "tversky": tversky,
    "lovasz": lovasz_softmax,
    "sum": weighted_sum([(0.5, pixel_cross_entropy), (2.0, dice)]),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())

LN2, LN3 = math.log(2), math.log(3)
# Softmax of class 1: 1/2, 3/4, 1/4, 3/4; the truth 0, 1, 1, and a pixel that is ignored.
LOGITS = torch.tensor([[[[0, 0], [0, 0]], [[0, LN3], [-LN3, LN3]]]], dtype=torch.float64)
TARGET = torch.tensor([[[0, 1], [1, 77]]])
VALID = torch.tensor([[[True, True], [True, False]]])
Q = (1 / 2, 3 / 4, 1 / 4)


def random_case(shape=(3, 4, 5, 6), seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=shape), dtype=dtype)
    target = torch.tensor(rng.integers(0, shape[1], (shape[0], *shape[2:])))
    valid = torch.tensor(rng.random(target.shape) < 0.7)
    return logits, target.where(valid, -1), valid


def test_cross_entropy_and_focal_by_hand():
    ce = [-math.log(q) for q in Q]
    assert pixel_cross_entropy(LOGITS, TARGET, VALID).item() == pytest.approx(sum(ce) / 3)
    weights = torch.tensor([1.0, 4.0])
    weighted = ce[0] + 4 * ce[1] + 4 * ce[2]
    by_weight = pixel_cross_entropy(LOGITS, TARGET, VALID, class_weights=weights)
    assert by_weight.item() == pytest.approx(weighted / 9)
    by_pixel = pixel_cross_entropy(LOGITS, TARGET, VALID, class_weights=weights, per="pixel")
    assert by_pixel.item() == pytest.approx(weighted / 3)
    expected = (ce[0] / 4 + ce[1] / 16 + ce[2] * 9 / 16) / 3
    assert focal(LOGITS, TARGET, VALID, gamma=2.0).item() == pytest.approx(expected)


def test_overlaps_by_hand():
    # Class 0: hits 1/2, false 1/4 + 3/4, missed 1/2. Class 1: hits 3/4 + 1/4, false 1/2, missed 1.
    index0 = (0.5 + 1) / (0.5 + 0.2 * 1.0 + 0.6 * 0.5 + 1)
    index1 = (1.0 + 1) / (1.0 + 0.2 * 0.5 + 0.6 * 1.0 + 1)
    found = tversky(LOGITS, TARGET, VALID, alpha=0.2, beta=0.6, smooth=2.0)
    assert found.item() == pytest.approx(1 - (index0 + index1) / 2)
    dice0, dice1 = 1 / 2.5, 2 / 3.5
    assert dice(LOGITS, TARGET, VALID, smooth=0.0).item() == pytest.approx(1 - (dice0 + dice1) / 2)
    front = dice(LOGITS, TARGET, VALID, smooth=0.0, foreground_only=True)
    assert front.item() == pytest.approx(1 - dice1)
    weights = torch.tensor([1.0, 3.0])
    weighted = dice(LOGITS, TARGET, VALID, smooth=0.0, class_weights=weights)
    assert weighted.item() == pytest.approx(1 - (dice0 + 3 * dice1) / 4)
    squares = dice(LOGITS, TARGET, VALID, smooth=0.0, squared=True, foreground_only=True)
    assert squares.item() == pytest.approx(1 - 2 / (1 / 4 + 9 / 16 + 1 / 16 + 2))


def test_lovasz_by_hand():
    # Class 1: errors 3/4, 1/2, 1/4 at a true, a false, a true pixel. As each is given up in turn,
    # the union of two grows to three: the Jaccard loss is 1/2, 2/3, 1.
    loss1 = 3 / 4 * 1 / 2 + 1 / 2 * 1 / 6 + 1 / 4 * 1 / 3
    found = lovasz_softmax(LOGITS, TARGET, VALID, foreground_only=True)
    assert found.item() == pytest.approx(loss1)
    # Class 0: the same errors at a false, the true, a false pixel: 1/2, 1, 1.
    loss0 = 3 / 4 * 1 / 2 + 1 / 2 * 1 / 2
    assert lovasz_softmax(LOGITS, TARGET, VALID).item() == pytest.approx((loss0 + loss1) / 2)


def slow_lovasz(logits, target, valid):
    """The integral over thresholds of the Jaccard loss of what is above them."""
    losses = []
    for z, t, v in zip(logits, target, valid, strict=True):
        q = np.exp(z - z.max(0)) / np.exp(z - z.max(0)).sum(0)
        per_class = []
        for c in range(len(z)):
            is_true = (t == c) & v
            if not is_true.any():
                continue
            error = np.abs(is_true - q[c])
            levels = np.unique(np.concatenate([[0.0], error[v]]))
            loss = 0.0
            for low, high in pairwise(levels):
                wrong = v & (error >= high)
                said = is_true ^ wrong
                loss += (high - low) * (1 - (said & is_true).sum() / (said | is_true).sum())
            per_class.append(loss)
        losses.append(np.mean(per_class) if per_class else 0.0)
    return losses


def test_lovasz_agrees_with_the_integral_over_thresholds():
    logits, target, valid = random_case((5, 6, 3, 4), seed=3)
    valid[4] = False
    expected = slow_lovasz(logits.numpy(), target.numpy(), valid.numpy())
    np.testing.assert_allclose(lovasz_softmax(logits, target, valid), expected, rtol=1e-12)


def test_lovasz_of_a_hard_prediction_is_the_intersection_over_union():
    rng = np.random.default_rng(1)
    said, target = rng.integers(0, 2, (2, 1, 6, 6))
    logits = torch.tensor(np.stack([1 - said, said], axis=1) * 1e4)
    found = lovasz_softmax(
        logits, torch.tensor(target), torch.ones(1, 6, 6, dtype=torch.bool), foreground_only=True
    )
    iou = (said & target).sum() / (said | target).sum()
    assert found.item() == pytest.approx(1 - iou)


def test_known_limits():
    case = random_case()
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    torch.testing.assert_close(
        focal(*case, gamma=0.0, class_weights=weights),
        pixel_cross_entropy(*case, class_weights=weights),
    )
    torch.testing.assert_close(tversky(*case, alpha=0.5, beta=0.5), dice(*case))
    logits, target, valid = case
    everywhere = torch.ones_like(valid)
    torch.testing.assert_close(
        pixel_cross_entropy(logits, target.clamp_min(0), everywhere),
        torch.nn.functional.cross_entropy(logits, target.clamp_min(0), reduction="none").mean(
            (1, 2)
        ),
    )


@each_loss
def test_the_gradient_is_that_of_the_loss(loss):
    logits, target, valid = random_case((2, 3, 2, 3), seed=1)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: loss(z, target, valid, class_weights=weights), logits.requires_grad_()
    )


@each_loss
def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_does(loss):
    _, target, valid = random_case()
    target = target.clamp_min(0)
    right = 1e4 * torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    assert loss(right, target, valid).abs().max() < 1e-6
    assert loss(right.roll(1, dims=1), target, valid).min() > 0.5


@each_loss
def test_what_is_ignored_plays_no_part(loss):
    logits, target, valid = random_case()
    valid[1] = False
    logits.requires_grad_()
    value = loss(logits, target, valid)
    assert value[1] == 0
    value.sum().backward()
    ignored = ~valid.unsqueeze(1).expand_as(logits)
    assert torch.all(logits.grad[ignored] == 0)
    assert torch.all(logits.grad[0][:, valid[0]] != 0)
    changed = torch.where(ignored, logits.detach() * 5 + 3, logits.detach())
    torch.testing.assert_close(loss(changed, target.where(valid, 3), valid), value.detach())


@each_loss
@pytest.mark.parametrize("size", [0.0, 100.0, 1e30])
def test_extreme_logits_stay_finite(loss, size):
    logits, target, valid = random_case(dtype=torch.float32)
    valid[0] = False
    logits = (logits.sign() * size).requires_grad_()
    value = loss(logits, target, valid)
    value.sum().backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()


@each_loss
def test_half_precision_is_computed_in_float32(loss):
    logits, target, valid = random_case()
    half = logits.to(torch.bfloat16)
    torch.testing.assert_close(
        loss(half, target, valid), loss(half.float(), target, valid), rtol=0, atol=0
    )


@each_loss
def test_order_plays_no_part(loss):
    """Neither of pixels nor of images nor of the foreground classes, and no axis is special."""
    logits, target, valid = random_case()
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    value = loss(logits, target, valid, class_weights=weights)
    rng = np.random.default_rng(2)
    pixels = torch.tensor(rng.permutation(30))
    moved = (
        logits.flatten(2)[..., pixels],
        target.flatten(1)[:, pixels],
        valid.flatten(1)[:, pixels],
    )
    torch.testing.assert_close(loss(*moved, class_weights=weights), value)
    flipped = loss(logits.flip(0), target.flip(0), valid.flip(0), class_weights=weights)
    torch.testing.assert_close(flipped.flip(0), value)
    order = torch.tensor([0, 3, 1, 2])
    renamed = order.argsort()[target.clamp_min(0)]
    torch.testing.assert_close(
        loss(logits[:, order], renamed, valid, class_weights=weights[order]), value
    )


def test_false_pixels_of_an_absent_class_cost_something():
    logits = torch.zeros(1, 2, 3, 3, requires_grad=True)
    target, valid = torch.zeros(1, 3, 3, dtype=torch.long), torch.ones(1, 3, 3, dtype=torch.bool)
    for loss in (dice, tversky):
        (gradient,) = torch.autograd.grad(
            loss(logits, target, valid, foreground_only=True).sum(), logits
        )
        assert torch.all(gradient[:, 1] > 0)


def test_binary_cross_entropy_by_hand():
    logits = torch.tensor([[LN3, 0.0, -LN3], [1.0, 1.0, 1.0]])
    target = torch.tensor([[1.0, 0.0, 1.0], [math.nan, math.nan, math.nan]])
    valid = torch.tensor([[True, True, True], [False, False, False]])
    weights = torch.tensor([2.0, 7.0, 3.0])
    found = binary_cross_entropy(logits, target, valid, positive_weights=weights)
    expected = (2 * math.log(4 / 3) + LN2 + 3 * math.log(4)) / 3
    assert found.tolist() == pytest.approx([expected, 0.0])
    plain = binary_cross_entropy(logits[:1], target[:1])
    assert plain.item() == pytest.approx((math.log(4 / 3) + LN2 + math.log(4)) / 3)


def test_heat_map_by_hand():
    # q = 3/4, 1/2, 1/4: the point, its neighbour with heat 1/2, far away.
    logits = torch.tensor([[[[LN3, 0.0, -LN3]]]])
    heat = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    point = (1 / 4) ** 2 * math.log(4 / 3)
    near = (1 / 2) ** 4 * (1 / 2) ** 2 * LN2
    far = (1 / 4) ** 2 * math.log(4 / 3)
    assert focal_heat_map(logits, heat).item() == pytest.approx(point + near + far)
    twice = focal_heat_map(logits.repeat(1, 1, 2, 1), heat.repeat(1, 1, 2, 1))
    assert twice.item() == pytest.approx(point + near + far)
    # No point: nothing to divide by.
    empty = focal_heat_map(logits[..., 2:], heat[..., 2:])
    assert empty.item() == pytest.approx(far)
    valid = torch.tensor([[[[False, True, True]]]])
    assert focal_heat_map(logits, heat, valid).item() == pytest.approx(near + far)


def test_heat_map_gradient():
    rng = np.random.default_rng(0)
    heat = torch.tensor(rng.random((2, 1, 3, 3)))
    heat[0, 0, 1, 1] = 1
    logits = torch.tensor(rng.normal(size=(2, 1, 3, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: focal_heat_map(z, heat), logits)
    wild = torch.tensor([[[[-1e30, 1e4, -1e4, 1e30]]]], requires_grad=True)
    focal_heat_map(wild, torch.tensor([[[[1.0, 1.0, 0.3, 0.0]]]])).sum().backward()
    assert torch.isfinite(wild.grad).all()
