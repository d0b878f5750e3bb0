import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.events.images import DenseImages, as_sparse
from detcnn.imaging.augmentation import (
    DropPixels,
    Flip,
    Noise,
    Rotate,
    Shift,
    add_noise,
    augment,
    leading_moves,
)
from detcnn.kernels.densify import densify
from detcnn.kernels.moves import unmoved

ALL = [Shift(max_pixels=2), Flip(), Rotate(), DropPixels(probability=0.3), Noise(sigma=0.2)]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def values(rng):
    images = rng.random((64, 2, 7, 9), dtype=np.float32)
    images[rng.random(images.shape) < 0.7] = 0
    return images


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: type(policy).__name__)
def test_a_policy_is_a_function_of_its_generator_and_keeps_its_input(policy, values):
    before = values.copy()
    first = policy(values, np.random.default_rng(1))
    assert np.array_equal(values, before)
    assert first.dtype == np.float32
    assert first.shape == values.shape
    assert np.array_equal(first, policy(values, np.random.default_rng(1)))
    assert not np.array_equal(first, policy(values, np.random.default_rng(2)))


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: type(policy).__name__)
def test_images_of_a_batch_are_changed_independently(policy, values, rng):
    same = np.repeat(values[:1], 64, axis=0)
    changed = policy(same, rng)
    assert len(np.unique(changed.reshape(64, -1), axis=0)) > 1


def test_shift_takes_every_amount_within_reach_equally_often(rng):
    point = np.zeros((2500, 1, 7, 7), dtype=np.float32)
    point[:, 0, 3, 3] = 1
    _, _, rows, columns = np.nonzero(Shift(max_pixels=2)(point, rng))
    counts = np.histogram2d(rows, columns, bins=[np.arange(1, 7), np.arange(1, 7)])[0]
    assert counts.sum() == 2500
    # 25 places with 100 ± 10 each.
    assert counts.min() > 50
    assert counts.max() < 150


def test_flip_with_certainty_mirrors_the_axes_that_it_may(values, rng):
    both = Flip(probability=1.0)(values, rng)
    assert np.array_equal(both, values[:, :, ::-1, ::-1])
    rows = Flip(columns=False, probability=1.0)(values, rng)
    assert np.array_equal(rows, values[:, :, ::-1])


def test_flip_draws_for_each_axis_on_its_own(rng):
    corner = np.zeros((4000, 1, 2, 2), dtype=np.float32)
    corner[:, 0, 0, 0] = 1
    share = Flip(probability=0.25)(corner, rng).mean(axis=0)[0]
    np.testing.assert_allclose(share, [[9 / 16, 3 / 16], [3 / 16, 1 / 16]], atol=0.03)


def test_rotate_by_nothing_is_nothing(values, rng):
    np.testing.assert_allclose(Rotate(max_degrees=0)(values, rng), values, rtol=1e-6)


def test_rotate_stays_within_its_angle(rng):
    tip = np.zeros((500, 1, 21, 21), dtype=np.float32)
    tip[:, 0, 20, 10] = 1
    turned = Rotate(max_degrees=30)(tip, rng)[:, 0]
    row, column = (
        np.einsum("ijk,ijk->i", turned, np.broadcast_to(index, turned.shape)) / turned.sum((1, 2))
        for index in np.indices((21, 21)) - 10.0
    )
    degrees = np.rad2deg(np.arctan2(column, row))
    assert -32 < degrees.min() < -25
    assert 25 < degrees.max() < 32


def test_dropped_pixels_are_gone_in_all_channels_and_the_others_stay(rng):
    values = np.ones((200, 2, 7, 9), dtype=np.float32)
    dropped = DropPixels(probability=0.3)(values, rng)
    assert set(np.unique(dropped)) == {0, 1}
    assert np.array_equal(dropped[:, 0], dropped[:, 1])
    assert 1 - dropped.mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("relative", [True, False])
def test_noise_leaves_empty_pixels_empty(values, rng, relative):
    noisy = Noise(sigma=0.1, relative=relative)(values, rng)
    assert np.array_equal(noisy != 0, values != 0)


def test_noise_of_a_read_out_reaches_every_pixel(values, rng):
    noisy = Noise(sigma=0.1, relative=False, filled_only=False)(values, rng)
    assert (noisy != values).mean() > 0.99
    assert (noisy - values).std() == pytest.approx(0.1, rel=0.05)


def test_added_noise_by_hand():
    values = np.array([[0.0, 2.0, 10.0]], dtype=np.float32)
    noise = np.array([[1.0, -1.0, 2.0]], dtype=np.float32)
    absolute = add_noise(values, noise, sigma=0.5, relative=False)
    assert absolute.tolist() == [[0.5, 1.5, 11.0]]
    assert add_noise(values, noise, sigma=0.5, relative=True).tolist() == [[0.0, 1.0, 20.0]]


def test_policies_act_in_order_on_one_generator(values):
    expected_rng = np.random.default_rng(5)
    expected = Flip()(Shift()(values, expected_rng), expected_rng)
    assert np.array_equal(augment(values, [Shift(), Flip()], np.random.default_rng(5)), expected)
    assert augment(values, [], expected_rng) is values


@pytest.mark.parametrize(
    ("policy", "options", "message"),
    [
        (Shift, {"max_pixels": -1}, "shift: 'max_pixels' is -1, expected at least 0"),
        (Flip, {"probability": 1.5}, "flip: 'probability' is 1.5, expected 0 to 1"),
        (Rotate, {"max_degrees": 200}, "rotate: 'max_degrees' is 200, expected 0 to 180"),
        (Rotate, {"aspect": 0}, "rotate: 'aspect' is 0, expected"),
        (DropPixels, {"probability": float("nan")}, "drop_pixels: 'probability' is nan"),
        (Noise, {"sigma": float("inf")}, "noise: 'sigma' is inf, expected at least 0"),
    ],
)
def test_impossible_options_are_refused(policy, options, message):
    with pytest.raises(ConfigError, match=message):
        policy(**options)


@pytest.mark.parametrize(
    "policies",
    [
        [Shift(max_pixels=3)],
        [Flip(probability=0.3)],
        [Flip(rows=False), Shift()],
        [Shift(max_pixels=2), Flip(columns=False), Shift(max_pixels=5), Flip()],
    ],
)
def test_pixels_are_moved_as_dense_images_are(policies, values):
    lists = as_sparse(DenseImages(values))
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    moves = unmoved(len(values), values.shape[2:])
    for policy in policies:
        moves = policy.after(moves, one)
    moved = np.empty_like(values)
    densify(lists.offsets, lists.pixel, lists.value, np.arange(len(values)), out=moved, moves=moves)
    np.testing.assert_array_equal(moved, augment(values, policies, other))
    # As much was drawn, too: what follows is the same.
    assert one.random() == other.random()


def test_only_what_comes_before_other_changes_is_a_move():
    flip, shift, noise = Flip(), Shift(), Noise()
    assert leading_moves([]) == ()
    assert leading_moves([flip, shift]) == (flip, shift)
    assert leading_moves([shift, noise, flip]) == (shift,)
    assert leading_moves([noise, flip]) == ()
