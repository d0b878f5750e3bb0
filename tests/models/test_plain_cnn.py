import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError
from detcnn.models.komiske2017 import komiske2017
from detcnn.models.layers import ACTIVATIONS
from detcnn.models.plain_cnn import Block, plain_cnn


def n_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_komiske_network_has_the_published_number_of_parameters():
    # 64(8·8·3 + 1) + 2·64(4·4·64 + 1) + 128(64 + 1) + 2(128 + 1)
    assert n_parameters(komiske2017((3, 33, 33), 2)) == 152_130


def test_komiske_network_on_its_smallest_image_leaves_one_pixel_a_filter():
    network = komiske2017((3, 33, 33), 2)
    assert network.trunk.dense1.linear.in_features == 64
    with pytest.raises(
        ConfigError, match="small for 'block3'; the smallest for these blocks is 33x33"
    ):
        komiske2017((3, 33, 32), 2)


def test_parameters_counted_by_hand():
    network = plain_cnn((2, 6, 6), 3, blocks=[Block(filters=4, kernel=3)], dense=(5,))
    # 6 -> convolution 4 -> pool 2, so 4·2·2 = 16 inputs of the dense layer.
    assert n_parameters(network) == 4 * (2 * 9 + 1) + 5 * (16 + 1) + 3 * (5 + 1)


def test_without_blocks_and_dense_layers_it_is_a_linear_classifier():
    network = plain_cnn((1, 28, 28), 10, blocks=(), dense=())
    images = torch.rand(2, 1, 28, 28)
    expected = images.flatten(1) @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(images), expected)


blocks = st.lists(
    st.builds(
        Block,
        filters=st.integers(1, 3),
        kernel=st.integers(1, 5),
        padding=st.integers(0, 3),
        pool=st.integers(1, 3),
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(blocks=blocks, rows=st.integers(1, 24), columns=st.integers(1, 24))
def test_it_builds_exactly_the_networks_that_torch_can_run(blocks, rows, columns):
    chain = torch.nn.Sequential()
    for block in blocks:
        chain.append(torch.nn.LazyConv2d(block.filters, block.kernel, padding=block.padding))
        chain.append(torch.nn.MaxPool2d(block.pool))
    images = torch.zeros(1, 2, rows, columns)
    try:
        expected = chain(images)
    except RuntimeError:
        with pytest.raises(ConfigError, match="smallest for these blocks"):
            plain_cnn((2, rows, columns), 2, blocks=blocks)
        return
    network = plain_cnn((2, rows, columns), 2, blocks=blocks, dense=())
    assert network.features(images).shape == (1, expected.numel())


@settings(deadline=None, max_examples=40)
@given(blocks=blocks)
def test_the_smallest_image_in_the_message_is_the_smallest(blocks):
    smallest = next(size for size in range(1, 300) if _builds(blocks, size))
    assert all(not _builds(blocks, size) for size in range(1, smallest))
    if smallest > 1:
        with pytest.raises(ConfigError, match=f"is {smallest}x{smallest}: use"):
            plain_cnn((1, smallest - 1, smallest), 2, blocks=blocks)


def _builds(blocks: list[Block], size: int) -> bool:
    try:
        plain_cnn((1, size, size), 2, blocks=blocks, dense=())
    except ConfigError:
        return False
    return True


def test_logits_are_the_head_of_the_features():
    network = plain_cnn((3, 9, 9), 4).eval()
    images = torch.rand(5, 3, 9, 9)
    assert network.features(images).shape == (5, 128)
    assert network(images).shape == (5, 4)
    assert torch.equal(network(images), network.head(network.features(images)))


def test_weights_fill_the_interval_of_he_and_biases_are_zero():
    network = plain_cnn((3, 9, 9), 2, blocks=[Block(filters=64, kernel=3)])
    convolution = network.trunk.block1.convolution
    bound = math.sqrt(6 / (3 * 9))
    assert bound * 0.98 < convolution.weight.abs().max() <= bound
    assert convolution.weight.var().item() == pytest.approx(2 / (3 * 9), rel=0.1)
    assert not convolution.bias.any()


def test_dropout_in_a_block_drops_whole_channels():
    network = plain_cnn((1, 8, 8), 2, blocks=[Block(filters=50, padding=1, pool=1, dropout=0.5)])
    network.trunk.block1.convolution.bias.data.fill_(1.0)
    network.trunk.block1.convolution.weight.data.zero_()
    channels = network.trunk.block1(torch.zeros(4, 1, 8, 8)).flatten(2)
    assert torch.equal(channels.amin(2), channels.amax(2))
    assert set(channels.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation):
    network = plain_cnn((1, 9, 9), 2, activation=activation)
    network(torch.rand(2, 1, 9, 9)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pooling_first_where_it_may_changes_neither_outputs_nor_gradients(activation):
    block = Block(filters=6, padding=1, pool=3)
    layers = plain_cnn((2, 10, 10), 2, blocks=[block], activation=activation).trunk.block1
    images = torch.randn(4, 2, 10, 10)
    outputs = layers(images)
    outputs.square().sum().backward()
    weight = layers.convolution.weight
    found, weight.grad = weight.grad, None
    published = layers.pool(layers.activation(layers.convolution(images)))
    published.square().sum().backward()
    torch.testing.assert_close(outputs, published)
    torch.testing.assert_close(found, weight.grad)
    rises = activation not in ("gelu", "silu")
    assert [*layers._modules] == ["convolution", *sorted(("activation", "pool"), reverse=rises)]


def layers_of(block: Block) -> torch.nn.Module:
    return plain_cnn((2, 9, 8), 2, blocks=[block]).trunk.block1


@pytest.mark.parametrize("pool", [2, 3])
def test_what_is_kept_of_a_window(pool):
    images = torch.randn(3, 2, 9, 8)
    weight = torch.randn(4, 2, 3, 3)
    kept = {}
    for pooling in ("max", "mean", "sum", "stride"):
        layers = layers_of(Block(filters=4, padding=1, pool=pool, pooling=pooling))
        layers.convolution.weight.data = weight
        kept[pooling] = layers(images)
    full = torch.nn.functional.conv2d(images, weight, padding=1).relu()
    windows = full.unfold(2, pool, pool).unfold(3, pool, pool)
    torch.testing.assert_close(kept["max"], windows.amax((4, 5)))
    torch.testing.assert_close(kept["mean"], windows.mean((4, 5)))
    torch.testing.assert_close(kept["sum"], windows.sum((4, 5)))
    torch.testing.assert_close(kept["stride"], full[:, :, ::pool, ::pool])


def test_a_bottleneck_saves_weights():
    # 1·1·2 + 1 weights of each of 3 point-wise filters, then 3·3·3 + 1 of each of 8.
    layers = layers_of(Block(filters=8, padding=1, bottleneck=3))
    assert n_parameters(layers) == 3 * (2 + 1) + 8 * (27 + 1)
    assert layers(torch.rand(1, 2, 9, 8)).shape == (1, 8, 4, 4)
    assert layers.bottleneck(torch.rand(1, 2, 9, 8)).min() >= 0


def test_normalisation_comes_between_convolution_and_activation():
    for pooling in ("max", "mean"):
        network = plain_cnn((1, 9, 9), 2, blocks=[Block(filters=2, pooling=pooling)], norm="batch")
        names = [*network.trunk.block1._modules]
        assert names[:2] == ["convolution", "norm"]
        assert network.trunk.block1.convolution.bias is None


def test_a_volume_of_one_layer_is_a_picture():
    blocks = [Block(filters=3, padding=1, pool=1), Block(filters=4, padding=1, pool=1)]
    flat = plain_cnn((2, 6, 7), 2, blocks=blocks, dense=())
    deep = plain_cnn((2, 1, 6, 7), 2, blocks=blocks, dense=())
    weights = flat.state_dict()
    for name, weight in deep.state_dict().items():
        if weight.dim() == 5:
            # Zeros lie before and behind the one layer, and see the outer two of the kernel.
            weight[:, :, 1] = weights[name]
        else:
            weight.copy_(weights[name])
    images = torch.rand(2, 2, 6, 7)
    torch.testing.assert_close(deep(images.unsqueeze(2)), flat(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "rely"}, "unknown activation 'rely': expected one of relu"),
        ({"blocks": [{"filters": 8, "stride": 2}]}, "block 1 is .*expected 'filters' and"),
        ({"blocks": [{"kernel": 3}]}, "block 1 is .*expected 'filters' and"),
        ({"blocks": [8, 16]}, "block 1 is 8, expected 'filters'"),
        ({"blocks": 3}, "'blocks' is 3, expected a list"),
        ({"blocks": [{"filters": "8"}]}, "'filters' is '8', expected a whole number of at least 1"),
        ({"blocks": [{"filters": 0}]}, "'filters' is 0, expected"),
        ({"blocks": [{"filters": 1, "padding": -1}]}, "'padding' is -1, expected"),
        ({"blocks": [{"filters": 1, "dropout": 1.0}]}, "'dropout' is 1.0, expected"),
        ({"blocks": [{"filters": 1, "pooling": "min"}]}, "unknown pooling 'min': expected one of"),
        ({"blocks": [{"filters": 1, "bottleneck": -1}]}, "'bottleneck' is -1, expected"),
        ({"dense": [64, 0]}, "number 2 of 'dense' is 0, expected"),
        ({"dense_dropout": 1}, "'dense_dropout' is 1, expected"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        plain_cnn((1, 33, 33), 2, **options)
