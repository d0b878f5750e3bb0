from dataclasses import replace

import numpy as np
import pytest

from detcnn.evaluation.baselines import Baseline, Baselines, Gain
from detcnn.evaluation.intervals import Interval
from detcnn.plotting.baselines import baselines_figure, baselines_section
from detcnn.plotting.report import Report, report_html
from detcnn.plotting.style import svg


@pytest.fixture
def baselines(three_classes):
    names = ["BDT of 5 observables", "jet_mass", "<$x^>", "d", "e", "f"]
    curves = three_classes.discriminations
    return Baselines(
        baselines=tuple(
            Baseline(name, (name,), -1 if name == "jet_mass" else 1, curves[i % len(curves)])
            for i, name in enumerate(names)
        ),
        gain=Gain(Interval(-0.0123, -0.02, 0.001, 0.683, "paired bootstrap"), 0.0625, 1000),
        n_training=12345,
    )


def test_the_section_says_what_was_compared(three_classes, baselines):
    section = baselines_section(three_classes.headline, baselines, masses="pdgid")
    assert "BDT of 5 observables: -0.0123 [-0.0200, 0.0010], p = 0.062" in section.lead
    (table,) = section.tables
    assert [row[0] for row in table.rows][:3] == [
        "network",
        "BDT of 5 observables",
        "mass (small)",
    ]
    assert len(table.header) == len(table.rows[0]) == 5
    assert table.header[2] == "Rejection at 30 % signal"
    assert "12,345 training events" in table.caption
    assert "come from their pdgid" in table.caption
    page = report_html(Report("t", "", (section,)))
    assert "&lt;$x^&gt;" in page


@pytest.mark.parametrize(
    ("masses", "said"), [("nothing", "count as massless."), ("", "of constituents.")]
)
def test_the_caption_ends_with_what_is_known_of_masses(three_classes, baselines, masses, said):
    section = baselines_section(three_classes.headline, baselines, masses=masses)
    assert section.tables[0].caption.endswith(said)


def test_a_p_value_that_no_replica_could_undercut_is_a_bound(three_classes, baselines):
    least = replace(baselines, gain=replace(baselines.gain, p_value=2 / 1001))
    section = baselines_section(three_classes.headline, least, masses="")
    assert "0.0010], p ≤ 0.002 (bootstrap" in section.lead


def test_the_figure_shows_the_network_and_all_observables(three_classes, baselines):
    figure = baselines_figure(three_classes.headline, baselines.baselines)
    (axes,) = figure.axes
    labels = [text.get_text().split("\n")[0] for text in figure.legends[0].get_texts()]
    assert labels == [
        "network",
        "BDT of 5 observables",
        "mass (small)",
        r"<\$x^>",
        "d",
        "e",
        "f",
        "random choice",
    ]
    widths = [line.get_linewidth() for line in axes.get_lines()[:-1]]
    assert min(widths[:2]) > max(widths[2:])
    assert len(axes.collections) == 2
    drawn = axes.get_lines()[0]
    points = [p for p in three_classes.headline.curve if not p.background_rejection.is_lower_limit]
    np.testing.assert_array_equal(
        drawn.get_xdata(), [point.signal_efficiency.value for point in points]
    )
    np.testing.assert_array_equal(
        drawn.get_ydata(), [point.background_rejection.value for point in points]
    )
    svg(figure)


def test_curves_that_no_background_passes_can_be_drawn(three_classes, baselines):
    network = three_classes.headline
    limits = tuple(
        replace(
            point,
            background_rejection=Interval(9, 9, np.inf, 0.95, "limit", is_lower_limit=True),
        )
        for point in network.curve
    )
    svg(baselines_figure(replace(network, curve=limits), baselines.baselines[:1]))
