"""Summaries against real forward passes, and receptive fields against real gradients."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from detcnn.models.catalogue import NETWORKS, build_network, describe_network
from detcnn.models.entries import catalogue_entry, parameter_count, smallest_side
from detcnn.models.summary import summarise, summarise_module
from detcnn.models.tracing import Tracer

# Small, but every network takes it.
SHAPE = (2, 36, 40)
SLOW = {"densenet121", "inception_resnet_v2", "vit_b16", "vgg13", "vgg16", "vgg19", "resnext50"}


def layers_of(module, *shape):
    with torch.device("meta"):
        module = module.to("meta")
        return summarise_module(module, torch.empty(2, *shape))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - SLOW))
def test_shapes_and_parameters_are_those_of_a_forward_pass(name):
    described = describe_network(name, shape=SHAPE, n_outputs=3)
    network = build_network(described, seed=1).eval()
    real = {}
    # A layer may be called several times.
    for path, part in network.named_modules():
        part.register_forward_hook(
            lambda part, given, result, path=path: real.setdefault(path, []).append(
                tuple(result.shape[1:])
            )
        )
    with torch.no_grad():
        outputs = network(torch.rand(1, *SHAPE))
    found = summarise(described)
    assert found.parameters == sum(weight.numel() for weight in network.parameters())
    assert found.layers[-1].output_shape == tuple(outputs.shape[1:])
    for layer in found.layers:
        assert real[layer.name].pop(0) == layer.output_shape, layer.name


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "options", "millions"),
    [
        # Multiply-adds of the papers: 3.8 (ResNet-50), 1.8 (ResNet-18), 0.3 (MobileNet v2).
        ("resnet50", (3, 224, 224), 1000, {"stem": "imagenet"}, 3800),
        ("resnet18", (3, 224, 224), 1000, {"stem": "imagenet"}, 1800),
        ("mobilenet_v2", (3, 224, 224), 1000, {"stem": "imagenet"}, 300),
    ],
)
def test_multiply_adds_are_those_of_the_papers(name, shape, outputs, options, millions):
    described = describe_network(name, shape=shape, n_outputs=outputs, options=options)
    assert summarise(described).multiply_adds / 1e6 == pytest.approx(millions, rel=0.08)


def test_the_receptive_fields_of_resnet_50_and_vgg_16():
    """By hand: kernels of 3 at strides 4, 8, 16 and 32, the first of a stage at that before it."""
    described = describe_network(
        "resnet50", shape=(3, 224, 224), n_outputs=2, options={"stem": "imagenet"}
    )
    last = [layer for layer in summarise(described).layers if layer.jump is not None][-1]
    stages = 3 * 4 + (4 + 3 * 8) + (8 + 5 * 16) + (16 + 2 * 32)
    assert last.receptive_field == (11 + 2 * stages,) * 2 == (427, 427)
    assert last.jump == (32, 32)
    described = describe_network(
        "vgg16", shape=(3, 224, 224), n_outputs=2, options={"stem": "imagenet"}
    )
    last = [layer for layer in summarise(described).layers if layer.jump is not None][-1]
    assert last.receptive_field == (212, 212)


def test_a_plain_network_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4 * 4 * 5, 10),
    )
    conv, norm, relu, pool, flat, dropped, dense = layers_of(network, 1, 16, 20)
    assert (conv.output_shape, conv.receptive_field, conv.jump) == ((4, 8, 10), (3, 3), (2, 2))
    assert (conv.parameters, conv.multiply_adds) == (40, 4 * 8 * 10 * 9)
    assert conv.activation_bytes == norm.activation_bytes == relu.activation_bytes == 4 * 320
    assert norm.parameters == 8
    assert (pool.receptive_field, pool.jump) == ((5, 5), (4, 4))
    assert (flat.output_shape, flat.jump, flat.sees_all) == ((80,), None, False)
    # Nothing is copied.
    assert flat.activation_bytes == dropped.activation_bytes == 0
    assert (dense.receptive_field, dense.sees_all) == ((16, 20), True)
    assert (dense.parameters, dense.multiply_adds, dense.activation_bytes) == (810, 800, 40)


class Branches(nn.Module):
    """A small Inception block with a shortcut."""

    def __init__(self):
        super().__init__()
        self.narrow = nn.Conv2d(4, 2, 1)
        self.wide = nn.Conv2d(4, 2, 5, padding=2)

    def forward(self, images):
        return images + torch.cat([self.narrow(images), self.wide(images)], dim=1)


def test_a_sum_or_concatenation_sees_what_its_widest_branch_sees():
    found = layers_of(nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), Branches()), 1, 17, 17)
    assert [layer.name for layer in found] == ["0", "1.narrow", "1.wide", "1"]
    assert [layer.receptive_field[0] for layer in found] == [3, 3, 11, 11]
    block = found[-1]
    assert (block.kind, block.jump, block.parameters) == ("Branches", (2, 2), 0)
    # The concatenation and the sum.
    assert block.activation_bytes == 2 * 4 * found[0].output_shape[1] ** 2 * 4


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 3, 1))
        self.layer = nn.Conv1d(3, 3, 3, padding=1)

    def forward(self, line):
        return self.layer(self.layer(line)) * self.scale


def test_what_is_called_twice_is_learned_once():
    first, second, own = layers_of(Twice(), 3, 9)
    assert (first.parameters, second.parameters, own.parameters) == (30, 0, 3)
    assert (first.multiply_adds, second.multiply_adds) == (9 * 27, 9 * 27)
    assert (first.receptive_field, second.receptive_field) == ((3,), (5,))


class Patches(nn.Module):
    """The parts of a vision transformer."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(1, 8, 3, 3)
        self.pointwise = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, images):
        tokens = self.patch(images).flatten(2).transpose(1, 2)
        tokens = self.norm(self.pointwise(tokens))
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_attention_sees_all_and_what_is_done_to_each_token_does_not():
    patch, pointwise, norm, attention = layers_of(Patches(), 1, 9, 9)
    assert patch.receptive_field == pointwise.receptive_field == norm.receptive_field == (3, 3)
    assert pointwise.multiply_adds == 9 * 64
    assert attention.sees_all
    assert attention.parameters == 4 * 64 + 4 * 8
    # Queries, keys, values and output, and twice 9 x 9 products of 8.
    assert attention.multiply_adds == 9 * 4 * 64 + 2 * 81 * 8


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (nn.AdaptiveAvgPool2d(1), None),
        (nn.AdaptiveMaxPool2d(1), None),
        (nn.AdaptiveAvgPool2d(4), 2),
        (nn.Upsample(scale_factor=2), 1),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 2),
        (nn.ConvTranspose2d(2, 2, 2, stride=2), 1),
        (nn.ReflectionPad2d(1), 1),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), 3),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="replicate"), 3),
        (nn.LocalResponseNorm(3), 1),
        (nn.GroupNorm(1, 2), 1),
        (nn.Softmax(dim=1), 1),
        (nn.Softmax(dim=2), None),
        (nn.Softmax2d(), 1),
        (nn.PixelUnshuffle(2), None),
        (nn.LPPool2d(1, 2), 2),
        (nn.AvgPool2d(3, stride=1), 3),
        (nn.Unfold(3), 3),
    ],
)
def test_what_one_layer_sees(module, size):
    (layer,) = layers_of(module, 2, 8, 8)
    assert layer.receptive_field == ((8, 8) if size is None else (size, size))
    assert layer.sees_all == (size is None)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv3d])
def test_one_and_three_axes(kind):
    n = {nn.Conv1d: 1, nn.Conv3d: 3}[kind]
    pool = {1: nn.MaxPool1d, 3: nn.MaxPool3d}[n]
    mean = {1: nn.AvgPool1d, 3: nn.AvgPool3d}[n]
    network = nn.Sequential(kind(1, 2, 3, dilation=2), pool(2), mean(2))
    *_, last = layers_of(network, 1, *[16] * n)
    assert last.receptive_field == (8,) * n
    assert last.jump == (Fraction(4),) * n


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "unet", "plain_cnn", "xception"])
def test_what_a_network_sees_is_what_changes_its_features(name):
    """Only these pixels have a gradient, in the middle of a large image."""
    options = {"blocks": [{"filters": 2}] * 2} if name == "plain_cnn" else {"width": 0.05}
    if name == "unet":
        options["depth"] = 2
    n = 96
    described = describe_network(name, shape=(1, n, n), n_outputs=2, options=options)
    network = build_network(described, seed=0).eval().double()
    for path, weight in network.named_parameters():
        # All alike and of one sign, so that rectifiers are open and nothing cancels.
        weight.data.fill_(0.0 if path.endswith("bias") else 0.1)
    chosen = next(
        layer
        for layer in reversed(summarise(described).layers)
        if layer.jump is not None and layer.receptive_field[0] < n // 2
    )
    kept = {}
    part = network.get_submodule(chosen.name)
    part.register_forward_hook(lambda part, given, result: kept.update(result=result))
    image = torch.ones(1, 1, n, n, dtype=torch.float64, requires_grad=True)
    network(image)
    result = kept["result"][0]
    sizes = []
    for step in range(4):
        middle = result.shape[1] // 2 + step % 2, result.shape[2] // 2 + step // 2
        value = result[:, *middle].sum()
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
        rows, columns = np.nonzero(gradient[0, 0].numpy())
        sizes.append((np.ptp(rows) + 1, np.ptp(columns) + 1))
    if any(isinstance(layer, nn.MaxPool2d) for layer in network.modules()):
        # A maximum takes one of its pixels.
        assert all(size <= chosen.receptive_field for size in sizes)
        assert max(sizes)[0] > chosen.receptive_field[0] // 2
    else:
        assert max(sizes) == chosen.receptive_field


def test_no_weight_is_made():
    described = describe_network(
        "dense", shape=(1, 4000, 4000), n_outputs=2, options={"sizes": [100_000]}
    )
    # 6 TB of them.
    assert parameter_count(described) == 16_000_000 * 100_000 + 100_000 + 200_002
    assert summarise(described).parameters == parameter_count(described)


def test_a_tensor_that_no_image_went_into_sees_nothing():
    tracer = Tracer(torch.empty(2, 1, 4, device="meta"))
    with tracer:
        assert tracer.seen(torch.ones(3, device="meta")) is None


@pytest.mark.parametrize(
    ("name", "side"), [("komiske2017", 33), ("deoliveira2016", 18), ("macaluso2018", 22)]
)
def test_the_smallest_image(name, side):
    assert smallest_side(name, channels=2, n_axes=2) == side


def test_the_catalogue_tells_of_a_network():
    entry = catalogue_entry("komiske2017")
    assert "quark from gluon" in entry.headline
    assert "arXiv:1612.01551" in entry.source
    assert "dropout" in entry.documentation
    assert catalogue_entry("plain_cnn").options["dense"] == [128]
