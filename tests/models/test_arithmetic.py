from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.arithmetic import work_out
from detcnn.models.layer_text import LAYERS, parse_layers

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAXIMA = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEANS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
PADS = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d, 3: nn.ConstantPad3d}


def answer(text, shape):
    return work_out(parse_layers(text), shape)


def torch_layer(layer, channels, n_axes):
    """The module of torch that does what a layer says."""
    o = {
        name: tuple(value) if isinstance(value, tuple) else value
        for name, value in layer.options.items()
    }
    match layer.name:
        case "conv" | "tconv":
            kind = (CONVOLUTIONS if layer.name == "conv" else TRANSPOSED)[n_axes]
            more = {"output_padding": o["output_padding"]} if layer.name == "tconv" else {}
            return kind(
                channels,
                o["filters"] or channels,
                o["kernel"],
                stride=o["stride"],
                padding=o["padding"],
                dilation=o["dilation"],
                groups=o["groups"],
                **more,
            )
        case "maxpool":
            return MAXIMA[n_axes](
                o["kernel"], o["stride"], o["padding"], o["dilation"], ceil_mode=bool(o["ceil"])
            )
        case "meanpool" | "sumpool":
            return MEANS[n_axes](o["kernel"], o["stride"], o["padding"], ceil_mode=bool(o["ceil"]))
        case "upsample":
            return nn.Upsample(scale_factor=o["factor"])
        case "pad":
            return PADS[n_axes](o["padding"], 0.0)
        case "flatten":
            return nn.Flatten()
        case "dense":
            return nn.LazyLinear(o["units"])
        case "batchnorm":
            return nn.LazyBatchNorm2d()
        case "globalmean":
            return nn.AdaptiveAvgPool2d(1)
        case "globalmax":
            return nn.AdaptiveMaxPool2d(1)
        case _:
            return nn.ReLU()


@st.composite
def windows(draw, n_axes):
    """One layer with a window, as text; not all of them fit."""
    name = draw(st.sampled_from(["conv", "tconv", "maxpool", "meanpool", "sumpool"]))

    def number(low, high):
        if draw(st.booleans()):
            return str(draw(st.integers(low, high)))
        return "x".join(str(draw(st.integers(low, high))) for _ in range(n_axes))

    options = [f"k={number(1, 4)}", f"s={number(1, 3)}", f"p={number(0, 3)}"]
    if name in ("conv", "tconv"):
        groups = draw(st.sampled_from([1, 2, 3]))
        options += [f"d={number(1, 2)}", f"f={draw(st.sampled_from([2, 4]))}", f"g={groups}"]
    if name == "tconv":
        options.append(f"op={number(0, 2)}")
    if name == "maxpool" and draw(st.booleans()):
        # How much padding a dilated maximum takes depends on torch's kernel.
        options[2] = "p=0"
        options.append(f"d={number(1, 2)}")
    if name not in ("conv", "tconv") and draw(st.booleans()):
        options.append("ceil")
    return f"{name}({','.join(options)})"


@st.composite
def chains(draw):
    n_axes = draw(st.integers(1, 3))
    shape = (draw(st.sampled_from([2, 4])), *(draw(st.integers(1, 9)) for _ in range(n_axes)))
    layers = draw(st.lists(windows(n_axes), min_size=1, max_size=3))
    return " ".join(layers), shape


@settings(deadline=None, max_examples=400)
@given(chains())
def test_shapes_and_parameters_are_those_of_torch_and_so_is_what_cannot_be(case):
    text, shape = case
    layers = parse_layers(text)
    values = torch.zeros(1, *shape)
    for number, layer in enumerate(layers, start=1):
        try:
            module = torch_layer(layer, values.shape[1], len(shape) - 1)
            values = module(values)
            if not values.numel():
                raise ValueError("torch makes images without pixels in silence")
        except (RuntimeError, ValueError):
            with pytest.raises(ConfigError, match=rf"^layer {number}, {layer.name}\("):
                work_out(layers, shape)
            return
        found = work_out(layers[:number], shape)[-1]
        assert found.shape == tuple(values.shape[1:]), text
        assert found.parameters == sum(weight.numel() for weight in module.parameters())


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_padding_and_upsampling_are_those_of_torch(n_axes, factor, padding):
    shape = (2, 5, 6, 7)[: n_axes + 1]
    layers = parse_layers(f"pad({padding}) upsample({factor})")
    values = torch.zeros(1, *shape)
    for layer, found in zip(layers, work_out(layers, shape), strict=True):
        values = torch_layer(layer, 2, n_axes)(values)
        assert found.shape == tuple(values.shape[1:])


def test_the_exercise_of_the_lecture():
    strided, pooled = answer("conv(k=3,s=2,p=1) maxpool(k=4,s=1)", (1, 256, 256))
    assert strided.shape == (1, 128, 128)
    assert strided.formula == "floor((256 + 2·1 − 1·(3 − 1) − 1)/2) + 1 = 128"
    assert pooled.shape == (1, 125, 125)
    assert pooled.formula == "floor((128 + 2·0 − 1·(4 − 1) − 1)/1) + 1 = 125"
    assert pooled.receptive_field == (9, 9)
    assert pooled.jump == (Fraction(2), Fraction(2))


def test_lenet_5_by_hand():
    found = answer(
        "conv(5,6,p=2) sigmoid meanpool(2) conv(5,16) sigmoid meanpool(2) flatten "
        "dense(120) dense(84) dense(10)",
        (1, 28, 28),
    )
    shapes = [layer.shape for layer in found]
    assert shapes[0] == (6, 28, 28)
    assert shapes[5:] == [(16, 5, 5), (400,), (120,), (84,), (10,)]
    assert sum(layer.parameters for layer in found) == 156 + 2416 + 48120 + 10164 + 850
    assert found[0].multiply_adds == 28 * 28 * 6 * 25
    assert found[3].multiply_adds == 10 * 10 * 16 * 6 * 25
    assert found[5].receptive_field == (16, 16)
    assert found[6].receptive_field == (16, 16)
    assert found[6].jump is None
    assert found[7].receptive_field == (28, 28)


def test_ceil_may_leave_out_the_last_window():
    (pooled,) = answer("maxpool(k=1,s=3,ceil)", (1, 5))
    assert pooled.shape == (1, 2)
    assert "left" not in pooled.formula
    assert "begin behind" in pooled.formula


def test_an_image_goes_back_to_its_size():
    down, up = answer("conv(k=3,s=2,p=1) tconv(k=3,s=2,p=1,op=1)", (1, 8, 9))
    assert down.shape == (1, 4, 5)
    assert up.shape == (1, 8, 10)
    assert up.formula == (
        "(4 − 1)·2 − 2·1 + 1·(3 − 1) + 1 + 1 = 8; (5 − 1)·2 − 2·1 + 1·(3 − 1) + 1 + 1 = 10"
    )
    assert up.jump == (Fraction(1), Fraction(1))


def test_names_numbers_and_separators():
    short = parse_layers("conv(3,32,s=2) -> relu, maxpool(2); flatten dense(10)")
    long = parse_layers(
        "conv(filters=32, kernel=3, stride=2)relu()maxpool(k=2,s=2)\nflatten dense(n=10)"
    )
    assert [(layer.name, layer.options) for layer in short] == [
        (layer.name, layer.options) for layer in long
    ]
    assert [layer.number for layer in short] == [1, 2, 3, 4, 5]
    assert short[0].text == "conv(3,32,s=2)"


GOOD = {
    "conv": "conv(3)",
    "tconv": "tconv(3)",
    "maxpool": "maxpool(2)",
    "meanpool": "meanpool(2)",
    "sumpool": "sumpool(2)",
    "pad": "pad(1)",
    "dense": "flatten dense(3)",
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_can_be_written_and_is_that_of_torch(name):
    layers = parse_layers(GOOD.get(name, name))
    values = torch.zeros(2, 2, 8, 8)
    for layer in layers:
        values = torch_layer(layer, 2, 2)(values)
    assert work_out(layers, (2, 8, 8))[-1].shape == tuple(values.shape[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no layers: expected for example"),
        ("conv(k=3", r"layer 1: the bracket of 'conv\(k=3' is not closed"),
        ("conv", r"layer 1, conv: needs k \(kernel\), as in conv\(k=3\)"),
        ("conv(k=3) 3", "layer 2: '3' is no layer: expected a name"),
        ("conv(k=3)) relu", r"layer 2: '\) relu' is no layer"),
        ("relu blah(3)", r"layer 2, blah\(3\): unknown layer 'blah': expected one of conv, tconv"),
        ("conv(k=3,q=2)", r"unknown option 'q=2': expected k \(kernel\), s \(stride\)"),
        ("conv(3,4,5)", "unknown option '5'"),
        ("relu(3)", "unknown option '3': expected none"),
        ("meanpool(2,d=2)", "unknown option 'd=2'"),
        ("conv(k=a)", "kernel is 'a': expected a whole number, or one for each axis as in 3x5"),
        ("conv(k=-1)", "kernel is '-1'"),
        ("conv(k=0)", "kernel is 0: expected at least 1"),
        ("conv(k=3x0)", "kernel is 3x0: expected at least 1"),
        ("conv(k=3,f=2x3)", "filters is 2x3: expected one number"),
        ("conv(k=3,kernel=3)", "'kernel=3' gives kernel a second time"),
        ("conv(k=3x3x3)", "kernel has 3 numbers for 2 axes"),
        (
            "conv(k=30)",
            "the 16 pixels of axis 1: expected a padding of at least 7, or a kernel of at most 16",
        ),
        ("relu conv(k=3,f=4,g=3)", "layer 2, .*2 channels do not divide into 3 groups"),
        (
            "tconv(k=1,p=10)",
            "leaves -4 of the 16 pixels of axis 1: expected a padding of at most 7",
        ),
        ("tconv(k=2,s=2,op=2)", "output padding of 2 .* expected at most 1"),
        (
            "maxpool(2,p=2)",
            "a padding of 2 is more than half of a window of 2 pixels: expected at most 1",
        ),
        ("maxpool(17)", "window that reaches over 17 pixels .* a kernel of at most 16"),
        ("dense(3)", "has an image of 2x16x20 before it: put flatten in between"),
        ("flatten conv(k=3)", "layer 2, .*only 640 numbers: put it before flatten"),
    ],
)
def test_what_cannot_be_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        answer(text, (2, 16, 20))


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4, 5), (1, 0, 4)])
def test_an_image_has_one_to_three_axes(shape):
    with pytest.raises(ConfigError, match="expected channels and one to three axes"):
        answer("relu", shape)


@given(st.text(alphabet="convmaxpl(k=3,s2x) ->;\n", max_size=25))
def test_any_text_is_taken_or_refused(text):
    message = ""
    try:
        assert parse_layers(text)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message.replace(text, "")
