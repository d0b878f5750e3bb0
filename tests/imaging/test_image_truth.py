"""What is true of pixels, and points, go with their image through its steps."""

import numpy as np
import pytest

from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, SparseImages, as_dense, as_sparse
from detcnn.events.truth import Truth
from detcnn.imaging import image_steps
from detcnn.imaging.geometric_steps import Crop, Downsample, FlipImage, RotateImage
from detcnn.imaging.image_steps import apply_image_steps
from detcnn.imaging.transforms import Cut, Mirror, SplineTurn
from detcnn.imaging.value_steps import NormaliseImage, ScalePixels, Threshold

TURN = RotateImage("principal_axis")


def apply(values, *steps, masks=None, planes=None, points=None, widths=(1, 1), sparse=False):
    """Take dense images, and what is true of them, through steps; return images and truth."""
    values = np.asarray(values, dtype=np.float32)
    n_channels, n_rows, n_columns = values.shape[1:]
    form = as_sparse if sparse else lambda images: images
    given = {"mask": masks, "charge": planes}
    truth = Truth(
        pixels={
            name: form(DenseImages(np.asarray(pixels, dtype=np.float32)))
            for name, pixels in given.items()
            if pixels is not None
        },
        points={} if points is None else {"places": np.asarray(points, dtype=np.float32)},
    )
    return apply_image_steps(
        form(DenseImages(values)),
        steps,
        grid=Grid(Axis("x", n_rows, 0, n_rows * widths[0]), Axis("y", n_columns, 0, n_columns)),
        is_normalised=np.ones(n_channels, dtype=bool),
        truth=truth,
        classes=["mask"],
    )


def pixels_of(truth, name):
    return as_dense(truth.pixels[name]).values


def picture_of(pixels, shape=(7, 7)):
    picture = np.zeros((1, 1, *shape), dtype=np.float32)
    for (row, column), value in pixels.items():
        picture[0, 0, row, column] = value
    return picture


# Along its rows, with the larger sum at high ones: a quarter turn, all by hand.
BEFORE = picture_of({(3, 3): 9, (5, 3): 2, (0, 3): 1})
AFTER = picture_of({(3, 3): 9, (3, 5): 2, (3, 0): 1})


class TestTurned:
    def test_the_mask_of_a_picture_is_that_of_the_turned_picture(self):
        found = apply(BEFORE, TURN, masks=2 * (BEFORE > 0), planes=BEFORE)
        np.testing.assert_allclose(found.images.values, AFTER, atol=1e-5)
        expected = 2 * (AFTER > 0)
        np.testing.assert_array_equal(pixels_of(found.truth, "mask"), expected)
        # A value of pixels is turned as the image is: what was equal to it still is.
        np.testing.assert_array_equal(pixels_of(found.truth, "charge"), found.images.values)

    def test_points_stay_on_the_pixels_that_they_mark(self):
        points = [[[5, 3], [0, 3], [3, 3], [np.nan, np.nan], [4.5, 2.75]]]
        found = apply(BEFORE, TURN, points=points)
        expected = [[[3, 5], [3, 0], [3, 3], [np.nan, np.nan], [3.25, 4.5]]]
        np.testing.assert_allclose(found.truth.points["places"], expected, atol=1e-6)
        assert found.truth.points["places"].dtype == np.float32

    def test_a_picture_that_is_turned_over_turns_its_truth_over(self):
        # It lies along its columns already, with the larger sum at low ones.
        picture = picture_of({(3, 3): 9, (3, 1): 2, (3, 6): 1, (2, 3): 0.1})
        found = apply(picture, TURN, masks=picture > 0, points=[[[3, 1], [2, 3]]])
        np.testing.assert_array_equal(
            pixels_of(found.truth, "mask")[:, :, 1:-1, 1:-1],
            found.images.values[:, :, 1:-1, 1:-1] > 0.04,
        )
        np.testing.assert_allclose(found.truth.points["places"], [[[3, 5], [4, 3]]], atol=0.15)

    @pytest.mark.parametrize("width", [1.0, 2.0])
    def test_any_angle_by_a_slow_reference(self, width):
        """Each pixel of a mask is looked up where the axis that eigh finds says that it came from.

        Rows are `width` times as far apart as columns.
        """
        rng = np.random.default_rng(3)
        shape = 24, 31
        y, x = np.indices(shape)
        middle = (np.array(shape) - 1) / 2
        pictures, masks, maxima = [], [], []
        for angle in rng.uniform(-1.4, 1.4, 12):
            # The brighter end is at positive u.
            down, right = (y - middle[0]) * width, x - middle[1]
            u = np.cos(angle) * right + np.sin(angle) * down
            v = np.cos(angle) * down - np.sin(angle) * right
            pictures.append(np.exp(-(u**2) / 40 - v**2 / 6) * (1 + 0.3 * np.tanh(u)))
            masks.append(np.where(u > 2, 1, 2) * (pictures[-1] > 0.2))
            maxima.append([middle + 3 * np.array([np.sin(angle) / width, np.cos(angle)])])
        pictures = np.array(pictures, dtype=np.float32)[:, np.newaxis]
        masks = np.array(masks)[:, np.newaxis]
        found = apply(pictures, TURN, masks=masks, points=maxima, widths=(width, 1))
        for i, picture in enumerate(pictures[:, 0].astype(np.float64)):
            place = np.stack([(y * width).ravel(), x.ravel()])
            _, vectors = np.linalg.eigh(np.cov(place, aweights=picture.ravel(), ddof=0))
            down, right = vectors[:, 1]
            if (picture * ((y - middle[0]) * width * down + (x - middle[1]) * right)).sum() < 0:
                down, right = -down, -right
            for row in range(shape[0]):
                for column in range(shape[1]):
                    u, v = column - middle[1], (row - middle[0]) * width
                    back = np.array([u * down + v * right, u * right - v * down])
                    back = back / [width, 1] + middle
                    if np.abs(back % 1 - 0.5).min() < 1e-3:
                        continue
                    r, c = np.rint(back).astype(int)
                    is_in = 0 <= r < shape[0] and 0 <= c < shape[1]
                    expected = masks[i, 0, r, c] if is_in else 0
                    assert pixels_of(found.truth, "mask")[i, 0, row, column] == expected
        # Three columns' widths from the middle, along the axis.
        expected = np.broadcast_to(middle + np.array([0, 3]), (len(pictures), 1, 2))
        np.testing.assert_allclose(found.truth.points["places"], expected, atol=0.1)

    def test_points_that_turn_out_of_the_image_are_lost(self):
        picture = picture_of({(3, 3): 9, (5, 5): 2, (1, 1): 1})
        found = apply(picture, TURN, points=[[[0, 6], [5, 5]]])
        lost, stays = found.truth.points["places"][0]
        assert np.isnan(lost).all()
        np.testing.assert_allclose(stays, [3, 3 + np.sqrt(8)], atol=1e-6)

    def test_an_image_without_direction_keeps_its_truth(self):
        masks = np.random.default_rng(1).integers(0, 4, (1, 2, 7, 7))
        found = apply(picture_of({(3, 3): 5}), TURN, masks=masks, points=[[[1.25, 6]]])
        np.testing.assert_array_equal(pixels_of(found.truth, "mask"), masks)
        assert found.truth.points["places"].tolist() == [[[1.25, 6]]]


def test_a_flip_and_its_flip_are_nothing():
    rng = np.random.default_rng(5)
    rows, columns = rng.random((2, 20)) < 0.5
    flip = Mirror(rows, columns, (6, 5))
    values = rng.random((20, 2, 6, 5), dtype=np.float32)
    masks = rng.integers(0, 9, (20, 3, 6, 5))
    points = rng.uniform(-0.5, 4.5, (20, 4, 2))
    points[3] = np.nan
    np.testing.assert_array_equal(flip.images(flip.images(values)), values)
    np.testing.assert_array_equal(flip.masks(flip.masks(masks)), masks)
    np.testing.assert_allclose(flip.points(flip.points(points)), points, atol=1e-12)
    assert not np.array_equal(flip.masks(masks), masks)


def test_a_flipped_image_is_not_flipped_again():
    rng = np.random.default_rng(6)
    values = rng.random((30, 1, 6, 7))
    once = apply(values, FlipImage("both"), masks=values > 0.5, planes=values)
    twice = apply(values, FlipImage("both"), FlipImage("both"), masks=values > 0.5, planes=values)
    for name in ("mask", "charge"):
        np.testing.assert_array_equal(pixels_of(once.truth, name), pixels_of(twice.truth, name))
    np.testing.assert_array_equal(pixels_of(once.truth, "mask"), once.images.values > 0.5)
    assert not np.array_equal(once.images.values, values.astype(np.float32))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("at_once", [1, 1 << 23])
def test_pixels_take_their_truth_and_their_points_along(monkeypatch, sparse, at_once):
    monkeypatch.setattr(image_steps, "_VALUES_AT_ONCE", at_once)
    rng = np.random.default_rng(7)
    n, shape = 60, (9, 8)
    values = np.zeros((n, 1, *shape), dtype=np.float32)
    places = np.array(
        [np.stack(np.unravel_index(rng.permutation(72)[:3], shape), 1) for _ in values]
    )
    for k, value in enumerate((3, 4, 5)):
        values[np.arange(n), 0, places[:, k, 0], places[:, k, 1]] = value
    points = np.concatenate([places, np.full((n, 1, 2), np.nan)], axis=1)
    found = apply(
        values,
        FlipImage("both"),
        ScalePixels("sqrt"),
        Crop(6, 5),
        masks=values,
        planes=np.concatenate([10 * values, -values], axis=1),
        points=points,
        sparse=sparse,
    )
    images = as_dense(found.images).values
    assert {type(found.images), *map(type, found.truth.pixels.values())} == {
        SparseImages if sparse else DenseImages
    }
    # What only changes values leaves the truth as it is.
    np.testing.assert_array_equal(pixels_of(found.truth, "mask"), np.rint(images**2))
    charge = np.rint(images**2) * np.array([10, -1])[:, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(pixels_of(found.truth, "charge"), charge)
    moved = found.truth.points["places"]
    assert np.isnan(moved[:, 3]).all()
    n_lost = 0
    for i in range(n):
        for k, value in enumerate((3, 4, 5)):
            if np.isnan(moved[i, k]).any():
                assert np.isnan(moved[i, k]).all()
                assert not (pixels_of(found.truth, "mask")[i] == value).any()
                n_lost += 1
            else:
                row, column = moved[i, k].astype(int)
                assert (row, column) == tuple(moved[i, k])
                assert pixels_of(found.truth, "mask")[i, 0, row, column] == value
    assert 0 < n_lost < 3 * n


def test_the_images_do_not_depend_on_what_is_true_of_them():
    values = np.random.default_rng(8).random((5, 2, 8, 6), dtype=np.float32)
    steps = TURN, FlipImage("both"), Crop(6, 6), Downsample(2, 3), NormaliseImage("l2")
    alone = apply(values, *steps)
    found = apply(values, *steps, masks=values > 0.5, planes=values, points=np.ones((5, 2, 2)))
    assert alone.images.values.tobytes() == found.images.values.tobytes()
    assert not alone.truth.pixels
    assert not alone.truth.points


def test_steps_of_values_alone_leave_the_truth_untouched():
    values = np.random.default_rng(9).random((5, 1, 4, 4), dtype=np.float32)
    truth = Truth(
        pixels={"mask": as_sparse(DenseImages(values))}, points={"places": values[:, 0, :2, :2]}
    )
    found = apply_image_steps(
        DenseImages(values),
        [Threshold(0.5), ScalePixels("log1p")],
        grid=Grid(Axis("x", 4, 0, 4), Axis("y", 4, 0, 4)),
        is_normalised=np.array([True]),
        truth=truth,
        classes=["mask"],
    )
    assert found.truth is truth


def test_classes_stay_pixel_lists_where_images_are_turned():
    found = apply(BEFORE, TURN, masks=BEFORE > 0, planes=BEFORE, sparse=True)
    assert isinstance(found.images, DenseImages)
    assert isinstance(found.truth.pixels["mask"], SparseImages)
    assert isinstance(found.truth.pixels["charge"], DenseImages)
    np.testing.assert_array_equal(pixels_of(found.truth, "mask"), AFTER > 0)


def test_a_cut_by_hand():
    cut = Cut((1, 2), (2, 3))
    masks = np.arange(20).reshape(1, 1, 4, 5)
    assert cut.masks(masks).tolist() == [[[[7, 8, 9], [12, 13, 14]]]]
    # The outermost edges of the first pixel and of the last: half-open.
    points = np.array([[[0.5, 1.5], [0.49, 2], [2.5, 3], [2.49, 4.49], [1, 4.5]]])
    expected = [[[-0.5, -0.5], [np.nan] * 2, [np.nan] * 2, [1.49, 2.49], [np.nan] * 2]]
    np.testing.assert_allclose(cut.points(points), expected)


def test_a_turn_and_the_turn_back_bring_points_home():
    rng = np.random.default_rng(2)
    angles = rng.uniform(-np.pi, np.pi, 50)
    points = rng.uniform(8, 14, (50, 3, 2))
    turn, back = (SplineTurn(sign * angles, (23, 23), aspect=1.3) for sign in (1, -1))
    np.testing.assert_allclose(back.points(turn.points(points)), points, atol=1e-9)
