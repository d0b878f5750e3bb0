import torch
from torch import nn

from detcnn.models.layers import Layers
from detcnn.models.resnet import SqueezeExcite, resnet18, resnet50, resnext50


def test_squeeze_and_excitation_by_hand():
    layer = SqueezeExcite(2, Layers())
    squeeze, excite = layer.weigh.squeeze, layer.weigh.excite
    nn.init.constant_(squeeze.weight, 1.0)
    nn.init.constant_(squeeze.bias, -1.0)
    excite.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    nn.init.zeros_(excite.bias)
    images = torch.tensor([[[[1.0, 3.0]], [[0.0, 4.0]]]])
    # Means 2 and 2, so that one unit sees 4 - 1 = 3.
    gates = torch.tensor([3.0, -3.0]).sigmoid().reshape(1, 2, 1, 1)
    torch.testing.assert_close(layer(images), images * gates)


def test_a_block_by_hand():
    block = resnet18((3, 16, 16), 2, width=0.125).eval().trunk.stage2.block1
    images = torch.rand(2, 8, 16, 16)
    first, second = block.body.convolution1, block.body.convolution2
    inner = first.norm(nn.functional.conv2d(images, first.convolution.weight, None, 2, 1)).relu()
    outer = second.norm(nn.functional.conv2d(inner, second.convolution.weight, None, 1, 1))
    passed = nn.functional.conv2d(images[:, :, ::2, ::2], block.shortcut.convolution.weight)
    expected = (outer + block.shortcut.norm(passed)).relu()
    torch.testing.assert_close(block(images), expected)


def test_the_detector_stem_keeps_every_pixel():
    sizes = {}
    for stem in ("detector", "imagenet"):
        network = resnet18((1, 33, 40), 2, width=0.125, stem=stem).eval()
        maps = torch.rand(1, 1, 33, 40)
        sizes[stem] = []
        for stage in list(network.trunk)[:-1]:
            maps = stage(maps)
            sizes[stem].append(tuple(maps.shape[2:]))
    assert sizes["detector"] == [(33, 40), (33, 40), (17, 20), (9, 10), (5, 5)]
    assert sizes["imagenet"] == [(17, 20), (9, 10), (9, 10), (5, 5), (3, 3), (2, 2)]


def test_groups_of_a_resnext_do_not_see_each_other():
    convolution = resnext50((1, 9, 9), 2).trunk.stage1.block2.body.convolution.convolution
    images = torch.rand(1, 128, 3, 3)
    changed = images.clone()
    changed[:, 4:8] += 1
    is_changed = (convolution(images) != convolution(changed)).any(dim=(0, 2, 3))
    assert is_changed.nonzero().flatten().tolist() == [4, 5, 6, 7]
    assert resnet50((1, 9, 9), 2).trunk.stage1.block2.body.convolution.convolution.groups == 1
