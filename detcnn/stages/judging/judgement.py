"""What a judge says, and how what several say is put together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from detcnn.evaluation.export import TableRow
from detcnn.plotting.report import Section


@dataclass(frozen=True, slots=True)
class Judgement:
    """What scores are worth.

    Parameters
    ----------
    title : str
        What was judged, in a few words.
    numbers : dict
        All of it, as JSON-able values.
    rows : list of dict
        The numbers that carry an interval.
    sections : tuple of Section
        Of the report.
    headline : tuple of tuple of str
        Name and text of what is worth a line on a screen.
    """

    title: str
    numbers: dict[str, Any]
    rows: list[TableRow]
    sections: tuple[Section, ...]
    headline: tuple[tuple[str, str], ...]


def named(judgement: Judgement, name: str) -> Judgement:
    """Return a judgement whose parts say what it is of, where they do not say so already."""
    sections = tuple(
        replace(
            section,
            title=section.title
            if name in section.title.split(": ")
            else f"{section.title}: {name}",
            pictures=tuple(replace(p, name=f"{name}-{p.name}") for p in section.pictures),
        )
        for section in judgement.sections
    )
    return replace(
        judgement,
        numbers={name: judgement.numbers},
        rows=[{"task": name, **row} for row in judgement.rows],
        sections=sections,
        headline=tuple(
            (what if name == what.split(": ")[0] else f"{name}, {what}", text)
            for what, text in judgement.headline
        ),
    )


def together(parts: Sequence[Judgement], *, title: str) -> Judgement:
    """Return several judgements as one, with the numbers that go by one name together."""
    keys = dict.fromkeys(key for part in parts for row in part.rows for key in row)
    return Judgement(
        title=title,
        numbers=reduce(_merged, (part.numbers for part in parts)),
        rows=[{key: row.get(key) for key in keys} for part in parts for row in part.rows],
        sections=tuple(section for part in parts for section in part.sections),
        headline=tuple(line for part in parts for line in part.headline),
    )


def _merged(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(first[key], other[key])
        for key in first.keys() & other.keys()
        if isinstance(first[key], dict) and isinstance(other[key], dict)
    }
    return first | other | both


def unjudged(name: str, reason: str, *, title: str, of: str = "") -> Judgement:
    """Return what stands where something cannot be judged: the reason, under `of` and `name`."""
    return Judgement(
        title=name,
        numbers={f"{of}{name}": {"unjudged": reason}},
        rows=[],
        sections=(Section(title=title, lead=f"Not judged: {reason}."),),
        headline=((name, f"not judged: {reason}"),),
    )
