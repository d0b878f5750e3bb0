"""Bits of a word."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload


def count_bits(word: np.uint64) -> np.uint64:
    """Return how many bits of a word are set; for kernels, where it is one instruction."""
    return np.uint64(int(word).bit_count())


@overload(count_bits)
def _compiled_count(word: Any) -> Any:
    def count(word: Any) -> Any:
        return _population(word)

    return count


@intrinsic
def _population(_context: Any, word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate
