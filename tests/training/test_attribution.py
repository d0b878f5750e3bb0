"""Gradients of a network small enough to work out by hand, and against finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.catalogue import build_network, describe_network
from detcnn.models.network import Network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.training.attribution import (
    check_layer,
    first_kernels,
    grad_cam,
    layer_maps,
    saliency,
    spatial_layers,
)


def plain(network, n_channels=1):
    flat = np.zeros((n_channels, 1, 1))
    return DetectorModel(Standardise(flat, flat + 1), network).eval()


@pytest.fixture
def tiny():
    """Two 1x1 filters, +1 and −1, of 2x2 pixels, a rectifier, and two dense outputs.

    The first output is 4 times the sum of the first map less the sum of the second; the second is
    twice the lower right pixel of the second map.
    """
    convolution = nn.Conv2d(1, 2, 1, bias=False)
    convolution.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    head = nn.Linear(8, 2, bias=False)
    head.weight.data = torch.tensor([[4.0] * 4 + [-1.0] * 4, [0.0] * 7 + [2.0]])
    trunk = nn.Sequential()
    trunk.add_module("convolution", convolution)
    trunk.add_module("activation", nn.ReLU())
    trunk.add_module("flatten", nn.Flatten())
    return plain(Network(trunk, head))


IMAGE = np.array([[[[1.0, -2.0], [3.0, -4.0]]]], dtype=np.float32)


def test_grad_cam_by_hand(tiny):
    # The maps are [1 0 / 3 0] and [0 2 / 0 4]. The first output has the weights 4 and −1, so the
    # sum is [4 −2 / 12 −4]; the second 0 and 2/4, so [0 1 / 0 2].
    maps = grad_cam(tiny, IMAGE, "trunk.activation")
    assert maps[0, 0].tolist() == [[4, 0], [12, 0]]
    assert maps[0, 1].tolist() == [[0, 1], [0, 2]]


def test_grad_cam_is_brought_to_the_size_of_the_image():
    pool = nn.Sequential()
    pool.add_module("pool", nn.AvgPool2d(2))
    pool.add_module("flatten", nn.Flatten())
    head = nn.Linear(4, 1, bias=False)
    head.weight.data.fill_(1.0)
    image = np.zeros((1, 1, 4, 4), dtype=np.float32)
    image[0, 0, :2, :2] = 8.0
    maps = grad_cam(plain(Network(pool, head)), image, "trunk.pool")
    # α is 1; between the centres of the coarse pixels values go linearly.
    line = np.array([8, 6, 2, 0]) / 8
    np.testing.assert_allclose(maps[0, 0], 8 * np.outer(line, line), rtol=1e-6)


def test_saliency_by_hand(tiny):
    # Where the pixel is above zero the first map is open, else the second.
    found = saliency(tiny, IMAGE)
    assert found[0, 0].tolist() == [[4, 1], [4, 1]]
    assert found[0, 1].tolist() == [[0, 0], [0, 2]]


def test_saliency_is_of_standardised_pixels_and_of_the_strongest_channel():
    head = nn.Linear(2, 1, bias=False)
    head.weight.data = torch.tensor([[3.0, -5.0]])
    network = Network(nn.Sequential(nn.Flatten()), head)
    scale = np.array([2.0, 10.0]).reshape(2, 1, 1)
    model = DetectorModel(Standardise(np.zeros((2, 1, 1)), scale), network)
    assert saliency(model, np.ones((1, 2, 1, 1), dtype=np.float32)).tolist() == [[[[5.0]]]]


def test_saliency_equals_finite_differences():
    described = describe_network(
        "plain_cnn",
        shape=(1, 6, 6),
        n_outputs=3,
        options={"blocks": [{"filters": 3, "pool": 1}], "activation": "tanh", "dense": []},
    )
    model = plain(build_network(described, seed=3))
    image = np.random.default_rng(0).normal(size=(1, 1, 6, 6)).astype(np.float32)
    found = saliency(model, image)
    step = 1e-2
    for row, column in ((0, 0), (2, 3), (5, 1)):
        up, down = image.copy(), image.copy()
        up[0, 0, row, column] += step
        down[0, 0, row, column] -= step
        with torch.no_grad():
            change = model(torch.from_numpy(up)) - model(torch.from_numpy(down))
        expected = np.abs(change.numpy()[0]) / (2 * step)
        np.testing.assert_allclose(found[0, :, row, column], expected, atol=1e-3)


def test_many_images_are_each_for_itself(tiny):
    images = np.random.default_rng(1).normal(size=(70, 1, 2, 2)).astype(np.float32)
    for method in (saliency, lambda m, x: grad_cam(m, x, "trunk.activation")):
        together = method(tiny, images)
        alone = np.concatenate([method(tiny, image[np.newaxis]) for image in images])
        np.testing.assert_allclose(together, alone, rtol=1e-6)
    maps = layer_maps(tiny, images, "trunk.activation")
    assert maps.shape == (70, 2, 2, 2)
    np.testing.assert_array_equal(maps[:, 0], np.maximum(images[:, 0], 0))


def test_layers_that_make_maps(tiny):
    layers = spatial_layers(tiny, IMAGE[0])
    assert layers == ("trunk.convolution", "trunk.activation")
    assert check_layer("trunk.activation", layers) == "trunk.activation"
    with pytest.raises(ConfigError, match="--layer head: expected .*: trunk.convolution, trunk"):
        check_layer("head", layers)
    with pytest.raises(ConfigError, match="none, for this network makes no maps"):
        check_layer("head", ())


def test_of_many_layers_the_last_ten_are_named():
    many = tuple(f"block{i}" for i in range(213))
    with pytest.raises(ConfigError) as refused:
        check_layer("head", many)
    assert "one of 213, of which the last 10 are block203, " in str(refused.value)
    assert str(refused.value).count("block") == 10


@pytest.mark.parametrize("periodic", [False, True])
def test_points_and_neighbours_are_no_image(periodic):
    options = {"points": 6, "neighbours": 3, "width": 0.1, "periodic": periodic}
    described = describe_network("particlenet", shape=(2, 8, 9), n_outputs=2, options=options)
    model = plain(build_network(described, seed=0), 2)
    image = np.random.default_rng(0).random((2, 8, 9), dtype=np.float32)
    assert spatial_layers(model, image) == ()
    assert first_kernels(model, image.shape) is None


def test_maps_beside_what_has_none_are_found(tiny):
    tiny.network.trunk.activation.has_maps = False
    # What is beside it, and named like it, still counts.
    tiny.network.trunk.add_module("activation2", nn.Unflatten(1, (2, 2, 2)))
    tiny.network.trunk.add_module("flatten2", nn.Flatten())
    assert spatial_layers(tiny, IMAGE[0]) == ("trunk.convolution", "trunk.activation2")


def test_the_first_kernels(tiny):
    kernels = first_kernels(tiny, (1, 2, 2))
    assert kernels.layer == "trunk.convolution"
    assert kernels.weights.ravel().tolist() == [1, -1]
    described = describe_network("dense", shape=(2, 3, 4), n_outputs=2, options={"sizes": [5]})
    units = first_kernels(plain(build_network(described, seed=0), 2), (2, 3, 4))
    assert units.weights.shape == (5, 2, 3, 4)
    assert first_kernels(plain(Network(nn.Linear(3, 2), nn.Linear(2, 1))), (1, 2, 2)) is None


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "vit"])
def test_networks_of_the_catalogue(name):
    options = {"growth": 4} if name == "densenet121" else {}
    options |= {"width": 0.1} if name in ("resnet18", "googlenet") else {}
    described = describe_network(name, shape=(2, 16, 20), n_outputs=3, options=options)
    model = plain(build_network(described, seed=0), 2)
    images = np.random.default_rng(0).random((2, 2, 16, 20), dtype=np.float32)
    layers = spatial_layers(model, images[0])
    found = grad_cam(model, images, layers[-1])
    assert found.shape == saliency(model, images).shape == (2, 3, 16, 20)
    assert (found >= 0).all()
