"""Events to look at, beside the numbers."""

from collections.abc import Callable
from typing import Any

from detcnn.plotting.report import Picture, Section
from detcnn.stages.judging.case import Case


def display_section(case: Case, draw: Callable[..., Any], n_events: int) -> tuple[Section, ...]:
    """Return the section of events that are shown, none if there are none or they are no pictures.

    Parameters
    ----------
    case : Case
        What is judged.
    draw : callable
        Given grid, channels and units by name, returns the figure.
    n_events : int
        How many events it shows.
    """
    schema = case.store.schema
    if n_events == 0 or len(schema.grid.axes) != 2:
        return ()
    figure = draw(
        grid=case.frames.grid,
        channels=[channel.name for channel in schema.channels],
        units=[channel.unit for channel in schema.channels],
    )
    picture = Picture(
        "displays",
        figure,
        "Events",
        "Images beside what is true of them and what was said.",
    )
    return (Section(title="Events", lead="", pictures=(picture,)),)
