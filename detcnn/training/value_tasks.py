"""Tasks about whole images beside their class: numbers, and answers to several questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.evaluation.roc import auc, roc_curve
from detcnn.training.losses import binary_cross_entropy
from detcnn.training.regression_losses import (
    absolute,
    bounded_log_variance,
    gaussian_nll,
    huber,
    squared,
)
from detcnn.training.tasks import Wanted, mean_of

ValueLoss = Literal["squared", "absolute", "huber", "gaussian"]

_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How a target is told to the network: (f(y) − mean) / spread.

    Parameters
    ----------
    mean, spread : float
        Of f(y) over the training split; the spread is above 0.
    is_log : bool
        Whether f is the natural logarithm; else f(y) = y.
    """

    mean: float
    spread: float
    is_log: bool = False


class Regression:
    """One number or several for each image, with or without their standard deviations.

    Outputs are the targets on their `Scale`, and for the loss ``"gaussian"`` then as many raw
    logarithms of variances, see `bounded_log_variance`.

    Parameters
    ----------
    targets : mapping
        Name of each event column that is learned to its scale.
    loss : {"squared", "absolute", "huber", "gaussian"}
        Of the scaled targets, the mean over them.
    """

    def __init__(self, targets: Mapping[str, Scale], *, loss: ValueLoss = "huber") -> None:
        self.targets = dict(targets)
        self._loss = loss
        scales = self.targets.values()
        self._mean = torch.tensor([scale.mean for scale in scales])
        self._spread = torch.tensor([scale.spread for scale in scales])
        self._is_log = torch.tensor([scale.is_log for scale in scales])
        self.metrics: Mapping[str, bool] = {"rmse": False}

    @property
    def wanted(self) -> Wanted:
        """The columns."""
        return Wanted(columns=tuple(self.targets))

    @property
    def has_variance(self) -> bool:
        """Whether standard deviations are predicted."""
        return self._loss == "gaussian"

    @property
    def n_outputs(self) -> int:
        """One for each target, and one for its variance."""
        return len(self.targets) * (2 if self.has_variance else 1)

    @property
    def is_per_pixel(self) -> bool:
        """False."""
        return False

    @property
    def score_names(self) -> tuple[str, ...]:
        """``prediction_NAME`` of each target, then ``sigma_NAME``, in its units."""
        kinds = ("prediction", "sigma") if self.has_variance else ("prediction",)
        return tuple(f"{kind}_{name}" for kind in kinds for name in self.targets)

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "regression",
            "targets": {name: asdict(scale) for name, scale in self.targets.items()},
            "loss": self._loss,
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        scaled = self.scaled(targets)
        if not self.has_variance:
            return _LOSSES[self._loss](outputs, scaled)
        mean, raw = outputs.chunk(2, dim=1)
        return gaussian_nll(mean, raw, scaled)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return `loss`."""
        return self.loss(outputs, targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return predictions and, if there are any, standard deviations, in units of the targets.

        Of a target that is learned as its logarithm the prediction is the exponential, the median
        of what is expected, and its standard deviation that of small errors, y σ(ln y).
        """
        outputs = outputs.double()
        mean, spread = self._mean.to(outputs), self._spread.to(outputs)
        is_log = self._is_log.to(outputs.device)
        scaled, *raw = outputs.chunk(2, dim=1) if self.has_variance else (outputs,)
        values = mean + spread * scaled
        values = torch.where(is_log, values.exp(), values)
        if not raw:
            return values.float()
        sigma = spread * (bounded_log_variance(raw[0]) / 2).exp()
        return torch.cat([values, torch.where(is_log, values * sigma, sigma)], dim=1).float()

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the predictions, and the standard deviations of their mixture.

        σ² is the mean of the σ² plus the variance of the predictions (Lakshminarayanan et al.,
        arXiv:1612.01474, section 2.4).
        """
        values = np.stack(scores).astype(np.float64)
        if not self.has_variance:
            return mean_of(scores)
        predicted, sigma = np.split(values, 2, axis=2)
        spread = np.sqrt((sigma**2).mean(axis=0) + predicted.var(axis=0))
        return np.concatenate([predicted.mean(axis=0), spread], axis=1).astype(np.float32)

    def meter(self) -> "RegressionMeter":
        """Return a new meter for one pass over a split."""
        return RegressionMeter(self)

    def scaled(self, targets: Tensor) -> Tensor:
        """Return targets as the network is told them, shape (B, n_targets)."""
        is_log = self._is_log.to(targets.device)
        # Of a column that is not learned as a logarithm it may not exist.
        values = torch.where(is_log, torch.where(is_log, targets, 1).log(), targets)
        return (values - self._mean.to(targets)) / self._spread.to(targets)


class RegressionMeter:
    """Weighted root mean square of prediction − truth.

    In units of each target's spread, for logarithms in that of the logarithm, so that one number
    says something of several targets.
    """

    def __init__(self, task: Regression) -> None:
        self._task = task
        self._squares = 0.0
        self._weights = 0.0

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        n_targets = len(self._task.targets)
        errors = outputs[:, :n_targets].double() - self._task.scaled(targets.double())
        self._squares += float((weights.double() * errors.square().mean(dim=1)).sum())
        self._weights += float(weights.double().sum())

    def result(self) -> dict[str, float]:
        """Return ``rmse``."""
        return {"rmse": float(np.sqrt(max(self._squares / self._weights, 0.0)))}


class MultiLabel:
    """Yes or no to several questions; targets are 1 for yes and 0 for no, outputs are logits.

    Parameters
    ----------
    labels : tuple of str
        Event columns.
    positive_weights : tuple of float
        What images that say yes count for, one number for each label; none are all 1.
    """

    def __init__(
        self, labels: tuple[str, ...], *, positive_weights: tuple[float, ...] = ()
    ) -> None:
        self.labels = tuple(labels)
        self._positive_weights = tuple(positive_weights)
        self.metrics: Mapping[str, bool] = {"accuracy": True, "mean_auc": True}

    @property
    def wanted(self) -> Wanted:
        """The columns."""
        return Wanted(columns=self.labels)

    @property
    def n_outputs(self) -> int:
        """One for each label."""
        return len(self.labels)

    @property
    def is_per_pixel(self) -> bool:
        """False."""
        return False

    @property
    def score_names(self) -> tuple[str, ...]:
        """``probability_LABEL`` of each."""
        return tuple(f"probability_{label}" for label in self.labels)

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "multi-label",
            "labels": list(self.labels),
            "positive_weights": list(self._positive_weights),
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the labels of the cross entropy of each image, shape (B,)."""
        weights = torch.tensor(self._positive_weights) if self._positive_weights else None
        return binary_cross_entropy(outputs, targets, positive_weights=weights)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return `loss`."""
        return self.loss(outputs, targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the probability of each label, shape (B, n_labels)."""
        return outputs.sigmoid()

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the scores."""
        return mean_of(scores)

    def meter(self) -> "MultiLabelMeter":
        """Return a new meter for one pass over a split."""
        return MultiLabelMeter()


class MultiLabelMeter:
    """Share of right answers, and the mean over labels of the area under the ROC curve."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        self._batches.append((outputs.cpu(), targets.cpu(), weights.cpu()))

    def result(self) -> dict[str, float]:
        """Return ``accuracy`` at a probability of one half, and ``mean_auc``.

        Raises
        ------
        DataError
            If no image, or every image, has a label.
        """
        logits, targets, weights = (torch.cat(parts) for parts in zip(*self._batches, strict=True))
        weights = weights.double()
        is_right = ((logits > 0) == (targets > 0.5)).double().mean(dim=1)
        areas = [
            auc(roc_curve(logit.double().numpy(), (y > 0.5).numpy(), weights=weights.numpy()))
            for logit, y in zip(logits.T, targets.T, strict=True)
        ]
        return {
            "accuracy": float((weights * is_right).sum() / weights.sum()),
            "mean_auc": float(np.mean(areas)),
        }
