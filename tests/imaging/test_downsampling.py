"""Blocks of pixels put together, with the truth and the points in them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, SparseImages, as_dense, as_sparse
from detcnn.events.truth import Truth
from detcnn.imaging.downsampling import PixelBlocks
from detcnn.imaging.geometric_steps import Crop, Downsample
from detcnn.imaging.image_steps import apply_image_steps, grid_after


def apply(images, step, **options):
    n_rows, n_columns = images.shape[1:]
    return apply_image_steps(
        images,
        [step],
        grid=Grid(Axis("wire", n_rows, -1, 3, "mm"), Axis("tick", n_columns, 0, 6, "ns")),
        is_normalised=np.ones(images.shape[0], dtype=bool),
        **options,
    )


def slow_images(values, rows, columns, by):
    """Put blocks together one by one."""
    n, n_channels, n_rows, n_columns = values.shape
    found = np.zeros((n, n_channels, n_rows // rows, n_columns // columns))
    for index in np.ndindex(*found.shape):
        i, channel, row, column = index
        pixels = [
            float(values[i, channel, row * rows + r, column * columns + c])
            for r in range(rows)
            for c in range(columns)
        ]
        found[index] = {"sum": sum(pixels), "mean": sum(pixels) / len(pixels), "max": max(pixels)}[
            by
        ]
    return found


def slow_classes(masks, values, rows, columns):
    """Give each block its class, one by one."""
    n, n_planes, n_rows, n_columns = masks.shape
    found = np.zeros((n, n_planes, n_rows // rows, n_columns // columns))
    for index in np.ndindex(*found.shape):
        i, plane, row, column = index
        channels = [plane] if n_planes == values.shape[1] else range(values.shape[1])
        places = [
            (row * rows + r, column * columns + c) for r in range(rows) for c in range(columns)
        ]
        content = [sum(abs(float(values[i, k][place])) for k in channels) for place in places]
        classes = [int(masks[i, plane][place]) for place in places]
        if any(content):
            found[index] = classes[content.index(max(content))]
        else:
            most = max(Counter(classes).values())
            found[index] = min(c for c, n_times in Counter(classes).items() if n_times == most)
    return found


@st.composite
def events(draw):
    """Images with few pixels filled, classes of theirs, and the size of a block."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shape = rows * draw(st.integers(1, 4)), columns * draw(st.integers(1, 4))
    n, n_channels = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    n_planes = draw(st.sampled_from([1, n_channels]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    # Whole numbers, so that there are equal ones.
    values = rng.integers(-4, 5, (n, n_channels, *shape)) * 1.5
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0
    masks = rng.integers(0, 4, (n, n_planes, *shape))
    return values.astype(np.float32), masks.astype(np.float32), (rows, columns)


@given(events(), st.sampled_from(["sum", "mean", "max"]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_images_and_truth_are_those_of_a_slow_reference(drawn, by, is_sparse):
    values, masks, (rows, columns) = drawn
    form = as_sparse if is_sparse else lambda images: images
    truth = Truth(
        pixels={"mask": form(DenseImages(masks)), "charge": form(DenseImages(2 * values[:, :1]))}
    )
    found = apply(
        form(DenseImages(values)), Downsample(rows, columns, by), truth=truth, classes=["mask"]
    )
    kinds = {type(found.images), *map(type, found.truth.pixels.values())}
    assert kinds == {SparseImages if is_sparse else DenseImages}
    images = as_dense(found.images).values
    np.testing.assert_allclose(images, slow_images(values, rows, columns, by), rtol=1e-6)
    mask, charge = (as_dense(found.truth.pixels[name]).values for name in ("mask", "charge"))
    np.testing.assert_array_equal(mask, slow_classes(masks, values, rows, columns))
    # Another number of pixels goes as the images do.
    np.testing.assert_allclose(charge, 2 * images[:, :1], rtol=1e-6)


def test_by_hand():
    values = np.array([[[[1, 2, 0, 0], [3, -7, 0, 0]]]], dtype=np.float32)
    masks = np.array([[[[1, 1, 3, 2], [1, 2, 2, 3]]]])
    for by, expected in (("sum", [-1, 0]), ("mean", [-0.25, 0]), ("max", [3, 0])):
        blocks = PixelBlocks((2, 2), by, content=values)
        assert blocks.images(values).tolist() == [[[expected]]]
        # -7 is most of what is seen of the one; the other is as often 2 as 3.
        assert blocks.masks(masks).tolist() == [[[[2, 2]]]]


def test_a_class_is_that_of_its_own_view():
    views = np.array([[[[5, 1]], [[0, 2]]]], dtype=np.float32)
    blocks = PixelBlocks((1, 2), "sum", content=views)
    assert blocks.masks(np.array([[[[1, 2]], [[1, 2]]]])).tolist() == [[[[1]], [[2]]]]
    # One plane of several channels goes by all of them.
    assert blocks.masks(np.array([[[[1, 2]]]])).tolist() == [[[[1]]]]
    more = PixelBlocks((1, 2), "sum", content=views * np.float32([[[1]], [[3]]]))
    assert more.masks(np.array([[[[1, 2]]]])).tolist() == [[[[2]]]]


@given(st.integers(0, 1 << 32))
@settings(max_examples=20, deadline=None)
def test_the_charge_is_conserved(seed):
    rng = np.random.default_rng(seed)
    values = (rng.exponential(size=(4, 2, 12, 18)) ** 6).astype(np.float32)
    found = as_dense(apply(as_sparse(DenseImages(values)), Downsample(4, 3)).images).values
    exact = values.sum(axis=(2, 3), dtype=np.float64)
    sums = found.sum(axis=(2, 3), dtype=np.float64)
    # Each of the sums is rounded once.
    np.testing.assert_allclose(sums, exact, rtol=2.0**-24)


def test_points_stay_where_they_are_in_the_blocks():
    points = np.array([[[0, 0], [2.5, 3.5], [-0.5, 5.49], [np.nan, np.nan]]])
    found = PixelBlocks((2, 3), "sum", content=np.zeros((1, 1, 4, 6), np.float32)).points(points)
    # The edge between the pixels 1 and 2 is that of the blocks 0 and 1.
    expected = [[[-0.25, -1 / 3], [1, 5 / 6], [-0.5, 1.49666667], [np.nan, np.nan]]]
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_a_point_is_in_the_block_of_its_pixel():
    places = np.stack(np.meshgrid(np.arange(6), np.arange(8), indexing="ij"), -1).reshape(1, -1, 2)
    blocks = PixelBlocks((3, 2), "sum", content=np.zeros((1, 1, 6, 8), np.float32))
    found = blocks.points(places.astype(float))
    np.testing.assert_array_equal(np.rint(found), places // [3, 2])


def test_the_grid_keeps_its_edges():
    grid = Grid(Axis("wire", 12, -1, 3, "mm"), Axis("tick", 9, 0, 18, "ns"))
    found = grid_after(grid, [Downsample(4, 1), Crop(3, 6), Downsample(1, 3)])
    assert found == Grid(Axis("wire", 3, -1, 3, "mm"), Axis("tick", 2, 2, 14, "ns"))


@pytest.mark.parametrize(
    ("step", "advice"),
    [(Downsample(5, 3), "crop it to 5x6 first"), (Downsample(4, 7), "take smaller blocks")],
)
def test_blocks_that_do_not_fill_the_image(step, advice):
    images = DenseImages(np.zeros((1, 1, 8, 6), np.float32))
    size = f"{step.rows}x{step.columns}"
    fault = f"^image_steps: downsample blocks of {size} pixels: the image has 8x6, .*: {advice}$"
    with pytest.raises(ConfigError, match=fault):
        apply(images, step)
