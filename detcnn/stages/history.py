"""The history of a training, drawn with what its task says of the units."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from detcnn.plotting.training import history_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of several targets one number is made, and of pixels one of a single map.
_OF_RMSE = {
    "regression": "in spreads of the scaled targets",
    "pixel-regression": "in the unit of the truth",
}


def draw_history(
    records: Sequence[Mapping[str, float | None]], *, task: Mapping[str, Any], best_epoch: int
) -> "Figure":
    """Return the figure of a history.

    Parameters
    ----------
    records : sequence of mapping
        As in `plotting.training.history_figure`.
    task : mapping
        The description of the task.
    best_epoch : int
        The epoch whose weights were kept.
    """
    return history_figure(records, best_epoch=best_epoch, notes=dict(_notes(task)))


def _notes(task: Mapping[str, Any], prefix: str = "validation_") -> Iterator[tuple[str, str]]:
    if task["name"] in _OF_RMSE:
        yield f"{prefix}rmse", _OF_RMSE[task["name"]]
    for name, head in task.get("heads", {}).items():
        yield from _notes(head["task"], f"{prefix}{name}.")
