"""Stage ``predict``, drawn: the first events, with what a model says of them on their image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.kinds import IMAGES, MODEL, SCORES
from detcnn.artifacts.opening import open_artifact
from detcnn.errors import ConfigError
from detcnn.plotting.overlays import SaidOfEvent, overlay_figure
from detcnn.plotting.style import write_figure
from detcnn.stages.frames import FrameMaps, open_frames
from detcnn.stages.scores import POINTS
from detcnn.storage.tables import read_parquet

_NOT_SAID = ("label", "weight")
_MOST_SAID = 8


def run(
    scores: Path, *, images: Path, folder: Path, n_events: int, confidence: float
) -> tuple[Path, ...]:
    """Draw the first events of scores.

    Parameters
    ----------
    scores : Path
        The artifact.
    images : Path
        That of the images they are of.
    folder : Path
        Where the figures go; made if need be. Figures of those names are replaced.
    n_events : int
        How many, at most.
    confidence : float
        Of the points that are drawn, at least.

    Returns
    -------
    tuple of Path
        The figures as PNG, named after the event's number and id; a PDF stands beside each.

    Raises
    ------
    ConfigError
        If the images are not pictures.
    DataError
        If an artifact is not there or damaged.
    """
    opened = open_artifact(scores, expected=SCORES)
    contents = opened.manifest.contents
    task, classes = contents["task"], contents["classes"]
    frames = open_frames(open_artifact(images, expected=IMAGES), contents["split"])
    _require_pictures(images, len(frames.grid.axes))
    schema = frames.split.schema
    table = read_parquet(scores / "scores.parquet")
    event_id = table["column_event_id"]
    rows = frames.first_rows(event_id)[:n_events]
    has_mask, has_numbers = (task["name"] == of for of in ("segmentation", "pixel-regression"))
    maps = FrameMaps(frames, scores, task) if has_mask or has_numbers else None
    points = read_parquet(scores / POINTS) if task["name"] == "localisation" else None
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, row in enumerate(rows.tolist()):
        found = None
        if points is not None:
            is_shown = (points["event"] == number) & (points["confidence"] >= confidence)
            found = np.column_stack([points[name][is_shown] for name in ("row", "column")])
            said = f"\n{len(found)} points of confidence {confidence:g} or more"
        else:
            said = "" if maps is not None else _said(table, row, classes)
        block = None if maps is None else maps.read(number, number + 1)
        event = SaidOfEvent(
            f"event {event_id[row]}{said}",
            frames.images(number, number + 1)[0],
            maps.classes(block)[0] if maps is not None and block is not None and has_mask else None,
            found,
            block[0] if block is not None and has_numbers else None,
        )
        figure = overlay_figure(
            event,
            grid=frames.grid,
            channels=[channel.name for channel in schema.channels],
            units=[channel.unit for channel in schema.channels],
            classes=task.get("classes", ()),
            name=str(task.get("truth", "")),
        )
        made.append(write_figure(figure, folder, f"{number:04d}_{event_id[row]}")["png"])
    return tuple(made)


def require_drawable(model: Path) -> None:
    """Refuse a model whose images could not be drawn, before it is shown any.

    Raises
    ------
    ConfigError
        If they are not pictures.
    DataError
        If it is not there or damaged.
    """
    _require_pictures(model, len(open_artifact(model, expected=MODEL).manifest.contents["axes"]))


def _require_pictures(path: Path, n_axes: int) -> None:
    if n_axes != 2:
        raise ConfigError(f"{path}: images of {n_axes} axes cannot be drawn: leave out --overlays")


def _said(table: Mapping[str, NDArray[Any]], row: int, classes: list[str]) -> str:
    """Return the first few of the scores of an event, a line each, with its σ if it has one."""
    names = [n for n in table if n not in _NOT_SAID and not n.startswith("column_")]
    lines = []
    for name in names:
        head, _, own = name.rpartition(".")
        kind, _, what = own.partition("_")
        if kind == "sigma":
            continue
        if kind == "score" and what.isdigit():
            what = classes[int(what)]
        elif kind != "prediction":
            what = own.replace("_", " ")
        sigma = table.get(name.replace(own, f"sigma_{what}")) if kind == "prediction" else None
        error = "" if sigma is None else f" ± {sigma[row]:.3g}"
        lines.append(f"{head + ': ' if head else ''}{what} {table[name][row]:.3g}{error}")
    if len(lines) > _MOST_SAID:
        lines = [*lines[: _MOST_SAID - 1], f"and {len(lines) - _MOST_SAID + 1} more"]
    return "".join(f"\n{line}" for line in lines)
