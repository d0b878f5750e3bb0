"""The report: one HTML file that needs nothing else."""

import base64
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from detcnn.plotting.style import svg


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a header; the first column is what the others are about."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its file name, title, and a caption: what is shown and how to read it."""

    name: str
    figure: Figure
    title: str
    caption: str


@dataclass(frozen=True, slots=True)
class Details:
    """Text of fixed width, folded away under a title, for example a configuration."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: text, tables, pictures and details, shown in this order."""

    title: str
    lead: str = ""
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    details: tuple[Details, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says, from top to bottom."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def report_html(report: Report) -> str:
    """Return a report as one HTML page, with its style and figures (SVG) inside.

    The page loads nothing and runs no script; all text is escaped. Equal reports give equal pages.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    template = resources.files(__package__).joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(template).render(report=report)


def write_report(report: Report, path: Path) -> None:
    """Write `report_html` to a file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.write_text(report_html(report), encoding="utf-8")


def _data_uri(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode()}"
