import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.vit import Attention, Patches, vit


def test_attention_is_that_of_torch():
    ours = Attention(12, 3, 0.0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.data = ours.query_key_value.weight.data
    theirs.in_proj_bias.data = ours.query_key_value.bias.data
    theirs.out_proj.load_state_dict(ours.project.state_dict())
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


def test_patches_lie_row_by_row_and_are_filled_up_with_zeros():
    layer = Patches(1, 1, 2)
    nn.init.ones_(layer.project.weight)
    nn.init.zeros_(layer.project.bias)
    image = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    sums = [1 + 2 + 4 + 5, 3 + 6, 7 + 8, 9]
    assert layer(image).flatten().tolist() == sums


def test_it_knows_places_by_what_it_learned_about_them_alone():
    network = vit((1, 8, 8), 2, dim=16, depth=2).eval()
    images = torch.rand(2, 1, 8, 8)
    # The same patches elsewhere: the upper half below the lower one.
    swapped = torch.cat([images[:, :, 4:], images[:, :, :4]], dim=2)
    assert not torch.allclose(network(images), network(swapped), atol=1e-6)
    network.trunk.tokens.positions.data.zero_()
    torch.testing.assert_close(network(images), network(swapped))


def test_weights_are_narrow():
    network = vit((1, 32, 32), 2)
    weight = network.trunk.block1.think.body.linear1.weight
    assert abs(weight.std().item() / 0.02 - 1) < 0.02
    assert not network.trunk.block1.think.body.linear1.bias.any()
    assert abs(network.trunk.tokens.positions.std().item() / 0.02 - 1) < 0.05


def test_patches_larger_than_the_image():
    with pytest.raises(ConfigError, match="the image is 32x8, .* smallest for vit is 9x9: "):
        vit((1, 32, 8), 2, patch=9)
    assert vit((1, 32, 8), 2, patch=8)
