import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from detcnn.kernels import warps


@pytest.fixture
def images():
    rng = np.random.default_rng(5)
    values = rng.random((4, 2, 7, 6), dtype=np.float32)
    values[rng.random(values.shape) < 0.5] = 0
    return values


def one_pixel(row, column, shape=(5, 5)):
    image = np.zeros((1, 1, *shape), dtype=np.float32)
    image[0, 0, row, column] = 1
    return image


def place_of(image):
    return tuple(int(index) for index in np.argwhere(image[0, 0])[0])


def test_shift_by_hand():
    moved = warps.shift(one_pixel(1, 1), np.array([2]), np.array([-1]))
    assert place_of(moved) == (3, 0)
    assert moved.sum() == 1


@settings(deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9))
def test_shift_equals_scipy(down, right):
    images = np.random.default_rng(0).random((1, 2, 7, 6), dtype=np.float32)
    moved = warps.shift(images, np.array([down]), np.array([right]))
    expected = ndimage.shift(images, (0, 0, down, right), order=0, cval=0.0)
    np.testing.assert_array_equal(moved, expected)


def test_shift_far_beyond_the_image_leaves_nothing(images):
    far = np.array([7, -7, 10**6, 0])
    moved = warps.shift(images, far, far[::-1].copy())
    assert not moved[:1].any()
    assert not moved[2].any()


def test_flip(images):
    rows, columns = np.array([0, 1, 0, 1], bool), np.array([0, 0, 1, 1], bool)
    flipped = warps.flip(images, rows, columns)
    expected = np.stack(
        [images[0], images[1][:, ::-1], images[2][:, :, ::-1], images[3][:, ::-1, ::-1]]
    )
    np.testing.assert_array_equal(flipped, expected)
    np.testing.assert_array_equal(warps.flip(flipped, rows, columns), images)


def test_quarter_turn_goes_from_rows_to_columns():
    # One row above the middle becomes one column beside it.
    turned = warps.rotate(one_pixel(3, 2), np.array([np.pi / 2]))
    np.testing.assert_allclose(turned, one_pixel(2, 3), atol=1e-6)


def test_rotate_by_nothing_and_by_quarters(images):
    square = np.ascontiguousarray(images[:, :, :6])
    np.testing.assert_array_equal(warps.rotate(square, np.zeros(4)), square)
    quarters = np.pi / 2 * np.arange(4)
    expected = np.stack([np.rot90(square[i], -i, axes=(2, 1)) for i in range(4)])
    np.testing.assert_allclose(warps.rotate(square, quarters), expected, atol=1e-6)


@pytest.mark.parametrize("aspect", [1.0, 0.5, 3.0])
def test_rotate_equals_scipy(images, aspect):
    angles = np.array([0.3, -1.2, 2.5, 7.0])
    rotated = warps.rotate(images, angles, aspect=aspect)
    middle = (np.array(images.shape[2:]) - 1) / 2
    scale = np.diag([aspect, 1.0])
    for i, angle in enumerate(angles):
        turn_back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = np.linalg.inv(scale) @ turn_back @ scale
        for channel in range(2):
            expected = ndimage.affine_transform(
                images[i, channel],
                matrix,
                offset=middle - matrix @ middle,
                order=1,
                mode="grid-constant",
            )
            np.testing.assert_allclose(rotated[i, channel], expected, atol=1e-6)


def test_zoom_by_hand():
    # Twice as far from the middle.
    zoomed = warps.zoom(one_pixel(1, 2), np.array([2.0]))
    assert zoomed[0, 0, 0, 2] == 1
    # A pixel becomes a tent of twice the width.
    np.testing.assert_array_equal(zoomed[0, 0, :2, 1:4], [[0.5, 1, 0.5], [0.25, 0.5, 0.25]])


def test_shear_by_hand():
    sheared = warps.shear(one_pixel(4, 2), np.zeros(1), np.array([1.0]))
    np.testing.assert_array_equal(sheared, one_pixel(4, 4))
    np.testing.assert_array_equal(
        warps.shear(one_pixel(2, 1), np.array([-1.0]), np.zeros(1)), one_pixel(3, 1)
    )


def test_what_changes_nothing_gives_the_same_bits(images):
    one, zero = np.ones(4), np.zeros(4)
    for same in (
        warps.zoom(images, one),
        warps.shear(images, zero, zero),
        warps.elastic(images, np.zeros((4, 2, 7, 6))),
    ):
        assert same.tobytes() == images.tobytes()


def test_four_quarter_turns_are_none(images):
    square = np.ascontiguousarray(images[:, :, :6])
    turned = square
    for _ in range(4):
        turned = warps.rotate(turned, np.full(4, np.pi / 2))
    np.testing.assert_allclose(turned, square, atol=1e-6)


def test_zoom_and_shear_equal_scipy(images):
    middle = (np.array(images.shape[2:]) - 1) / 2
    factors = np.array([0.5, 0.9, 1.3, 2.0])
    rows, columns = np.array([0.3, -0.2, 0.0, 1.1]), np.array([-0.1, 0.4, 0.7, 0.2])
    zoomed, sheared = warps.zoom(images, factors), warps.shear(images, rows, columns)
    for i in range(4):
        forward = np.array([[1, rows[i]], [columns[i], 1]])
        for result, matrix in ((zoomed, np.eye(2) / factors[i]), (sheared, np.linalg.inv(forward))):
            for channel in range(2):
                expected = ndimage.affine_transform(
                    images[i, channel],
                    matrix,
                    offset=middle - matrix @ middle,
                    order=1,
                    mode="grid-constant",
                )
                np.testing.assert_allclose(result[i, channel], expected, atol=1e-6)


def test_an_offset_of_part_of_a_pixel_equals_scipy(images):
    offsets = np.array([[0.5, -1.25], [3.0, 0.0], [-0.3, 0.7], [9.0, 9.0]])
    moved = warps.affine(images, np.broadcast_to(np.eye(2), (4, 2, 2)), offsets=offsets)
    for i, offset in enumerate(offsets):
        expected = ndimage.shift(images[i], (0, *-offset), order=1, mode="grid-constant")
        np.testing.assert_allclose(moved[i], expected, atol=1e-6)


def test_elastic_equals_scipy(images):
    field = np.random.default_rng(2).uniform(-2, 2, (4, 2, 7, 6))
    warped = warps.elastic(images, field)
    for i in range(4):
        places = np.indices((7, 6)) + field[i]
        for channel in range(2):
            expected = ndimage.map_coordinates(
                images[i, channel], places, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(warped[i, channel], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_labels_are_those_of_the_nearest_pixels(dtype):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, (3, 7, 6)).astype(dtype)
    matrices, offsets = rng.normal(0, 1, (3, 2, 2)), rng.normal(0, 1, (3, 2))
    found = warps.affine_labels(labels, matrices, offsets=offsets, aspect=0.5, fill=9)
    field = rng.uniform(-2, 2, (3, 2, 7, 6))
    warped = warps.elastic_labels(labels, field)
    assert found.dtype == warped.dtype == dtype
    scale = np.diag([0.5, 1.0])
    for i in range(3):
        for row in range(7):
            for column in range(6):
                place = np.array([row - 3, column - 2.5])
                source = np.linalg.inv(scale) @ matrices[i] @ scale @ place + offsets[i]
                expected = nearest(labels[i], source + np.array([3, 2.5]), fill=9)
                assert found[i, row, column] == expected
                source = np.array([row, column]) + field[i, :, row, column]
                assert warped[i, row, column] == nearest(labels[i], source, fill=0)


def nearest(labels, place, *, fill):
    row, column = np.floor(place + 0.5).astype(int)
    inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    return labels[row, column] if inside else fill


def test_labels_are_numbers_of_pixels(images):
    for labels in (images, images[:, 0].astype(str)):
        with pytest.raises(ValueError, match="expected numbers of shape"):
            warps.affine_labels(labels, np.zeros((4, 2, 2)))


def test_drop_is_a_function_of_key_and_place(images):
    keys = np.array([1, 2, 3, 2**64 - 1], dtype=np.uint64)
    once = warps.drop(images, keys, 0.5)
    np.testing.assert_array_equal(warps.drop(images[2:3], keys[2:3], 0.5), once[2:3])
    assert (warps.drop(images[:1], keys[1:2], 0.5) != once[:1]).any()


def test_drop_takes_all_channels_of_a_pixel():
    images = np.ones((8, 3, 5, 5), dtype=np.float32)
    dropped = warps.drop(images, np.arange(8, dtype=np.uint64), 0.4)
    np.testing.assert_array_equal(dropped[:, 0], dropped[:, 1])
    np.testing.assert_array_equal(dropped[:, 0], dropped[:, 2])


def test_drop_takes_the_share_it_is_told():
    images = np.ones((100, 1, 30, 30), dtype=np.float32)
    keys = np.random.default_rng(0).integers(0, 2**64, 100, dtype=np.uint64)
    share = 1 - warps.drop(images, keys, 0.3).mean()
    assert share == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / images.size))
    np.testing.assert_array_equal(warps.drop(images, keys, 0.0), images)
    assert not warps.drop(images, keys, 1.0).any()


def test_splitmix64_as_published():
    # First outputs of the reference generator seeded with 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    drawn = [warps._uniform(np.uint64(1234567), counter) for counter in range(3)]
    assert drawn == [(word >> 11) * 2.0**-53 for word in published]


def cases(images):
    ones, booleans = np.ones(4, dtype=np.int64), np.array([1, 0, 1, 0], bool)
    return {
        "shift": lambda **options: warps.shift(images, ones, -ones, **options),
        "flip": lambda **options: warps.flip(images, booleans, ~booleans, **options),
        "rotate": lambda **options: warps.rotate(images, ones * 0.7, **options),
        "zoom": lambda **options: warps.zoom(images, ones * 0.7, **options),
        "shear": lambda **options: warps.shear(images, ones * 0.7, ones * 0.2, **options),
        "elastic": lambda **options: warps.elastic(images, np.ones((4, 2, 7, 6)), **options),
        "drop": lambda **options: warps.drop(images, ones.astype(np.uint64), 0.5, **options),
    }


@pytest.mark.parametrize("name", ["shift", "flip", "rotate", "zoom", "shear", "elastic", "drop"])
class TestEveryWarp:
    def test_leaves_its_input_and_fills_the_buffer(self, images, name):
        before = images.copy()
        out = np.full_like(images, np.nan)
        result = cases(images)[name](out=out)
        assert result is out
        np.testing.assert_array_equal(images, before)
        np.testing.assert_array_equal(out, cases(images)[name]())

    def test_refuses_a_buffer_that_overlaps(self, images, name):
        with pytest.raises(ValueError, match="does not overlap"):
            cases(images)[name](out=images)

    def test_refuses_images_of_another_kind(self, images, name):
        with pytest.raises(ValueError, match="expected float32 of shape"):
            cases(images.astype(np.float64))[name]()

    def test_refuses_too_few_parameters(self, images, name):
        with pytest.raises(ValueError, match="expected one for each"):
            cases(images[:3])[name]()

    def test_takes_no_images(self, images, name):
        parameters = {
            "shift": (np.empty(0, np.int64), np.empty(0, np.int64)),
            "flip": (np.empty(0, bool), np.empty(0, bool)),
            "rotate": (np.empty(0),),
            "zoom": (np.empty(0),),
            "shear": (np.empty(0), np.empty(0)),
            "elastic": (np.empty((0, 2, 7, 6)),),
            "drop": (np.empty(0, np.uint64), 0.5),
        }[name]
        assert getattr(warps, name)(images[:0], *parameters).shape == (0, 2, 7, 6)


def test_impossible_amounts(images):
    with pytest.raises(ValueError, match="aspect 0"):
        warps.rotate(images, np.zeros(4), aspect=0)
    with pytest.raises(ValueError, match="finite"):
        warps.rotate(images, np.full(4, np.nan))
    with pytest.raises(ValueError, match="finite"):
        warps.elastic(images, np.full((4, 2, 7, 6), np.nan))
    with pytest.raises(ValueError, match="above 0"):
        warps.zoom(images, np.zeros(4))
    with pytest.raises(ValueError, match="must not be 1"):
        warps.shear(images, np.full(4, 2.0), np.full(4, 0.5))
    with pytest.raises(ValueError, match="probability 2"):
        warps.drop(images, np.zeros(4, np.uint64), 2)
