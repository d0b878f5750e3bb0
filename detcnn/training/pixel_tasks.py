"""Tasks about each pixel: its class, or a number."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.training.losses import (
    PixelLoss,
    dice,
    focal,
    lovasz_softmax,
    pixel_cross_entropy,
    tversky,
    weighted_sum,
)
from detcnn.training.regression_losses import absolute, huber, squared
from detcnn.training.tasks import Wanted, mean_of

PixelLossName = Literal["cross_entropy", "focal", "dice", "tversky", "lovasz"]

PixelValueLoss = Literal["squared", "absolute", "huber"]

_VALUE_LOSSES = {"squared": squared, "absolute": absolute, "huber": huber}


class Segmentation:
    """One class for each pixel of each plane.

    Outputs are logits, shape (B, n_classes * planes, *axes), those of one class in all planes one
    after the other. A pixel whose true class is none of them does not count.

    Parameters
    ----------
    truth : str
        The pixel truth, a class number for each pixel.
    classes : sequence of str
        Names of the classes, the background first.
    planes : int
        Planes of the truth, such as views.
    losses : mapping
        Name to weight in the sum that is minimised.
    class_weights : sequence of float
        What a pixel of each class counts; none are all 1. In cross entropy and focal loss they are
        of pixels, ``per="pixel"``, in the others of the mean over classes.
    focal_gamma : float
        γ of the focal loss.
    tversky_weights : tuple of float
        α and β of the Tversky loss.
    only_filled : bool
        Whether pixels of the image without content count for nothing.
    of_channels : bool, optional
        Whether each plane is true of the channel of its place, not of all channels together; if
        left out, as of models of before it was said, of several planes.
    """

    def __init__(
        self,
        truth: str,
        *,
        classes: Sequence[str],
        planes: int = 1,
        losses: Mapping[PixelLossName, float] | None = None,
        class_weights: Sequence[float] = (),
        focal_gamma: float = 2.0,
        tversky_weights: tuple[float, float] = (0.3, 0.7),
        only_filled: bool = False,
        of_channels: bool | None = None,
    ) -> None:
        self.truth = truth
        self.classes = tuple(classes)
        self.planes = planes
        self.only_filled = only_filled
        self.of_channels = planes > 1 if of_channels is None else of_channels
        default: Mapping[PixelLossName, float] = {"cross_entropy": 1.0}
        self._losses = dict(losses or default)
        self._class_weights = tuple(class_weights)
        self._focal_gamma = focal_gamma
        self._tversky_weights = tuple(tversky_weights)
        known: dict[PixelLossName, PixelLoss] = {
            "cross_entropy": partial(pixel_cross_entropy, per="pixel"),
            "focal": partial(focal, gamma=focal_gamma, per="pixel"),
            "dice": dice,
            "tversky": partial(tversky, alpha=tversky_weights[0], beta=tversky_weights[1]),
            "lovasz": lovasz_softmax,
        }
        self._loss = weighted_sum([(w, known[name]) for name, w in self._losses.items()])
        self.metrics: Mapping[str, bool] = {"accuracy": True, "mean_iou": True}

    @property
    def wanted(self) -> Wanted:
        """The pixel truth."""
        return Wanted(pixels=self.truth, only_filled=self.only_filled, of_channels=self.of_channels)

    @property
    def n_outputs(self) -> int:
        """One for each class in each plane."""
        return len(self.classes) * self.planes

    @property
    def is_per_pixel(self) -> bool:
        """True."""
        return True

    @property
    def score_names(self) -> tuple[str, ...]:
        """None: the scores are of pixels."""
        return ()

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "segmentation",
            "truth": self.truth,
            "classes": list(self.classes),
            "planes": self.planes,
            "losses": dict(self._losses),
            "class_weights": list(self._class_weights),
            "focal_gamma": self._focal_gamma,
            "tversky_weights": list(self._tversky_weights),
            "only_filled": self.only_filled,
            "of_channels": self.of_channels,
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        truth, valid = self.truth_of(targets)
        weights = torch.tensor(self._class_weights) if self._class_weights else None
        return self._loss(self.logits(outputs), truth, valid, class_weights=weights)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return `loss`."""
        return self.loss(outputs, targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the softmax probabilities, of the shape of the outputs."""
        return self.logits(outputs).softmax(dim=1).flatten(1, 2)

    def truth_of(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class of each pixel, int64, and whether it counts, (B, planes, *axes)."""
        truth = targets[:, : self.planes].long()
        valid = (truth >= 0) & (truth < len(self.classes))
        if self.only_filled:
            valid &= targets[:, self.planes :] > 0
        return truth, valid

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the scores."""
        return mean_of(scores)

    def meter(self) -> "SegmentationMeter":
        """Return a new meter for one pass over a split."""
        return SegmentationMeter(self)

    def logits(self, outputs: Tensor) -> Tensor:
        """Return outputs as (B, n_classes, planes, *axes)."""
        return outputs.reshape(len(outputs), len(self.classes), self.planes, *outputs.shape[2:])


class SegmentationMeter:
    """Share of pixels of the right class, and the mean over classes of intersection over union.

    Of all pixels of the split together, each counted with the weight of its image.
    """

    def __init__(self, task: Segmentation) -> None:
        self._task = task
        n = len(task.classes)
        self._confusion = torch.zeros(n, n, dtype=torch.float64)

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        n = len(self._task.classes)
        truth, valid = self._task.truth_of(targets)
        said = self._task.logits(outputs).argmax(dim=1)
        weight = weights.double().view(-1, *[1] * (truth.dim() - 1)).expand_as(truth)
        pair = (truth * n + said)[valid]
        counts = torch.bincount(pair, weights=weight[valid], minlength=n * n)
        self._confusion += counts.view(n, n).cpu()

    def result(self) -> dict[str, float]:
        """Return ``accuracy`` and ``mean_iou``, of the classes that are there or were said."""
        right = self._confusion.diagonal()
        union = self._confusion.sum(dim=0) + self._confusion.sum(dim=1) - right
        total = self._confusion.sum()
        is_there = union > 0
        return {
            "accuracy": float(right.sum() / total) if total > 0 else 0.0,
            "mean_iou": float((right / union)[is_there].mean()) if is_there.any() else 0.0,
        }


class PixelRegression:
    """One number for each pixel of each plane; outputs are the numbers over `spread`.

    Parameters
    ----------
    truth : str
        The pixel truth.
    planes : int
        Planes of the truth.
    spread : float
        Root of the mean square of the truth in the pixels that count, over the training split.
    loss : {"squared", "absolute", "huber"}
        Of numbers over `spread`, the mean over the pixels of an image that count.
    only_filled : bool
        Whether pixels of the image without content count for nothing.
    of_channels : bool, optional
        Whether each plane is true of the channel of its place, not of all channels together; if
        left out, as of models of before it was said, of several planes.
    """

    def __init__(
        self,
        truth: str,
        *,
        planes: int = 1,
        spread: float = 1.0,
        loss: PixelValueLoss = "squared",
        only_filled: bool = False,
        of_channels: bool | None = None,
    ) -> None:
        self.truth = truth
        self.planes = planes
        self.spread = spread
        self.only_filled = only_filled
        self.of_channels = planes > 1 if of_channels is None else of_channels
        self._loss = loss
        self.metrics: Mapping[str, bool] = {"rmse": False}

    @property
    def wanted(self) -> Wanted:
        """The pixel truth."""
        return Wanted(pixels=self.truth, only_filled=self.only_filled, of_channels=self.of_channels)

    @property
    def n_outputs(self) -> int:
        """One for each plane."""
        return self.planes

    @property
    def is_per_pixel(self) -> bool:
        """True."""
        return True

    @property
    def score_names(self) -> tuple[str, ...]:
        """None: the scores are of pixels."""
        return ()

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "pixel-regression",
            "truth": self.truth,
            "planes": self.planes,
            "spread": self.spread,
            "loss": self._loss,
            "only_filled": self.only_filled,
            "of_channels": self.of_channels,
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, shape (B,)."""
        truth, valid = self.truth_of(targets)
        return _VALUE_LOSSES[self._loss](outputs, truth / self.spread, valid)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return `loss`."""
        return self.loss(outputs, targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the numbers, of the shape of the outputs."""
        return outputs * self.spread

    def truth_of(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of each pixel, and whether it counts, (B, planes, *axes)."""
        truth = targets[:, : self.planes]
        if self.only_filled:
            return truth, targets[:, self.planes :] > 0
        return truth, torch.ones_like(truth, dtype=torch.bool)

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the scores."""
        return mean_of(scores)

    def meter(self) -> "PixelRegressionMeter":
        """Return a new meter for one pass over a split."""
        return PixelRegressionMeter(self)


class PixelRegressionMeter:
    """Root of the mean square of prediction − truth, over all pixels that count, by weight."""

    def __init__(self, task: PixelRegression) -> None:
        self._task = task
        self._squares = 0.0
        self._weights = 0.0

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        truth, valid = self._task.truth_of(targets)
        errors = torch.where(valid, self._task.scores(outputs) - truth, 0).double().flatten(1)
        self._squares += float((weights.double() * errors.square().sum(dim=1)).sum())
        self._weights += float((weights.double() * valid.flatten(1).sum(dim=1)).sum())

    def result(self) -> dict[str, float]:
        """Return ``rmse``, in units of the truth."""
        return {"rmse": float(np.sqrt(self._squares / self._weights)) if self._weights else 0.0}
