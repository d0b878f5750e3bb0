import math

import numpy as np
import pytest
from scipy import ndimage

from detcnn.kernels import splines


@pytest.fixture
def images():
    rng = np.random.default_rng(5)
    values = rng.random((5, 2, 9, 7), dtype=np.float32)
    values[rng.random(values.shape) < 0.7] = 0
    return values


@pytest.mark.parametrize("aspect", [1.0, 1.7])
def test_equals_scipy(images, aspect):
    angles = np.array([0.3, -1.2, 2.9, 5.0, -0.01])
    turned = splines.rotate(images, angles, aspect=aspect)
    middle = np.array([4, 3])
    width = np.diag([aspect, 1.0])
    for image, result, angle in zip(images, turned, angles, strict=True):
        cosine, sine = math.cos(angle), math.sin(angle)
        back = np.linalg.inv(width) @ [[cosine, sine], [-sine, cosine]] @ width
        for plane, found in zip(image, result, strict=True):
            expected = ndimage.affine_transform(
                plane.astype(float), back, middle - back @ middle, order=3, mode="grid-constant"
            )
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_quarter_turns_permute_pixels(images):
    square = images[:, :, :7]
    for turns in (1, 2, 3):
        turned = splines.rotate(square, np.full(5, turns * np.pi / 2))
        # rot90 turns from columns to rows.
        np.testing.assert_allclose(turned, np.rot90(square, -turns, (3, 2)), atol=1e-6)


def test_rows_turn_towards_columns():
    image = np.zeros((1, 1, 5, 5), dtype=np.float32)
    image[0, 0, 4, 2] = 1
    turned = splines.rotate(image, np.array([np.pi / 2]))
    assert np.unravel_index(turned.argmax(), turned.shape) == (0, 0, 2, 4)


def test_no_turn_changes_no_bit(images):
    assert splines.rotate(images, np.zeros(5)).tobytes() == images.tobytes()


def test_what_turns_out_of_the_image_is_lost():
    image = np.zeros((1, 1, 9, 9), dtype=np.float32)
    image[0, 0, 0, 0] = 1
    assert np.abs(splines.rotate(image, np.array([np.pi / 4]))).max() < 0.05


def test_a_batch_of_none():
    empty = np.zeros((0, 1, 3, 3), dtype=np.float32)
    assert splines.rotate(empty, np.zeros(0)).shape == empty.shape


@pytest.mark.parametrize(
    ("angles", "aspect", "message"),
    [
        (np.zeros(4), 1.0, "expected 5 finite numbers"),
        (np.full(5, np.nan), 1.0, "expected 5 finite numbers"),
        (np.zeros(5), 0.0, "aspect 0.0: expected a finite number above 0"),
        (np.zeros(5), np.inf, "aspect inf: expected"),
    ],
)
def test_bad_parameters_are_refused(images, angles, aspect, message):
    with pytest.raises(ValueError, match=message):
        splines.rotate(images, angles, aspect=aspect)
