import sys

import matplotlib as mpl
import pytest
from PIL import Image

from detcnn.plotting.style import literal, new_figure, styled, svg, write_figure


@styled
def drawn():
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.plot([0, 1], [1, 0], label=literal("$a_b$ & c"))
    axes.legend()
    return figure


def contents(files):
    return files["png"].read_bytes(), files["pdf"].read_bytes()


def test_both_files_are_what_they_say(tmp_path):
    files = write_figure(drawn(), tmp_path, "line")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.pdf", "line.png"]
    with Image.open(files["png"]) as image:
        image.verify()
        assert image.size == (450, 300)
    pdf = files["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    # The font itself is inside, as outlines that stay editable.
    assert b"/FontFile2" in pdf


def test_one_file_is_what_it_is_beside_the_other(tmp_path):
    alone = write_figure(drawn(), tmp_path, "alone", formats=["png"])
    assert list(tmp_path.iterdir()) == [alone["png"]]
    assert alone["png"].read_bytes() == contents(write_figure(drawn(), tmp_path, "both"))[0]


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first, second = (write_figure(drawn(), tmp_path / f, "line") for f in ("a", "b"))
    assert contents(first) == contents(second)
    assert svg(drawn()) == svg(drawn())


def test_the_users_settings_change_nothing_and_stay(tmp_path):
    expected = contents(write_figure(drawn(), tmp_path, "expected"))
    settings = {"lines.linewidth": 20.0, "font.size": 30.0, "savefig.dpi": 20.0}
    with mpl.rc_context(settings):
        assert contents(write_figure(drawn(), tmp_path, "changed")) == expected
        assert {name: mpl.rcParams[name] for name in settings} == settings


def test_no_global_figures():
    drawn()
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(("name", "text"), [("plain", "plain"), ("$x^", r"\$x^")])
def test_names_are_no_formulae(name, text):
    assert literal(name) == text
