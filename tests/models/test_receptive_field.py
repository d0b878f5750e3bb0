"""What a place sees, against what it sees in torch when the input is changed pixel by pixel."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from detcnn.models.receptive_field import ReceptiveField

N = 64


def seen_pixels(layers, n=N):
    """For each place of the last layer, which pixels of a line of n have a part in it.

    All weights are one, so that nothing cancels; maxima are taken as means.
    """
    line = torch.ones(1, 1, n, dtype=torch.float64, requires_grad=True)
    values = line
    for layer in layers:
        layer = layer.double()
        for weight in layer.parameters():
            nn.init.ones_(weight)
        values = layer(values)
    rows = []
    for place in range(values.shape[2]):
        (gradient,) = torch.autograd.grad(values[0, 0, place], line, retain_graph=True)
        rows.append(gradient[0, 0].numpy() != 0)
    return np.array(rows)


@st.composite
def steps(draw):
    kind = draw(st.sampled_from(["conv", "pool", "tconv", "nearest", "linear", "adaptive"]))
    k, s = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    p, d = draw(st.integers(0, k // 2)), draw(st.integers(1, 2))
    return kind, k, s, p, d


def both(step, field, n):
    """The layer of torch, what it makes of a field, and of n places."""
    kind, k, s, p, d = step
    match kind:
        case "conv":
            layer = nn.Conv1d(1, 1, k, stride=s, padding=p, dilation=d, bias=False)
            return layer, field.windowed(k, stride=s, padding=p, dilation=d)
        case "pool":
            return nn.AvgPool1d(k, s, p), field.windowed(k, stride=s, padding=p)
        case "tconv":
            # With both, the ends of the reach may fall between the weights.
            d = d if s == 1 else 1
            layer = nn.ConvTranspose1d(1, 1, k, stride=s, padding=p, dilation=d, bias=False)
            return layer, field.spread(k, stride=s, padding=p, dilation=d)
        case "adaptive":
            m = max(1, n - k)
            return nn.AdaptiveAvgPool1d(m), field.divided(n, m)
        case "nearest":
            return nn.Upsample(scale_factor=s), field.resized(n, n * s)
        case _:
            m = n * s + k
            return (
                nn.Upsample(size=m, mode="linear", align_corners=d == 2),
                field.resized(n, m, is_linear=True, align_corners=d == 2),
            )


@settings(deadline=None, max_examples=100)
@given(st.lists(steps(), min_size=1, max_size=4))
def test_the_field_is_what_changes_a_place(chain):
    field, layers, n = ReceptiveField(), [], N
    # Of ratios that are no whole number the period of the pattern is their product.
    odd = [step for step in chain if step[0] in ("linear", "adaptive")]
    chain = [step for step in chain if step not in odd[1:]]
    for step in chain:
        layer, new = both(step, field, n)
        try:
            m = layer(torch.zeros(1, 1, n)).shape[2]
        except RuntimeError:
            break
        if not 1 <= m <= 300:
            break
        field, n = new, m
        layers.append(layer)
    if not layers:
        return
    seen = seen_pixels(layers)
    period = len(field.low)
    sizes = []
    for place, pixels in enumerate(seen):
        turns, rest = divmod(place, period)
        low, high = (ends[rest] + turns * field.advance for ends in (field.low, field.high))
        sizes.append(high - low + 1)
        inside = np.flatnonzero(pixels)
        if low > high:
            assert not len(inside)
        elif len(inside) and low >= 0 and high < N:
            # Dilation and strides leave holes, never at the ends.
            assert (inside[0], inside[-1]) == (low, high)
        elif len(inside):
            assert low <= inside[0]
            assert inside[-1] <= high
    assert max(sizes) <= field.size


def test_the_first_layers_of_resnet_by_hand():
    field = ReceptiveField().windowed(7, stride=2, padding=3)
    assert (field.size, field.jump) == (7, 2)
    field = field.windowed(3, stride=2, padding=1)
    assert (field.size, field.jump) == (11, 4)
    assert field.windowed(3, padding=1).windowed(3, padding=1).size == 11 + 8 + 8


def test_up_again_depends_on_the_place():
    down = ReceptiveField().windowed(2, stride=2)
    up = down.spread(2, stride=2)
    assert (up.size, up.jump) == (2, 1)
    wide = up.windowed(2)
    # Two neighbours lie in one pair of pixels or in two.
    assert (wide.low, wide.high) == ((0, 0), (1, 3))
    assert wide.size == 4


def test_a_sum_sees_what_either_sees():
    trunk = ReceptiveField().windowed(3, stride=2, padding=1)
    branch = trunk.windowed(5, padding=2)
    both = trunk.joined(branch)
    assert both == branch.joined(trunk)
    assert both.size == branch.size == 11
    beside = trunk.windowed(1, padding=3).joined(trunk)
    assert beside.size == 3 + 6


def test_layers_of_other_strides_do_not_match():
    assert ReceptiveField().joined(ReceptiveField().windowed(1, stride=2)) is None


@pytest.mark.parametrize(("n", "m"), [(4, 8), (4, 6), (5, 3)])
def test_the_jump_of_an_interpolation(n, m):
    assert ReceptiveField().resized(n, m).jump == Fraction(n, m)
    assert ReceptiveField().resized(n, m, is_linear=True).jump == Fraction(n, m)
