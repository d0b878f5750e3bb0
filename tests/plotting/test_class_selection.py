import numpy as np
import pytest

from detcnn.evaluation.class_selection import Cut, evaluate_selections
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.inputs import scored_events
from detcnn.plotting.class_selection import selections_figure, selections_section
from detcnn.plotting.report import Report, report_html
from detcnn.plotting.style import svg


def events(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % 3
    logits = rng.normal(0, 1, (240, 3)) + 1.5 * np.eye(3)[labels]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns = {"length": labels + rng.normal(0, 0.7, 240), "width": -labels + rng.random(240)}
    return scored_events(scores, labels, classes=["<e>", "$x^", "nc"]), columns


@pytest.fixture(scope="module")
def selections():
    (judged, columns), (tuning, known) = events(0), events(1)
    return evaluate_selections(
        judged,
        tuning,
        cuts=[Cut("<e>", {"length": "below", "width": "above"})],
        columns=columns,
        tuning_columns=known,
        bootstrap=Bootstrap(n_replicas=40),
    )


def test_the_table_has_a_row_for_each_class_and_two_for_each_cut(selections):
    section = selections_section(selections)
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["<e>", "$x^", "nc", "<e>", "<e>"]
    (cut,) = selections.cuts
    assert table.rows[3][1] == cut.title
    assert table.rows[4][2] == cut.network.efficiency.text()
    assert table.rows[0][3] == selections.classes[0].selected.purity.text()
    assert "240 other events" in table.caption
    assert cut.gain_text() in section.lead
    assert "&lt;e&gt;" in report_html(Report("t", "", (section,)))


def test_the_figure_draws_curves_and_the_points_chosen(selections):
    figure = selections_figure(selections)
    (axes,) = figure.axes
    assert len(axes.containers) == 4
    for one, container in zip(
        selections.classes, [axes.containers[i] for i in (0, 2, 3)], strict=True
    ):
        (point,) = container.lines[0].get_xydata()
        selected = one.selected
        assert point.tolist() == [selected.efficiency.value, selected.purity.value]
    (square,) = axes.containers[1].lines[0].get_xydata()
    cut = selections.cuts[0].selected
    assert square.tolist() == [cut.efficiency.value, cut.purity.value]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert r"\$x^" in labels
    assert svg(figure)


def test_a_point_lies_on_the_curve_of_its_class(selections):
    for one in selections.classes:
        selected = one.selected
        away = np.hypot(
            one.efficiency - selected.efficiency.value, one.purity - selected.purity.value
        )
        assert np.nanmin(away) < 1e-9
