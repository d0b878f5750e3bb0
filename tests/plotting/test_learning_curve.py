import numpy as np

from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.learning_curve import CurvePoint
from detcnn.plotting.learning_curve import learning_curve_figure, learning_curve_section
from detcnn.plotting.report import Report, report_html
from detcnn.plotting.style import svg


def point(number, value, *trainings):
    interval = Interval(value, value - 0.02, value + 0.01, 0.683, "by hand")
    return CurvePoint(number, interval, trainings or (value,))


CURVES = {
    "$new": (point(30, 0.7, 0.68, 0.72), point(3000, 0.9)),
    "old": (point(30, 0.6), point(3000, 0.85)),
}


def test_points_and_their_intervals_are_drawn():
    figure = learning_curve_figure(CURVES, along="jets trained on")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "Jets trained on"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["30", "3000"]
    new, old = axes.containers
    np.testing.assert_allclose(new[0].get_ydata(), [0.7, 0.9])
    # Beside each other, by a few percent.
    np.testing.assert_allclose(new[0].get_xdata(), [30, 3000], rtol=0.05)
    assert (new[0].get_xdata() < old[0].get_xdata()).all()
    (bars,) = new[2]
    np.testing.assert_allclose(
        [segment[:, 1] for segment in bars.get_segments()], [[0.68, 0.71], [0.88, 0.91]]
    )
    dots = [line for line in axes.get_lines() if line.get_marker() == "."]
    assert [list(line.get_ydata()) for line in dots] == [[0.68, 0.72]]
    svg(figure)


def test_few_numbers_have_a_plain_axis():
    curves = {"one": (point(0, 0.6), point(5, 0.7))}
    assert learning_curve_figure(curves, along="pixels").axes[0].get_xscale() == "linear"


def test_a_report_tells_every_point():
    section = learning_curve_section(CURVES, along="jets trained on", level=0.683)
    (table,) = section.tables
    assert [row[:2] for row in table.rows] == [
        ("$new", "30"), ("$new", "3000"), ("old", "30"), ("old", "3000"),
    ]  # fmt: skip
    assert "(2 trainings)" in table.rows[0][2]
    assert "Along the jets trained on" in report_html(Report("t", "l", (section,)))
