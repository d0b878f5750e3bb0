"""Hexagonal pixels shared out over squares: charge, areas, means, classes, no camera."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages, as_sparse
from detcnn.imaging.hexagonal import (
    NOT_COVERED,
    check_means,
    hexagonal_camera,
    lattice,
    overlaps,
)


def centres_of(n_rings, *, pitch=1.0, angle=0.0, shift=(0.0, 0.0)):
    """Centres of a camera: rings of pixels around one, neighbours in the direction `angle`."""
    cells = range(-n_rings, n_rings + 1)
    axial = np.array([(q, r) for q in cells for r in cells if abs(q + r) <= n_rings])
    first, second = angle, angle + math.pi / 3
    steps = [[math.cos(first), math.sin(first)], [math.cos(second), math.sin(second)]]
    return pitch * axial @ np.array(steps) + shift


@st.composite
def cameras(draw):
    """A camera, and the pitch of its pixels."""
    number = st.floats(-50, 50)
    pitch = draw(st.floats(0.1, 20))
    centres = centres_of(
        draw(st.integers(1, 3)),
        pitch=pitch,
        angle=draw(st.floats(-4, 4)),
        shift=(draw(number), draw(number)),
    )
    pixels = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    return hexagonal_camera(centres, pixels=pixels), pitch


@given(cameras(), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_charge_is_conserved(drawn, seed):
    camera, _ = drawn
    np.testing.assert_allclose(camera.shares.sum(axis=0), 1, rtol=1e-12)
    assert camera.shares.data.min() > 0
    images = np.random.default_rng(seed).normal(size=(3, 2, camera.n_pixels)).astype(np.float32)
    pictures = camera.shared_out(DenseImages(images)).values
    assert pictures.shape == (3, 2, *camera.grid.shape)
    sums = pictures.sum(axis=(2, 3), dtype=np.float64)
    np.testing.assert_allclose(sums, images.sum(axis=2, dtype=np.float64), atol=1e-5)


@given(cameras())
@settings(max_examples=60, deadline=None)
def test_no_square_is_covered_twice(drawn):
    camera, pitch = drawn
    rows, columns = camera.grid.axes
    assert (rows.name, columns.name) == ("x", "y")
    assert rows.pixel_width == pytest.approx(columns.pixel_width)
    covered = camera.shares.sum(axis=1) * math.sqrt(3) / 2 * pitch**2
    assert covered.max() <= rows.pixel_width**2 * (1 + 1e-6)
    assert ((covered > 0) == (camera.owner != NOT_COVERED)).all()


@pytest.fixture
def pair():
    """Two pixels side by side at a pitch of 2 on squares of 1: x from −1 to 3, y to ±2/√3."""
    return hexagonal_camera(np.array([[0.0, 0.0], [2.0, 0.0]]), pixels=(4, 3), unit="mm")


def test_two_hexagons_by_hand(pair):
    assert [(a.low, a.high, a.unit) for a in pair.grid.axes] == [
        (pytest.approx(-1), pytest.approx(3), "mm"),
        (pytest.approx(-1.5), pytest.approx(1.5), "mm"),
    ]
    # Of the area 2√3, half lies on each side of the middle. Up to |y| = 1/√3 the hexagon is as
    # broad as two squares, so that it fills those in the middle of y, of area 1.
    middle, outer = 1 / (2 * math.sqrt(3)), (math.sqrt(3) - 1) / 2 / (2 * math.sqrt(3))
    along_y = np.array([outer, middle, outer])
    for pixel, along_x in enumerate(([1, 1, 0, 0], [0, 0, 1, 1])):
        shares = pair.shares.toarray()[:, pixel].reshape(4, 3)
        np.testing.assert_allclose(shares, np.outer(along_x, along_y), atol=1e-12)
    assert pair.owner.reshape(4, 3).tolist() == [[0] * 3] * 2 + [[1] * 3] * 2


def test_areas_against_fine_sampling():
    rng = np.random.default_rng(3)
    angles = rng.uniform(0, 1, (5, 1)) + np.arange(6) * math.pi / 3
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=-1) + rng.uniform(-1, 1, (5, 1, 2))
    low = rng.uniform(-1.5, 0.5, (5, 4, 2))
    high = low + rng.uniform(0.2, 2, (5, 4, 2))
    found = overlaps(corners, low, high)
    assert (found > 0).sum() > 10
    points = (np.stack(np.meshgrid(np.arange(400), np.arange(400)), axis=-1) + 0.5) / 400
    for i, outline in enumerate(corners):
        for k in range(4):
            x, y = np.moveaxis(low[i, k] + points * (high[i, k] - low[i, k]), -1, 0)
            # Inside is to the left of every edge.
            onward = np.roll(outline, -1, axis=0) - outline
            is_in = np.ones_like(x, dtype=bool)
            for (x0, y0), (dx, dy) in zip(outline, onward, strict=True):
                is_in &= dx * (y - y0) - dy * (x - x0) >= 0
            area = is_in.mean() * (high[i, k] - low[i, k]).prod()
            assert found[i, k] == pytest.approx(area, abs=0.01)


def test_pixels_are_where_they_are_nearest():
    # A point is in the pixel whose centre is nearest, where there are pixels all round.
    centres = centres_of(3, pitch=1.3, angle=0.2, shift=(4, -9))
    camera = hexagonal_camera(centres, pixels=(9, 11))
    x, y = (
        axis.low + (np.arange(20 * axis.n_pixels) + 0.5) * axis.pixel_width / 20
        for axis in camera.grid.axes
    )
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    nearest = np.argmin(((points[:, :, np.newaxis] - centres) ** 2).sum(axis=-1), axis=-1)
    inner = np.flatnonzero(np.hypot(*(centres - [4, -9]).T) < 2.4 * 1.3)
    assert len(inner) == 19
    for pixel in inner:
        counts = (nearest == pixel).reshape(9, 20, 11, 20).sum(axis=(1, 3))
        shares = camera.shares.toarray()[:, pixel].reshape(9, 11)
        np.testing.assert_allclose(shares, counts / counts.sum(), atol=0.01)


@given(st.integers(1, 3), st.floats(0.05, 0.4), st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
@settings(max_examples=25, deadline=None)
def test_a_camera_that_is_moved_or_turned(n_rings, angle, shift):
    centres = centres_of(n_rings, angle=angle)
    as_it_is = hexagonal_camera(centres, pixels=(7, 7)).shares.toarray()
    moved = hexagonal_camera(centres + shift, pixels=(7, 7)).shares.toarray()
    np.testing.assert_allclose(moved, as_it_is, atol=1e-6)
    # By 60°: the same camera, with its pixels in another order.
    c, s = math.cos(math.pi / 3), math.sin(math.pi / 3)
    turned = centres @ np.array([[c, s], [-s, c]])
    order = np.argmin(((turned[:, np.newaxis] - centres) ** 2).sum(axis=-1), axis=1)
    assert sorted(order) == list(range(len(centres)))
    turned = hexagonal_camera(turned, pixels=(7, 7)).shares.toarray()
    np.testing.assert_allclose(turned, as_it_is[:, order], atol=1e-6)
    # By 90° to the left: x becomes y, and −y becomes x.
    turned = hexagonal_camera(centres @ np.array([[0, 1], [-1, 0]]), pixels=(7, 7)).shares
    expected = np.rot90(as_it_is.reshape(7, 7, -1))
    np.testing.assert_allclose(turned.toarray().reshape(7, 7, -1), expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.3, -0.4])
def test_the_lattice_of_positions_that_are_rounded(angle):
    centres = centres_of(8, pitch=1.0, angle=angle + 2 * math.pi / 3)
    pitch, found = lattice(np.round(centres, 2))
    assert pitch == pytest.approx(1, abs=1e-3)
    assert found == pytest.approx(angle, abs=1e-3)


def test_means_are_weighted_with_the_charge(pair):
    # Photons and times of two pixels, in a single square: (2 · 10 + 6 · 30) / 8 = 25.
    one = hexagonal_camera(np.array([[0.0, 0.0], [2.0, 0.0]]), pixels=(1, 1))
    images = DenseImages(np.array([[[2, 6], [10, 30]], [[0, 0], [0, 0]]], dtype=np.float32))
    averaged = one.averaged(as_sparse(images), {1: 0}).values[..., 0, 0]
    np.testing.assert_allclose(averaged, [[8, 25], [0, 0]])
    # Where the squares are of one pixel, its time is that of all of them.
    times = pair.averaged(images, {1: 0}).values[0, 1]
    np.testing.assert_allclose(times, [[10] * 3] * 2 + [[30] * 3] * 2, rtol=1e-6)
    # Without a mean, all is shared out.
    np.testing.assert_array_equal(pair.averaged(images, {}).values, pair.shared_out(images).values)


def test_classes_are_those_of_the_pixel_that_covers_most(pair):
    classes = DenseImages(np.array([[[3, 1]]], dtype=np.float32))
    assert pair.owned(classes, beside=9).values[0, 0].tolist() == [[3] * 3] * 2 + [[1] * 3] * 2
    # Of equal pixels the first.
    one = hexagonal_camera(np.array([[0.0, 0.0], [2.0, 0.0]]), pixels=(1, 1))
    assert one.owned(classes, beside=9).values.ravel().tolist() == [3]
    beside = hexagonal_camera(np.array([[0.0, 0.0], [2.0, 0.0]]), pixels=(4, 5))
    expected = [[9, 3, 3, 3, 9]] * 2 + [[9, 1, 1, 1, 9]] * 2
    assert beside.owned(classes, beside=9).values[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("centres", "fault"),
    [
        ([[0, 0]], "expected the x and y of two or more pixels"),
        ([[0, 0], [1, math.nan]], "all of them numbers"),
        ([[0, 0], [0, 0]], "pixels 0 and 1 are at the same place"),
        ([*centres_of(2), [1, 0]], "pixels 14 and 19 are at the same place"),
        ([[x, y] for x in range(4) for y in range(4)], "are not 60° from each other"),
    ],
)
def test_what_is_no_camera(centres, fault):
    with pytest.raises(DataError, match=fault):
        hexagonal_camera(np.array(centres, dtype=np.float64), pixels=(3, 3))


def test_means_of_channels():
    assert check_means({"time": "light"}, ("light", "time")) == {1: 0}
    with pytest.raises(ConfigError, match="no channel 'charge' in the images; there are: light"):
        check_means({"time": "charge"}, ("light", "time"))
    with pytest.raises(ConfigError, match="'spread' is a mean of 'time', which is a mean itself"):
        check_means({"time": "light", "spread": "time"}, ("light", "time", "spread"))
