from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from detcnn.evaluation.export import plain
from detcnn.evaluation.task_rows import (
    COLUMNS,
    localisation_rows,
    multi_label_rows,
    objects_rows,
    pixel_regression_rows,
    regression_rows,
    segmentation_rows,
)
from detcnn.events.grid import Axis, Grid
from detcnn.plotting.binned import binned_figure
from detcnn.plotting.displays import (
    LocatedEvent,
    MeasuredEvent,
    SegmentedEvent,
    localisation_display,
    pixel_regression_display,
    segmentation_display,
)
from detcnn.plotting.images import images_figure
from detcnn.plotting.localisation import localisation_sections
from detcnn.plotting.multi_label import multi_label_sections
from detcnn.plotting.objects import objects_sections
from detcnn.plotting.overlays import SaidOfEvent, overlay_figure
from detcnn.plotting.pixel_regression import pixel_regression_sections
from detcnn.plotting.regression import PredictedNumbers, regression_sections
from detcnn.plotting.report import Report, report_html
from detcnn.plotting.segmentation import segmentation_sections
from detcnn.plotting.style import svg, write_figure

TASKS = {
    "segmentation": (segmentation_sections, segmentation_rows),
    "objects": (objects_sections, objects_rows),
    "localisation": (localisation_sections, localisation_rows),
    "regression": (regression_sections, regression_rows),
    "pixel_regression": (
        pixel_regression_sections,
        pixel_regression_rows,
    ),
    "multi_label": (multi_label_sections, multi_label_rows),
}


@pytest.fixture(scope="module", params=TASKS)
def task(request, results):
    sections, rows = TASKS[request.param]
    evaluation = getattr(results, request.param)()
    return evaluation, sections(evaluation), rows(evaluation)


def test_the_report_shows_every_table_and_figure(task):
    _, sections, _ = task
    assert sections[0].tables
    assert sections[0].lead
    pictures = [picture for section in sections for picture in section.pictures]
    assert len({picture.name for picture in pictures}) == len(pictures) > 0
    for table in (table for section in sections for table in section.tables):
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert "nan" not in str(table)
    page = report_html(Report("Tasks", "", sections))
    assert page.count("<img") == len(pictures)


def test_rows_say_what_the_results_say(task):
    evaluation, _, rows = task
    assert {tuple(row) for row in rows} == {COLUMNS}
    keys = [(row["quantity"], row["of"], row["column"], row["bin_low"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        # Entries of no bin are counted.
        is_count = row["quantity"].endswith(("entries_below", "entries_above"))
        assert (row["level"] is None) == is_count or row["value"] is None
        if row["value"] is not None and not is_count:
            assert row["low"] <= row["value"] <= row["high"]
        same = getattr(evaluation, str(row["quantity"]), None)
        if row["of"] is None and row["column"] is None and same is not None:
            assert row["value"] == plain(same)["value"]


def named(rows, quantity, **where):
    (row,) = (
        row
        for row in rows
        if row["quantity"] == quantity and all(row[key] == value for key, value in where.items())
    )
    return row["value"]


def test_entries_of_no_bin_are_told(results):
    result = results.segmentation()
    profile = replace(result.profiles[0], n_below=4, n_above=1234)
    rows = segmentation_rows(replace(result, profiles=(profile,)))
    assert named(rows, "iou_entries_below", bin_high=profile.edges[0]) == 4
    assert named(rows, "iou_entries_above", bin_low=profile.edges[-1]) == 1234
    none = segmentation_rows(result)
    assert not [row for row in none if "entries" in row["quantity"]]
    assert "outside: 4 below, 1,234 above" in said(binned_figure([profile], ylabel="IoU"))
    assert "outside: 4 below" in said(binned_figure([replace(profile, n_above=0)], ylabel="IoU"))
    assert "outside" not in said(binned_figure([result.profiles[0]], ylabel="IoU"))


def said(figure):
    return "\n".join(axes.get_title(loc="right") for axes in figure.axes)


def test_rows_of_classes_terms_and_bins(results):
    result = results.segmentation()
    rows = segmentation_rows(result)
    assert named(rows, "iou", of="track", column=None) == result.iou.value[1]
    assert named(rows, "event_misclassified_mean", of="all") == (
        result.event_misclassified[0].mean.value
    )
    profile = result.profiles[0]
    low = profile.edges[2]
    assert named(rows, "iou", of="shower", bin_low=low) == profile.measure.value[2, 2]
    result = results.regression()
    rows = regression_rows(result)
    assert named(rows, "resolution_stochastic") == result.resolution_fit.coefficients[0].value
    assert named(rows, "pull_coverage_95") == result.pull.coverage.value[1]


def test_without_what_is_optional(results):
    sections = regression_sections(results.regression(with_sigma=False, n=100))
    titles = [section.title for section in sections]
    assert titles == ["Regression: energy", "energy against its truth", "energy against columns"]
    assert "No fit of the resolution: 0 bins" in sections[1].lead
    absolute, relative = sections[0].lead.split("; relative to the truth: ")
    assert absolute.startswith("Bias ")
    assert absolute.endswith("] GeV")
    assert relative.endswith("] (100 events).")


def picture_grid(side=24):
    return Grid(Axis("row", side, 0, side, "pixel"), Axis("column", side, 0, side, "pixel"))


def texts(figure):
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_segmentation_display_shows_where_it_is_wrong(results):
    image = np.ones((1, 2, 3))
    event = SegmentedEvent(
        "event 7",
        image,
        truth=np.array([[[0, 1, 2], [1, 0, 3]]]),
        predicted=np.array([[[0, 1, 1], [0, 2, 0]]]),
    )
    grid = Grid(Axis("wire", 2, 0, 2), Axis("tick", 3, 0, 3))
    figure = segmentation_display(
        [event], grid=grid, channels=["charge"], units=["ke"], classes=results.CLASSES
    )
    (difference,) = (axes for axes in figure.axes if axes.get_title("left") == "difference")
    np.testing.assert_array_equal(difference.images[0].get_array().T, [[0, 1, 4], [2, 3, 5]])
    assert texts(figure) == {
        "track", "shower", "right", "missed", "made up", "taken for another", "not judged",
    }  # fmt: skip
    svg(figure)


@pytest.mark.parametrize(("n_channels", "n_beside"), [(1, 1), (2, 2), (3, 1), (4, 4)])
def test_planes_that_are_no_channels_stand_beside_all_channels(results, n_channels, n_beside):
    image, truth, predicted, _ = results.masks(4)
    options = {
        "grid": picture_grid(),
        "channels": list("uvwy"[:n_channels]),
        "units": ["ke"] * n_channels,
    }
    segmented = SegmentedEvent("one", image[:n_channels], truth[:3], predicted[:3])
    measured = MeasuredEvent("one", image[:n_channels], image[:3], 1.1 * image[:3])
    for figure in (
        segmentation_display([segmented], classes=results.CLASSES, **options),
        pixel_regression_display([measured], name="charge", unit="ke", **options),
    ):
        titles = [axes.get_title("left") for axes in figure.axes]
        assert titles.count("truth") == 3
        assert titles.index("truth") == n_beside
        assert len(titles) == 3 * (n_beside + 3)
    said = SaidOfEvent("one", image[:n_channels], mask=predicted[:3])
    figure = overlay_figure(said, classes=results.CLASSES, **options)
    drawn = [axes.images[1].get_array().filled(0) for axes in figure.axes]
    shown = [np.flatnonzero([(np.sort(of.ravel()) == np.sort(plane.ravel())).all()
                             for plane in predicted[:3]]).tolist() for of in drawn]  # fmt: skip
    expected = range(3) if n_channels == 3 else np.repeat(range(3), n_channels)
    assert shown == [[plane] for plane in expected]


def test_points_lie_where_their_pixels_are():
    image = np.zeros((1, 4, 6))
    image[0, 1, 4] = 1.0
    event = LocatedEvent(
        "event", image, true=np.array([[1.0, 4.0], [np.nan] * 2]), found=np.zeros((0, 2))
    )
    for grid, expected in (
        (Grid(Axis("row", 4, 0, 4, "pixel"), Axis("column", 6, 0, 6, "pixel")), (4.5, 1.5)),
        (Grid(Axis("eta", 4, -0.4, 0.4), Axis("phi", 6, -0.3, 0.3)), (-0.1, 0.15)),
    ):
        figure = localisation_display([event], grid=grid, channels=["a"], units=["1"])
        axes = figure.axes[0]
        line = axes.get_lines()[0]
        across, up = line.get_xdata()[0], line.get_ydata()[0]
        np.testing.assert_allclose((across, up), expected)
        # The bright pixel is under the point.
        left, right, bottom, top = axes.images[0].get_extent()
        drawn = np.asarray(axes.images[0].get_array().filled(0))
        n_up, n_across = drawn.shape
        column = int((across - left) / (right - left) * n_across)
        row = int((up - bottom) / (top - bottom) * n_up)
        if axes.images[0].origin == "upper":
            row = n_up - 1 - row
        assert drawn[row, column] == 1
        svg(figure)


def test_displays_of_several_views_and_channels(results):
    image, truth, predicted, _ = results.masks(4)
    views = [
        SegmentedEvent("first", image[:2], truth[:2], predicted[:2]),
        SegmentedEvent("second", image[2:], truth[2:], predicted[2:], judged=image[2:] > 0),
    ]
    options = {"grid": picture_grid(), "channels": ["u", "v"], "units": ["ke", "ke"]}
    figure = segmentation_display(views, classes=results.CLASSES, **options)
    # Four planes of image, truth, prediction, difference.
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[::4] == ["first", "first", "second", "second"]
    assert titles[1:4] == ["truth", "prediction", "difference"]
    assert len(titles) == 4 * 4
    one = [SegmentedEvent("one", image[:2], truth[:1], predicted[:1])]
    figure = segmentation_display(one, classes=results.CLASSES, **options)
    assert len(figure.axes) == 5
    measured = [MeasuredEvent("one", image[:2], image[:1], 1.1 * image[:1])]
    figure = pixel_regression_display(measured, name="charge", unit="ke", **options)
    assert "prediction − truth" in {axes.get_title("left") for axes in figure.axes}
    svg(figure)


def norms_of(figure, title):
    panels = [axes for axes in figure.axes if axes.get_title("left") == title]
    return {(axes.images[0].cmap.name, *axes.images[0].get_clim()) for axes in panels}


@pytest.mark.parametrize(
    ("truth", "cmap"), [([0.0, 1, 500], "viridis"), ([-2.0, 1, 500], "RdBu_r")]
)
def test_numbers_of_all_events_have_one_scale(truth, cmap):
    grid = Grid(Axis("row", 1, 0, 1, "pixel"), Axis("column", 3, 0, 3, "pixel"))
    events = [
        MeasuredEvent("best", np.ones((1, 1, 3)), of, of + off)
        for of, off in ((np.array([[truth]]), -0.5), (np.array([[truth]]) / 10, 3.0))
    ]
    figure = pixel_regression_display(
        events, grid=grid, channels=["adc"], units=["1"], name="charge", unit="ke"
    )
    ((of_truth, *ends),) = norms_of(figure, "truth")
    assert (of_truth, ends[1]) == (cmap, 500)
    assert norms_of(figure, "prediction") == {(of_truth, *ends)}
    assert norms_of(figure, "prediction − truth") == {("RdBu_r", -3, 3)}
    # The bars of the first event say how all go.
    bars = [[axes.get_ylabel() for axes in panel.child_axes] for panel in figure.axes]
    assert [len(of_panel) for of_panel in bars] == [1, 0, 1, 1, 0, 0, 0, 0]
    assert bars[2][0].startswith("charge [ke]\nlogarithmic")
    svg(figure)


def test_what_is_wrong_has_the_same_colour_beside_any_classes(results):
    used = set()
    for n_classes in (2, 10):
        truth = np.arange(4).reshape(1, 1, 4) % 2
        event = SegmentedEvent("one", np.ones((1, 1, 4)), truth, truth[..., ::-1])
        figure = segmentation_display(
            [event],
            grid=Grid(Axis("row", 1, 0, 1, "pixel"), Axis("column", 4, 0, 4, "pixel")),
            channels=["adc"],
            units=["1"],
            classes=[f"class {i}" for i in range(n_classes)],
        )
        handles = figure.legends[0].legend_handles
        colours = [to_hex(handle.get_facecolor()) for handle in handles]
        assert len(set(colours)) == len(colours)
        used.add(tuple(colours[n_classes - 1 :]))
    assert len(used) == 1


def overlaid(**options):
    event = SaidOfEvent(**{"title": "event 3", "image": np.eye(24)[np.newaxis]} | options)
    return overlay_figure(
        event, grid=picture_grid(), channels=["adc"], units=["1"], classes=("no", "yes"), name="dep"
    )


def test_predicted_numbers_stand_beside_the_image():
    said = np.linspace(-0.1, 5, 24 * 24).reshape(1, 24, 24)
    figure = overlaid(numbers=said)
    assert [axes.get_title("left") for axes in figure.axes] == ["event 3", "predicted dep"]
    drawn = figure.axes[1].images[0]
    assert drawn.cmap.name == "viridis"
    assert drawn.get_array().mask[0, 0]
    np.testing.assert_array_equal(drawn.get_array()[-1], said[0, -1])
    # Of both signs.
    assert overlaid(numbers=said - 2).axes[1].images[0].cmap.name == "RdBu_r"


def test_all_lines_of_a_title_are_on_the_page(tmp_path):
    figures = [
        overlaid(title="\n".join(f"line {i}" for i in range(9))),
        images_figure(
            {"events": np.ones((3, 24, 24))},
            grid=picture_grid(),
            channels=list("abc"),
            units=["MeV"] * 3,
        ),
    ]
    for figure in figures:
        write_figure(figure, tmp_path, "all", formats=["png"])
        page = figure.bbox
        for axes in figure.axes:
            drawn = axes.get_tightbbox()
            assert page.x0 <= drawn.x0 <= drawn.x1 <= page.x1
            assert page.y0 <= drawn.y0 <= drawn.y1 <= page.y1


def test_a_target_has_few_figures_and_fewer_for_few_events(results):
    def names(n):
        sections = regression_sections(results.regression(n=n))
        return [picture.name for section in sections for picture in section.pictures]

    assert names(3000) == [
        "regression-energy-residuals",
        "regression-energy-truth",
        "regression-energy-fit",
        "regression-energy-depth",
    ]
    assert names(12) == ["regression-energy-residuals"]
    few = regression_sections(results.regression(n=12))
    assert few[1].lead.startswith("There are too few events for two bins: nothing is drawn. No fit")
    # One by one, if they are given.
    truth = np.linspace(1.0, 5.0, 12)
    events = PredictedNumbers(truth, 0.9 * truth, np.full(12, 0.3))
    shown = regression_sections(results.regression(n=12), events)[1]
    assert shown.lead.startswith("No fit")
    (picture,) = shown.pictures
    assert picture.name == "regression-energy-truth"
    points, _, _ = picture.figure.axes[0].containers[0]
    np.testing.assert_allclose(points.get_xydata(), np.stack([truth, 0.9 * truth], axis=1))
    many = regression_sections(results.regression(n=3000), events)[1].pictures
    assert [picture.name for picture in many] == names(3000)[1:3]


def test_what_belongs_to_a_column_is_one_figure(results):
    for sections, name, n_panels in (
        (segmentation_sections(results.segmentation()), "segmentation-energy", 3),
        (localisation_sections(results.localisation()), "points-density", 2),
        (pixel_regression_sections(results.pixel_regression()), "pixels-charge-charge", 3),
    ):
        (figure,) = (p.figure for p in sections[-1].pictures)
        assert [p.name for p in sections[-1].pictures] == [name]
        assert len(figure.axes) == 2 * n_panels
    # One legend for panels of the same classes, one each where they say something else.
    (figure,) = (p.figure for p in segmentation_sections(results.segmentation())[-1].pictures)
    assert [axes.get_legend() is not None for axes in figure.axes[:3]] == [True, False, False]
    (figure,) = (p.figure for p in regression_sections(results.regression())[-1].pictures)
    assert [axes.get_legend() is not None for axes in figure.axes[:2]] == [True, True]
