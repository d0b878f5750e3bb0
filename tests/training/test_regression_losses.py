import math

import numpy as np
import pytest
import torch

from detcnn.training.regression_losses import (
    absolute,
    bounded_log_variance,
    gaussian_nll,
    huber,
    log_cosh,
    squared,
)

LOSSES = {"squared": squared, "absolute": absolute, "huber": huber, "log_cosh": log_cosh}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (squared, (0.25 + 9) / 2),
        (absolute, (0.5 + 3) / 2),
        (huber, (0.125 + 2.5) / 2),
        (log_cosh, (math.log(math.cosh(0.5)) + math.log(math.cosh(3))) / 2),
    ],
)
def test_by_hand(loss, expected):
    outputs = torch.tensor([[1.5, 2.0], [1.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([[1.0, 5.0], [1.0, 1.0]], dtype=torch.float64)
    assert loss(outputs, target).tolist() == pytest.approx([expected, 0.0])


@each_loss
def test_what_is_not_valid_plays_no_part(loss):
    outputs = torch.tensor(np.random.default_rng(0).normal(size=(3, 2, 4)), requires_grad=True)
    target = torch.zeros(3, 2, 4, dtype=torch.float64)
    valid = torch.ones(3, 2, 4, dtype=torch.bool)
    valid[0, 0] = False
    valid[1] = False
    value = loss(outputs, target.where(valid, math.nan), valid)
    value.sum().backward()
    assert value[1] == 0
    assert torch.all(outputs.grad[~valid] == 0)
    assert torch.all(outputs.grad[valid] != 0)
    torch.testing.assert_close(value[0], loss(outputs[0, 1][None], target[0, 1][None])[0])


@each_loss
def test_gradients(loss):
    outputs = torch.tensor(np.random.default_rng(1).normal(size=(3, 5)), requires_grad=True)
    target = torch.zeros(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), outputs)
    far = torch.tensor([[-1e15, 1e15, 0.0]], requires_grad=True)
    value = loss(far, torch.zeros(1, 3))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(far.grad).all()


def test_likelihood_is_that_of_torch():
    rng = np.random.default_rng(2)
    mean, s, target = torch.tensor(rng.normal(size=(3, 4, 2)))
    found = gaussian_nll(mean, s, target)
    expected = torch.nn.functional.gaussian_nll_loss(
        mean, target, s.exp(), full=True, reduction="none"
    ).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_likelihood_is_greatest_at_the_true_width():
    # Two residuals of 3: the variance that fits best is 9.
    s = torch.tensor([[math.log(9.0), math.log(9.0)]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[3.0, -3.0]], dtype=torch.float64)
    loss = gaussian_nll(torch.zeros(1, 2, dtype=torch.float64), s, target)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.5 + math.log(3) + math.log(2 * math.pi) / 2, abs=1e-5)
    assert s.grad.abs().max() < 1e-5


def test_beta_one_gives_the_mean_the_gradient_of_the_square():
    rng = np.random.default_rng(3)
    mean, s, target = torch.tensor(rng.normal(size=(3, 4, 2)))
    mean.requires_grad_()
    (found,) = torch.autograd.grad(gaussian_nll(mean, s, target, beta=1.0).sum(), mean)
    (expected,) = torch.autograd.grad(squared(mean, target).sum() / 2, mean)
    torch.testing.assert_close(found, expected)


def test_gradient_of_the_likelihood():
    rng = np.random.default_rng(4)
    mean, s, target = torch.tensor(rng.normal(size=(3, 4, 2)))
    assert torch.autograd.gradcheck(
        lambda m, v: gaussian_nll(m, v, target), (mean.requires_grad_(), s.requires_grad_())
    )


def test_a_variance_has_bounds_and_finds_its_way_back():
    raw = torch.tensor([-1e30, -20.0, 0.0, 20.0, 1e30], requires_grad=True)
    bounded = bounded_log_variance(raw, limits=(-10.0, 10.0))
    assert bounded.tolist() == pytest.approx([-10, -10, 0, 10, 10], abs=1e-3)
    bounded.sum().backward()
    assert torch.all(raw.grad[1:4] > 0)
    mean = torch.full((1, 5), 1e8, requires_grad=True)
    loss = gaussian_nll(mean, raw[None], torch.zeros(1, 5))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(mean.grad).all()
    assert torch.isfinite(raw.grad).all()
