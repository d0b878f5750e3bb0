import numpy as np
import pytest
from scipy import ndimage

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.imaging.symmetries import SYMMETRIES, symmetry

GRID = Grid(Axis("eta", 8, -0.4, 0.4), Axis("phi", 8, -0.4, 0.4, unit="rad"))
BARREL = Grid(Axis("eta", 8, -3.0, 3.0), Axis("phi", 8, -3.14, 3.14, unit="rad"))
PICTURE = Grid(Axis("row", 8, 0, 8, unit="pixel"), Axis("column", 8, 0, 8, unit="pixel"))


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 2, 8, 8), dtype=np.float32)


def changed(name, images, amount, grid=GRID):
    return symmetry(name, grid).change(images, amount, grid)


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_neutral_amount_changes_nothing(name, images):
    found = symmetry(name, GRID)
    np.testing.assert_allclose(changed(name, images, found.neutral), images, atol=1e-6)


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_amounts_that_are_worth_looking_at_can_be(name, images):
    found = symmetry(name, GRID)
    amounts = found.amounts(GRID)
    assert found.neutral in amounts
    assert list(amounts) == sorted(set(amounts))
    for amount in amounts:
        if amount != found.neutral:
            assert not np.allclose(changed(name, images, amount), images)


def test_a_boost_adds_to_the_rapidity(images):
    # A pixel is 0.1 wide: a whole one, and a quarter.
    whole = changed("boost", images, 0.2)
    np.testing.assert_allclose(whole[:, :, 2:], images[:, :, :-2], atol=1e-6)
    assert not whole[:, :, :2].any()
    part = changed("boost", images, 0.025)
    expected = ndimage.shift(images, (0, 0, 0.25, 0), order=1, mode="grid-constant")
    np.testing.assert_allclose(part, expected, atol=1e-6)
    point = np.zeros((1, 1, 8, 8), dtype=np.float32)
    point[0, 0, 3, 5] = 1
    mean = (changed("boost", point, 0.13)[0, 0].sum(axis=1) * GRID.rows.centres).sum()
    assert mean == pytest.approx(GRID.rows.centres[3] + 0.13)


def test_boosts_one_after_the_other_add_up_in_the_inside():
    smooth = np.zeros((1, 1, 8, 8), dtype=np.float32)
    smooth[0, 0, 3, :] = 1
    twice = changed("boost", changed("boost", smooth, 0.1), 0.1)
    np.testing.assert_allclose(twice, changed("boost", smooth, 0.2), atol=1e-6)


def test_mirrors_by_their_number(images):
    np.testing.assert_array_equal(changed("mirror", images, 1), images[:, :, ::-1])
    np.testing.assert_array_equal(changed("mirror", images, 2), images[:, :, :, ::-1])
    np.testing.assert_array_equal(changed("mirror", images, 3), images[:, :, ::-1, ::-1])


def test_a_half_turn_is_both_mirrors(images):
    np.testing.assert_allclose(changed("rotate", images, 180), images[:, :, ::-1, ::-1], atol=1e-5)


def test_a_shift_goes_along_the_columns(images):
    np.testing.assert_array_equal(changed("shift", images, -3)[..., :5], images[..., 3:])


@pytest.mark.parametrize("amount", [3, -3, 8])
def test_a_shift_round_the_barrel_loses_nothing(images, amount):
    found = changed("shift", images, amount, BARREL)
    for column in range(8):
        np.testing.assert_array_equal(found[..., (column + amount) % 8], images[..., column])


@pytest.mark.parametrize(
    ("axis", "is_full"),
    [
        (Axis("phi", 64, -np.pi, np.pi, unit="rad"), True),
        (Axis("phi", 64, 0, 6.28, unit="rad"), True),
        (Axis("phi", 64, -3.2, 3.2, unit="rad"), False),
        (Axis("phi", 8, -0.4, 0.4, unit="rad"), False),
        (Axis("eta", 64, -np.pi, np.pi), False),
        (Axis("phi", 6, 0, 6.0, unit="pixel"), False),
    ],
)
def test_what_is_a_full_turn(axis, is_full):
    assert axis.is_full_turn is is_full


@pytest.mark.parametrize(
    ("name", "amount", "message"),
    [
        ("shift", 0.5, "--amount 0.5: expected a whole number, -8 to 8 for these images: shift"),
        ("shift", 1e300, r"--amount 1e\+300: expected a whole number, -8 to 8 for"),
        ("shift", -9, "--amount -9: expected a whole number, -8 to 8"),
        (
            "mirror",
            4,
            r"--amount 4: expected 0 \(as it is\), 1 \(rows\), 2 \(columns\), 3 \(both\)",
        ),
        ("mirror", 1.5, "--amount 1.5: expected 0"),
        ("mirror", -1, "--amount -1: expected 0"),
        ("zoom", 0, "--amount 0: expected 0.125 to 8 for these images: factor"),
        ("zoom", 1e20, r"--amount 1e\+20: expected 0.125 to 8"),
        ("zoom", 1e-20, "--amount 1e-20: expected 0.125 to 8"),
        ("zoom", float("nan"), "--amount nan: expected 0.125 to 8"),
        ("rotate", 361, "--amount 361: expected -360 to 360"),
        ("rotate", float("-inf"), "--amount -inf: expected -360 to 360"),
        ("boost", 1e20, r"--amount 1e\+20: expected -0.8 to 0.8 for these images: boost"),
    ],
)
def test_amounts_that_cannot_be(images, name, amount, message):
    with pytest.raises(ConfigError, match=message):
        changed(name, images, amount)


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_ends_of_the_range_can_be(name, images):
    found = symmetry(name, GRID)
    for amount in found.limits(GRID):
        assert np.isfinite(found.change(images, amount, GRID)).all()


@pytest.mark.parametrize("n", [3, 6, 7, 33])
def test_an_end_of_the_range_can_be_given_as_it_is_told(n):
    grid = Grid(Axis("row", n, 0, n, unit="pixel"), Axis("column", n, 0, n, unit="pixel"))
    with pytest.raises(ConfigError) as refused:
        symmetry("zoom", grid).check(1e-9, grid)
    lowest = str(refused.value).split("expected ")[1].split(" to ")[0]
    symmetry("zoom", grid).check(float(lowest), grid)


def test_what_is_no_symmetry_of_these_images():
    with pytest.raises(ConfigError, match="--symmetry turn: expected one of shift, rotate"):
        symmetry("turn", GRID)
    with pytest.raises(ConfigError, match="rows of these images are 'row', expected eta or rap"):
        symmetry("boost", PICTURE)
