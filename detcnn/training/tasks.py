"""What is learned: the loss, the scores and the metrics of one kind of target."""

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from detcnn.evaluation.roc import auc, roc_curve

LossName = Literal["cross_entropy", "quadratic"]


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

    Attributes
    ----------
    metrics : mapping
        Name of each metric to whether a higher value is better; the loss is not among them.
    """

    metrics: Mapping[str, bool]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        ...

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what is minimised in place of the loss, shape (B,)."""
        ...

    def scores(self, outputs: Tensor) -> Tensor:
        """Return what is published of the network's outputs, first axis the images."""
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
        self, n_classes: int, *, loss: LossName = "cross_entropy", label_smoothing: float = 0.0
    ) -> None:
        self.n_classes = n_classes
        self._loss = loss
        self._label_smoothing = label_smoothing
        self.metrics: Mapping[str, bool] = {"accuracy": True}
        if n_classes == 2:
            self.metrics = {"accuracy": True, "auc": True}

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, its target as it is, shape (B,)."""
        return self._smoothed(outputs, targets, 0.0)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image against its smoothed target, shape (B,)."""
        return self._smoothed(outputs, targets, self._label_smoothing)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the softmax probabilities, shape (B, n_classes); rows sum to one."""
        return outputs.softmax(dim=1)

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
