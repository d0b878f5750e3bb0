"""What is learned: the loss, the scores and the metrics of one kind of target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detcnn.evaluation.roc import auc, roc_curve

ClassLoss = Literal["cross_entropy", "quadratic"]

LABEL = "label"
"""The target that is the class of an event, which every store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task has to know of each event.

    Parameters
    ----------
    columns : tuple of str
        Event columns, `LABEL` for the class.
    pixels : str, optional
        A pixel truth.
    only_filled : bool
        Whether pixels of the image without content are to be told from those that count.
    of_channels : bool
        Whether the content of a plane of the truth is that of the channel of its place, or of all.
    points : str, optional
        Points in the image.
    """

    columns: tuple[str, ...] = ()
    pixels: str | None = None
    only_filled: bool = False
    of_channels: bool = False
    points: str | None = None


CLASS = Wanted(columns=(LABEL,))
"""The class of each event and nothing else."""


class Meter(Protocol):
    """Gathers what a network says about a split and sums it up."""

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch, first axis the images."""
        ...

    def result(self) -> dict[str, float]:
        """Return the metrics of all that was taken in."""
        ...


class Task(Protocol):
    """One kind of target.

    Targets are what `wanted` asks for: class indices, int64 of shape (B,), where it is the label
    alone; columns, float32 of shape (B, n_columns); a pixel truth, float32 of shape (B, planes,
    *axes), followed where `only_filled` is set by as many planes that are 1 where a pixel counts;
    or points, float32 of shape (B, n_points, 2).

    Attributes
    ----------
    metrics : mapping
        Name of each metric to whether a higher value is better; the loss is not among them.
    """

    metrics: Mapping[str, bool]

    @property
    def wanted(self) -> Wanted:
        """What it has to know of each event."""
        ...

    @property
    def n_outputs(self) -> int:
        """Outputs of its network, for each image or for each pixel."""
        ...

    @property
    def is_per_pixel(self) -> bool:
        """Whether its network has outputs for each pixel."""
        ...

    @property
    def score_names(self) -> tuple[str, ...]:
        """Name of each score of an image; none where there are scores of pixels or of points."""
        ...

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values; ``name`` is its kind."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        ...

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what is minimised in place of the loss, shape (B,)."""
        ...

    def scores(self, outputs: Tensor) -> Tensor:
        """Return what is published of the network's outputs, first axis the images."""
        ...

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return what several networks, or variations of an image, say together."""
        ...

    def meter(self) -> Meter:
        """Return a new meter for one pass over a split."""
        ...


class Classification:
    """One class for each image; targets are class indices, outputs are logits.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2. With two there is an AUC, of class 1 against class 0.
    loss : {"cross_entropy", "quadratic"}
        The cross entropy of the softmax in nat; or ½ Σ (σ(z) − y)² over the classes, σ(z) being the
        logistic function of a logit and y 1 for the class of the image and 0 for the others, the
        cost of Nielsen, "Neural Networks and Deep Learning" (2015), eq. 6, for one image.
    label_smoothing : float
        Share ε of each target that is spread over all classes alike in training, 0 to 1 exclusive
        (Szegedy et al., arXiv:1512.00567, section 7).
    """

    def __init__(
        self, n_classes: int, *, loss: ClassLoss = "cross_entropy", label_smoothing: float = 0.0
    ) -> None:
        self.n_classes = n_classes
        self._loss = loss
        self._label_smoothing = label_smoothing
        self.metrics: Mapping[str, bool] = {"accuracy": True}
        if n_classes == 2:
            self.metrics = {"accuracy": True, "auc": True}

    @property
    def wanted(self) -> Wanted:
        """The class."""
        return CLASS

    @property
    def n_outputs(self) -> int:
        """One for each class."""
        return self.n_classes

    @property
    def is_per_pixel(self) -> bool:
        """False."""
        return False

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "classification",
            "n_classes": self.n_classes,
            "loss": self._loss,
            "label_smoothing": self._label_smoothing,
        }

    @property
    def score_names(self) -> tuple[str, ...]:
        """``score_i`` for class i."""
        return tuple(f"score_{i}" for i in range(self.n_classes))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, its target as it is, shape (B,)."""
        return self._smoothed(outputs, targets, 0.0)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image against its smoothed target, shape (B,)."""
        return self._smoothed(outputs, targets, self._label_smoothing)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the softmax probabilities, shape (B, n_classes); rows sum to one."""
        return outputs.softmax(dim=1)

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the probabilities."""
        return mean_of(scores)

    def meter(self) -> "ClassificationMeter":
        """Return a new meter for one pass over a split."""
        return ClassificationMeter()

    def _smoothed(self, outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        if self._loss == "cross_entropy":
            return nn.functional.cross_entropy(
                outputs, targets, reduction="none", label_smoothing=smoothing
            )
        wanted = nn.functional.one_hot(targets, self.n_classes).to(outputs.dtype)
        wanted = (1 - smoothing) * wanted + smoothing / self.n_classes
        return (outputs.sigmoid() - wanted).square().sum(dim=1) / 2


def mean_of(scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of arrays of one shape, added up in double precision."""
    return np.asarray(np.mean(scores, axis=0, dtype=np.float64), dtype=np.float32)


class ClassificationMeter:
    """Weighted accuracy, and for two classes the area under the ROC curve."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in the logits, class indices and weights of one batch."""
        self._batches.append((outputs.cpu(), targets.cpu(), weights.cpu()))

    def result(self) -> dict[str, float]:
        """Return the metrics of all that was taken in.

        Returns
        -------
        dict
            ``accuracy``: Σ w over the images whose largest logit is that of their class, over Σ w;
            ``auc`` with two classes.

        Raises
        ------
        DataError
            If there are two classes and one has no image.
        """
        logits, targets, weights = (torch.cat(parts) for parts in zip(*self._batches, strict=True))
        weights = weights.double()
        right = logits.argmax(dim=1) == targets
        metrics = {"accuracy": float((weights * right).sum() / weights.sum())}
        if logits.shape[1] == 2:
            # Differences of logits keep the order that a saturated softmax would lose.
            discriminant = logits[:, 1].double() - logits[:, 0].double()
            roc = roc_curve(discriminant.numpy(), (targets == 1).numpy(), weights=weights.numpy())
            metrics["auc"] = auc(roc)
        return metrics
