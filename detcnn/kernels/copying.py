"""Copying between arrays as fast as memory allows."""

from typing import Any

import numpy as np
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
