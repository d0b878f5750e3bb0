import numpy as np
import pytest
from scipy.interpolate import BSpline

from detcnn.errors import ConfigError
from detcnn.events.images import DenseImages, as_sparse
from detcnn.imaging.augmentation import (
    Augmented,
    Colour,
    DropPixels,
    Noise,
    add_noise,
    augment,
    augment_together,
    leading_moves,
    scale_channels,
)
from detcnn.imaging.geometric_policies import (
    Crop,
    ElasticWarp,
    Flip,
    Rotate,
    Shear,
    Shift,
    Zoom,
)
from detcnn.imaging.transforms import smooth_fields
from detcnn.kernels.densify import densify
from detcnn.kernels.moves import unmoved

GEOMETRIC = [
    Shift(max_pixels=2),
    Shift(max_pixels=2, subpixel=True),
    Flip(),
    Rotate(),
    Rotate(max_degrees=40, aspect=0.6),
    Zoom(max_factor=1.5),
    Shear(max_slope=0.4),
    Crop(min_share=0.5),
    Crop(min_share=0.5, resize=False),
    ElasticWarp(max_pixels=0.49, cells=3),
]
ALL = [*GEOMETRIC, DropPixels(probability=0.3), Noise(sigma=0.2), Colour(max_factor=1.5)]


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


def test_colour_scales_each_channel_by_its_own_factor(values, rng):
    scaled = Colour(max_factor=2.0)(values, rng)
    filled = (values != 0).any(axis=(2, 3)).all(axis=1)
    factors = (scaled[filled].sum((2, 3)) / values[filled].sum((2, 3))).astype(np.float64)
    expected = values[filled] * factors[..., None, None]
    np.testing.assert_allclose(scaled[filled], expected, rtol=1e-5)
    assert not np.allclose(factors[:, 0], factors[:, 1])
    assert factors.min() > 0.5
    assert factors.max() < 2
    same = Colour(max_factor=2.0, together=True)(values, rng)[filled].sum((2, 3))
    ratios = same / values[filled].sum((2, 3))
    np.testing.assert_allclose(ratios[:, 0], ratios[:, 1], rtol=1e-5)


def test_scaled_channels_by_hand():
    values = np.array([[[[1.0, 2.0]], [[3.0, 0.0]]]], dtype=np.float32)
    assert scale_channels(values, np.array([[2.0, 10.0]])).tolist() == [[[[2, 4]], [[30, 0]]]]


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
        (Zoom, {"max_factor": 0.5}, "zoom: 'max_factor' is 0.5, expected at least 1"),
        (Shear, {"max_slope": 1.0}, "shear: 'max_slope' is 1.0, expected 0 to 0.9"),
        (Crop, {"min_share": 0}, "crop: 'min_share' is 0, expected 0.01 to 1"),
        (ElasticWarp, {"cells": 0}, "elastic: 'cells' is 0, expected at least 1"),
        (Colour, {"max_factor": 0.9}, "colour: 'max_factor' is 0.9, expected at least 1"),
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
    assert leading_moves([Shift(subpixel=True), flip]) == ()


# Masks and points follow their images


def blobs(n, shape, rng):
    """One round blob an image: its picture, its mask and its middle."""
    middle = rng.uniform(0.3, 0.7, (n, 1, 2)) * (np.array(shape) - 1)
    rows, columns = np.indices(shape)
    square = (rows - middle[..., :1]) ** 2 + (columns - middle[..., 1:]) ** 2
    pictures = np.exp(-square / 8).astype(np.float32)[:, None]
    return pictures, (square < 9).astype(np.int64), middle


def centre_of(weights):
    rows, columns = np.indices(weights.shape[1:])
    total = weights.sum((1, 2))
    return np.stack([(weights * index).sum((1, 2)) / total for index in (rows, columns)], axis=1)


@pytest.mark.parametrize("policy", GEOMETRIC, ids=repr)
def test_masks_and_points_go_where_their_image_goes(policy, rng):
    pictures, masks, points = blobs(50, (41, 37), rng)
    found = augment_together(
        Augmented(pictures, masks[:, np.newaxis], points), [policy], np.random.default_rng(1)
    )
    assert np.array_equal(found.values, policy(pictures, np.random.default_rng(1)))
    # Blobs that are cut off have their middle elsewhere.
    edge = found.values.copy()
    edge[:, :, 4:-4, 4:-4] = 0
    whole = (edge.max(axis=(1, 2, 3)) < 0.05) & ~np.isnan(found.points).any(axis=(1, 2))
    whole &= (found.values[:, 0] > 0.05).sum((1, 2)) > 50
    if isinstance(policy, Crop) and not policy.resize:
        whole &= found.values.sum((1, 2, 3)) > 0.99 * pictures.sum((1, 2, 3))
    assert whole.sum() > 10
    place = found.points[whole, 0]
    np.testing.assert_allclose(centre_of(found.values[whole, 0] ** 4), place, atol=0.12)
    # The nearest pixel is up to half a pixel away, as the middle of a mask is from that of a blob.
    errors = centre_of(found.masks[whole, 0]) - place
    assert np.abs(errors).max() < 0.8
    assert errors.std() < 0.4
    assert np.abs(errors.mean()) < 0.15
    assert set(np.unique(found.masks)) == {0, 1}
    assert found.masks.dtype == masks.dtype


@pytest.mark.parametrize("policy", [Shift(max_pixels=3), Flip()], ids=repr)
def test_a_pixel_that_moves_as_a_whole_takes_its_label_and_its_point_along(policy, rng):
    place = rng.integers(0, (7, 9), (80, 2))
    pictures = np.zeros((80, 1, 7, 9), dtype=np.float32)
    pictures[np.arange(80), 0, place[:, 0], place[:, 1]] = 1
    masks = (5 * pictures).astype(np.uint8)
    found = augment_together(
        Augmented(pictures, masks, place[:, None].astype(float)), [policy], rng
    )
    np.testing.assert_array_equal(found.masks, 5 * found.values)
    is_there = found.values.any(axis=(1, 2, 3))
    assert np.array_equal(~np.isnan(found.points).any(axis=(1, 2)), is_there)
    assert is_there.sum() > 20
    _, _, rows, columns = np.nonzero(found.values)
    np.testing.assert_array_equal(found.points[is_there, 0], np.stack([rows, columns], axis=1))


def test_what_moves_nothing_leaves_masks_and_points_alone(values, rng):
    masks, points = np.ones((64, 2, 7, 9), dtype=np.int64), rng.uniform(0, 6, (64, 3, 2))
    found = augment_together(
        Augmented(values, masks, points), [Noise(), Colour(), DropPixels()], rng
    )
    assert found.masks is masks
    assert found.points is points
    found = augment_together(Augmented(values), [Rotate()], rng)
    assert found.masks is found.points is None


def test_lost_points_stay_lost(rng):
    pictures, masks, points = blobs(4, (20, 20), rng)
    points[0] = np.nan
    there = [Shift(max_pixels=0), Zoom(), ElasticWarp(), Crop(min_share=1, resize=False)]
    found = augment_together(Augmented(pictures, masks[:, np.newaxis], points), there, rng)
    assert np.isnan(found.points[0]).all()
    assert not np.isnan(found.points[1:]).any()


@pytest.mark.parametrize("policy", [p for p in GEOMETRIC if not isinstance(p, Flip)], ids=repr)
def test_policies_of_no_reach_change_no_bit(policy, values, rng):
    nothing = {
        Shift: {"max_pixels": 0},
        Rotate: {"max_degrees": 0},
        Zoom: {"max_factor": 1},
        Shear: {"max_slope": 0},
        Crop: {"min_share": 1},
        ElasticWarp: {"max_pixels": 0},
    }[type(policy)]
    same = type(policy)(**nothing)(values, rng)
    # But for the sign of zero.
    np.testing.assert_array_equal(same, values)


def test_zoom_draws_factors_on_either_side_of_one(rng):
    pictures, _, _ = blobs(300, (33, 33), rng)
    area = (Zoom(max_factor=1.5)(pictures, rng) > 0.5).sum((1, 2, 3)) / (pictures > 0.5).sum(
        (1, 2, 3)
    )
    assert area.min() == pytest.approx(1.5**-2, abs=0.15)
    assert area.max() == pytest.approx(1.5**2, abs=0.3)
    assert np.log(area).mean() == pytest.approx(0, abs=0.08)


def test_a_crop_that_is_not_resized_empties_what_is_outside(rng):
    full = np.ones((300, 1, 10, 20), dtype=np.float32)
    cropped = Crop(min_share=0.5, resize=False)(full, rng)[:, 0]
    rows, columns = cropped.any(axis=2).sum(axis=1), cropped.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(cropped.sum((1, 2)), rows * columns)
    assert rows.min() == 5
    assert rows.max() == 10
    np.testing.assert_allclose(columns, 2 * rows, atol=1)
    # It can be anywhere.
    assert (cropped[:, 0, 0] == 0).any()
    assert (cropped[:, -1, -1] == 0).any()


def test_a_resized_crop_shows_part_of_the_image_alone(rng):
    full = np.ones((100, 1, 12, 12), dtype=np.float32)
    cropped = Crop(min_share=0.5)(full, rng)
    np.testing.assert_allclose(cropped[:, :, 1:-1, 1:-1], 1, rtol=1e-6)


def test_an_elastic_warp_cannot_fold(rng):
    field = ElasticWarp(max_pixels=1.9, cells=4).draw(200, (33, 33), rng).displacements
    assert np.abs(field).max() <= 1.9
    assert np.abs(field).max() > 1
    for axis in (2, 3):
        assert np.abs(np.diff(field, axis=axis)).max() < 0.5
    with pytest.raises(ConfigError, match="'max_pixels' is 2, expected less than 2, a quarter"):
        ElasticWarp(max_pixels=2, cells=4).draw(1, (33, 33), rng)


def test_splines_between_nodes_equal_scipy(rng):
    nodes = rng.normal(size=(5, 6))
    field = smooth_fields(nodes, (9, 7))
    places = np.linspace(0, 2, 9), np.linspace(0, 3, 7)
    for i, row in enumerate(places[0]):
        for j, column in enumerate(places[1]):
            # Node k is the coefficient of the B-spline that is centred on k - 1.
            rows = bspline(row - np.arange(-1, 4))
            columns = bspline(column - np.arange(-1, 5))
            assert field[i, j] == pytest.approx(rows @ nodes @ columns)


def bspline(x):
    # NaN beyond its support.
    return np.nan_to_num(BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)(x))
