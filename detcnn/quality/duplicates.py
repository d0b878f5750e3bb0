"""Events of equal content, by 64-bit hashes of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detcnn.quality.findings import Finding
from detcnn.quality.repeats import Group, find_repeats


def duplicate_findings(
    contents: NDArray[np.int64],
    *,
    classes: Group,
    files: Group,
    splits: Group,
    event: Callable[[int], str],
) -> tuple[Finding, ...]:
    """Find events of equal content.

    Every one is trouble: independent collisions never agree in all of their numbers. Some two of n
    different events share a hash with a probability of n² / 2⁶⁵: 3 · 10⁻⁶ for ten million.

    Parameters
    ----------
    contents : numpy.ndarray
        int64, shape (n_events,): hashes as of `detcnn.events.identity.content_ids`. 0 stands for an
        event without content, which is no duplicate.
    classes, files, splits : numpy.ndarray
        Shape (n_events,): numbers of the class, file and split of each event.
    event : callable
        Row to the name of the event there.

    Returns
    -------
    tuple of Finding
        ``leakage`` for contents in several splits; ``duplicates`` for contents in several classes,
        in several files, and for all that are left. `count` is the number of events that have a
        twin before them.
    """
    repeats = find_repeats(contents)
    is_left = contents[repeats.rows[repeats.starts]] != 0
    findings: list[Finding] = []
    for check, group, message, remedy in (
        ("leakage", splits, "events of equal content in several splits", "keep one of each"),
        ("duplicates", classes, "events of equal content in several classes", _LABEL),
        ("duplicates", files, "events of equal content in several files", _FILES),
    ):
        is_across = repeats.is_across(group)
        findings += repeats.findings(
            check,
            "trouble",
            is_across & (contents[repeats.rows[repeats.starts]] != 0),
            across=group,
            event=event,
            message=message,
            remedy=remedy,
        )
        is_left &= ~is_across
    findings += repeats.findings(
        "duplicates",
        "trouble",
        is_left,
        event=event,
        message="events of equal content",
        remedy="keep one of each",
    )
    return tuple(findings)


_LABEL = "find out which label is right, and keep that event"
_FILES = "name each file once, and keep one of each event"
