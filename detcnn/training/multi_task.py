"""Several tasks about whole images that share a network, each with outputs of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.training.tasks import CLASS, Meter, Task, Wanted


@dataclass(frozen=True, slots=True)
class Head:
    """One of several tasks, and the weight of its loss in their sum."""

    task: Task
    weight: float = 1.0


class MultiTask:
    """Tasks about whole images; outputs and targets are those of each, one after the other.

    Parameters
    ----------
    heads : mapping
        Name to task and weight, in order.
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        self.heads = dict(heads)
        self.metrics: Mapping[str, bool] = {
            f"{name}.{metric}": better
            for name, head in self.heads.items()
            for metric, better in {"loss": False, **head.task.metrics}.items()
        }

    @property
    def wanted(self) -> Wanted:
        """The columns of all heads."""
        return Wanted(columns=tuple(c for h in self.heads.values() for c in h.task.wanted.columns))

    @property
    def n_outputs(self) -> int:
        """Those of all heads together."""
        return sum(head.task.n_outputs for head in self.heads.values())

    @property
    def is_per_pixel(self) -> bool:
        """False."""
        return False

    @property
    def score_names(self) -> tuple[str, ...]:
        """``HEAD.NAME`` of each score of each head."""
        return tuple(f"{name}.{s}" for name, h in self.heads.items() for s in h.task.score_names)

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "multi-task",
            "heads": {
                name: {"task": head.task.description, "weight": head.weight}
                for name, head in self.heads.items()
            },
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted sum of the losses of each image, shape (B,)."""
        parts = self.parts(outputs, targets)
        return torch.stack([h.weight * h.task.loss(said, y) for h, said, y in parts]).sum(dim=0)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted sum of what is minimised, shape (B,)."""
        parts = self.parts(outputs, targets)
        losses = [h.weight * h.task.training_loss(said, y) for h, said, y in parts]
        return torch.stack(losses).sum(dim=0)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the scores of all heads, shape (B, n_scores)."""
        tasks = [head.task for head in self.heads.values()]
        parts = torch.split(outputs, [task.n_outputs for task in tasks], dim=1)
        return torch.cat([t.scores(part) for t, part in zip(tasks, parts, strict=True)], dim=1)

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return what several networks say together, by head."""
        tasks = [head.task for head in self.heads.values()]
        edges = np.cumsum([len(task.score_names) for task in tasks])[:-1]
        parts = zip(*(np.split(each, edges, axis=1) for each in scores), strict=True)
        means = [task.mean_scores(part) for task, part in zip(tasks, parts, strict=True)]
        return np.concatenate(means, axis=1)

    def meter(self) -> "MultiTaskMeter":
        """Return a new meter for one pass over a split."""
        return MultiTaskMeter(self)

    def parts(self, outputs: Tensor, targets: Tensor) -> list[tuple[Head, Tensor, Tensor]]:
        """Return each head with its outputs and its targets."""
        heads = list(self.heads.values())
        of_outputs = torch.split(outputs, [head.task.n_outputs for head in heads], dim=1)
        edges = np.cumsum([0, *(len(head.task.wanted.columns) for head in heads)]).tolist()
        return [
            (
                head,
                part,
                targets[:, start].long() if head.task.wanted == CLASS else targets[:, start:stop],
            )
            for head, part, (start, stop) in zip(heads, of_outputs, pairwise(edges), strict=True)
        ]


class MultiTaskMeter:
    """The metrics of each head, and its loss."""

    def __init__(self, task: MultiTask) -> None:
        self._task = task
        self._meters: list[Meter] = [head.task.meter() for head in task.heads.values()]
        self._losses = np.zeros(len(self._meters))
        self._weights = 0.0

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        self._weights += float(weights.double().sum())
        for i, (head, part, target) in enumerate(self._task.parts(outputs, targets)):
            self._meters[i].update(part, target, weights)
            losses = head.task.loss(part, target).double()
            self._losses[i] += float((weights.double() * losses).sum())

    def result(self) -> dict[str, float]:
        """Return ``HEAD.loss`` and ``HEAD.METRIC`` of each head."""
        found: dict[str, float] = {}
        for i, (name, meter) in enumerate(zip(self._task.heads, self._meters, strict=True)):
            found[f"{name}.loss"] = float(self._losses[i] / self._weights)
            found |= {f"{name}.{metric}": value for metric, value in meter.result().items()}
        return found
