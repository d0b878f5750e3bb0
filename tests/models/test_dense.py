import pytest
import torch

from detcnn.models.dense import dense
from detcnn.models.network import n_parameters


def test_784_30_10_has_the_published_number_of_parameters():
    network = dense((1, 28, 28), 10, sizes=(30,), activation="sigmoid", init="scaled_normal")
    assert n_parameters(network) == 784 * 30 + 30 + 30 * 10 + 10 == 23_860


def test_it_is_what_the_book_writes_down():
    network = dense((1, 4, 4), 3, sizes=(5,), activation="sigmoid", init="normal")
    layer = network.trunk.dense1.linear
    image = torch.rand(1, 1, 4, 4)
    hidden = 1 / (1 + torch.exp(-(layer.weight @ image.flatten() + layer.bias)))
    expected = network.head.weight @ hidden + network.head.bias
    torch.testing.assert_close(network(image)[0], expected)
    torch.testing.assert_close(network.features(image)[0], hidden)


@pytest.mark.parametrize(("init", "width"), [("normal", 1.0), ("scaled_normal", 1 / 28)])
def test_weights_as_in_the_book(init, width):
    layer = dense((1, 28, 28), 10, sizes=(400,), init=init).trunk.dense1.linear
    assert layer.weight.std().item() == pytest.approx(width, rel=0.02)
    assert layer.bias.std().item() == pytest.approx(1, rel=0.2)
    # Not cut off, as a uniform distribution of that width would be at 1.7.
    assert layer.weight.abs().max() > 3 * width


def test_without_hidden_layers_it_is_a_linear_classifier():
    network = dense((2, 3, 3), 4, sizes=())
    images = torch.rand(5, 2, 3, 3)
    expected = images.flatten(1) @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(images), expected)
