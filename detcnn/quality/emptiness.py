"""Events with nothing in them."""

import numpy as np

from detcnn.events.images import Images, SparseImages
from detcnn.events.table import EventTable
from detcnn.quality.findings import Finding, Place, found

_REMEDY = "drop these events: there is nothing to learn from them"


def empty_event_findings(table: EventTable, place: Place) -> tuple[Finding, ...]:
    """Find events without a constituent that has pT, or without a hit.

    A single one is trouble: a jet is made of something, so its constituents were lost.
    """
    has_pt = "pt" in table.constituents
    counts = table.constituents["pt"] != 0 if has_pt else np.ones(table.n_constituents, np.int64)
    running = np.concatenate([[0], np.cumsum(counts)])
    return found(
        "empty-events",
        "trouble",
        running[table.offsets[1:]] == running[table.offsets[:-1]],
        place=place,
        message="events without constituents, or with none that has pT"
        if has_pt
        else "events without hits",
        remedy=_REMEDY,
    )


def empty_image_findings(images: Images, place: Place) -> tuple[Finding, ...]:
    """Find images of which every pixel is zero. A single one is trouble."""
    if isinstance(images, SparseImages):
        filled = np.concatenate([[0], np.cumsum(images.value != 0)])
        is_empty = filled[images.offsets[1:]] == filled[images.offsets[:-1]]
    else:
        is_empty = ~np.any(images.values != 0, axis=tuple(range(1, images.values.ndim)))
    return found(
        "empty-events",
        "trouble",
        is_empty,
        place=place,
        message="images of which every pixel is zero",
        remedy=_REMEDY,
    )
