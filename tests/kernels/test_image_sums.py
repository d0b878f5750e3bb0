import numpy as np
import pytest

from detcnn.kernels.image_sums import sums_of_lists


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_every_bit_is_that_of_a_slow_sum(dtype):
    rng = np.random.default_rng(3)
    lengths = rng.integers(0, 9, 200)
    offsets = np.r_[0, np.cumsum(lengths)]
    pixel = np.concatenate([rng.choice(12, n, replace=False) for n in lengths]).astype(dtype)
    value = rng.normal(size=len(pixel)).astype(np.float32)
    labels = rng.integers(0, 3, 200)
    total, squares = np.zeros((3, 12)), np.zeros(12)
    for label, start, stop in zip(labels, offsets[:-1], offsets[1:], strict=True):
        for p, v in zip(pixel[start:stop], value[start:stop].tolist(), strict=True):
            total[label, p] += v
            squares[p] += v * v
    sums = sums_of_lists(offsets, pixel, value, labels, n_classes=3, n_pixels=12)
    np.testing.assert_array_equal(sums[0], total)
    np.testing.assert_array_equal(sums[1], squares)


@pytest.mark.parametrize(
    ("labels", "pixel", "complaint"),
    [([-1], [0], "class -1"), ([2], [0], "class 2"), ([0], [3], "pixel 3")],
)
def test_what_there_is_none_of(labels, pixel, complaint):
    with pytest.raises(IndexError, match=complaint):
        sums_of_lists(
            np.array([0, 1]),
            np.array(pixel, np.uint16),
            np.ones(1, np.float32),
            np.array(labels),
            n_classes=2,
            n_pixels=3,
        )
