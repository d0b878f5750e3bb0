import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.connections import Branches, Residual
from detcnn.models.layers import ACTIVATIONS, RISING, Layers
from detcnn.models.options import scaled


def test_normalisations_by_their_definition():
    images = torch.randn(4, 64, 5, 5) * 3 + 1
    axes = {"batch": (0, 2, 3), "layer": (1, 2, 3)}
    for norm, over in axes.items():
        mean = images.mean(over, keepdim=True)
        std = images.var(over, keepdim=True, correction=0).sqrt()
        outputs = Layers(norm=norm).normalisation(64)(images)
        torch.testing.assert_close(outputs, (images - mean) / std, rtol=1e-4, atol=1e-4)
    groups = images.unflatten(1, (32, 2))
    mean = groups.mean((2, 3, 4), keepdim=True)
    std = groups.var((2, 3, 4), keepdim=True, correction=0).sqrt()
    outputs = Layers(norm="group").normalisation(64)(images)
    expected = ((groups - mean) / std).flatten(1, 2)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(Layers(norm="none").normalisation(64)(images), images)


def test_a_group_norm_finds_groups_for_any_number_of_channels():
    for n_channels in (1, 5, 12, 24, 48, 96):
        images = torch.randn(2, n_channels, 4, 4)
        layer = Layers(norm="group").normalisation(n_channels)
        assert layer(images).shape == images.shape
        assert 32 % layer.num_groups == 0 == n_channels % layer.num_groups


def test_a_convolution_has_a_bias_where_no_normalisation_follows():
    assert Layers(norm="none").convolution(1, 1, 3).bias is not None
    for norm in ("batch", "group", "layer"):
        assert Layers(norm=norm).convolution(1, 1, 3).bias is None
        assert Layers(norm=norm).convolution(1, 1, 3, bias=True).bias is not None


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_rising_activations_are_those_that_never_fall(name):
    activation = ACTIVATIONS[name]()
    values = activation(torch.linspace(-9, 9, 1001))
    assert bool((values.diff() >= 0).all()) is isinstance(activation, RISING)


def test_a_mean_leaves_out_the_padding():
    image = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert Layers().mean_pool(3, stride=1, padding=1)(image).unique().tolist() == [4.0]


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    # 0.35 times 24 is 8.4, and 8 is near enough; 0.35 times 32 is 11.2, and 8 is not.
    [(24, 0.35, 8), (32, 0.35, 16), (64, 1, 64), (30, 1, 30), (64, 0.01, 8), (64, 1.4, 88)],
)
def test_filters_of_a_narrower_network(filters, width, expected):
    assert scaled(filters, width) == expected


def test_unknown_choices_are_refused():
    with pytest.raises(ConfigError, match="unknown norm 'instance': expected one of batch, group"):
        Layers(norm="instance")
    with pytest.raises(ConfigError, match="unknown activation 'rely': expected one of relu"):
        Layers(activation="rely")


def test_branches_are_joined_in_order():
    image = torch.rand(1, 1, 2, 2)
    branches = Branches({"same": nn.Identity(), "negative": nn.Threshold(2, -1)})
    assert torch.equal(branches(image), torch.cat([image, -torch.ones_like(image)], 1))


def test_a_residual_by_hand():
    double = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(double.weight, 2.0)
    image = torch.tensor([[[[3.0, -1.0]]]])
    assert Residual(double)(image).flatten().tolist() == [9, -3]
    scaled_and_cut = Residual(double, scale=0.5, activation=nn.ReLU())
    assert scaled_and_cut(image).flatten().tolist() == [6, 0]
    assert Residual(double, shortcut=double)(image).flatten().tolist() == [12, -4]
