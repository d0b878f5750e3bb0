import numpy as np

from detcnn.kernels.compilation import compiled
from detcnn.kernels.copying import copy_into


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
