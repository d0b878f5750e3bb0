"""Frames cut into tiles and put together again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages
from detcnn.events.truth import Truth
from detcnn.imaging.tiling import Tiling


@st.composite
def tilings(draw):
    pixels = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    frame = tuple(t + draw(st.integers(0, 20)) for t in pixels)
    return Tiling(frame, pixels, draw(st.integers(0, min(pixels) - 1)))


def test_starts_and_borders_by_hand():
    # Of ten pixels, tiles of six that share two: 0 to 5 and 4 to 9, the border after pixel 4.
    tiling = Tiling((10, 6), (6, 6), 2)
    assert tiling.starts.tolist() == [[0, 0], [4, 0]]
    assert tiling.owned.tolist() == [[[0, 5], [0, 6]], [[1, 6], [0, 6]]]


@given(tilings(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_what_is_cut_is_put_together_again(tiling, n_frames):
    frames = np.arange(2 * n_frames * np.prod(tiling.frame), dtype=np.float32)
    frames = frames.reshape(n_frames, 2, *tiling.frame)
    tiles = tiling.cut(DenseImages(frames)).values
    assert tiles.shape == (n_frames * tiling.n_tiles, 2, *tiling.pixels)
    np.testing.assert_array_equal(tiling.stitch(tiles), frames)
    assert tiling.events(n_frames).tolist() == np.repeat(range(n_frames), tiling.n_tiles).tolist()


@given(tilings())
@settings(max_examples=60, deadline=None)
def test_every_pixel_has_one_owner_and_neighbours_share_enough(tiling):
    count = np.zeros(tiling.frame, dtype=int)
    owned = tiling.ownership(tiling.starts)
    for (row, column), mine in zip(tiling.starts.tolist(), owned, strict=True):
        count[row : row + tiling.pixels[0], column : column + tiling.pixels[1]] += mine
    assert (count == 1).all()
    for axis in (0, 1):
        starts = np.unique(tiling.starts[:, axis])
        assert (np.diff(starts) <= tiling.pixels[axis] - tiling.overlap).all()
        assert starts[0] == 0
        assert starts[-1] == tiling.frame[axis] - tiling.pixels[axis]


def test_a_filter_sees_no_seam_if_the_overlap_is_twice_its_reach():
    rng = np.random.default_rng(1)
    tiling = Tiling((40, 33), (16, 12), 6)
    frame = rng.normal(size=(1, 1, 40, 33)).astype(np.float32)

    def smooth(images):
        return ndimage.uniform_filter(images, size=(1, 1, 7, 7), mode="constant")

    tiles = smooth(tiling.cut(DenseImages(frame)).values)
    np.testing.assert_allclose(tiling.stitch(tiles), smooth(frame), atol=1e-5)
    narrow = Tiling((40, 33), (16, 12), 2)
    seamed = narrow.stitch(smooth(narrow.cut(DenseImages(frame)).values))
    assert np.abs(seamed - smooth(frame)).max() > 0.05


def test_points_are_in_the_tiles_that_they_lie_in():
    tiling = Tiling((10, 6), (6, 6), 2)
    points = np.array([[[4.5, 1.0], [0.0, 5.4], [np.nan, np.nan]]], dtype=np.float32)
    cut = tiling.cut_truth(Truth(points={"p": points})).points["p"]
    gone = [np.nan, np.nan]
    expected = [[[4.5, 1.0], [0.0, 5.4], gone], [[0.5, 1.0], gone, gone]]
    np.testing.assert_allclose(cut, np.array(expected, dtype=np.float32), rtol=1e-6)
    assert tiling.columns(1)["tile_row"].tolist() == [0, 4]


def test_grids_and_refusals():
    tiling = Tiling((10, 6), (6, 6), 2)
    frame = Grid(Axis("row", 10, -1.0, 1.0), Axis("column", 6, 0.0, 6.0))
    assert tiling.grid(frame).shape == (6, 6)
    assert tiling.frame_grid(tiling.grid(frame)).shape == (10, 6)
    with pytest.raises(ConfigError, match="tiles of 11x6 pixels, but the images have 10x6"):
        Tiling((10, 6), (11, 6), 0)
