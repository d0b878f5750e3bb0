import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from detcnn.models import periodic
from detcnn.models.layers import Layers

KINDS = {
    "convolution": (nn.Conv2d, periodic.PeriodicConv2d),
    "max": (nn.MaxPool2d, periodic.PeriodicMaxPool2d),
    "mean": (nn.AvgPool2d, periodic.PeriodicAvgPool2d),
}


def make(kind: str, kernel: tuple[int, int], stride: int, padding: int, which: int) -> nn.Module:
    sizes = {"stride": (stride, stride), "padding": (padding, padding)}
    if kind == "convolution":
        return KINDS[kind][which](2, 3, kernel, **sizes)
    options = {"count_include_pad": False} if kind == "mean" else {}
    return KINDS[kind][which](kernel, **sizes, **options)


@settings(deadline=None, max_examples=80)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 7)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    columns=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_each_window_is_cut_from_the_image_unrolled(kind, kernel, stride, padding, columns, seed):
    padding = min(padding, *(side // 2 for side in kernel))
    torch.manual_seed(seed)
    layer = make(kind, kernel, stride, padding, 1).double()
    ordinary = make(kind, kernel, 1, 0, 0).double()
    if kind == "convolution":
        ordinary.load_state_dict(layer.state_dict())
    images = torch.randn(1, 2, 6, columns, dtype=torch.float64)
    outputs = layer(images)
    assert outputs.shape[3] == -(-columns // stride)
    # Far from the ends of many images side by side, an ordinary window sees what a barrel holds.
    turns = 10
    unrolled = images.repeat(1, 1, 1, 2 * turns)
    for row in range(outputs.shape[2]):
        first = row * stride - padding
        rows = [r for r in range(first, first + kernel[0]) if 0 <= r < 6]
        for column in range(outputs.shape[3]):
            start = turns * columns + column * stride - padding
            window = unrolled[:, :, rows, start : start + kernel[1]]
            if kind == "convolution":
                zeros = (0, 0, max(0, -first), max(0, first + kernel[0] - 6))
                window = nn.functional.pad(window, zeros)
                expected = ordinary(window).flatten()
            elif kind == "max":
                expected = window.amax((2, 3)).flatten()
            else:
                expected = window.mean((2, 3)).flatten()
            torch.testing.assert_close(outputs[0, :, row, column], expected)


def test_rows_end_and_columns_do_not():
    layer = Layers(periodic=True).convolution(1, 1, 3, bias=False)
    nn.init.ones_(layer.weight)
    corner = torch.zeros(1, 1, 4, 5)
    corner[..., 0, 0] = 1
    expected = torch.zeros(4, 5)
    expected[0:2, [4, 0, 1]] = 1
    assert torch.equal(layer(corner)[0, 0], expected)


def test_a_layer_has_the_weights_of_the_ordinary_one():
    for n_axes in (1, 2, 3):
        ordinary = Layers(n_axes=n_axes).convolution(2, 4, 3, groups=2)
        wrapped = Layers(n_axes=n_axes, periodic=True).convolution(2, 4, 3, groups=2)
        wrapped.load_state_dict(ordinary.state_dict())
        image = torch.rand(1, 2, *[7] * n_axes)
        inside = (..., slice(1, -1))
        torch.testing.assert_close(wrapped(image)[inside], ordinary(image)[inside])
        assert not torch.allclose(wrapped(image)[..., 0], ordinary(image)[..., 0])


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("pool", ["max_pool", "mean_pool", "sum_pool"])
def test_pooling_wraps_an_odd_number_of_columns(n_axes, pool):
    image = torch.ones(1, 1, *[2] * (n_axes - 1), 3)
    image[..., 0] = 5
    outputs = getattr(Layers(n_axes=n_axes, periodic=True), pool)(2)(image).flatten()
    # The second window holds the last column, a one, and the first, a five.
    expected = {"max_pool": [5, 5], "mean_pool": [3, 3], "sum_pool": [3 * 2**n_axes] * 2}
    assert outputs.tolist() == expected[pool]
