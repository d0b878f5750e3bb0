"""Quantiles of filled pixels, found in two passes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detcnn.events.images import DenseImages, as_dense, as_sparse
from detcnn.imaging.clipping import UNLIMITED, clip_limits, clipped


def expected_limit(values, share):
    filled = np.abs(values[values != 0])
    return np.quantile(filled, share, method="inverted_cdf") if len(filled) else UNLIMITED


# Very near each other, or equal, or of any size: both halves of the bits have to tell.
PIXELS = st.one_of(
    st.sampled_from([0.0, 0.0, 1.0, -1.0, 2.5]),
    st.floats(1, np.float32(1.001), width=32),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 8), st.just(2), st.just(2), st.just(3)),
        elements=PIXELS,
        fill=st.nothing(),
    ),
    st.sampled_from([1e-9, 0.1, 0.25, 0.5, 2 / 3, 0.9, 0.999, 1.0]),
    st.booleans(),
    st.integers(1, 4),
)
@settings(max_examples=150, deadline=None)
def test_equals_numpy_whatever_the_blocks(values, share, is_sparse, size):
    form = as_sparse if is_sparse else lambda images: images
    blocks = [
        form(DenseImages(values[start : start + size])) for start in range(0, len(values), size)
    ]
    found = clip_limits(lambda: blocks, n_channels=2, share=share)
    assert found.dtype == np.float32
    assert found.tolist() == [expected_limit(values[:, k], share) for k in (0, 1)]


def test_by_hand():
    values = np.array([[[4, 0, -1, 0, 3]], [[0, 0, 0, -9, 2]]], dtype=np.float32)
    images = DenseImages(values)
    # Of 1, 2, 3, 4 and 9.
    for share, limit in ((0.2, 1), (0.21, 2), (0.8, 4), (0.81, 9), (1.0, 9)):
        assert clip_limits(lambda: [images], n_channels=1, share=share).tolist() == [limit]
    cut = clipped(images, np.float32([3])).values
    assert cut.tolist() == [[[3, 0, -1, 0, 3]], [[0, 0, 0, -3, 2]]]


@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 4), (2, 2, 3, 4)])
def test_each_channel_has_its_own_limit(shape):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(6, *shape)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = 0
    limits = np.float32([0.3, 0.9])
    expected = np.stack([np.clip(values[:, k], -limits[k], limits[k]) for k in (0, 1)], axis=1)
    dense, sparse = DenseImages(values), as_sparse(DenseImages(values))
    np.testing.assert_array_equal(clipped(dense, limits).values, expected)
    np.testing.assert_array_equal(as_dense(clipped(sparse, limits)).values, expected)
    # Those given stay as they are.
    np.testing.assert_array_equal(as_dense(sparse).values, values)
    np.testing.assert_array_equal(dense.values, values)


def test_what_is_unlimited_is_finite():
    assert np.isfinite(UNLIMITED)
    huge = DenseImages(np.array([[[-UNLIMITED, UNLIMITED]]], dtype=np.float32))
    np.testing.assert_array_equal(clipped(huge, np.array([UNLIMITED])).values, huge.values)
