from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detcnn.errors import DataError
from detcnn.events.images import (
    DenseImages,
    SparseImages,
    as_dense,
    as_sparse,
    beside_filled,
    concatenate,
    filled_planes,
    pixel_dtype,
)


@st.composite
def dense(draw, min_images=0):
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)))
    n_images = draw(st.integers(min_images, 5))
    values = st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.5, -2.0, 1e-30])
    return DenseImages(draw(hnp.arrays(np.float32, (n_images, *shape), elements=values)))


def assert_equal(one, other):
    assert one.shape == other.shape
    np.testing.assert_array_equal(as_dense(one).values, as_dense(other).values)


def test_sparse_by_hand():
    values = np.zeros((3, 2, 2, 3), dtype=np.float32)
    values[0, 1, 0, 2] = 5
    values[0, 0, 1, 0] = 4
    values[2, 1, 1, 2] = -1
    sparse = as_sparse(DenseImages(values))
    np.testing.assert_array_equal(sparse.offsets, [0, 2, 2, 3])
    np.testing.assert_array_equal(sparse.pixel, [3, 8, 11])
    np.testing.assert_array_equal(sparse.value, [4, 5, -1])
    assert (sparse.shape, sparse.n_images) == ((2, 2, 3), 3)
    assert (sparse.pixel.dtype, sparse.value.dtype) == (np.uint16, np.float32)
    assert sparse.occupancy == DenseImages(values).occupancy == 3 / 36


@given(dense())
def test_round_trip(images):
    sparse = as_sparse(images)
    assert_equal(sparse, images)
    assert np.all(sparse.value != 0)
    assert sparse.occupancy == pytest.approx(images.occupancy)
    for start, stop in pairwise(sparse.offsets):
        assert np.all(np.diff(sparse.pixel[start:stop].astype(int)) > 0)


@given(dense(min_images=1), st.data())
def test_take_and_slice_are_those_of_the_array(images, data):
    rows = np.array(
        data.draw(st.lists(st.integers(0, images.n_images - 1), max_size=8)), dtype=np.int64
    )
    start, stop = sorted(
        data.draw(st.tuples(st.integers(0, images.n_images), st.integers(0, images.n_images)))
    )
    for form in (images, as_sparse(images)):
        assert_equal(form.take(rows), DenseImages(images.values[rows]))
        assert_equal(form.slice(start, stop), DenseImages(images.values[start:stop]))
        assert_equal(
            form.slice(start, images.n_images).slice(0, stop - start),
            DenseImages(images.values[start:stop]),
        )


@given(dense(min_images=1), st.data())
def test_concatenate_undoes_slicing(images, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, images.n_images), max_size=3)))
    edges = [0, *cuts, images.n_images]
    sparse = as_sparse(images)
    joined = concatenate([sparse.slice(a, b) for a, b in pairwise(edges)])
    np.testing.assert_array_equal(joined.offsets, sparse.offsets)
    np.testing.assert_array_equal(joined.pixel, sparse.pixel)
    np.testing.assert_array_equal(joined.value, sparse.value)
    assert joined.pixel.dtype == sparse.pixel.dtype


def test_conversion_of_what_is_so_already_is_free():
    images = DenseImages(np.ones((1, 1, 2, 2), dtype=np.float32))
    sparse = as_sparse(images)
    assert as_dense(images) is images
    assert as_sparse(sparse) is sparse


def test_no_images():
    empty = as_sparse(DenseImages(np.zeros((0, 1, 2, 2), dtype=np.float32)))
    assert (empty.n_images, empty.occupancy, as_dense(empty).occupancy) == (0, 0, 0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1, 256, 256), np.uint16), ((1, 256, 257), np.uint32), ((3, 33, 33), np.uint16)],
)
def test_pixel_dtype_holds_the_last_pixel(shape, expected):
    assert pixel_dtype(shape) is expected
    assert np.prod(shape) - 1 <= np.iinfo(expected).max


def test_large_images_keep_their_pixels():
    values = np.zeros((1, 2, 200, 200), dtype=np.float32)
    values[0, 1, 199, 199] = 7
    sparse = as_sparse(DenseImages(values))
    assert isinstance(sparse, SparseImages)
    assert sparse.pixel.tolist() == [79_999]
    assert as_dense(sparse).values[0, 1, 199, 199] == 7


def test_planes_that_are_of_no_channel():
    images = DenseImages(np.zeros((1, 3, 2, 2), np.float32))
    with pytest.raises(DataError, match="2 planes are of the channels of images that have 3"):
        filled_planes(images, 2, of_channels=True)


@given(dense(), st.booleans(), st.booleans(), st.integers(1, 3))
def test_filled_planes(images, is_sparse, of_channels, planes):
    # Three of three channels need not be of them.
    planes = images.shape[0] if of_channels else planes
    expected = images.values != 0
    if not of_channels:
        expected = np.repeat(expected.any(axis=1, keepdims=True), planes, axis=1)
    shown = as_sparse(images) if is_sparse else images
    found = filled_planes(shown, planes, of_channels=of_channels)
    np.testing.assert_array_equal(as_dense(found).values, expected)
    assert all((np.diff(found.slice(i, i + 1).pixel) > 0).all() for i in range(found.n_images))
    truth = DenseImages(np.full((images.n_images, planes, *images.shape[1:]), 3, np.float32))
    beside = beside_filled(truth, shown, of_channels=of_channels)
    np.testing.assert_array_equal(as_dense(beside).values[:, :planes], truth.values)
    np.testing.assert_array_equal(as_dense(beside).values[:, planes:], expected)
