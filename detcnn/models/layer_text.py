"""Layers written as text: ``conv(k=3,s=2,p=1) relu maxpool(k=2)``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from detcnn.errors import ConfigError

Value = int | tuple[int, ...]
"""A number for all axes of the image, or one for each."""

_LAYER = re.compile(r"\s*(?:->|,|;)?\s*([A-Za-z_]\w*)\s*(\([^()]*\))?")
_NUMBERS = re.compile(r"\d+(?:x\d+)*")
_LETTERS = {
    "f": "filters",
    "k": "kernel",
    "s": "stride",
    "p": "padding",
    "d": "dilation",
    "g": "groups",
    "op": "output_padding",
    "n": "units",
    "by": "factor",
}

LAYERS: Mapping[str, Mapping[str, int | None]] = {
    "conv": {"kernel": None, "stride": 1, "padding": 0, "dilation": 1, "filters": 0, "groups": 1},
    "tconv": {
        "kernel": None,
        "stride": 1,
        "padding": 0,
        "output_padding": 0,
        "dilation": 1,
        "filters": 0,
        "groups": 1,
    },
    "maxpool": {"kernel": None, "stride": 0, "padding": 0, "dilation": 1, "ceil": 0},
    "meanpool": {"kernel": None, "stride": 0, "padding": 0, "ceil": 0},
    "sumpool": {"kernel": None, "stride": 0, "padding": 0, "ceil": 0},
    "globalmax": {},
    "globalmean": {},
    "upsample": {"factor": 2},
    "pad": {"padding": None},
    "flatten": {},
    "dense": {"units": None},
    "batchnorm": {},
    **{
        name: {}
        for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softmax")
    },
    "dropout": {},
}
"""Each layer and its options with their defaults; None for one that must be given, and a stride of
0 is that of the kernel, so many filters as channels."""

_ORDER = {
    "conv": ("kernel", "filters"),
    "tconv": ("kernel", "filters"),
    "maxpool": ("kernel", "stride"),
    "meanpool": ("kernel", "stride"),
    "sumpool": ("kernel", "stride"),
    "upsample": ("factor",),
    "pad": ("padding",),
    "dense": ("units",),
}
"""What the values without a name are."""

_AT_LEAST_0 = frozenset({"padding", "output_padding"})
_OF_ALL_AXES = frozenset({"filters", "groups", "units"})


@dataclass(frozen=True, slots=True)
class LayerText:
    """One layer as it was written, and every option of it.

    Parameters
    ----------
    number : int
        Its place, from 1.
    text : str
        As it was written.
    name : str
        A name in `LAYERS`.
    options : mapping
        Name to a whole number, or to one for each axis.
    """

    number: int
    text: str
    name: str
    options: Mapping[str, Value]

    def of_axis(self, option: str, axis: int) -> int:
        """Return an option for one axis of the image."""
        value = self.options[option]
        return value[axis] if isinstance(value, tuple) else value


def parse_layers(text: str) -> tuple[LayerText, ...]:
    """Return the layers that a text names, in its order.

    A layer is a name, and options in brackets: ``conv(k=3,s=2,p=1,f=32)``. Long and short names of
    options mean the same (``kernel`` and ``k``), ``3x5`` is one number for each axis, and what
    comes without a name is kernel and filters, kernel and stride, or the one thing there is:
    ``conv(3,32) maxpool(2) dense(10)``. Layers are separated by blanks, commas, semicolons or
    ``->``.

    Parameters
    ----------
    text : str
        At least one layer.

    Returns
    -------
    tuple of LayerText

    Raises
    ------
    ConfigError
        With the offending text, and what was expected in its place.
    """
    layers: list[LayerText] = []
    place = 0
    while text[place:].strip(" \t\n,;"):
        found = _LAYER.match(text, place)
        if found is None:
            raise ConfigError(
                f"layer {len(layers) + 1}: {_shortened(text[place:])!r} is no layer: "
                "expected a name and options in brackets, as in conv(k=3,s=2,p=1)"
            )
        place = found.end()
        if found[2] is None and text[place:].lstrip().startswith("("):
            raise ConfigError(
                f"layer {len(layers) + 1}: the bracket of {_shortened(text[found.start(1) :])!r} "
                "is not closed"
            )
        # On one line, for messages and tables.
        written = " ".join(text[found.start(1) : place].split())
        layers.append(_parse_layer(len(layers) + 1, written, found[1], found[2] or ""))
    if not layers:
        raise ConfigError(
            f"no layers: expected for example 'conv(k=3,s=2,p=1) maxpool(k=2)', got {text!r}"
        )
    return tuple(layers)


def _parse_layer(number: int, text: str, name: str, brackets: str) -> LayerText:
    where = f"layer {number}, {text}"
    if name not in LAYERS:
        raise ConfigError(f"{where}: unknown layer {name!r}: expected one of {', '.join(LAYERS)}")
    known = LAYERS[name]
    given: dict[str, Value] = {}
    unnamed = iter(_ORDER.get(name, ()))
    for entry in brackets[1:-1].split(","):
        if not entry.strip():
            continue
        key, equals, value = (part.strip() for part in entry.partition("="))
        if equals:
            option = _LETTERS.get(key, key)
        elif key == "ceil" and "ceil" in known:
            option, value = key, "1"
        else:
            option, value = next(unnamed, ""), key
        if option not in known:
            expected = ", ".join(_spelled(option) for option in known) or "none"
            raise ConfigError(f"{where}: unknown option {entry.strip()!r}: expected {expected}")
        if option in given:
            raise ConfigError(f"{where}: {entry.strip()!r} gives {option} a second time")
        given[option] = _parse_value(where, option, value)
    missing = [option for option, default in known.items() if default is None]
    for option in missing:
        if option not in given:
            raise ConfigError(
                f"{where}: needs {_spelled(option)}, as in {name}({_letter(option)}3)"
            )
    defaults = {option: default or 0 for option, default in known.items()}
    options: dict[str, Value] = {**defaults, **given}
    if options.get("stride") == 0:
        options["stride"] = options["kernel"]
    return LayerText(number, text, name, options)


def _parse_value(where: str, option: str, text: str) -> Value:
    if _NUMBERS.fullmatch(text) is None:
        raise ConfigError(
            f"{where}: {option} is {text!r}: expected a whole number, "
            "or one for each axis as in 3x5"
        )
    numbers = tuple(map(int, text.split("x")))
    least = 0 if option in _AT_LEAST_0 or option == "ceil" else 1
    if min(numbers) < least:
        raise ConfigError(f"{where}: {option} is {text}: expected at least {least}")
    if len(numbers) == 1:
        return numbers[0]
    if option in _OF_ALL_AXES or option == "ceil":
        raise ConfigError(f"{where}: {option} is {text}: expected one number")
    return numbers


def _letter(option: str) -> str:
    return next((f"{short}=" for short, long in _LETTERS.items() if long == option), f"{option}=")


def _spelled(option: str) -> str:
    short = _letter(option).rstrip("=")
    return option if short == option else f"{short} ({option})"


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 30 else f"{text[:29]}…"
