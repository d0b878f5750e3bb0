import base64
import re
from html.parser import HTMLParser

import pytest

from detcnn.plotting.classification import classification_sections
from detcnn.plotting.report import Details, Report, Section, Table, report_html, write_report


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text, self.open = [], [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def html(three_classes):
    details = Details("Configuration", "train:\n  name: <script>alert(1)</script>\n")
    return report_html(
        Report(
            title="<b>& against the rest",
            lead="Two lines,\nas given.",
            sections=(
                *classification_sections(three_classes)[:2],
                Section("End", details=(details,)),
            ),
        )
    )


def test_every_tag_is_closed_and_all_links_are_inside(html):
    page = Page(html)
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "http" not in re.sub(r'src="data:[^"]*"', "", html)
    assert "url(" not in html
    targets = set(re.findall(r'id="([^"]*)"', html))
    for link in page.links:
        assert link.startswith("data:image/svg+xml;base64,") or link[1:] in targets


def test_names_and_text_are_escaped(html):
    assert "<b>&" not in html.replace("<b>&amp;", "")
    assert "<script>" not in html
    text = Page(html).text
    assert "<b>& against the rest" in text
    assert "<script>alert(1)</script>" in text


def test_pictures_are_images(html):
    pictures = re.findall(r"base64,([^\"]*)", html)
    assert len(pictures) == 5
    for picture in pictures:
        assert base64.b64decode(picture).startswith(b"<?xml")


def test_numbers_come_with_level_and_method(two_classes):
    sections = classification_sections(two_classes)
    text = Page(report_html(Report("t", "l", sections[:1]))).text
    headline = two_classes.headline
    for interval in (
        headline.auc.interval,
        *(point.background_rejection for point in headline.working_points),
    ):
        assert interval.text() in text
    for words in ("68.3\N{NO-BREAK SPACE}%", "Clopper-Pearson", "Poisson bootstrap", "150"):
        assert words in text
    assert "nan" not in text.lower().split()
    assert "inf" not in text.lower().split()


def test_sections_fit_the_evaluation(two_classes, three_classes):
    def names(evaluation):
        sections = classification_sections(evaluation)
        return [picture.name for section in sections for picture in section.pictures]

    binary = names(two_classes)
    assert binary == [
        "rejection", "significance-improvement", "scores",
        "efficiency-pt", "confusion", "calibration",
    ]  # fmt: skip
    assert set(names(three_classes)) - set(binary) == {"one-versus-one", "one-versus-rest"}


def test_the_same_report_gives_the_same_bytes(two_classes, tmp_path):
    def written(name):
        report = Report("title", "lead", classification_sections(two_classes)[3:4])
        write_report(report, tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert written("a.html") == written("b.html")


def test_a_plain_report_needs_no_figure():
    report = Report("t", "", (Section("s", tables=(Table(("a", "b"), (("1", "2"),)),)),))
    page = Page(report_html(report))
    assert page.tags.count("tr") == 2
    assert "img" not in page.tags
