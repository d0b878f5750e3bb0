import numpy as np
import pytest

from detcnn.kernels.bits import count_bits
from detcnn.kernels.compilation import compiled


@compiled
def _count(word):
    return count_bits(word)


@pytest.mark.parametrize(
    ("word", "expected"), [(0, 0), (1, 1), (2**63, 1), (2**64 - 1, 64), (0b1011 << 40, 3)]
)
def test_compiled_and_plain_count_alike(word, expected):
    assert count_bits(np.uint64(word)) == expected
    assert _count(np.uint64(word)) == expected
