import pytest
import torch

from detcnn.errors import ConfigError
from detcnn.models.macaluso2018 import macaluso2018


def n_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameters_counted_by_hand():
    # 37 -> 34 -> 31 -> 15 -> 12 -> 9 -> 4: 16 pixels of 64 filters.
    convolutions = 128 * (4 * 16 + 1) + 64 * (128 * 16 + 1) + 2 * 64 * (64 * 16 + 1)
    dense = 64 * (16 * 64 + 1) + 256 * (64 + 1) + 256 * (256 + 1) + 2 * (256 + 1)
    assert convolutions + dense == 419_202
    assert n_parameters(macaluso2018((4, 37, 37), 2)) == 419_202


def test_pooling_follows_every_second_convolution():
    shapes = []
    network = macaluso2018((1, 37, 40), 2)
    for block in list(network.trunk)[:4]:
        block.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    assert network(torch.zeros(1, 1, 37, 40)).shape == (1, 2)
    assert shapes == [(128, 34, 37), (64, 15, 17), (64, 12, 14), (64, 4, 5)]


def test_nothing_is_dropped():
    network = macaluso2018((1, 22, 22), 2)
    images = torch.rand(3, 1, 22, 22)
    assert torch.equal(network(images), network(images))


def test_the_smallest_image():
    assert macaluso2018((1, 22, 22), 3)(torch.rand(2, 1, 22, 22)).shape == (2, 3)
    with pytest.raises(ConfigError, match="the smallest for these blocks is 22x22"):
        macaluso2018((1, 22, 21), 3)
