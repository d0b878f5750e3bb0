"""A network layer by layer: shapes, what its places see, and what it costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from detcnn.models.catalogue import Architecture, build_network
from detcnn.models.tracing import Tracer

_BATCH = 2
"""Images that pass together, so that their number is not taken for a dimension of size one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """One layer as it is called.

    Parameters
    ----------
    name : str
        Its place in the network, as its weights are named.
    kind : str
        Name of its class; of a block that joins branches, this is the joining alone.
    output_shape : tuple of int
        Of one image.
    receptive_field : tuple of int
        Pixels that one place of the output sees along each axis of the image, beyond its border if
        need be; the image itself where every place sees all of it. What normalisations take from
        their statistics is left out.
    jump : tuple of Fraction or None
        Pixels from one place to the next, along each axis; None where there are no places, as
        behind a flattening.
    sees_all : bool
        Whether every place sees all of the image.
    parameters : int
        What it learns; zero for a layer that is called again.
    multiply_adds : int
        Of convolutions and matrix products, for one image.
    activation_bytes : int
        float32 numbers that it makes of one image, all of which training keeps.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    receptive_field: tuple[int, ...]
    jump: tuple[Fraction, ...] | None
    sees_all: bool
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class NetworkSummary:
    """A network's layers in the order they are called; the totals are those of its layers."""

    architecture: Architecture
    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        """What the network learns."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of convolutions and matrix products, for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Memory of all that is made of one image."""
        return sum(layer.activation_bytes for layer in self.layers)


def summarise(architecture: Architecture) -> NetworkSummary:
    """Return what each layer of a network makes of an image.

    Neither weights nor images are made for it, however large they are.

    Parameters
    ----------
    architecture : Architecture
        The network and the shape of its images.

    Returns
    -------
    NetworkSummary

    Raises
    ------
    ConfigError
        If the image is too small, or an option is out of range.
    """
    with torch.device("meta"):
        network = build_network(architecture, seed=0)
        images = torch.empty(_BATCH, *architecture.shape)
        layers = summarise_module(network, images)
    return NetworkSummary(architecture, layers)


@dataclass(slots=True)
class _Running:
    """A module between its call and its return."""

    name: str
    multiply_adds: int
    bytes_made: int
    n_joins: int
    inner: list["_Running"] = field(default_factory=list)

    def own(self, counter: str) -> int:
        return int(getattr(self, counter) - sum(getattr(call, counter) for call in self.inner))


def summarise_module(module: nn.Module, images: Tensor) -> tuple[LayerSummary, ...]:
    """Return what each layer of a module makes of a batch of images on the meta device."""
    layers: list[LayerSummary] = []
    tracer = Tracer(images)
    open_calls = [_Running("", 0, 0, 0)]
    counted: set[int] = set()

    def begin(name: str) -> None:
        open_calls.append(_Running(name, tracer.multiply_adds, tracer.bytes_made, tracer.n_joins))

    def end(called: nn.Module, result: Any) -> None:
        call = open_calls.pop()
        for counter in ("multiply_adds", "bytes_made", "n_joins"):
            setattr(call, counter, getattr(tracer, counter) - getattr(call, counter))
        open_calls[-1].inner.append(call)
        output = result if isinstance(result, Tensor) else next(iter(result))
        seen = tracer.seen(output)
        inside = {inner.name for inner in call.inner}
        learned = [
            weight
            for path, weight in called.named_parameters(call.name)
            if not any(path.startswith(f"{name}.") for name in inside) and id(weight) not in counted
        ]
        is_block = bool(call.inner)
        has_own = call.own("multiply_adds") or call.own("n_joins") or learned
        counted.update(map(id, learned))
        if is_block and not has_own and not call.own("bytes_made"):
            return
        fields = None if seen is None else seen.fields
        layers.append(
            LayerSummary(
                name=call.name,
                kind=type(called).__name__,
                output_shape=tuple(output.shape[1:]),
                receptive_field=tuple(images.shape[2:])
                if fields is None
                else tuple(f.size for f in fields),
                jump=None if seen is None else seen.jump,
                sees_all=fields is None,
                parameters=sum(weight.numel() for weight in learned),
                multiply_adds=call.own("multiply_adds") // len(images),
                activation_bytes=call.own("bytes_made") // len(images),
            )
        )

    with _hooked(module, begin, end), torch.no_grad(), tracer:
        module.eval()(images)
    return tuple(layers)


@contextmanager
def _hooked(module: nn.Module, begin: Any, end: Any) -> Iterator[None]:
    """Call `begin` with the name of each module that starts, and `end` with what it returns."""
    handles = []
    for name, part in module.named_modules():
        handles += [
            part.register_forward_pre_hook(lambda part, inputs, name=name: begin(name)),
            part.register_forward_hook(lambda part, inputs, output: end(part, output)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
