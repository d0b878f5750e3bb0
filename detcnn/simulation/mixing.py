"""Putting the jets of several classes into one order."""

from collections.abc import Sequence

import numpy as np

from detcnn.events.table import EventTable


def mixed(tables: Sequence[EventTable], rng: np.random.Generator) -> EventTable:
    """Return the events of all tables in random order.

    Parameters
    ----------
    tables : sequence of EventTable
        At least one; all with the columns of the first.
    rng : numpy.random.Generator
        Draws the order.

    Returns
    -------
    EventTable
    """
    counts = np.concatenate([np.diff(table.offsets) for table in tables])
    starts = np.cumsum(counts) - counts
    order = rng.permutation(len(counts))
    offsets = np.concatenate([[0], np.cumsum(counts[order])])
    rows = np.arange(offsets[-1]) + np.repeat(starts[order] - offsets[:-1], counts[order])
    return EventTable(
        offsets=offsets,
        constituents={
            name: np.concatenate([table.constituents[name] for table in tables])[rows]
            for name in tables[0].constituents
        },
        columns={
            name: np.concatenate([table.columns[name] for table in tables])[order]
            for name in tables[0].columns
        },
    )
