import pytest
import torch

from detcnn.errors import ConfigError
from detcnn.models.deoliveira2016 import deoliveira2016


def n_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("shape", "n_places"),
    # 25 -> 12 -> 4 -> 1; 37 -> 18 -> 6 -> 2 and 54 -> 27 -> 9 -> 3.
    [((1, 25, 25), 1), ((3, 37, 54), 6)],
)
def test_parameters_counted_by_hand(shape, n_places):
    convolutions = 32 * (11 * 11 * shape[0] + 1) + 2 * 32 * (3 * 3 * 32 + 1)
    dense = 64 * (32 * n_places + 1) + 2 * (64 + 1)
    assert n_parameters(deoliveira2016(shape, 2)) == convolutions + dense
    assert deoliveira2016(shape, 2)(torch.rand(2, *shape)).shape == (2, 2)


def test_the_published_size_is_the_documented_one():
    assert n_parameters(deoliveira2016((1, 25, 25), 2)) == 24_642


def test_responses_are_normalised_over_five_neighbouring_filters():
    layer = deoliveira2016((1, 25, 25), 2).trunk.normalise
    response = torch.arange(1.0, 8.0).reshape(1, 7, 1, 1)
    # Filter 3 has the neighbours 1 to 5, of values 2 to 6.
    expected = 4 / (2 + 1e-4 * (4 + 9 + 16 + 25 + 36)) ** 0.75
    assert layer(response)[0, 3].item() == pytest.approx(expected, rel=1e-5)


def test_pooling_before_the_rectifier_changes_nothing():
    block = deoliveira2016((1, 25, 25), 2).trunk.block1
    response = block.convolution(torch.randn(2, 1, 25, 25))
    expected = block.pool(block.activation(response))
    assert torch.equal(block.activation(block.pool(response)), expected)


def test_dropout_acts_in_training_alone():
    network = deoliveira2016((1, 25, 25), 2)
    images = torch.rand(4, 1, 25, 25)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_the_smallest_image():
    assert deoliveira2016((1, 18, 18), 2)(torch.rand(2, 1, 18, 18)).shape == (2, 2)
    message = "the image is 18x17, too small for 'block3'; the smallest for deoliveira2016 is 18x18"
    with pytest.raises(ConfigError, match=message):
        deoliveira2016((1, 18, 17), 2)
