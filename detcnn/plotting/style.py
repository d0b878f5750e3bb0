"""How figures look, and how they are written: the same bytes for the same content, anywhere."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

P = ParamSpec("P")
R = TypeVar("R")

_MOST_IN_AXES = 4

PALETTE = (
    "#3f90da",
    "#bd1f01",
    "#ffa90e",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten colours told apart with any colour vision (M. A. Petroff, arXiv:2107.02270), reordered."""

INK = "#222222"
FAINT = "#8a8a8a"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 10.5,
    "axes.labelsize": 12,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "errorbar.capsize": 0,
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,
    "svg.hashsalt": "detcnn",
    "savefig.dpi": 150,
    **{
        f"{axis}tick.{key}": value
        for axis, far_side in (("x", "top"), ("y", "right"))
        for key, value in {
            "direction": "in",
            "color": INK,
            "labelsize": 10,
            "major.size": 6,
            "minor.size": 3,
            "minor.visible": True,
            far_side: True,
        }.items()
    },
}

_AXIS_LABELS = {
    "pt": r"$p_\mathrm{T}$ [GeV]",
    "mass": "mass [GeV]",
    "jet_mass": "jet mass [GeV]",
    "jet_multiplicity": "number of constituents",
    "n_constituents": "number of constituents",
    "n_hits": "number of hits",
    "energy": "energy [GeV]",
    "eta": r"$\eta$",
    "rapidity": r"$y$",
    "phi": r"$\phi$ [rad]",
    "pthat": r"$\hat{p}_\mathrm{T}$ [GeV]",
    "multiplicity": "number of constituents",
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw in the style of the house, whatever the user's settings are."""

    @wraps(draw)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return within


def new_figure(width: float = 5.6, height: float = 4.4) -> Figure:
    """Return an empty figure of a size in inches that makes room for its labels."""
    return Figure(figsize=(width, height), layout="constrained")


def colour(index: int) -> str:
    """Return the colour of curve or class `index`; after ten they repeat."""
    return PALETTE[index % len(PALETTE)]


def line_style(index: int) -> str:
    """Return a line style that tells curves apart without colour, repeating after four."""
    return ("-", "--", "-.", ":")[index % 4]


def marker(index: int) -> str:
    """Return a marker that tells points apart without colour, repeating after eight."""
    return "os^vDP*X"[index % 8]


def place_legend(figure: Figure, axes: Axes, *, loc: str) -> None:
    """Draw the legend of `axes` inside, or beside them if it is long."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) <= _MOST_IN_AXES:
        axes.legend(loc=loc)
    else:
        figure.set_figwidth(figure.get_figwidth() + 2.6)
        figure.legend(handles, labels, loc="outside right upper")


def literal(name: str) -> str:
    """Return a user's name so that it is drawn as it is, and not read as a formula."""
    return name.replace("$", r"\$")


def column_label(column: str, unit: str = "1") -> str:
    """Return the axis label of an event column with its unit; the known ones have their symbol.

    Parameters
    ----------
    column : str
        Name of the column.
    unit : str
        Its unit; for ``"1"`` that of the house, if it is a column that has one there.
    """
    symbol = _AXIS_LABELS.get(column, literal(column))
    return symbol if unit == "1" else f"{symbol.partition(' [')[0]} [{literal(unit)}]"


def _lay_out(figure: Figure) -> None:
    """Find the places of all parts once, so that every format gets the same."""
    engine = figure.get_layout_engine()
    if engine is not None:
        with _without_minor_ticks(figure):
            engine.execute(figure)
            # Panels of a fixed shape move when there is room for their titles and bars: once is
            # not enough.
            if any(axes.get_box_aspect() is not None for axes in figure.axes):
                engine.execute(figure)
        # With an engine, even an idle one, every format would be drawn twice.
        figure.set_layout_engine(None)


@contextmanager
def _without_minor_ticks(figure: Figure) -> Iterator[None]:
    """Hide the minor ticks without numbers, which take no room but more than half the time."""
    with ExitStack() as hidden:
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            if isinstance(axis.get_minor_formatter(), NullFormatter):
                # Back in reverse, as axes that are shared have one locator.
                hidden.callback(axis.set_minor_locator, axis.get_minor_locator())
                axis.set_minor_locator(NullLocator())
        yield


Format = Literal["png", "pdf"]

FORMATS: tuple[Format, ...] = ("png", "pdf")

_SAVING: Mapping[Format, Mapping[str, Any]] = {
    "png": {"metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None}, "dpi": 300},
}


@styled
def write_figure(
    figure: Figure, folder: Path, name: str, *, formats: Sequence[Format] = FORMATS
) -> dict[Format, Path]:
    """Write a figure as ``name.png`` (150 dpi) and ``name.pdf`` (vectors, fonts embedded).

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    folder : pathlib.Path
        An existing folder.
    name : str
        File name without its ending.
    formats : sequence of str, optional
        ``"png"``, ``"pdf"``, or both.

    Returns
    -------
    dict
        Where it was written, by format.

    Raises
    ------
    OSError
        If the files cannot be written.
    """
    _lay_out(figure)
    files = {ending: folder / f"{name}.{ending}" for ending in formats}
    for ending, path in files.items():
        figure.savefig(path, **_SAVING[ending])
    return files


@styled
def svg(figure: Figure) -> bytes:
    """Return a figure as SVG, with text as outlines, so that it needs no font."""
    _lay_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
