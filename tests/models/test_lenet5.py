import torch

from detcnn.models.lenet5 import lenet5
from detcnn.models.network import n_parameters


def test_parameters_counted_by_hand():
    # 32 -> 28 -> 14 -> 10 -> 5: 25 pixels of 16 maps.
    convolutions = 6 * (25 + 1) + 16 * (6 * 25 + 1)
    dense = 120 * (400 + 1) + 84 * (120 + 1) + 10 * (84 + 1)
    assert convolutions + dense == 61_706
    assert n_parameters(lenet5((1, 32, 32), 10)) == 61_706


def test_activation_comes_before_the_mean():
    network = lenet5((1, 32, 32), 10)
    block = network.trunk.block1
    images = torch.randn(2, 1, 32, 32)
    full = block.convolution(images).tanh()
    windows = full.unfold(2, 2, 2).unfold(3, 2, 2)
    torch.testing.assert_close(block(images), windows.mean((4, 5)))
