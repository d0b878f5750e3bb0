"""What layers make of the shape of an image, worked out with whole numbers alone.

The formulae are those of V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep
learning" (arXiv:1603.07285), relationships 8, 13 and 15, with dilation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from detcnn.errors import ConfigError
from detcnn.models.layer_text import LayerText
from detcnn.models.receptive_field import ReceptiveField


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerArithmetic:
    """What one layer does to the shape.

    Parameters
    ----------
    layer : LayerText
        The layer.
    shape : tuple of int
        (channels, *axes) behind it; one number behind a flattening.
    formula : str
        How the axes were worked out, with the numbers; empty where they stay as they are.
    parameters : int
        Weights and biases.
    multiply_adds : int
        For one image.
    receptive_field : tuple of int
        Input pixels that one place sees, along each axis; the whole image for a dense layer.
    jump : tuple of Fraction or None
        Input pixels from one place to the next, along each axis; None where there are no places.
    """

    layer: LayerText
    shape: tuple[int, ...]
    formula: str
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...]
    jump: tuple[Fraction, ...] | None


@dataclass(frozen=True, slots=True)
class _State:
    """The shape so far and what its places see; no fields once a place sees the whole image."""

    image: tuple[int, ...]
    shape: tuple[int, ...]
    fields: tuple[ReceptiveField, ...] | None
    has_axes: bool = True

    @property
    def axes(self) -> tuple[int, ...]:
        return self.shape[1:]

    def seen(self) -> tuple[int, ...]:
        if self.fields is None:
            return self.image[1:]
        return tuple(field.size for field in self.fields)


@dataclass(frozen=True, slots=True)
class _Change:
    state: _State
    formula: str = ""
    parameters: int = 0
    multiply_adds: int = 0


def work_out(layers: Sequence[LayerText], shape: Sequence[int]) -> tuple[LayerArithmetic, ...]:
    """Return the shape behind each layer, and what it costs.

    Parameters
    ----------
    layers : sequence of LayerText
        In their order.
    shape : sequence of int
        (channels, *axes) of an image, one to three axes.

    Returns
    -------
    tuple of LayerArithmetic

    Raises
    ------
    ConfigError
        If a layer cannot follow the shape before it: with its number, its text, and what would fit.
    """
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ConfigError(
            f"input {_times(shape)}: expected channels and one to three axes, as in 1x256x256"
        )
    state = _State(tuple(shape), tuple(shape), (ReceptiveField(),) * (len(shape) - 1))
    found = []
    for layer in layers:
        _check_axes(layer, state)
        change = _CHANGES[layer.name](layer, state)
        state = change.state
        has_places = state.has_axes and state.fields is not None
        found.append(
            LayerArithmetic(
                layer=layer,
                shape=state.shape,
                formula=change.formula,
                parameters=change.parameters,
                multiply_adds=change.multiply_adds,
                receptive_field=state.seen(),
                jump=tuple(f.jump for f in state.fields or ()) if has_places else None,
            )
        )
    return tuple(found)


def _impossible(layer: LayerText, reason: str) -> ConfigError:
    return ConfigError(f"layer {layer.number}, {layer.text}: {reason}")


def _check_axes(layer: LayerText, state: _State) -> None:
    if layer.name in _NEEDS_AXES and not state.has_axes:
        raise _impossible(
            layer, f"has no image to work on, only {state.shape[0]} numbers: put it before flatten"
        )
    for option, value in layer.options.items():
        if isinstance(value, tuple) and len(value) != len(state.axes):
            raise _impossible(
                layer,
                f"{option} has {len(value)} numbers for {len(state.axes)} axes: "
                "expected one, or one for each axis",
            )


def _with_axes(
    state: _State,
    channels: int,
    axes: tuple[int, ...],
    change: Callable[[int, ReceptiveField], ReceptiveField],
) -> _State:
    fields = state.fields
    if fields is not None:
        fields = tuple(change(axis, field) for axis, field in enumerate(fields))
    return _State(state.image, (channels, *axes), fields)


def _convolution(layer: LayerText, state: _State) -> _Change:
    channels, filters, groups = _filters(layer, state)
    axes, formulae = [], []
    for axis, size in enumerate(state.axes):
        k, s, p, d = (layer.of_axis(o, axis) for o in ("kernel", "stride", "padding", "dilation"))
        reach = d * (k - 1) + 1
        if reach > size + 2 * p:
            raise _impossible(
                layer,
                f"a kernel that reaches over {reach} pixels does not fit {_of_axis(size, axis)}"
                f"{f' with {p} more on each side' if p else ''}: expected a padding of at least "
                f"{-(-(reach - size) // 2)}, or a kernel of at most "
                f"{(size + 2 * p - 1) // d + 1}",
            )
        o = (size + 2 * p - reach) // s + 1
        axes.append(o)
        formulae.append(f"floor(({size} + 2·{p} − {d}·({k} − 1) − 1)/{s}) + 1 = {o}")
    kernel = _window(layer, len(axes))
    outputs = math.prod(axes) * filters
    return _Change(
        _with_axes(state, filters, tuple(axes), lambda axis, f: f.windowed(**_named(layer, axis))),
        _joined(formulae),
        parameters=filters * (channels // groups) * kernel + filters,
        multiply_adds=outputs * (channels // groups) * kernel,
    )


def _transposed(layer: LayerText, state: _State) -> _Change:
    channels, filters, groups = _filters(layer, state)
    axes, formulae = [], []
    for axis, size in enumerate(state.axes):
        k, s, p, d = (layer.of_axis(o, axis) for o in ("kernel", "stride", "padding", "dilation"))
        extra = layer.of_axis("output_padding", axis)
        if extra >= max(s, d):
            raise _impossible(
                layer,
                f"an output padding of {extra} is not below stride {s} or dilation {d}: "
                f"expected at most {max(s, d) - 1}",
            )
        o = (size - 1) * s - 2 * p + d * (k - 1) + extra + 1
        if o < 1:
            raise _impossible(
                layer,
                f"leaves {o} of {_of_axis(size, axis)}: expected a padding of at most "
                f"{(o + 2 * p - 1) // 2}",
            )
        axes.append(o)
        formulae.append(f"({size} − 1)·{s} − 2·{p} + {d}·({k} − 1) + {extra} + 1 = {o}")
    kernel = _window(layer, len(axes))
    return _Change(
        _with_axes(state, filters, tuple(axes), lambda axis, f: f.spread(**_named(layer, axis))),
        _joined(formulae),
        parameters=channels * (filters // groups) * kernel + filters,
        multiply_adds=math.prod(state.shape) * (filters // groups) * kernel,
    )


def _pooling(layer: LayerText, state: _State) -> _Change:
    axes, formulae = [], []
    is_ceiled = layer.options["ceil"] == 1
    for axis, size in enumerate(state.axes):
        k, s, p = (layer.of_axis(o, axis) for o in ("kernel", "stride", "padding"))
        d = layer.of_axis("dilation", axis) if "dilation" in layer.options else 1
        reach = d * (k - 1) + 1
        # Some of torch's kernels, not all, take half of what a dilated window reaches over.
        if p > k // 2:
            raise _impossible(
                layer,
                f"a padding of {p} is more than half of a window of {k} pixels: "
                f"expected at most {k // 2}",
            )
        if layer.name != "maxpool" and len(state.axes) == 3 and k > size:
            # Whatever the padding; along one and two axes torch asks for no such thing.
            raise _impossible(
                layer,
                f"a window of {k} pixels is larger than {_of_axis(size, axis)}, which torch "
                f"refuses for three axes: expected a kernel of at most {size}",
            )
        room = size + 2 * p - reach
        o = (-(-room // s) if is_ceiled else room // s) + 1
        # A window that would begin in the padding behind the image is left out.
        is_left_out = is_ceiled and (o - 1) * s >= size + p
        o -= is_left_out
        if o < 1:
            raise _impossible(
                layer,
                f"a window that reaches over {reach} pixels does not fit {_of_axis(size, axis)}"
                f"{f' with {p} more on each side' if p else ''}: expected a kernel of at most "
                f"{(size + 2 * p - 1) // d + 1}",
            )
        axes.append(o)
        way = "ceil" if is_ceiled else "floor"
        fixed = " + 1 − 1 (the last window would begin behind the image)" if is_left_out else " + 1"
        formulae.append(f"{way}(({size} + 2·{p} − {d}·({k} − 1) − 1)/{s}){fixed} = {o}")
    return _Change(
        _with_axes(
            state, state.shape[0], tuple(axes), lambda axis, f: f.windowed(**_named(layer, axis))
        ),
        _joined(formulae),
    )


def _global(layer: LayerText, state: _State) -> _Change:
    ones = (1,) * len(state.axes)
    return _Change(_State(state.image, (state.shape[0], *ones), None), "one number of each channel")


def _upsample(layer: LayerText, state: _State) -> _Change:
    factors = [layer.of_axis("factor", axis) for axis in range(len(state.axes))]
    axes = tuple(size * by for size, by in zip(state.axes, factors, strict=True))
    return _Change(
        _with_axes(
            state,
            state.shape[0],
            axes,
            lambda axis, f: f.resized(state.axes[axis], axes[axis]),
        ),
        _joined(
            [f"{size}·{by} = {size * by}" for size, by in zip(state.axes, factors, strict=True)]
        ),
    )


def _pad(layer: LayerText, state: _State) -> _Change:
    sides = [layer.of_axis("padding", axis) for axis in range(len(state.axes))]
    axes = tuple(size + 2 * p for size, p in zip(state.axes, sides, strict=True))
    return _Change(
        _with_axes(state, state.shape[0], axes, lambda axis, f: f.windowed(1, padding=sides[axis])),
        _joined(
            [f"{size} + 2·{p} = {size + 2 * p}" for size, p in zip(state.axes, sides, strict=True)]
        ),
    )


def _flatten(layer: LayerText, state: _State) -> _Change:
    size = math.prod(state.shape)
    formula = f"{'·'.join(map(str, state.shape))} = {size}"
    return _Change(_State(state.image, (size,), state.fields, has_axes=False), formula)


def _dense(layer: LayerText, state: _State) -> _Change:
    if state.has_axes:
        raise _impossible(
            layer, f"has an image of {_times(state.shape)} before it: put flatten in between"
        )
    units, inputs = layer.of_axis("units", 0), state.shape[0]
    return _Change(
        _State(state.image, (units,), None, has_axes=False),
        parameters=units * inputs + units,
        multiply_adds=units * inputs,
    )


def _batch_norm(layer: LayerText, state: _State) -> _Change:
    return _Change(state, parameters=2 * state.shape[0])


def _unchanged(layer: LayerText, state: _State) -> _Change:
    return _Change(state)


_CHANGES: Mapping[str, Callable[[LayerText, _State], _Change]] = {
    "conv": _convolution,
    "tconv": _transposed,
    "maxpool": _pooling,
    "meanpool": _pooling,
    "sumpool": _pooling,
    "globalmax": _global,
    "globalmean": _global,
    "upsample": _upsample,
    "pad": _pad,
    "flatten": _flatten,
    "dense": _dense,
    "batchnorm": _batch_norm,
    **dict.fromkeys(
        (
            "relu",
            "leaky_relu",
            "elu",
            "gelu",
            "silu",
            "tanh",
            "sigmoid",
            "softmax",
            "dropout",
        ),
        _unchanged,
    ),
}

_NEEDS_AXES = frozenset(
    name
    for name, change in _CHANGES.items()
    if change in (_convolution, _transposed, _pooling, _global, _upsample, _pad, _flatten)
)


def _filters(layer: LayerText, state: _State) -> tuple[int, int, int]:
    """Return channels, filters and groups of a convolution that can be."""
    channels, groups = state.shape[0], layer.of_axis("groups", 0)
    filters = layer.of_axis("filters", 0) or channels
    for what, number in (("channels", channels), ("filters", filters)):
        if number % groups:
            raise _impossible(
                layer,
                f"{number} {what} do not divide into {groups} groups: expected a number of groups "
                f"that divides both {channels} channels and {filters} filters",
            )
    return channels, filters, groups


def _window(layer: LayerText, n_axes: int) -> int:
    return math.prod(layer.of_axis("kernel", axis) for axis in range(n_axes))


def _named(layer: LayerText, axis: int) -> dict[str, int]:
    return {
        option: layer.of_axis(option, axis)
        for option in ("kernel", "stride", "padding", "dilation")
        if option in layer.options
    }


def _joined(formulae: list[str]) -> str:
    """Return the formulae of all axes; one of them if all are the same."""
    return formulae[0] if len(set(formulae)) == 1 else "; ".join(formulae)


def _of_axis(size: int, axis: int) -> str:
    return f"the {size} pixels of axis {axis + 1}"


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
