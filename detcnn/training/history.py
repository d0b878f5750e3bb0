"""What the training loop reports, and what follows from the epochs so far."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One optimiser step was made.

    Parameters
    ----------
    epoch : int
        From 1.
    step : int
        Steps made in this epoch, 1 to `n_steps`.
    n_steps : int
        Steps of an epoch.
    n_images : int
        Images in the batch.
    loss : float
        Σ w l over the batch, divided by its number of images; weights average to one over the
        split.
    learning_rate : float
        Of this step.
    """

    epoch: int
    step: int
    n_steps: int
    n_images: int
    loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRecord:
    """One batch of the validation split was looked at.

    Parameters
    ----------
    epoch : int
        From 1.
    n_images : int
        Images in the batch.
    """

    epoch: int
    n_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch was made and validated.

    Parameters
    ----------
    epoch : int
        From 1.
    train_loss : float
        Σ w l / Σ w over the training split, each batch as it stood before its own step and with
        augmentation and dropout: not to be set beside the validation loss without that in mind.
    validation : mapping
        ``loss``, Σ w l / Σ w over the validation split, and the metrics of the task.
    learning_rate : float
        Of the last step.
    n_images : int
        Images trained on in this epoch.
    seconds : float
        Time spent training and validating, without what the caller did in between.
    is_best : bool
        Whether the monitored value is better than in every epoch before.
    """

    epoch: int
    train_loss: float
    validation: Mapping[str, float]
    learning_rate: float
    n_images: int
    seconds: float
    is_best: bool

    def row(self) -> dict[str, float]:
        """Return the record as one row of a table, without what differs from run to run."""
        return {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            **{f"validation_{name}": value for name, value in self.validation.items()},
            "learning_rate": self.learning_rate,
        }


Record = StepRecord | ValidationRecord | EpochRecord


def stalls(losses: Sequence[float], *, patience: int, min_improvement: float = 0.0) -> int:
    """Return how often `patience` epochs in a row brought no improvement.

    Parameters
    ----------
    losses : sequence of float
        The monitored value of each epoch, lower is better.
    patience : int
        At least 1; after each stall the count starts again, the best value stays.
    min_improvement : float
        An improvement beats the best value by more than this.

    Returns
    -------
    int
    """
    best, waiting, count = math.inf, 0, 0
    for loss in losses:
        if loss < best - min_improvement:
            best, waiting = loss, 0
        else:
            waiting += 1
        if waiting == patience:
            count, waiting = count + 1, 0
    return count
