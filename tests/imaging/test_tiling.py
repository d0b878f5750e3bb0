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
    for start, owned in zip(tiling.starts, tiling.owned, strict=True):
        rows, columns = (slice(*place) for place in (start[:, np.newaxis] + owned).tolist())
        count[rows, columns] += 1
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
    gone = [np.nan, np.nan]
    points = np.array([[gone, [4.5, 1.0], [0.0, 5.4], gone]], dtype=np.float32)
    cut = tiling.cut_truth(Truth(points={"p": points})).points["p"]
    expected = [[[4.5, 1.0], [0.0, 5.4]], [[0.5, 1.0], gone]]
    np.testing.assert_allclose(cut, np.array(expected, dtype=np.float32), rtol=1e-6)
    assert tiling.columns(1)["tile_row"].tolist() == [0, 4]


def test_what_two_tiles_say_of_a_place_counts_where_it_is_owned():
    # Pixel 4, whose right half ends at 4.5, is the last one of the first tile.
    tiling = Tiling((10, 6), (6, 6), 2)
    gone = [np.nan] * 3
    said = [
        [[4.25, 1.0, 0.7], [4.5, 2.0, 0.6], [-0.75, 0.0, 0.5]],
        [[0.25, 1.0, 0.3], [0.5, 2.0, 0.2], [6.25, 5.0, 0.1]],
    ]
    merged = tiling.merge_points(np.array([*said, [gone] * 3, [gone] * 3], dtype=np.float32))
    # Beyond the edge of the frame there is no other tile.
    expected = [[4.25, 1.0, 0.7], [-0.75, 0.0, 0.5], [4.5, 2.0, 0.2], [10.25, 5.0, 0.1]]
    np.testing.assert_array_equal(merged[0], np.array(expected, dtype=np.float32))
    assert np.isnan(merged[1]).all()


@st.composite
def frames_of_points(draw):
    tiling = draw(tilings())
    places = st.tuples(*(st.floats(-1, n, width=32) for n in tiling.frame))
    events = draw(st.lists(st.lists(places, max_size=6), min_size=1, max_size=3))
    points = np.full((len(events), 6, 2), np.nan, dtype=np.float32)
    for event, of_event in zip(points, events, strict=True):
        where = draw(st.permutations(range(6)))[: len(of_event)]
        event[where] = np.reshape(of_event, (-1, 2))
    return tiling, points


@given(frames_of_points())
@settings(max_examples=100, deadline=None)
def test_points_that_are_cut_are_put_together_again(drawn):
    tiling, points = drawn
    cut = tiling.cut_truth(Truth(points={"p": points})).points["p"]
    assert cut.shape[0] == len(points) * tiling.n_tiles
    assert cut.shape[1] <= max(1, np.isfinite(points[..., 0]).sum(axis=1).max())
    merged = tiling.merge_points(cut)
    owners = tiling.owns(cut).reshape(len(points), -1).sum(axis=1)
    for event, whole, n_owners in zip(points, merged, owners, strict=True):
        expected = sorted(map(tuple, event[np.isfinite(event[:, 0])].tolist()))
        assert sorted(map(tuple, whole[np.isfinite(whole[:, 0])].tolist())) == expected
        assert n_owners == len(expected)


@given(frames_of_points())
@settings(max_examples=100, deadline=None)
def test_a_point_is_owned_as_its_pixel(drawn):
    tiling, points = drawn
    cut = tiling.cut_truth(Truth(points={"p": points})).points["p"]
    owns = tiling.owns(cut).reshape(len(points), tiling.n_tiles, -1)
    cut = cut.reshape(len(points), tiling.n_tiles, -1, 2)
    for event, tile, number in zip(*np.nonzero(np.isfinite(cut[..., 0])), strict=True):
        place = cut[event, tile, number].astype(np.float64) + tiling.starts[tile]
        pixel = np.clip(np.floor(place + 0.5), 0, np.array(tiling.frame) - 1)
        first, beyond = (tiling.owned[tile] + tiling.starts[tile][:, np.newaxis]).T
        assert owns[event, tile, number] == ((pixel >= first) & (pixel < beyond)).all()


def test_grids_and_refusals():
    tiling = Tiling((10, 6), (6, 6), 2)
    frame = Grid(Axis("row", 10, -1.0, 1.0), Axis("column", 6, 0.0, 6.0))
    assert tiling.grid(frame).shape == (6, 6)
    assert tiling.frame_grid(tiling.grid(frame)).shape == (10, 6)
    with pytest.raises(ConfigError, match="tiles of 11x6 pixels, but the images have 10x6"):
        Tiling((10, 6), (11, 6), 0)
