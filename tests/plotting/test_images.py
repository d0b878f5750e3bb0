import numpy as np
import pytest

from detcnn.events.grid import Axis, Grid
from detcnn.plotting.images import images_figure
from detcnn.plotting.style import svg


def test_a_picture_is_drawn_as_it_is_looked_at():
    image = np.zeros((1, 3, 5))
    image[0, 0, 4] = 1.0  # first row, last column: top right
    grid = Grid(Axis("row", 3, 0.0, 3.0, unit="pixel"), Axis("column", 5, 0.0, 5.0, unit="pixel"))
    figure = images_figure({"a": image}, grid=grid, channels=["x"], units=["1"])
    axes = figure.axes[0]
    (drawn,) = axes.get_images()
    assert drawn.get_array().shape == (3, 5)
    assert drawn.origin == "upper"
    assert axes.get_ylim() == (3.0, 0.0)
    assert axes.get_xlabel() == "column [pixel]"
    assert axes.get_ylabel() == "row [pixel]"


def test_eta_runs_to_the_right_and_phi_upwards():
    image = np.zeros((1, 3, 5))
    grid = Grid(Axis("eta", 3, -1.0, 1.0), Axis("phi", 5, -2.0, 2.0, unit="rad"))
    axes = images_figure({"a": image}, grid=grid, channels=["x"], units=["1"]).axes[0]
    (drawn,) = axes.get_images()
    assert drawn.get_array().shape == (5, 3)
    assert axes.get_xlim() == (-1.0, 1.0)
    assert axes.get_ylim() == (-2.0, 2.0)


PIXELS = Grid(Axis("row", 1, 0.0, 1.0, unit="pixel"), Axis("column", 4, 0.0, 4.0, unit="pixel"))


def drawn_row(*values):
    """Return the drawn picture of one row of pixels, its colour bar, and the axes."""
    image = np.array(values, dtype=np.float32).reshape(1, 1, -1)
    figure = images_figure({"a": image}, grid=PIXELS, channels=["x"], units=["GeV"])
    svg(figure)
    (drawn,) = figure.axes[0].get_images()
    return drawn, figure.axes[-1]


def test_what_is_fainter_than_five_decades_is_blank_like_nothing():
    drawn, bar = drawn_row(0, 1e-4, 2e-3, 200)
    np.testing.assert_array_equal(drawn.get_array().mask, [[True, True, False, False]])
    assert (drawn.norm.vmin, drawn.norm.vmax) == pytest.approx((2e-3, 200))
    assert bar.get_xlabel() == "x [GeV]\nblank below 0.002"


def test_nothing_is_said_of_a_floor_where_all_is_drawn():
    drawn, bar = drawn_row(0, 1, 2, 4)
    np.testing.assert_array_equal(drawn.get_array().mask, [[True, False, False, False]])
    assert bar.get_xlabel() == "x [GeV]"
    np.testing.assert_allclose(bar.get_xticks(), [1, 2, 3, 4])


def test_negative_pixels_have_colours_of_their_own():
    drawn, bar = drawn_row(-20, 1e-3, 200, 0)
    np.testing.assert_array_equal(drawn.get_array().mask, [[False, True, False, True]])
    assert (drawn.norm.vmin, drawn.norm.vmax) == pytest.approx((-200, 200))
    negative, positive = drawn.cmap(drawn.norm([-20.0, 200.0]))
    assert negative[2] > negative[0]  # blue
    assert positive[0] > positive[2]  # red
    assert bar.get_xlabel() == "x [GeV]\nblank between ±0.02"


def test_noise_is_fainter_than_the_faintest_colour():
    noise = np.random.default_rng(3).normal(0, 0.5, 4000)
    drawn, bar = drawn_row(*noise, 1000)
    assert drawn.norm.linthresh == pytest.approx(1.5, rel=0.05)
    assert drawn.get_array().mask.mean() == pytest.approx(0.9973, abs=0.002)
    assert bar.get_xlabel() in {f"x [GeV]\nblank between ±{floor}" for floor in (1, 2)}
    # Nothing but noise is drawn, too.
    drawn, _ = drawn_row(*noise)
    assert drawn.norm.linthresh == pytest.approx(np.abs(noise).max() / 10)


def test_a_rounding_error_below_zero_does_not_make_a_signed_image():
    drawn, _ = drawn_row(-1e-9, 1, 3, 200)
    assert drawn.norm.vmin == pytest.approx(1)
    np.testing.assert_array_equal(drawn.get_array().mask, [[True, False, False, False]])


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_images_of_one_value_can_be_drawn(value):
    drawn_row(value, value, value, value)


def test_images_of_one_channel_stand_side_by_side():
    images = {str(i): np.ones((1, 1, 4)) for i in range(6)}
    figure = images_figure(images, grid=PIXELS, channels=["x"], units=["1"])
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title(loc="left") for axes in panels] == [f"{i}, x" for i in range(6)]
    assert [axes.get_subplotspec().colspan.start for axes in panels] == [0, 1, 2, 3, 0, 1]
    svg(figure)
