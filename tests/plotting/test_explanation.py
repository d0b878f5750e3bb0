import numpy as np
import pytest
from matplotlib.colors import LogNorm, SymLogNorm

from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.invariance import Response
from detcnn.events.grid import Axis, Grid
from detcnn.plotting.explanation import maps_table_figure, mosaic_figure
from detcnn.plotting.filters import kernels_figure, steps_figure
from detcnn.plotting.style import svg
from detcnn.plotting.symmetry import symmetry_figure

PICTURE = Grid(Axis("row", 2, 0, 2, unit="pixel"), Axis("column", 3, 0, 3, unit="pixel"))


def drawn(axes):
    (image,) = axes.get_images()
    return image


def panels(figure):
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_title(loc="left")]


def test_a_mosaic_is_read_from_left_to_right_and_downwards():
    values = np.arange(10)[:, None, None] * np.ones((10, 2, 3))
    figure = mosaic_figure({"layer": values}, grid=PICTURE, quantity="Weight", is_signed=True)
    tile = drawn(figure.axes[0]).get_array()
    # Eight images of three columns and a gap of one in a row; the gaps are no numbers.
    assert tile.shape == (5, 8 * 4 - 1)
    assert tile[0, 4] == 1
    assert tile[3, 4] == 9
    assert np.ma.is_masked(tile[0, 3])
    assert np.ma.is_masked(tile[3, 9])
    assert drawn(figure.axes[0]).norm.vmin == -9
    svg(figure)


def test_eta_runs_to_the_right_in_a_mosaic(grid):
    values = np.zeros((1, 4, 3))
    values[0, 3, 2] = 1.0  # the highest η and φ: upper right
    tile = drawn(
        mosaic_figure({"a": values}, grid=grid, quantity="x", is_signed=False).axes[0]
    ).get_array()
    assert tile.shape == (3, 4)
    assert tile[0, 3] == 1


def test_groups_may_have_colours_of_their_own():
    groups = {"a": np.ones((1, 2, 3)), "b": 5 * np.ones((1, 2, 3))}
    options = {"grid": PICTURE, "quantity": "x", "is_signed": False}
    shared = panels(mosaic_figure(groups, **options))
    assert [drawn(axes).norm.vmax for axes in shared] == [5, 5]
    own = panels(mosaic_figure(groups, has_own_scale=True, **options))
    assert [drawn(axes).norm.vmax for axes in own] == [1, 5]


def test_a_table_of_maps(grid):
    rows = {
        "one": {"map": np.ones((4, 3)), "change": -2 * np.ones((4, 3))},
        "two": {"map": np.full((4, 3), np.nan), "change": np.ones((4, 3))},
    }
    figure = maps_table_figure(rows, grid=grid, signed=("change",))
    titles = [axes.get_title(loc="left") for axes in panels(figure)]
    assert titles == ["one: map", "one: change", "two: map", "two: change"]
    norms = [drawn(axes).norm for axes in panels(figure)]
    assert [(norm.vmin, norm.vmax) for norm in norms] == [(0, 1), (-2, 2), (0, 1), (-1, 1)]
    assert drawn(panels(figure)[2]).get_array().mask.all()
    shared = maps_table_figure(rows, grid=grid, quantity="q", signed=("change",), shares_scale=True)
    assert len(shared.axes) == 5
    assert shared.axes[-1].get_xlabel() == "q"
    svg(figure)
    svg(shared)


@pytest.mark.parametrize(
    ("filled", "low", "high"),
    [((1.0, 1000.0), 1.0, 1000.0), ((1e-3, 1000.0), 0.1, 1000.0), ((2.0,), 0.2, 2.0)],
)
def test_an_image_that_is_mostly_empty_is_logarithmic_and_blank(grid, filled, low, high):
    image = np.zeros((4, 3))
    image.flat[: len(filled)] = filled
    figure = maps_table_figure({"": {"pt": image}}, grid=grid, images=("pt",))
    shown = drawn(figure.axes[0])
    assert isinstance(shown.norm, LogNorm)
    assert (shown.norm.vmin, shown.norm.vmax) == pytest.approx((low, high))
    assert shown.get_array().mask.sum() == 12 - len(filled)
    assert figure.axes[0].get_title(loc="left") == "pt"
    svg(figure)


@pytest.mark.parametrize("image", [np.ones((4, 3)), np.zeros((4, 3)), -np.eye(4)[:, :3]])
def test_another_image_is_linear(grid, image):
    figure = maps_table_figure({"": {"pt": image}}, grid=grid, images=("pt",))
    norm = drawn(figure.axes[0]).norm
    assert not isinstance(norm, LogNorm)
    assert (norm.vmin, norm.vmax) == (min(image.min(), 0), 1)


def test_small_filters_show_their_numbers():
    figure = kernels_figure({"angle": np.eye(3) * -0.5, "large": np.ones((9, 9))})
    first, second = figure.axes
    assert sorted(text.get_text() for text in first.texts) == ["0"] * 6 + ["−0.5"] * 3
    assert not second.texts
    assert drawn(first).norm.vmax == 0.5


def test_each_filter_has_a_row_of_steps(grid):
    maps = np.arange(12.0).reshape(4, 3) - 6
    steps = {"a": {"map": maps, "pooled": maps[:2, :2]}, "b": {"map": maps * 1000}}
    figure = steps_figure(np.abs(maps), steps, grid=grid, title="x$y")
    titles = [axes.get_title(loc="left") for axes in panels(figure)]
    assert titles == ["image", "feature map", "pooled", "image", "feature map"]
    # η to the right, φ upwards.
    np.testing.assert_array_equal(drawn(figure.axes[1]).get_array(), maps.T[::-1])
    assert drawn(figure.axes[2]).norm.vmax == drawn(figure.axes[1]).norm.vmax == 6
    svg(figure)


def test_colour_bars_are_as_high_as_their_pictures(grid):
    maps = np.arange(12.0).reshape(4, 3)
    figure = steps_figure(maps, {"a": {"map": maps[:, :1]}}, grid=grid, title="")
    figure.draw_without_rendering()
    for axes in panels(figure):
        (bar,) = axes.child_axes
        picture, beside = axes.get_window_extent(), bar.get_window_extent()
        assert (beside.y0, beside.y1) == pytest.approx((picture.y0, picture.y1))
        assert picture.x1 < beside.x0 < beside.x1 < figure.bbox.x1
    # The map is a single line of pixels, lower than its image.
    first, second = (axes.child_axes[0].get_window_extent().height for axes in panels(figure))
    assert second < 0.5 * first


@pytest.mark.parametrize(
    ("lowest", "colours", "ends"), [(0.0, "viridis", (0, 11)), (-1.0, "RdBu_r", (-11, 11))]
)
def test_only_what_goes_below_zero_has_two_colours(grid, lowest, colours, ends):
    maps = np.arange(12.0).reshape(4, 3)
    maps[0, 0] = lowest
    steps = {"map": maps, "rectified": np.maximum(maps, 0)}
    figure = steps_figure(maps, {"a": steps}, grid=grid, title="")
    for axes in panels(figure)[1:]:
        assert drawn(axes).cmap.name == colours
        assert (drawn(axes).norm.vmin, drawn(axes).norm.vmax) == ends
    svg(figure)


def test_a_map_with_one_bright_place_has_logarithmic_colours():
    maps = np.ones((9, 9))
    maps[0, 0] = 1000.0
    steps = {"a": {"map": -maps}, "b": {"map": maps}}
    figure = steps_figure(maps, steps, grid=PICTURE, title="")
    kinds = [type(drawn(axes).norm) for axes in panels(figure)]
    assert kinds == [LogNorm, SymLogNorm, LogNorm, LogNorm]
    svg(figure)


@pytest.mark.parametrize("names", [(), ("as it is", "turned")])
def test_responses_against_their_amount(names):
    responses = [
        Response(
            amount=float(i),
            performance=Interval(0.9 - 0.1 * i, 0.8 - 0.1 * i, 0.95 - 0.1 * i, 0.683, ""),
            mean_change=-0.1 * i,
            mean_change_error=0.01,
            mean_size=0.2 * i,
        )
        for i in range(2)
    ]
    figure = symmetry_figure(responses, amount="angle", neutral=0.0, performance="AUC", names=names)
    upper, lower = figure.axes
    assert upper.get_ylabel() == "AUC"
    assert lower.get_xlabel() == "angle"
    assert list(upper.lines[0].get_ydata()) == pytest.approx([0.9, 0.8])
    assert [text.get_text() for text in lower.get_xticklabels()][: len(names)] == list(names)
    svg(figure)
