"""What a check has found, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["trouble", "warning", "fine"]

SEVERITIES: tuple[Severity, ...] = ("trouble", "warning", "fine")
"""From the worst to the best."""

CHECKS = {
    "integrity": "files that differ from their checksums or contradict each other",
    "unreadable": "events that cannot be read",
    "nan": "values that are not a number",
    "infinity": "values that are infinite",
    "negative": "pT, energies or pixels below zero",
    "momentum-units": "momenta that look like MeV or TeV",
    "angle-units": "phi that looks like degrees",
    "eta-or-rapidity": "eta columns that look like rapidity, or the reverse",
    "empty-events": "events without constituents, or images without a filled pixel",
    "duplicates": "events of equal content",
    "event-ids": "ids that do not name one event",
    "leakage": "events of one split that another split has, too",
    "class-balance": "classes that are absent or rare",
    "window": "events outside the window in pT or energy",
    "constant-columns": "event columns of one value",
    "separating-columns": "event columns that tell the classes apart on their own",
    "spectra": "pT spectra that differ between the classes",
    "truth-pixels": "pixels of no class, and classes of no pixel",
    "truth-empty": "events in which nothing is marked",
    "truth-beside": "marked pixels that are empty in the image",
    "truth-points": "points outside their images, or that stand for none",
    "outside-grid": "pT that falls outside the image",
    "pixel-collisions": "constituents that share a pixel",
    "dead-pixels": "pixels that are empty among filled ones",
    "hot-pixels": "pixels that are filled far more than those around them",
}
"""Every check, in the order of a report, and what it looks for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say.

    Parameters
    ----------
    check : str
        One of `CHECKS`.
    severity : {"trouble", "warning", "fine"}
        Trouble gives wrong physics or an unfair figure if nothing is done; a warning is worth
        knowing; fine says that the check was made.
    count : int
        How many values, events or pixels it is about; 0 where nothing is counted.
    where : str
        The first of them.
    message : str
        What was found.
    remedy : str
        What to do about it; empty where there is nothing to do.
    """

    check: str
    severity: Severity
    count: int = 0
    where: str = ""
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block of events comes from.

    Parameters
    ----------
    name : str
        File and sample: ``"jets.h5: jets"``.
    start : int
        Row of the block's first event in it.
    constituents, columns : mapping
        Constituent and event column to the dataset it was read from, where that has a name.
    """

    name: str
    start: int = 0
    constituents: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def event(self, row: int) -> str:
        """Name the event in a row of the block."""
        return f"{self.name}, event {self.start + row}"


def found(
    check: str,
    severity: Severity,
    is_bad: NDArray[np.bool_],
    *,
    place: Place,
    message: str,
    remedy: str,
) -> tuple[Finding, ...]:
    """Return a finding of the events marked, or none.

    Parameters
    ----------
    is_bad : numpy.ndarray
        bool, shape (n_events,).
    """
    count = int(np.count_nonzero(is_bad))
    if not count:
        return ()
    return (Finding(check, severity, count, place.event(int(np.argmax(is_bad))), message, remedy),)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Join findings of successive blocks: equal messages become one, with the first place."""
    joined: dict[tuple[str, Severity, str], Finding] = {}
    for finding in findings:
        key = (finding.check, finding.severity, finding.message)
        first = joined.setdefault(key, replace(finding, count=0))
        joined[key] = replace(first, count=first.count + finding.count)
    return list(joined.values())


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the worst severity among findings; fine if there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default="fine")
