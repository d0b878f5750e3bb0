"""Event ids: whether each keeps its event in one split."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detcnn.quality.findings import Finding
from detcnn.quality.repeats import Group, find_repeats

LARGEST_SHARE = 0.05
"""Of all events under one id; with more, a few ids decide what is trained and tested on."""

FEWEST = 100
"""Events below which no share is judged."""


def event_id_findings(
    ids: NDArray[np.int64],
    *,
    files: Group,
    splits: Group,
    event: Callable[[int], str],
) -> tuple[Finding, ...]:
    """Look at the event ids that several rows have.

    The jets of one event share its id, and with it a split. So ids that are repeated in one file
    are fine, and told; across files they are a warning, because they may be different events that
    were numbered alike. In several splits they are trouble; so is an id that has a share of
    `LARGEST_SHARE` or more of at least `FEWEST` events, or that all events have.

    Parameters
    ----------
    ids : numpy.ndarray
        int64, shape (n_events,).
    files, splits : numpy.ndarray
        Shape (n_events,): numbers of the file and split of each event.
    event : callable
        Row to the name of the event there.

    Returns
    -------
    tuple of Finding
        ``leakage`` and ``event-ids``; `count` is the number of rows whose id stands in an earlier
        row.
    """
    repeats = find_repeats(ids)
    if not len(repeats.rows):
        return ()
    is_across_splits = repeats.is_across(splits)
    is_across_files = repeats.is_across(files)
    is_large = (repeats.sizes >= LARGEST_SHARE * len(ids)) & (len(ids) >= FEWEST)
    is_large |= repeats.sizes == len(ids)
    return (
        *repeats.findings(
            "leakage",
            "trouble",
            is_across_splits,
            across=splits,
            event=event,
            message="event ids that stand in several splits",
            remedy="make the images again: an event belongs to one split",
        ),
        *repeats.findings(
            "event-ids",
            "trouble",
            is_large,
            event=event,
            message=f"ids with {LARGEST_SHARE:.0%} or more of all events each",
            remedy="name the datasets that together tell events apart: event_id: [run, event]",
        ),
        *repeats.findings(
            "event-ids",
            "warning",
            is_across_files & ~is_large,
            across=files,
            event=event,
            message="event ids that stand in several files",
            remedy="if these are different events, no harm is done but that they share a split",
        ),
        *repeats.findings(
            "event-ids",
            "fine",
            ~is_across_files & ~is_large,
            event=event,
            message="several rows of one event, which stay in one split",
        ),
    )
