import sys

import matplotlib as mpl
import pytest
from matplotlib.ticker import NullLocator
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


@styled
def shared(is_log):
    figure = new_figure(4, 3)
    axes = figure.subplots(2, sharex=True)
    for one in axes:
        one.plot([1, 1000], [1, 2])
    if is_log:
        axes[0].set_xscale("log")
    return figure


@pytest.mark.parametrize("is_log", [False, True])
def test_minor_ticks_are_back_after_the_layout_and_change_no_place(tmp_path, is_log):
    figure, slow = shared(is_log), shared(is_log)
    locators = [
        type(axis.get_minor_locator()) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
    ]
    assert NullLocator not in locators
    write_figure(figure, tmp_path, "shared", formats=["png"])
    assert [
        type(axis.get_minor_locator()) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
    ] == locators
    styled(slow.get_layout_engine().execute)(slow)
    for axes, expected in zip(figure.axes, slow.axes, strict=True):
        assert axes.get_position().bounds == expected.get_position().bounds
