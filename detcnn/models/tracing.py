"""What a network does with an image, operation by operation, without memory and without time.

The network runs on torch's ``meta`` device, where tensors have a shape and no content, and every
operation that torch comes down to is looked at as it passes. So whatever a network's Python does
on the way, sums, concatenations and loops included, is followed without the network's help.
"""

# ruff: noqa: SLF001  (what torch comes down to has names that begin with an underscore)

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from detcnn.models.receptive_field import ReceptiveField

_aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Seen:
    """What the places of a tensor see of the image.

    Parameters
    ----------
    fields : tuple of ReceptiveField or None
        One for each axis of the image; None if every place sees all of the image.
    dims : tuple of frozenset
        For each dimension of the tensor, the axes of the image that run along it.
    """

    fields: tuple[ReceptiveField, ...] | None
    dims: tuple[frozenset[int], ...]

    @property
    def jump(self) -> tuple[Fraction, ...] | None:
        """Pixels from one place to the next along each axis; None unless each has a dimension."""
        if self.fields is None or not {frozenset([i]) for i in range(len(self.fields))} <= set(
            self.dims
        ):
            return None
        return tuple(field.jump for field in self.fields)

    def everywhere(self, n_dims: int) -> "Seen":
        """Return that a tensor of so many dimensions sees all of the image at each place."""
        return Seen(None, (frozenset(),) * n_dims)


@dataclass(frozen=True, slots=True)
class _Call:
    """One operation: its arguments by name, and what is known of the tensors among them."""

    arguments: Mapping[str, Any]
    result: Tensor
    known: Callable[[Tensor], Seen | None]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def seen(self, name: str = "self") -> Seen | None:
        return self.known(self.arguments[name])


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows tensors through the operations on them while it is switched on.

    Parameters
    ----------
    images : torch.Tensor
        On the meta device, shape (batch, channels, *axes).

    Attributes
    ----------
    multiply_adds : int
        Of convolutions and matrix products so far, for all images of the batch.
    bytes_made : int
        Memory of all numbers that came out of the images so far.
    n_joins : int
        Sums, products and concatenations of several such tensors so far.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        n_axes = images.ndim - 2
        dims = (frozenset[int](), frozenset[int](), *(frozenset([i]) for i in range(n_axes)))
        # The tensors are kept, so that no other one gets the number of one that is gone.
        self._seen: dict[int, tuple[Tensor, Seen]] = {}
        self._made: dict[int, Tensor] = {}
        self._note(images, Seen((ReceptiveField(),) * n_axes, dims))
        self._storages = {_storage(images)}
        self.multiply_adds = 0
        self.bytes_made = 0
        self.n_joins = 0

    def seen(self, tensor: Tensor) -> Seen | None:
        """Return what the places of a tensor see; None for one that no image went into."""
        entry = self._seen.get(id(tensor))
        return None if entry is None else entry[1]

    def _note(self, tensor: Tensor, seen: Seen) -> None:
        self._seen[id(tensor)] = (tensor, seen)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note what its results see."""
        result = func(*args, **(kwargs or {}))
        arguments = _by_name(func, args, kwargs or {})
        name = func.overloadpacket
        inputs = [t for t in _tensors(arguments.values()) if self.seen(t) is not None]
        if name in _MULTIPLY_ADDS:
            self.multiply_adds += _MULTIPLY_ADDS[name](arguments, next(_tensors([result])))
        if not inputs or name in _CREATIONS:
            for made in _tensors([result]):
                self._made.setdefault(_storage(made), made)
            return result
        self.n_joins += name in _JOINS and len(inputs) > 1
        rule = _RULES.get(name)
        # Normalisations also return their statistics.
        outputs = list(_tensors([result]))[: 1 if name in _NORMALISATIONS else None]
        for output in outputs:
            if id(output) in self._seen and name is not _aten.copy_:
                # In place: it sees what it saw, and what else came in.
                inputs = [*inputs, output]
            if rule is not None:
                seen = rule(_Call(arguments, output, self.seen))
            elif torch.Tag.pointwise in func.tags or name in _POINTWISE | _NORMALISATIONS:
                seen = _together([s for t in inputs if (s := self.seen(t))], output, inputs)
            else:
                seen = None
            self._note(output, seen or Seen(None, (frozenset(),) * output.ndim))
            if output.is_floating_point() and _storage(output) not in self._storages:
                self._storages.add(_storage(output))
                self.bytes_made += output.nbytes
        if name is _aten.copy_:
            self._note_base(arguments["self"], arguments["src"])
        return result

    def _note_base(self, target: Tensor, source: Tensor) -> None:
        """Let what is copied into a part of a tensor be seen in all of it, as circular pads do."""
        base, seen = self._made.get(_storage(target)), self.seen(source)
        if base is None or base is target or seen is None or self.seen(base) is not None:
            return
        if base.ndim != source.ndim:
            self._note(base, seen.everywhere(base.ndim))
            return
        margins = [(b - s) // 2 for b, s in zip(base.shape, source.shape, strict=True)]
        through = _windowed(seen, base, [{"kernel": 1, "padding": m} for m in margins])
        self._note(base, through or seen.everywhere(base.ndim))


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _by_name(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    declared = func._schema.arguments
    named = {a.name: a.default_value for a in declared if a.has_default_value()}
    return named | {a.name: v for a, v in zip(declared, args, strict=False)} | dict(kwargs)


def _together(parts: Sequence[Seen], output: Tensor, inputs: Sequence[Tensor]) -> Seen | None:
    """Return what a sum or a product of tensors sees, which broadcasting has made alike."""
    if not parts or any(tensor.ndim > output.ndim for tensor in inputs):
        return None
    fields: tuple[ReceptiveField, ...] | None = parts[0].fields
    dims = [frozenset[int]()] * output.ndim
    for part, tensor in zip(parts, inputs, strict=False):
        for i, axes in enumerate(reversed(part.dims)):
            if tensor.shape[tensor.ndim - 1 - i] == output.shape[output.ndim - 1 - i]:
                dims[output.ndim - 1 - i] |= axes
    for part in parts[1:]:
        if fields is None or part.fields is None:
            fields = None
            break
        fields = tuple(map(_largest, fields, part.fields))
    return Seen(fields, tuple(dims))


def _largest(one: ReceptiveField, other: ReceptiveField) -> ReceptiveField:
    # Where they do not match, because an odd number of places was halved and doubled again, the
    # pattern is lost, but not the size.
    return one.joined(other) or max(one, other, key=lambda field: field.size)


def _windowed(
    seen: Seen,
    output: Tensor,
    windows: Sequence[Mapping[str, int]],
    *,
    how: str = "windowed",
) -> Seen | None:
    """Return what a tensor sees through a window along each of the last dimensions."""
    if seen.fields is None:
        return Seen(None, seen.dims)
    fields = list(seen.fields)
    for window, axes in zip(reversed(windows), reversed(seen.dims), strict=False):
        if len(axes) == 1:
            (axis,) = axes
            fields[axis] = getattr(fields[axis], how)(**window)
        elif axes and set(window.items()) - {("kernel", 1), ("stride", 1), ("dilation", 1)} - {
            ("padding", 0)
        }:
            # Several axes run along this dimension, so that a window of it is not one of theirs.
            return None
    dims = seen.dims
    if len(dims) != output.ndim:
        return None
    return Seen(tuple(fields), dims)


def _window_arguments(call: _Call, kernel: Sequence[int]) -> list[dict[str, int]]:
    n = len(kernel)

    def of_each(name: str, default: int) -> list[int]:
        values = list(call.arguments.get(name) or [])
        return values * n if len(values) == 1 else values or [default] * n

    strides = of_each("stride", 0)
    return [
        {"kernel": k, "stride": s or k, "padding": p, "dilation": d}
        for k, s, p, d in zip(
            kernel, strides, of_each("padding", 0), of_each("dilation", 1), strict=True
        )
    ]


def _convolution(call: _Call) -> Seen | None:
    seen = call.seen("input")
    if seen is None:
        return None
    windows = _window_arguments(call, call["weight"].shape[2:])
    how = "spread" if call["transposed"] else "windowed"
    return _windowed(seen, call.result, windows, how=how)


def _pooling(call: _Call) -> Seen | None:
    seen = call.seen()
    kernel = list(call["kernel_size"])
    n = {"1": 1, "2": 2, "3": 3}[_digit(call)]
    kernel = kernel * n if len(kernel) == 1 else kernel
    return seen and _windowed(seen, call.result, _window_arguments(call, kernel))


def _digit(call: _Call) -> str:
    # A kernel of one number is one for every dimension that the pooling is of: all but channel and
    # batch, whether there is a batch or not.
    return str(min(3, call.result.ndim - 2))


def _unfold_patches(call: _Call) -> Seen | None:
    """``im2col``: (B, C, rows, columns) to (B, C·k², places)."""
    seen = call.seen()
    if seen is None:
        return None
    through = _windowed(seen, call["self"], _window_arguments(call, call["kernel_size"]))
    if through is None:
        return None
    places = frozenset().union(*through.dims[-2:])
    return Seen(through.fields, (frozenset(), frozenset(), places))


def _unfold(call: _Call) -> Seen | None:
    """``Tensor.unfold``: windows along one dimension, their inside as a new last dimension."""
    seen, dim = call.seen(), call["dimension"]
    if seen is None:
        return None
    dim %= len(seen.dims)
    windows = [{"kernel": 1, "stride": 1}] * len(seen.dims)
    windows[dim] = {"kernel": call["size"], "stride": call["step"]}
    through = _windowed(seen, call["self"], windows)
    return through and Seen(through.fields, (*through.dims, frozenset()))


def _adaptive(call: _Call) -> Seen | None:
    seen = call.seen()
    if seen is None or seen.fields is None:
        return seen
    fields = list(seen.fields)
    for dim, axes in enumerate(seen.dims):
        before, after = call["self"].shape[dim], call.result.shape[dim]
        for axis in axes:
            if after == 1 and before > 1:
                return None
            fields[axis] = fields[axis].divided(before, after)
    return Seen(tuple(fields), seen.dims)


def _interpolation(*, is_linear: bool) -> Callable[[_Call], Seen | None]:
    def rule(call: _Call) -> Seen | None:
        seen = call.known(call.arguments["self" if "self" in call.arguments else "input"])
        if seen is None or seen.fields is None:
            return seen
        source = call.arguments["self" if "self" in call.arguments else "input"]
        fields = list(seen.fields)
        for dim, axes in enumerate(seen.dims):
            before, after = source.shape[dim], call.result.shape[dim]
            for axis in axes:
                # An odd number that was halved and doubled again is meant to be doubled.
                up, down = (max(1, round(a / b)) for a, b in ((after, before), (before, after)))
                fields[axis] = fields[axis].resized(
                    down,
                    up,
                    is_linear=is_linear,
                    align_corners=bool(call.arguments.get("align_corners")) and up == down,
                )
        return Seen(tuple(fields), seen.dims)

    return rule


def _padding(call: _Call) -> Seen | None:
    seen = call.seen()
    pads = call["pad" if "pad" in call.arguments else "padding"]
    before = list(pads[::2])[::-1]
    return seen and _windowed(seen, call.result, [{"kernel": 1, "padding": int(p)} for p in before])


def _same(call: _Call) -> Seen | None:
    return call.seen()


def _flipped(call: _Call) -> Seen | None:
    seen = call.seen()
    dims = [d % len(seen.dims) for d in call["dims"]] if seen else []
    is_of_places = seen is not None and any(seen.dims[d] for d in dims)
    return None if is_of_places else seen


def _reduced(*names: str) -> Callable[[_Call], Seen | None]:
    """Return the rule of an operation that takes whole dimensions together."""

    def rule(call: _Call) -> Seen | None:
        seen = call.seen()
        if seen is None:
            return None
        n = len(seen.dims)
        given = next((call.arguments[k] for k in names if call.arguments.get(k) is not None), None)
        chosen = range(n) if given is None or given == [] else given
        gone = {d % n for d in ([chosen] if isinstance(chosen, int) else chosen)}
        if any(seen.dims[d] for d in gone):
            return None
        kept = [d for d in range(n) if d not in gone]
        dims = seen.dims if call.result.ndim == n else tuple(seen.dims[d] for d in kept)
        return Seen(seen.fields, dims)

    return rule


def _matrix_product(call: _Call) -> Seen | None:
    """Products of (…, n, k) and (…, k, m): who runs along k is seen in full."""
    first, second = (
        ("mat1", "mat2") if "mat1" in call.arguments else
        ("batch1", "batch2") if "batch1" in call.arguments else ("self", "mat2")
    )  # fmt: skip
    left, right = call.seen(first), call.seen(second)
    parts = [part for part in (left, right) if part is not None]
    if (left and left.dims[-1]) or (right and right.dims[-2]) or not parts:
        return None
    if any(part.fields is None for part in parts):
        return None
    empty = (frozenset[int](),) * call.result.ndim
    rows, columns = (left.dims if left else empty), (right.dims if right else empty)
    fields = parts[0].fields
    if left and right and left.fields and right.fields:
        fields = tuple(map(_largest, left.fields, right.fields))
    batch = tuple(a | b for a, b in zip(rows[:-2], columns[:-2], strict=True))
    return Seen(fields, (*batch, rows[-2], columns[-1]))


def _concatenation(call: _Call) -> Seen | None:
    known = [(t, s) for t in call["tensors"] if (s := call.known(t))]
    dim = call["dim"] % call.result.ndim
    if not any(seen.dims[dim] for _, seen in known):
        return _together([s for _, s in known], call.result, [t for t, _ in known])
    # Along an axis: the longest piece is the image, what is set at its ends are its own borders
    # (periodic padding) or something apart (a class token).
    longest = max(range(len(call["tensors"])), key=lambda i: call["tensors"][i].shape[dim])
    seen = call.known(call["tensors"][longest])
    offset = sum(t.shape[dim] for t in call["tensors"][:longest])
    windows = [{"kernel": 1, "padding": offset if d == dim else 0} for d in range(len(seen.dims))] \
        if seen else []  # fmt: skip
    return seen and _windowed(seen, call.result, windows)


def _cut(call: _Call) -> Seen | None:
    seen = call.seen()
    start = call.arguments.get("start") or 0
    dim = call["dim"] % call.result.ndim
    start = start + call["self"].shape[dim] if start < 0 else start
    windows = [{"kernel": 1, "padding": -start if d == dim else 0} for d in range(call.result.ndim)]
    return seen and _windowed(seen, call.result, windows)


def _picked(call: _Call) -> Seen | None:
    """Columns that go on where they began; other choices of pixels are not made along an axis."""
    seen = call.seen()
    dim = call["dim"] % call.result.ndim
    more = (call.result.shape[dim] - call["self"].shape[dim]) // 2
    windows = [{"kernel": 1, "padding": more if d == dim else 0} for d in range(call.result.ndim)]
    return seen and _windowed(seen, call.result, windows)


def _copied(call: _Call) -> Seen | None:
    return call.seen("src")


def _selected(call: _Call) -> Seen | None:
    seen = call.seen()
    dim = call["dim"] % (call.result.ndim + 1)
    return seen and Seen(seen.fields, (*seen.dims[:dim], *seen.dims[dim + 1 :]))


def _permuted(call: _Call) -> Seen | None:
    seen = call.seen()
    return seen and Seen(seen.fields, tuple(seen.dims[d] for d in call["dims"]))


def _transposed(call: _Call) -> Seen | None:
    seen = call.seen()
    if seen is None:
        return None
    dims = list(seen.dims)
    i, j = call.arguments.get("dim0", 0), call.arguments.get("dim1", -1)
    dims[i], dims[j] = dims[j], dims[i]
    return Seen(seen.fields, tuple(dims))


def _widened(call: _Call) -> Seen | None:
    seen = call.seen()
    dim = call["dim"] % call.result.ndim
    return seen and Seen(seen.fields, (*seen.dims[:dim], frozenset(), *seen.dims[dim:]))


def _expanded(call: _Call) -> Seen | None:
    seen = call.seen()
    new = (frozenset[int](),) * (call.result.ndim - len(seen.dims) if seen else 0)
    return seen and Seen(seen.fields, (*new, *seen.dims))


def _stacked(call: _Call) -> Seen | None:
    known = [s for t in call["tensors"] if (s := call.known(t))]
    joined = _together(known, call["tensors"][0], [t for t in call["tensors"] if call.known(t)])
    dim = call["dim"] % call.result.ndim
    return joined and Seen(joined.fields, (*joined.dims[:dim], frozenset(), *joined.dims[dim:]))


def _reshaped(call: _Call) -> Seen | None:
    seen = call.seen()
    return seen and Seen(
        seen.fields, _regrouped(seen.dims, tuple(call["self"].shape), tuple(call.result.shape))
    )


def _regrouped(
    dims: Sequence[frozenset[int]], before: Sequence[int], after: Sequence[int]
) -> tuple[frozenset[int], ...]:
    """Return which axes run along the dimensions of a tensor that was given another shape.

    Dimensions of equal product belong together: (B, C, H, W) to (B, C, H·W) is three such groups.
    """
    found: list[frozenset[int]] = []
    i = j = 0
    while j < len(after):
        inside: frozenset[int] = frozenset()
        n_before = n_after = 1
        first = j
        while True:
            if n_after <= n_before and j < len(after) and (j == first or n_after < n_before):
                n_after *= after[j]
                j += 1
            elif n_before < n_after and i < len(before):
                inside |= dims[i]
                n_before *= before[i]
                i += 1
            if n_before == n_after or (i == len(before) and j == len(after)):
                break
        found += [inside] * (j - first)
    return tuple(found)


_RULES: Mapping[Any, Callable[[_Call], Seen | None]] = {
    _aten.convolution: _convolution,
    _aten.max_pool2d_with_indices: _pooling,
    _aten.max_pool3d_with_indices: _pooling,
    _aten.avg_pool1d: _pooling,
    _aten.avg_pool2d: _pooling,
    _aten.avg_pool3d: _pooling,
    _aten.im2col: _unfold_patches,
    _aten.unfold: _unfold,
    **dict.fromkeys(
        (
            _aten._adaptive_avg_pool2d,
            _aten._adaptive_avg_pool3d,
            _aten.adaptive_max_pool2d,
            _aten.adaptive_max_pool3d,
        ),
        _adaptive,
    ),
    **dict.fromkeys(
        (_aten.upsample_nearest1d, _aten.upsample_nearest2d, _aten.upsample_nearest3d),
        _interpolation(is_linear=False),
    ),
    **dict.fromkeys(
        (_aten.upsample_linear1d, _aten.upsample_bilinear2d, _aten.upsample_trilinear3d),
        _interpolation(is_linear=True),
    ),
    **dict.fromkeys(
        (
            _aten.constant_pad_nd,
            _aten.reflection_pad1d,
            _aten.reflection_pad2d,
            _aten.reflection_pad3d,
            _aten.replication_pad1d,
            _aten.replication_pad2d,
            _aten.replication_pad3d,
        ),
        _padding,
    ),
    **dict.fromkeys(
        (
            _aten.mean,
            _aten.sum,
            _aten.amax,
            _aten.amin,
            _aten.max,
            _aten.logsumexp,
            _aten.var_mean,
            _aten._softmax,
            _aten._log_softmax,
        ),
        _reduced("dim"),
    ),
    **dict.fromkeys((_aten.mm, _aten.bmm, _aten.addmm, _aten.baddbmm), _matrix_product),
    _aten.cat: _concatenation,
    _aten.stack: _stacked,
    _aten.slice: _cut,
    _aten.narrow: _cut,
    _aten.copy_: _copied,
    _aten.index_select: _picked,
    _aten.select: _selected,
    _aten.permute: _permuted,
    _aten.transpose: _transposed,
    _aten.t: _transposed,
    _aten.unsqueeze: _widened,
    _aten.expand: _expanded,
    **dict.fromkeys(
        (_aten.view, _aten._unsafe_view, _aten.reshape, _aten.squeeze, _aten._reshape_alias),
        _reshaped,
    ),
    **dict.fromkeys((_aten.split, _aten.split_with_sizes, _aten.chunk, _aten.roll), _same),
    _aten.flip: _flipped,
}

_JOINS = frozenset(
    {_aten.add, _aten.add_, _aten.sub, _aten.mul, _aten.mul_, _aten.cat, _aten.stack, _aten.maximum}
)

_CREATIONS = frozenset(
    {
        _aten.new_empty,
        _aten.new_zeros,
        _aten.new_ones,
        _aten.empty_like,
        _aten.zeros_like,
        _aten.ones_like,
    }
)
"""What takes no more than the shape of the tensor it is given."""

_POINTWISE = frozenset(
    {
        _aten.clone,
        _aten.detach,
        _aten.alias,
        _aten._to_copy,
        _aten.native_dropout,
    }
)

_NORMALISATIONS = frozenset(
    {
        _aten.native_batch_norm,
        _aten._native_batch_norm_legit_no_training,
        _aten.native_layer_norm,
        _aten.native_group_norm,
    }
)
"""What these take from the statistics of an image is no view of it."""


def _of_convolution(arguments: Mapping[str, Any], result: Tensor) -> int:
    weight = arguments["weight"]
    # A transposed one sets its window on every pixel that comes in.
    places = arguments["input"] if arguments["transposed"] else result
    per_place = math.prod(weight.shape[1:])
    return int(places.numel() * per_place)


def _of_product(first: str) -> Callable[[Mapping[str, Any], Tensor], int]:
    return lambda arguments, result: int(result.numel() * arguments[first].shape[-1])


_MULTIPLY_ADDS: Mapping[Any, Callable[[Mapping[str, Any], Tensor], int]] = {
    _aten.convolution: _of_convolution,
    _aten.mm: _of_product("self"),
    _aten.bmm: _of_product("self"),
    _aten.addmm: _of_product("mat1"),
    _aten.baddbmm: _of_product("batch1"),
}
"""Of all images that pass together."""
