"""Every network of the catalogue keeps the same promises."""

import inspect
import json
import re
from itertools import chain, takewhile
from math import prod

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.catalogue import (
    NETWORKS,
    PER_PIXEL,
    Architecture,
    build_network,
    describe_network,
)
from detcnn.models.layers import NORMS
from detcnn.models.network import Network, n_parameters
from detcnn.models.shapes import output_shape

SHAPE = (2, 35, 37)
SHAPES = ((2, 33, 48), (4, 41, 35))

RESNETS = ("resnet18", "resnet34", "resnet50", "resnext50", "se_resnet18", "se_resnet50")
VGGS = ("vgg11", "vgg13", "vgg16", "vgg19")

SMALL = {
    "alexnet": {"width": 0.125, "dense": [16]},
    "cvn": {"width": 0.125},
    "densenet121": {"growth": 4},
    "googlenet": {"width": 0.125},
    "inception_resnet_v2": {"width": 0.125, "depths": [1, 2, 1]},
    "mobilenet_v1": {"width": 0.25},
    "mobilenet_v2": {"width": 0.25},
    "particlenet": {"width": 0.125, "points": 12, "neighbours": 4},
    "vit": {"depth": 2, "dim": 16},
    "xception": {"width": 0.0625},
    "residual_unet": {"width": 0.125, "depth": 3},
    "unet": {"width": 0.125, "depth": 3},
    **{name: {"width": 0.125} for name in RESNETS},
    **{name: {"width": 0.125, "dense": [16]} for name in VGGS},
}
"""Options that make a network quick."""

PUBLISHED = {
    # Name: side of the image, parameters, shape of the last maps.
    "alexnet": (224, 61_100_840, (256, 6, 6)),
    "densenet121": (224, 7_978_856, (1024, 7, 7)),
    "googlenet": (224, 6_998_552, (1024, 7, 7)),
    "inception_resnet_v2": (299, 55_843_464, (1536, 8, 8)),
    "mobilenet_v1": (224, 4_231_976, (1024, 7, 7)),
    "mobilenet_v2": (224, 3_504_872, (1280, 7, 7)),
    "resnet18": (224, 11_689_512, (512, 7, 7)),
    "resnet34": (224, 21_797_672, (512, 7, 7)),
    "resnet50": (224, 25_557_032, (2048, 7, 7)),
    "resnext50": (224, 25_028_904, (2048, 7, 7)),
    "se_resnet18": (224, 11_778_592, (512, 7, 7)),
    "se_resnet50": (224, 28_088_024, (2048, 7, 7)),
    "vgg11": (224, 132_863_336, (512, 7, 7)),
    "vgg13": (224, 133_047_848, (512, 7, 7)),
    "vgg16": (224, 138_357_544, (512, 7, 7)),
    "vgg19": (224, 143_667_240, (512, 7, 7)),
    "vit_b16": (224, 86_567_656, (768, 14, 14)),
    "xception": (299, 22_855_952, (2048, 10, 10)),
}

WITHOUT_PADDING = {"dense", "deoliveira2016_maxout", "vit", "vit_b16"}
WITHOUT_MAPS = {"particlenet"}
WITHOUT_SHARED_WEIGHTS = {"locally_connected"}


def options_of(name: str) -> set[str]:
    return {p.name for p in inspect.signature(NETWORKS[name]).parameters.values()}


def built(name: str, shape: tuple[int, ...], *, seed: int = 1, n_outputs: int = 3, **options):
    options = SMALL.get(name, {}) | options
    return build_network(
        describe_network(name, shape=shape, n_outputs=n_outputs, options=options), seed=seed
    )


def last_maps(network: Network, images: torch.Tensor) -> torch.Tensor:
    """What there is before places are forgotten: by pooling all of them, or by flattening."""
    if not isinstance(network.trunk, nn.Sequential):
        return network.features(images)
    for stage in network.trunk:
        outputs = stage(images)
        if outputs.dim() != images.dim():
            break
        images = outputs
    return images


quick = pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"vit_b16"}))
"""ViT-B/16 is the small vision transformer with other numbers, and takes a second a time."""


@quick
def test_forward_backward_and_shapes(name):
    for shape, n_outputs in zip(SHAPES, (2, 5), strict=True):
        network = built(name, shape, n_outputs=n_outputs)
        images = torch.rand(3, *shape)
        features, outputs = network.features(images), network(images)
        places = shape[1:] if name in PER_PIXEL else ()
        assert outputs.shape == (3, n_outputs, *places)
        assert features.shape == (3, network.head.weight.shape[1], *places)
        outputs.square().mean().backward()
        assert all(weight.grad.isfinite().all() for weight in network.parameters())
        assert any(weight.grad.any() for weight in network.parameters())
    network.eval()
    assert torch.equal(network(images), network.head(network.features(images)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_size_has_the_published_number_of_parameters(name):
    side, expected, maps = PUBLISHED[name]
    stem = {"stem": "imagenet"} if "stem" in options_of(name) else {}
    with torch.device("meta"):
        network = NETWORKS[name]((3, side, side), 1000, **stem)
    assert n_parameters(network) == expected
    if name.startswith("vit"):
        assert network.trunk.patches.project.weight.shape[0] == maps[0]
        assert network.trunk.tokens.positions.shape[1] == prod(maps[1:]) + 1
    else:
        ends = ("pool", "flatten")
        kept = takewhile(lambda stage: stage[0] not in ends, network.trunk.named_children())
        layers = nn.Sequential(*(stage for _, stage in kept))
        assert output_shape(layers, (3, side, side), network=name) == maps


@quick
@pytest.mark.parametrize("periodic", [False, True])
def test_the_smallest_image_that_an_error_names_is_the_smallest(name, periodic):
    if periodic and "periodic" not in options_of(name):
        return
    options = {"periodic": True} if periodic else {}
    try:
        network = built(name, (2, 1, 1), **options)
        rows, columns = 1, 1
    except ConfigError as error:
        named = re.search(r"the image is 1x1, .* the smallest for .* is (\d+)x(\d+): ", str(error))
        rows, columns = map(int, named.groups())
        network = built(name, (2, rows, columns), **options)
        for smaller in ((rows - 1, columns), (rows, columns - 1)):
            if min(smaller) > 0 and not (periodic and smaller[1] < columns):
                with pytest.raises(ConfigError, match=f"the smallest for .* is {rows}x{columns}: "):
                    built(name, (2, *smaller), **options)
    assert columns == 1 or not periodic
    assert network.eval()(torch.rand(2, 2, rows, columns)).shape[:2] == (2, 3)


@quick
def test_a_turn_in_phi_turns_the_maps(name):
    if name in WITHOUT_PADDING | WITHOUT_MAPS | WITHOUT_SHARED_WEIGHTS:
        return
    columns = {"deoliveira2016": 36, "komiske2017": 40}.get(name, 32)
    images = torch.rand(2, 2, 35, columns, dtype=torch.float64)
    with torch.no_grad():
        for periodic in (True, False):
            network = built(name, (2, 35, columns), periodic=periodic).double().eval()
            maps = last_maps(network, images)
            if periodic:
                scale = columns // maps.shape[3]
                assert scale * maps.shape[3] == columns > scale
                # Three times down by two, and up again.
                stride = 8 if name in PER_PIXEL else scale
            turned = last_maps(network, images.roll(stride, dims=3))
            is_turned = torch.allclose(turned, maps.roll(stride // scale, dims=3), atol=1e-9)
            assert is_turned is periodic


@pytest.mark.parametrize("name", [name for name in NETWORKS if "stem" in options_of(name)])
def test_a_turn_in_phi_turns_the_maps_of_photographs_too(name):
    shape = (2, 80, 64)
    network = built(name, shape, stem="imagenet", periodic=True).double().eval()
    images = torch.rand(2, *shape, dtype=torch.float64)
    with torch.no_grad():
        maps = last_maps(network, images)
        turned = last_maps(network, images.roll(64 // maps.shape[3], dims=3))
    # The published stem makes an image smaller than that for detectors does.
    assert maps[0].numel() < last_maps(built(name, shape).double().eval(), images)[0].numel()
    torch.testing.assert_close(turned, maps.roll(1, dims=3), rtol=0, atol=1e-9)


def test_what_a_turn_does_is_known_of_every_network():
    flagless = {name for name in NETWORKS if "periodic" not in options_of(name)}
    assert flagless == WITHOUT_PADDING


@quick
def test_saved_and_loaded_it_gives_the_same_scores(name):
    images = torch.rand(2, *SHAPE)
    saved, loaded = built(name, SHAPE, seed=1).eval(), built(name, SHAPE, seed=2).eval()
    assert not torch.equal(saved(images), loaded(images))
    loaded.load_state_dict(load(save(saved.state_dict())))
    assert torch.equal(saved(images), loaded(images))


@quick
def test_a_network_is_built_again_from_its_description_as_json(name):
    described = describe_network(name, shape=SHAPE, n_outputs=3, options=SMALL.get(name), n_extra=2)
    content = json.loads(json.dumps({"options": described.options}))
    again = Architecture(network=name, shape=SHAPE, n_outputs=3, n_extra=2, **content)
    assert again == described
    assert _equal(build_network(described, seed=7), build_network(again, seed=7))


@quick
def test_it_runs_in_half_precision(name):
    network = built(name, SHAPE).eval()
    images = torch.rand(2, *SHAPE)
    with torch.no_grad():
        expected = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(images.contiguous(memory_format=torch.channels_last))
    assert (outputs - expected).norm() < 0.1 * expected.norm()


@quick
def test_it_can_be_traced(name):
    network = built(name, SHAPE).eval()
    images = torch.rand(2, *SHAPE)
    traced = torch.fx.symbolic_trace(network, concrete_args={"extra": None})
    assert torch.equal(traced(images, None), network(images))


@quick
def test_its_layers_have_names(name):
    # The first networks keep the names under which their weights were saved.
    numbered = {"deoliveira2016_maxout"}
    parts = chain(*(key.split(".") for key in built(name, SHAPE).state_dict()))
    assert any(part.isdigit() for part in parts) is (name in numbered)


@quick
def test_it_takes_every_normalisation_and_activation_that_it_offers(name):
    choices = {"norm": NORMS, "activation": ("relu", "silu")}
    for option in options_of(name) & choices.keys():
        for choice in choices[option]:
            network = built(name, SHAPE, **{option: choice}).eval()
            with torch.no_grad():
                assert network(torch.rand(1, *SHAPE)).isfinite().all()
        with pytest.raises(ConfigError, match=f"unknown {option} 'instance': expected one of "):
            built(name, SHAPE, **{option: "instance"})


@quick
def test_dropout_acts_in_training_alone(name):
    if "dropout" not in options_of(name):
        return
    # The statistics of a batch would make a difference too.
    norm = {"norm": "layer"} if "norm" in options_of(name) else {}
    images = torch.rand(2, *SHAPE)
    for dropout in (0.0, 0.5):
        network = built(name, SHAPE, dropout=dropout, **norm)
        assert torch.equal(network(images), network(images)) is (dropout == 0)
    network.eval()
    assert torch.equal(network(images), network(images))
    with pytest.raises(ConfigError, match="'dropout' is 1.0, expected a number from 0 to 1"):
        built(name, SHAPE, dropout=1.0)


@quick
def test_extra_values_are_joined_before_the_head(name):
    extra = torch.rand(2, 3)
    images = torch.rand(2, *SHAPE)
    described = describe_network(name, shape=SHAPE, n_outputs=3, options=SMALL.get(name), n_extra=3)
    network = build_network(described, seed=1).eval()
    without = built(name, SHAPE).eval()
    torch.testing.assert_close(network(images, extra), without(images))
    network(images, extra).square().mean().backward()
    assert network.head.weight.grad[:, -3:].any()
    with torch.no_grad():
        network.head.weight[:, -3:] = torch.arange(3.0).reshape(
            1, 3, *network.head.weight.shape[2:]
        )
    change = (extra[:, 1] + 2 * extra[:, 2]).reshape(2, *[1] * (without(images).dim() - 1))
    torch.testing.assert_close(network(images, extra), without(images) + change)
    assert torch.equal(network.features(images), without.features(images))
    with pytest.raises(ValueError, match="takes 3 extra values, none are given"):
        network(images)
    with pytest.raises(ValueError, match="takes 0 extra values, some are given"):
        without(images, extra)


OF_ANY_AXES = {"dense", "deoliveira2016_maxout", "plain_cnn", *RESNETS}


@quick
@pytest.mark.parametrize("shape", [(2, 32), (2, 12, 9, 16)])
def test_waveforms_and_volumes(name, shape):
    if name not in OF_ANY_AXES:
        with pytest.raises(ConfigError, match=f"{name} takes images of rows and columns, not of"):
            built(name, shape)
        return
    network = built(name, shape)
    images = torch.rand(2, *shape)
    network(images).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())
    if "periodic" in options_of(name):
        network = built(name, shape, periodic=True).double().eval()
        maps = last_maps(network, images.double())
        turned = last_maps(network, images.double().roll(shape[-1] // maps.shape[-1], dims=-1))
        torch.testing.assert_close(turned, maps.roll(1, dims=-1))


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2, 2, 2)])
def test_images_have_one_to_three_axes(shape):
    with pytest.raises(ConfigError, match="axes, expected one, two or three"):
        describe_network("dense", shape=shape, n_outputs=2)


@quick
def test_the_catalogue_can_say_what_it_is_and_where_it_is_from(name):
    text = inspect.getdoc(NETWORKS[name])
    summary, _, rest = text.partition("\n")
    assert re.match(r"Build .*\.$", summary)
    assert rest.startswith("\n")
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", summary) or name in ("dense", "lenet5", "plain_cnn")
    documented = set(
        re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", text.split("\nReturns\n")[0], re.MULTILINE)
    )
    words = {word for line in documented for word in line.split(", ")}
    assert options_of(name) <= words


def test_the_description_has_every_option():
    described = describe_network(
        "plain_cnn", shape=SHAPE, n_outputs=2, options={"blocks": [{"filters": 8}]}
    )
    assert described.options == {
        "blocks": [{"filters": 8}],
        "dense": [128],
        "dense_dropout": 0.25,
        "activation": "relu",
        "norm": "none",
        "periodic": False,
    }


def test_weights_are_a_function_of_the_seed():
    described = describe_network("plain_cnn", shape=SHAPE, n_outputs=2)
    torch.manual_seed(1)
    first = build_network(described, seed=1)
    torch.manual_seed(2)
    assert _equal(first, build_network(described, seed=1))
    assert not _equal(first, build_network(described, seed=2))


def test_building_leaves_torch_random_state_alone():
    before = torch.get_rng_state()
    build_network(describe_network("plain_cnn", shape=SHAPE, n_outputs=2), seed=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("plain-cnn", {}, "unknown network 'plain-cnn': expected one of .*, komiske2017, "),
        ("plain_cnn", {"filters": 3}, "unknown option 'filters', expected one of blocks, dense"),
        ("resnet18", {"depths": [1]}, "unknown option 'depths', expected one of stem, width, "),
        ("deoliveira2016_maxout", {"dense": [3]}, "'dense', expected none: it is a preset"),
    ],
)
def test_unknown_names_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        describe_network(name, shape=SHAPE, n_outputs=2, options=options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {"stem": "photo"}, "unknown stem 'photo': expected one of detector, imagenet"),
        ("vgg11", {"width": 0}, "'width' is 0, expected a positive number"),
        ("unet", {"depth": 0}, "'depth' is 0, expected a whole number of at least 1"),
        ("unet", {"upsampling": "cubic"}, "unknown upsampling 'cubic'"),
        ("vit", {"dim": 10}, "'dim' is 10, expected a multiple of 'heads', which is 4"),
        ("vit", {"expansion": 0}, "'expansion' is 0, expected a positive number"),
        ("inception_resnet_v2", {"depths": [1, 1]}, "'depths' is .*, expected three numbers of"),
        ("cvn", {"views": 3}, "2 channels cannot be cut into 3 views"),
        ("cvn", {"shared": 1}, "'shared' is 1, expected true or false"),
        ("densenet121", {"growth": 0}, "'growth' is 0, expected"),
        ("dense", {"init": "zero"}, "unknown init 'zero': expected one of he, scaled_normal"),
        ("dense", {"sizes": 30}, "'sizes' is 30, expected a list"),
        ("komiske2017", {"periodic": "yes"}, "'periodic' is 'yes', expected true or false"),
        ("particlenet", {"points": 1}, "'points' is 1, expected a whole number of at least 2"),
        ("locally_connected", {"filters": [0]}, "number 1 of 'filters' is 0, expected"),
    ],
)
def test_impossible_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        built(name, SHAPE, **options)


def _equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
