import pytest
import torch

from detcnn.models.layers import Layers
from detcnn.models.network import n_parameters
from detcnn.models.particlenet import BrightestPixels, EdgeConv, particlenet


def sparse_images(n_images: int, n_filled: int, *, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    images = torch.zeros(n_images, 2, 81)
    for image in images:
        places = torch.randperm(81, generator=rng)[:n_filled]
        image[:, places] = torch.rand(2, n_filled, generator=rng) + 0.1
    return images.unflatten(2, (9, 9))


def test_the_published_size_has_the_published_number_of_parameters():
    assert n_parameters(particlenet((5, 33, 33), 2)) == 366_160


def test_the_brightest_pixels_by_hand():
    image = torch.zeros(1, 2, 3, 5)
    image[0, :, 1, 2] = torch.tensor([1.0, 2.0])
    image[0, :, 0, 4] = torch.tensor([5.0, 0.0])
    # As bright as the first, and before it in the image.
    image[0, :, 0, 1] = torch.tensor([0.0, 3.0])
    points = BrightestPixels((2, 3, 5), 4)(image)[0]
    # One column a point: there, row, column, and both channels; two pixels are 4/5 of half a side.
    expected = [
        [1, 1, 1, 0],
        [-0.4, -0.4, 0, 0],
        [0.8, -0.4, 0, 0],
        [5, 0, 1, 0],
        [0, 3, 2, 0],
    ]
    torch.testing.assert_close(points, torch.tensor(expected))


def test_negative_pixels_are_filled_too():
    image = torch.zeros(1, 1, 2, 2)
    image[0, 0, 1, 1] = -3.0
    points = BrightestPixels((1, 2, 2), 2)(image)[0]
    assert points[0].tolist() == [1, 0]
    assert points[3].tolist() == [-3, 0]


def test_an_edge_convolution_against_a_slow_one():
    torch.manual_seed(3)
    layer = EdgeConv(3, 4, 2, Layers(norm="batch")).double().eval()
    features = torch.randn(1, 3, 5, dtype=torch.float64)
    coordinates = torch.tensor([[[0.0, 1, 2, 4, 1.5]]], dtype=torch.float64)
    is_point = torch.tensor([[[1.0, 1, 1, 1, 0]]], dtype=torch.float64)
    outputs = layer(features, coordinates, is_point)
    # Point 1 is as far from 0 as from 2; what is no point is nobody's neighbour, though near.
    neighbours = {0: [1, 2], 1: [0, 2], 2: [1, 0], 3: [2, 1]}
    for point, others in neighbours.items():
        here = features[:, :, point]
        edges = [torch.cat([here, features[:, :, other] - here], dim=1) for other in others]
        seen = [layer.edges(edge.reshape(1, 6, 1, 1)).flatten() for edge in edges]
        kept = layer.shortcut(here.reshape(1, 3, 1, 1)).flatten()
        torch.testing.assert_close(outputs[0, :, point], (sum(seen) / 2 + kept).relu())
    assert not outputs[0, :, 4].any()


def test_empty_places_in_the_cloud_change_nothing():
    images = sparse_images(4, 20, seed=1)
    tight, roomy = (
        particlenet((2, 9, 9), 2, width=0.125, points=n, neighbours=5).double().eval()
        for n in (20, 60)
    )
    roomy.load_state_dict(tight.state_dict())
    torch.testing.assert_close(roomy(images.double()), tight(images.double()))


def test_few_points_and_none_at_all():
    network = particlenet((2, 9, 9), 2, width=0.125, points=30, neighbours=8)
    images = torch.cat([sparse_images(1, n, seed=n) for n in (0, 1, 2, 5)])
    network(images).square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())
    # A lonely point learns from itself.
    alone = network.eval()(images)
    assert not torch.equal(alone[0], alone[1])


def test_equally_distant_neighbours_are_always_taken_in_the_same_order():
    network = particlenet((1, 9, 9), 2, width=0.125, points=81, neighbours=6).eval()
    # On a full grid of equal pixels nearly all distances are equal to others.
    image = torch.ones(1, 1, 9, 9)
    first = network(image)
    alone, among = network(image), network(torch.cat([torch.rand(2, 1, 9, 9), image]))
    assert torch.equal(alone, first)
    torch.testing.assert_close(among[2:], first)


@pytest.mark.parametrize("columns", [8, 9])
def test_on_a_barrel_a_turn_changes_nothing(columns):
    images = sparse_images(4, 20, seed=2)[..., :columns].double()
    for periodic in (True, False):
        network = particlenet(
            (2, 9, columns), 2, width=0.125, points=12, neighbours=4, periodic=periodic
        )
        network = network.double().eval()
        for turn in (1, 4, 7):
            turned = network(images.roll(turn, dims=3))
            assert torch.allclose(turned, network(images), atol=1e-12) is periodic


def test_on_a_barrel_distances_are_the_short_way_round():
    image = torch.zeros(1, 1, 3, 10)
    for brightness, column in ((3.0, 0), (2.0, 9), (1.0, 5)):
        image[0, 0, 1, column] = brightness
    cloud = particlenet((1, 3, 10), 2, points=3, periodic=True).trunk.cloud
    # A pixel is 2/10; the first is one step from the second, and half the way from the third.
    found = cloud._delta_phi(cloud.points(image)[:, 2:3], 10)[0] / 0.2
    expected = torch.tensor([[0.0, -1, -5], [1, 0, -4], [-5, 4, 0]])
    torch.testing.assert_close(found, expected)
