import torch

from detcnn.models.deoliveira2016_maxout import MaxOut, deoliveira2016_maxout


def n_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameters_counted_by_hand():
    expected = 5 * 256 * (625 + 1) + 5 * 128 * (256 + 1) + 64 * 129 + 25 * 65 + 2 * 26
    assert expected == 975_693
    assert n_parameters(deoliveira2016_maxout((1, 25, 25), 2)) == 975_693


def test_a_unit_is_its_largest_piece():
    layer = MaxOut(1, 2, 3)
    # The first unit is the largest of x, -x and 2, the second of 3x, 1 and x - 4.
    layer.linear.weight.data = torch.tensor([1.0, -1, 0, 3, 0, 1]).unsqueeze(1)
    layer.linear.bias.data = torch.tensor([0.0, 0, 2, 0, 1, -4])
    found = layer(torch.tensor([[-5.0], [0.5], [4.0]]))
    assert found.tolist() == [[5, 1], [2, 1.5], [4, 12]]


def test_it_takes_images_of_any_size():
    for shape in ((1, 1, 1), (4, 3, 50)):
        network = deoliveira2016_maxout(shape, 3)
        assert network(torch.rand(2, *shape)).shape == (2, 3)
        assert network.features(torch.rand(2, *shape)).shape == (2, 25)
