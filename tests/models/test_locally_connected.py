import torch

from detcnn.models.locally_connected import LocallyConnected, locally_connected
from detcnn.models.network import n_parameters


def test_every_place_has_its_own_kernel():
    layer = LocallyConnected(2, 3, 2, n_rows=3, n_columns=4).double()
    torch.nn.init.normal_(layer.bias)
    images = torch.rand(2, 2, 4, 5, dtype=torch.float64)
    outputs = layer(images)
    assert outputs.shape == (2, 3, 3, 4)
    for row in range(3):
        for column in range(4):
            window = images[:, :, row : row + 2, column : column + 2].flatten(1)
            place = row * 4 + column
            expected = window @ layer.weight[place].T + layer.bias[:, place]
            torch.testing.assert_close(outputs[:, :, row, column], expected)


def test_with_equal_kernels_it_is_a_convolution():
    kernel = torch.rand(3, 2, 3, 3)
    for periodic, n_columns in ((False, 4), (True, 6)):
        layer = LocallyConnected(2, 3, 3, n_rows=5, n_columns=n_columns, periodic=periodic)
        layer.weight.data = kernel.flatten(1).expand_as(layer.weight)
        images = torch.rand(1, 2, 7, 6)
        outputs = layer(images)
        expected = torch.nn.functional.conv2d(images, kernel)
        torch.testing.assert_close(outputs[..., :4], expected)
        if periodic:
            torch.testing.assert_close(layer(images.roll(1, 3)), outputs.roll(1, 3))


def test_parameters_counted_by_hand():
    # 9 -> 7 -> 3 and 8 -> 6 -> 3; then 3 -> 1, where nothing is left to pool.
    network = locally_connected((2, 9, 8), 2, filters=(4,), dense=(5,))
    assert n_parameters(network) == 7 * 6 * 4 * (18 + 1) + 5 * (4 * 9 + 1) + 2 * 6
