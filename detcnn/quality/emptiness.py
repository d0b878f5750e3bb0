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
    if not table.has_momenta:
        return found(
            "empty-events",
            "trouble",
            np.diff(table.offsets) == 0,
            place=place,
            message="events without hits",
            remedy=_REMEDY,
        )
    has_pt = np.concatenate([[0], np.cumsum(table.constituents["pt"] != 0)])
    is_empty = has_pt[table.offsets[1:]] == has_pt[table.offsets[:-1]]
    return found(
        "empty-events",
        "trouble",
        is_empty,
        place=place,
        message="events without constituents, or with none that has pT",
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
