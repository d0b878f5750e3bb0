"""Copying between arrays as fast as memory allows."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray


def copy_into(target: NDArray[np.float32], source: NDArray[np.float32]) -> None:
    """Copy contiguous pixels to others of equal number and dtype that do not overlap; for kernels.

    The processor's own instruction for it does not fetch what it overwrites, unlike a loop: an
    assignment of slices would become one, for fear of an overlap.
    """
    target[:] = source


@overload(copy_into)
def _compiled_copy(target: Any, source: Any) -> Any:
    def copy(target: Any, source: Any) -> None:
        _copy_memory(target, source)

    return copy


@intrinsic
def _copy_memory(_context: Any, target: Any, source: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, start = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        cgutils.raw_memcpy(builder, to.data, start.data, start.nitems, start.itemsize)
        return context.get_dummy_value()

    return types.void(target, source), generate


_VECTOR = 8
"""Values in one store that goes past the caches, which must begin at a multiple of its bytes."""


def stream_into(target: NDArray[np.float32], source: NDArray[np.float32]) -> None:
    """Copy contiguous pixels as `copy_into` does, but past the caches; for kernels.

    For a target that is larger than the caches: it is not fetched from memory to be overwritten,
    which takes half of the time, and what is in the caches stays there. Whoever has copied all he
    wants to calls `finish_streams` before others may look.
    """
    target[:] = source


def finish_streams() -> None:
    """Wait until all that `stream_into` has copied can be seen by other threads."""


@overload(stream_into)
def _compiled_stream(target: Any, source: Any) -> Any:
    def stream(target: Any, source: Any) -> None:
        n = np.uint64(len(target))
        n_before = np.uint64(-(target.ctypes.data // 4) % _VECTOR)
        first = min(n, n_before)
        whole = first + (n - first) // np.uint64(_VECTOR) * np.uint64(_VECTOR)
        for i in range(first):
            target[i] = source[i]
        for i in range(first, whole, np.uint64(_VECTOR)):
            _stream_vector(target, source, i)
        for i in range(whole, n):
            target[i] = source[i]

    return stream


@intrinsic
def _stream_vector(_context: Any, target: Any, source: Any, first: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, start = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:2], arguments[:2], strict=True)
        )
        vector = ir.VectorType(ir.FloatType(), _VECTOR).as_pointer()
        here, there = (
            builder.bitcast(builder.gep(array.data, [arguments[2]]), vector)
            for array in (start, to)
        )
        store = builder.store(builder.load(here, align=4), there, align=4 * _VECTOR)
        once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        store.set_metadata("nontemporal", once)
        return context.get_dummy_value()

    return types.void(target, source, types.uint64), generate


@overload(finish_streams)
def _compiled_finish() -> Any:
    def finish() -> None:
        _fence()

    return finish


@intrinsic
def _fence(_context: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
