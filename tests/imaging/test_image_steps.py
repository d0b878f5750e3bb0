import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, SparseImages, as_dense, as_sparse
from detcnn.events.table import EventTable
from detcnn.imaging import image_steps
from detcnn.imaging.alignment import Centre
from detcnn.imaging.channels import Channel
from detcnn.imaging.geometric_steps import Crop, Downsample, FlipImage, RotateImage
from detcnn.imaging.image_steps import apply_image_steps, grid_after, radius_of_subjets
from detcnn.imaging.projection import Recipe, project
from detcnn.imaging.value_steps import NormaliseImage, ScalePixels, Threshold


def apply(values, *steps, is_normalised=None, subjets=None, pixel=(0.1, 0.1)):
    """Take dense images, given as (n, channels, rows, columns), through steps."""
    values = np.asarray(values, dtype=np.float32)
    n_rows, n_columns = values.shape[2:]
    half_height, half_breadth = n_rows * pixel[0] / 2, n_columns * pixel[1] / 2
    grid = Grid(
        Axis("eta", n_rows, -half_height, half_height),
        Axis("phi", n_columns, -half_breadth, half_breadth, "rad"),
    )
    if is_normalised is None:
        is_normalised = [True] * values.shape[1]
    result = apply_image_steps(
        DenseImages(values),
        steps,
        grid=grid,
        is_normalised=np.array(is_normalised),
        subjets=subjets,
    ).images
    assert isinstance(result, DenseImages)
    assert result.values.dtype == np.float32
    return result.values


def places(*subjets):
    """Return the subjets of one event, NaN for those that are not there."""
    found = np.full((1, 3, 2), np.nan)
    for rank, place in enumerate(subjets):
        found[0, rank] = place
    return found


def image_of(*pixels, shape=(7, 7)):
    image = np.zeros((1, 1, *shape))
    for row, column, value in pixels:
        image[0, 0, row, column] = value
    return image


def filled(images, least=1e-4):
    return {tuple(p): images[0, 0][tuple(p)] for p in np.argwhere(np.abs(images[0, 0]) > least)}


class TestNormalise:
    @pytest.mark.parametrize(("by", "norm"), [("l1", 19), ("l2", 13), ("max", 12)])
    def test_by_hand(self, by, norm):
        image = [[[[3, -4], [0, 12]]]]
        np.testing.assert_allclose(apply(image, NormaliseImage(by)) * norm, image, rtol=1e-6)

    def test_channels_are_divided_together_and_counts_not_at_all(self):
        image = [[[[3.0]], [[4.0]], [[7.0]]]]
        found = apply(image, NormaliseImage("l2"), is_normalised=[True, True, False])
        np.testing.assert_allclose(found.ravel(), [0.6, 0.8, 7.0], rtol=1e-6)

    @pytest.mark.parametrize("by", ["l1", "l2", "max"])
    def test_a_blank_image_stays_blank(self, by):
        assert not apply(np.zeros((2, 1, 3, 3)), NormaliseImage(by)).any()


class TestScale:
    def test_by_hand(self):
        image = [[[[np.e - 1, 0.0, 1 - np.e]]]]
        np.testing.assert_allclose(apply(image, ScalePixels("log1p")).ravel(), [1, 0, -1])
        np.testing.assert_allclose(apply([[[[9, 0, -4]]]], ScalePixels("sqrt")).ravel(), [3, 0, -2])
        # asinh(0.75) = ln 2 and asinh(-4/3) = -ln 3, in units of 4.
        image = [[[[3, 0, -16 / 3]]]]
        found = apply(image, ScalePixels("asinh", 4)).ravel()
        np.testing.assert_allclose(found, np.log([2, 1, 1 / 3]), rtol=1e-6)

    def test_asinh_is_linear_below_its_unit_and_logarithmic_above(self):
        image = np.array([[[[1e-3, -2e-2, 1e4, -1e6]]]])
        found = apply(image, ScalePixels("asinh", 5.0)).ravel()
        np.testing.assert_allclose(found[:2], [2e-4, -4e-3], rtol=1e-5)
        np.testing.assert_allclose(found[2:], [np.log(4e3), -np.log(4e5)], rtol=1e-6)


class TestThreshold:
    def test_by_hand(self):
        image = [[[[0.1, 0.11, -0.1, -0.11, 0.0, 5]]]]
        found = apply(image, Threshold(0.1)).ravel()
        np.testing.assert_allclose(found, [0, 0.11, 0, -0.11, 0, 5], rtol=1e-6)

    def test_counts_are_left_alone(self):
        found = apply([[[[1.0]], [[1.0]]]], Threshold(2.0), is_normalised=[True, False])
        assert found.ravel().tolist() == [0, 1]

    def test_the_units_are_those_the_images_have_by_then(self):
        image = [[[[6.0, 2.0]]]]
        found = apply(image, NormaliseImage("l1"), Threshold(0.3))
        np.testing.assert_allclose(found.ravel(), [0.75, 0], rtol=1e-6)


class TestCrop:
    @pytest.mark.parametrize(("n", "m"), [(7, 3), (7, 4), (8, 3), (8, 4), (5, 5), (8, 1)])
    def test_the_middle_pixel_stays_in_the_middle(self, n, m):
        image = np.arange(n * 9, dtype=np.float32).reshape(1, 1, n, 9)
        found = apply(image, Crop(m, 9))
        assert found.shape == (1, 1, m, 9)
        np.testing.assert_array_equal(found[0, 0, m // 2], image[0, 0, n // 2])

    def test_the_grid_keeps_its_pixels(self):
        grid = Grid(Axis("eta", 8, -4, 4), Axis("phi", 5, -1, 4, "rad"))
        found = grid_after(grid, [Crop(3, 5), ScalePixels("sqrt"), Crop(2, 3)])
        # Row 4 of 8 is row 1 of 3, and that row 1 of 2.
        assert found.rows == Axis("eta", 2, -1.0, 1.0)
        assert found.columns == Axis("phi", 3, 0.0, 3.0, "rad")

    @pytest.mark.parametrize("size", [(0, 3), (8, 3), (3, 8)])
    def test_no_more_than_there_is(self, size):
        with pytest.raises(ConfigError, match=f"crop to {size[0]}x{size[1]} .* the image has 7x7"):
            apply(image_of((3, 3, 1)), Crop(*size))


class TestFlip:
    def test_towards_the_larger_sum(self):
        image = image_of((0, 6, 2), (6, 0, 1), (3, 3, 9))
        assert filled(apply(image, FlipImage("rows"))) == {(6, 6): 2, (0, 0): 1, (3, 3): 9}
        assert filled(apply(image, FlipImage("columns"))) == filled(image)
        assert filled(apply(image, FlipImage("both"))) == {(6, 6): 2, (0, 0): 1, (3, 3): 9}

    def test_the_middle_belongs_to_neither_half_if_there_is_one(self):
        odd = image_of((0, 0, 1), (1, 0, 5), (2, 0, 2), shape=(3, 1))
        assert filled(apply(odd, FlipImage("rows"))) == filled(odd)
        even = image_of((0, 0, 1), (1, 0, 5), (2, 0, 3), (3, 0, 2), shape=(4, 1))
        assert apply(even, FlipImage("rows")).ravel().tolist() == [2, 3, 5, 1]

    def test_momenta_decide_and_counts_follow(self):
        image = np.array([[[[5.0], [0], [1]], [[0], [0], [9]]]])
        found = apply(image, FlipImage("rows"), is_normalised=[True, False])
        assert found[0, :, :, 0].tolist() == [[1, 0, 5], [9, 0, 0]]
        counts = apply(image, FlipImage("rows"), is_normalised=[False, False])
        np.testing.assert_array_equal(counts, image)

    def test_the_third_subjet_outweighs_the_sum(self):
        image = image_of((6, 3, 9), (1, 3, 1))
        step = FlipImage("rows", "third_subjet")
        low = places((0, 0), (0, -0.3), (-0.2, 0))
        assert filled(apply(image, step, subjets=low)) == {(0, 3): 9, (5, 3): 1}
        high = places((0, 0), (0, -0.3), (0.2, 0))
        assert filled(apply(image, step, subjets=high)) == filled(image)
        on_axis = places((0, 0), (0, -0.3), (0, 0.2))
        assert filled(apply(image[:, :, ::-1], step, subjets=on_axis)) == filled(image[:, :, ::-1])
        two = places((0, 0), (0, -0.3))
        assert filled(apply(image[:, :, ::-1], step, subjets=two)) == filled(image)


class TestRotate:
    def test_the_second_subjet_goes_straight_down(self):
        # Second subjet and its pixel at +η: three pixels above the middle row.
        image = image_of((3, 3, 9), (6, 3, 4))
        subjets = places((0, 0), (0.3, 0))
        found = apply(image, RotateImage("second_subjet"), subjets=subjets)
        assert filled(found) == pytest.approx({(3, 3): 9, (3, 0): 4}, abs=1e-5)

    def test_subjets_turn_and_flip_with_the_image(self):
        image = image_of((3, 3, 9), (6, 3, 4), (3, 1, 1))
        # A turn by -π/2 brings the third from -φ to -η, and the flip to +η.
        subjets = places((0, 0), (0.3, 0), (0, -0.2))
        steps = RotateImage("second_subjet"), FlipImage("rows", "third_subjet")
        found = apply(image, *steps, FlipImage("rows", "third_subjet"), subjets=subjets)
        expected = {(3, 3): 9, (3, 0): 4, (5, 3): 1}
        assert filled(found) == pytest.approx(expected, abs=1e-5)
        assert subjets[0, 2].tolist() == [0, -0.2]

    def test_one_subjet_turns_by_the_axis_of_the_image(self):
        image = image_of((3, 3, 9), (5, 3, 2), (0, 3, 1))
        found = apply(image, RotateImage("second_subjet"), subjets=places((0, 0)))
        # The half with more than the other goes down, to low columns.
        assert filled(found) == pytest.approx({(3, 3): 9, (3, 1): 2, (3, 6): 1}, abs=1e-5)

    def test_a_subjet_in_the_centre_gives_no_direction(self):
        image = image_of((3, 3, 9), (6, 3, 4))
        close, same = places((0, 0), (0.01, 0)), places((0, 0), (0, 0))
        for subjets in (close, same):
            found = apply(image, RotateImage("second_subjet"), subjets=subjets)
            assert filled(found) == pytest.approx({(3, 3): 9, (3, 0): 4}, abs=1e-5)
        sideways = places((0, 0), (0, 0.01))
        found = apply(image, RotateImage("second_subjet"), subjets=sideways)
        assert filled(found) == pytest.approx({(3, 3): 9, (0, 3): 4}, abs=1e-5)

    def test_a_half_turn_turns_the_subjets_too(self):
        # Upright already, but with the larger sum at low φ: the third goes from +η to -η.
        image = image_of((3, 3, 9), (3, 1, 2), (3, 6, 1))
        third = places((0, 0), (0, -0.2), (0.1, 0.1))
        steps = RotateImage("principal_axis"), FlipImage("rows", "third_subjet")
        found = apply(image + image_of((5, 3, 0.1)), *steps, subjets=third)
        assert found[0, 0, 5, 3] == pytest.approx(0.1, abs=0.05)

    def test_subjets_are_seen_from_the_middle_that_is_left(self):
        # Of 8 pixels of 0.1, pixel 4 at 0.05 is the middle of the 7 that are left.
        image = image_of((4, 4, 9), (6, 4, 4), shape=(8, 8))
        subjets = places((0.05, 0.05), (0.25, 0.05))
        found = apply(image, Crop(7, 7), RotateImage("second_subjet"), subjets=subjets)
        assert filled(found) == pytest.approx({(3, 3): 9, (3, 1): 4}, abs=1e-5)

    def test_by_the_principal_axis(self):
        image = image_of((3, 3, 9), (5, 3, 2), (0, 3, 1))
        found = apply(image, RotateImage("principal_axis"))
        assert filled(found) == pytest.approx({(3, 3): 9, (3, 5): 2, (3, 0): 1}, abs=1e-5)

    def test_an_upright_image_is_turned_over_if_need_be(self):
        image = image_of((3, 3, 9), (3, 1, 2), (3, 6, 1))
        found = apply(image, RotateImage("principal_axis"))
        assert filled(found) == {(3, 3): 9, (3, 5): 2, (3, 0): 1}

    def test_the_turn_is_one_in_physical_units(self):
        # A smooth spot at (0.6, 0.8) on pixels of 0.1 by 0.05 comes to lie at (0, -1).
        eta, phi = np.meshgrid(np.arange(-20, 21) / 10, np.arange(-40, 41) / 20, indexing="ij")

        def spot(x, y):
            return np.exp(-((eta - x) ** 2 + (phi - y) ** 2) / (2 * 0.25**2))[None, None]

        step = RotateImage("second_subjet")
        subjets = places((0, 0), (0.6, 0.8))
        found = apply(spot(0.6, 0.8), step, pixel=(0.1, 0.05), subjets=subjets)
        np.testing.assert_allclose(found, spot(0, -1), atol=2e-3)

    @pytest.mark.parametrize("by", ["principal_axis", "second_subjet"])
    def test_an_image_without_direction_keeps_every_bit(self, by):
        one, blank = image_of((3, 3, 5)), image_of()
        square = image_of((1, 1, 2), (1, 5, 2), (5, 1, 2), (5, 5, 2))
        images = np.concatenate([one, blank, square]).astype(np.float32)
        found = apply(images, RotateImage(by), subjets=np.full((3, 3, 2), np.nan))
        assert found.tobytes() == images.tobytes()

    def test_an_axis_in_pixels_does_not_depend_on_where_zero_is(self):
        image = np.random.default_rng(1).random((1, 1, 7, 7), dtype=np.float32)
        centred = apply(image, RotateImage("principal_axis"), pixel=(1, 1))
        grid = Grid(Axis("row", 7, 0, 7), Axis("column", 7, 0, 7))
        steps = [RotateImage("principal_axis")]
        shifted = apply_image_steps(
            DenseImages(image), steps, grid=grid, is_normalised=np.array([True])
        ).images
        np.testing.assert_allclose(shifted.values, centred, atol=1e-6)


def random_images(n=9, shape=(2, 8, 7)):
    rng = np.random.default_rng(3)
    values = rng.random((n, *shape), dtype=np.float32)
    values[rng.random(values.shape) < 0.8] = 0
    values[4:5] = 0
    return DenseImages(values)


GRID = Grid(Axis("eta", 8, -1, 1), Axis("phi", 7, -1, 1))
MOMENTA = np.array([True, False])
SPARSE_STEPS = (
    FlipImage("both"),
    ScalePixels("log1p"),
    ScalePixels("asinh", 0.5),
    Crop(6, 4),
    Downsample(1, 2),
    NormaliseImage("l2"),
    Threshold(0.2),
)


def test_sparse_in_sparse_out_with_the_same_pixels():
    images = random_images()
    options = {"grid": GRID, "is_normalised": MOMENTA}
    dense = apply_image_steps(images, SPARSE_STEPS, **options).images
    sparse = apply_image_steps(as_sparse(images), SPARSE_STEPS, **options).images
    assert isinstance(sparse, SparseImages)
    assert sparse.shape == dense.shape == (2, 6, 2)
    assert np.all(sparse.value != 0)
    np.testing.assert_array_equal(as_dense(sparse).values, dense.values)


def test_rotated_images_are_dense():
    found = apply_image_steps(
        as_sparse(random_images()),
        [RotateImage("principal_axis")],
        grid=GRID,
        is_normalised=MOMENTA,
    ).images
    assert isinstance(found, DenseImages)


@pytest.mark.parametrize("at_once", [1, 250])
def test_blocks_do_not_matter(monkeypatch, at_once):
    steps = (RotateImage("principal_axis"), *SPARSE_STEPS)
    options = {"grid": GRID, "is_normalised": MOMENTA}
    whole = apply_image_steps(random_images(), steps, **options).images
    monkeypatch.setattr(image_steps, "_VALUES_AT_ONCE", at_once)
    parts = apply_image_steps(random_images(), steps, **options).images
    assert parts.values.tobytes() == whole.values.tobytes()


def test_no_image_and_no_step():
    options = {"grid": GRID, "is_normalised": MOMENTA}
    none = apply_image_steps(
        random_images(0), (RotateImage("principal_axis"), *SPARSE_STEPS), **options
    ).images
    assert none.values.shape == (0, 2, 6, 2)
    assert as_sparse(none).n_images == 0
    images = random_images()
    assert apply_image_steps(images, (), **options).images is images


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RotateImage("third_subjet"), "rotate by: 'third_subjet', expected one of princ"),
        (lambda: RotateImage("principal_axis", 0.0), "subjet_radius: 0.0, expected a number above"),
        (lambda: Threshold(0.0), "threshold above: 0.0, expected a number above 0"),
        (lambda: FlipImage("depth"), "flip axis: 'depth', expected one of rows, columns, both"),
        (lambda: FlipImage("rows", "pt"), "flip towards: 'pt', expected one of sum, third_subjet"),
        (lambda: FlipImage("rows", subjet_radius=np.nan), "subjet_radius: nan"),
        (lambda: NormaliseImage("l3"), "normalise by: 'l3', expected one of l1, l2, max"),
        (lambda: ScalePixels("log"), "scale by: 'log', expected one of log1p, sqrt, asinh"),
        (lambda: ScalePixels("asinh"), "scale unit: None, expected a number above 0 for asinh"),
        (lambda: ScalePixels("asinh", 0.0), "scale unit: 0.0, expected a number above 0"),
        (lambda: ScalePixels("sqrt", 2.0), "scale unit: 2, but sqrt has none: leave it out"),
        (lambda: Downsample(2, 2, "median"), "downsample by: 'median', expected one of sum, mean"),
        (lambda: Downsample(0, 2), "downsample blocks of 0x2 pixels, expected at least 1x1"),
    ],
)
def test_unknown_options_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_steps_share_their_subjets():
    turn, flip = RotateImage("second_subjet", 0.3), FlipImage("rows", "third_subjet", 0.2)
    assert radius_of_subjets([turn, FlipImage("rows", "sum", 0.2)]) == 0.3
    assert radius_of_subjets([RotateImage("principal_axis"), FlipImage("rows")]) is None
    with pytest.raises(ConfigError, match=r"subjet_radius is 0\.2, 0\.3: give all steps the same"):
        radius_of_subjets([turn, flip])


class TestRecipe:
    GRID = Grid(Axis("eta", 11, -0.55, 0.55), Axis("phi", 11, -0.55, 0.55, "rad"))

    def image(self, radius_of_centre, radius):
        """Return an image with its second subjet of a radius at −π/2."""
        jet = np.array([[10.0, 0, 0], [6, 0.3, 0], [5, 0, 0.3]]).T
        table = EventTable(np.array([0, 3]), dict(zip(("pt", "eta", "phi"), jet, strict=True)))
        steps = (Centre("hardest"),)
        if radius_of_centre is not None:
            steps = (Centre("leading_subjet", subjet_radius=radius_of_centre), *steps)
        turn = RotateImage("second_subjet", radius)
        recipe = Recipe(self.GRID, (Channel("pt"),), steps, image_steps=(turn,))
        return filled(as_dense(project(table, recipe).images).values)

    def test_subjets_of_another_radius_than_the_alignments(self):
        turned = {(5, 5): 10, (5, 2): 6, (8, 5): 5}
        for radius_of_centre in (None, 0.1, 0.35):
            assert self.image(radius_of_centre, 0.1) == pytest.approx(turned, abs=1e-4)
        # Under R = 0.35, the second lies with the first or the third: there is only one more.
        other = self.image(0.1, 0.35)
        assert other == self.image(0.35, 0.35)
        assert other != pytest.approx(turned, abs=1e-4)

    def test_the_shape_is_that_of_the_images(self):
        recipe = Recipe(self.GRID, (Channel("pt"),), image_steps=(Crop(5, 7), ScalePixels("sqrt")))
        assert recipe.shape == (1, 5, 7)
        assert recipe.image_grid.rows.low == pytest.approx(-0.25)
        none = EventTable(np.array([0, 0]), {name: np.zeros(0) for name in ("pt", "eta", "phi")})
        projection = project(none, recipe)
        assert projection.images.shape == (1, 5, 7)
        assert projection.is_empty.tolist() == [True]

    def test_threads_do_not_matter(self):
        rng = np.random.default_rng(7)
        lengths = rng.integers(0, 12, 5000)
        columns = {name: rng.normal(0, 0.2, lengths.sum()) for name in ("eta", "phi")}
        table = EventTable(
            np.concatenate([[0], np.cumsum(lengths)]),
            {"pt": rng.exponential(5, lengths.sum()), **columns},
        )
        steps = RotateImage("second_subjet"), FlipImage("rows", "third_subjet")
        recipe = Recipe(self.GRID, (Channel("pt"),), (Centre("hardest"),), image_steps=steps)
        one, two = (project(table, recipe, n_threads=n).images for n in (1, 2))
        assert one.values.tobytes() == two.values.tobytes()
        assert one.n_images == 5000

    def test_steps_that_cannot_be_are_refused(self):
        with pytest.raises(ConfigError, match="image_steps: crop to 12x3 pixels: the image has 11"):
            Recipe(self.GRID, (Channel("pt"),), image_steps=(Crop(12, 3),))
        with pytest.raises(ConfigError, match="nothing to normalise"):
            Recipe(self.GRID, (Channel("n", "count"),), image_steps=(NormaliseImage("l1"),))
        steps = RotateImage("second_subjet", 0.3), FlipImage("rows", "third_subjet", 0.2)
        with pytest.raises(ConfigError, match="give all steps the same"):
            Recipe(self.GRID, (Channel("pt"),), image_steps=steps)
