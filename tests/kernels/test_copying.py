import numpy as np
import pytest

from detcnn.kernels.compilation import compiled
from detcnn.kernels.copying import copy_into, finish_streams, stream_into


@compiled
def _copy_row(target, source, row):
    copy_into(target[row], source)


def test_only_the_target_changes():
    target, source = np.zeros((3, 1000), np.float32), np.arange(1000, dtype=np.float32)
    before = source.copy()
    _copy_row(target, source, 1)
    np.testing.assert_array_equal(target[1], before)
    np.testing.assert_array_equal(source, before)
    assert not target[[0, 2]].any()
    _copy_row(target[:, :0], source[:0], 1)
    np.testing.assert_array_equal(target[1], before)


def test_python_does_the_same():
    target = np.zeros(3, np.float32)
    copy_into(target, np.arange(3, dtype=np.float32))
    assert target.tolist() == [0, 1, 2]


@compiled
def _stream(target, source):
    stream_into(target, source)
    finish_streams()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 16, 40])
@pytest.mark.parametrize("first", range(17))
def test_a_stream_writes_what_it_is_given_and_nothing_else(n, first):
    memory = np.full(64, -1, np.float32)
    source = np.arange(n, dtype=np.float32)
    _stream(memory[first : first + n], source)
    assert memory.tolist() == [-1] * first + list(range(n)) + [-1] * (64 - first - n)


def test_a_stream_in_python_does_the_same():
    target = np.zeros(3, np.float32)
    stream_into(target, np.arange(3, dtype=np.float32))
    finish_streams()
    assert target.tolist() == [0, 1, 2]
