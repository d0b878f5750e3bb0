import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detcnn.events.images import DenseImages, as_sparse
from detcnn.imaging.statistics import pixel_sums

SHAPE = (2, 3, 3)


def images_and_labels(n_images):
    return st.tuples(
        hnp.arrays(np.float32, (n_images, *SHAPE), elements=st.sampled_from([0, 0, 0, 1.5, -3])),
        hnp.arrays(np.int64, n_images, elements=st.integers(0, 2)),
    )


def test_by_hand():
    values = np.zeros((3, 1, 1, 2), dtype=np.float32)
    values[:, 0, 0, 0] = [1, 3, 8]
    sums = pixel_sums(DenseImages(values), np.array([0, 0, 1]), n_classes=3)
    assert sums.n_images.tolist() == [2, 1, 0]
    assert sums.total[:, 0, 0].tolist() == [[4, 0], [8, 0], [0, 0]]
    assert sums.squares[0, 0].tolist() == [74, 0]
    assert sums.mean[0, 0].tolist() == [4, 0]
    assert sums.std[0, 0].tolist() == pytest.approx([np.sqrt(74 / 3 - 16), 0])
    assert sums.class_mean[:, 0, 0].tolist() == [[2, 0], [8, 0], [0, 0]]


@given(st.integers(0, 6).flatmap(images_and_labels))
def test_equals_numpy(case):
    values, labels = case
    sparse = pixel_sums(as_sparse(DenseImages(values)), labels, n_classes=3)
    for sums in (sparse, pixel_sums(DenseImages(values), labels, n_classes=3)):
        assert sums.total.dtype == sums.squares.dtype == np.float64
        assert sums.n_images.sum() == len(values)
        if len(values):
            np.testing.assert_allclose(sums.mean, values.mean(axis=0, dtype=float), atol=1e-12)
            np.testing.assert_allclose(sums.std, values.std(axis=0, dtype=float), atol=1e-7)
        for label in range(3):
            chosen = values[labels == label]
            expected = chosen.mean(axis=0, dtype=float) if len(chosen) else np.zeros(SHAPE)
            np.testing.assert_allclose(sums.class_mean[label], expected, atol=1e-12)


@given(st.integers(1, 6).flatmap(images_and_labels), st.integers(0, 6))
def test_blocks_add_up(case, cut):
    values, labels = case
    whole = pixel_sums(DenseImages(values), labels, n_classes=3)
    parts = pixel_sums(DenseImages(values[:cut]), labels[:cut], n_classes=3) + pixel_sums(
        as_sparse(DenseImages(values[cut:])), labels[cut:], n_classes=3
    )
    for name in ("n_images", "total", "squares"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_constant_pixels_have_no_spread():
    # Rounding must not make the root of a negative number.
    values = np.full((7, 1, 1, 1), 0.1, dtype=np.float32)
    std = pixel_sums(DenseImages(values), np.zeros(7, dtype=np.int64), n_classes=1).std
    assert std.item() == pytest.approx(0, abs=1e-8)


def test_no_images():
    sums = pixel_sums(
        DenseImages(np.zeros((0, *SHAPE), np.float32)), np.zeros(0, np.int64), n_classes=2
    )
    assert not sums.mean.any()
    assert not sums.std.any()
    assert sums.class_mean.shape == (2, *SHAPE)
