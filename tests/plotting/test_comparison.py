import re

import numpy as np
import pytest

from detcnn.evaluation.common_events import Result
from detcnn.evaluation.comparison import compare
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.published import PublishedFigure
from detcnn.plotting.comparison import comparison_figure, comparison_sections
from detcnn.plotting.report import Report, report_html
from detcnn.plotting.style import svg

PUBLISHED = (
    PublishedFigure("Net <1>", 0.9, 30.0, 0.5, "arXiv:1"),
    PublishedFigure("$other", 0.91, 29.0, 0.5, "arXiv:2"),
    PublishedFigure("$other", 0.91, 2e4, 0.3, "arXiv:2"),
    PublishedFigure("area only", 0.92, None, None, "arXiv:3"),
)


def compared(*labels, first=0, **options):
    n = 400
    truth = np.arange(n) % 2
    results = []
    for i, _ in enumerate(labels):
        rng = np.random.default_rng(i)
        score = 1 / (1 + np.exp(-rng.normal(1.5 * truth, 1)))
        events = scored_events(
            np.column_stack([1 - score, score]), truth, classes=["gluon", "quark"]
        )
        results.append(Result(labels[i], events, np.arange(n) + i * first, {}))
    return compare(results, labels=labels, signal=["quark"], n_replicas=50, **options)


@pytest.fixture(scope="module")
def full():
    return compared("one", "$many", "$many", "$many", ensemble=True, published=PUBLISHED)


def test_ratios_are_drawn_below_the_curves(full):
    upper, lower = comparison_figure(full).axes
    for line, entry in zip(upper.get_lines(), full.entries, strict=False):
        np.testing.assert_array_equal(line.get_ydata(), entry.curve.value)
    reference, *ratios = lower.get_lines()
    assert set(reference.get_ydata()) == {1}
    for line, difference in zip(ratios, full.differences, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), difference.curve.value)
        # An entry has one colour in both panels.
        assert line.get_color() in {curve.get_color() for curve in upper.get_lines()[1:3]}
    low, high = lower.get_ylim()
    assert low < 1 < high


def test_the_legend_tells_area_and_spread(full):
    figure = comparison_figure(full)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    one, many, ensemble, chance, published = texts
    assert one == f"one\nAUC {full.entries[0].auc.text()}"
    assert re.fullmatch(r"\\\$many\nAUC 0\.\d{4} ± 0\.\d{4} \(3 trainings\)", many)
    assert ensemble.startswith("\\$many, ensemble\n")
    assert (chance, published) == ("random choice", "published,\nnot the same jets")
    svg(figure)


def test_published_figures_are_marked_and_named(full):
    upper = comparison_figure(full).axes[0]
    names = [text.get_text() for text in upper.texts]
    assert names == ["\\$other", "Net <1>", "\\$other"]
    heights = [text.get_position()[1] for text in upper.texts]
    assert (np.diff(heights) < -0.04).all()
    marks = {(line.get_xdata()[0], line.get_ydata()[0]) for line in upper.get_lines()
             if len(line.get_xdata()) == 1}  # fmt: skip
    assert marks == {(0.5, 30), (0.5, 29), (0.3, 2e4)}
    assert upper.get_ylim()[1] > 2e4


def test_one_result_has_no_ratios():
    (axes,) = comparison_figure(compared("one")).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][1] == "random choice"
    assert axes.get_xlabel()


def test_the_report_says_what_each_number_is(full):
    sections = comparison_sections(full)
    assert [section.title for section in sections] == ["Result", "Published figures", "Events"]
    html = report_html(Report("t", "l", sections))
    for entry in full.entries:
        assert entry.auc.text() in html
    for difference in full.differences:
        assert difference.auc.text() in html
        assert difference.ratios[0].text() in html
        assert full.p_value_text(difference.auc_p_value) in html
    rows = sections[0].tables[1].rows
    assert len(rows) == sum(1 + len(d.ratios) for d in full.differences)
    assert [row[1] for row in rows[:2]] == [
        "difference of AUC",
        "ratio of rejections at 30 % signal",
    ]
    assert rows[1][3] == full.p_value_text(full.differences[0].ratios[0].p_value)
    assert "Published, not the same jets" in html
    assert "Net &lt;1&gt;" in html
    assert "compared on the same events" in html
    assert "nan" not in html.lower().split()


def test_the_report_says_what_is_not_paired():
    result, events = comparison_sections(compared("one", "two", first=1000))
    assert result.tables[1].rows[0][0] == "two to one, unpaired"
    assert "independent" in events.lead
    assert [row[-1] for row in events.tables[0].rows] == ["1", "2"]
