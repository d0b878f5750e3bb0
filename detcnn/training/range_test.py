"""Looking for a learning rate: what the loss does while the rate rises.

Smith, "Cyclical learning rates for training neural networks" (arXiv:1506.01186, section 3.3).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

from detcnn.errors import DataError, DivergedError
from detcnn.training.batches import Batch, Batches, feed
from detcnn.training.loop import FitOptions, TrainingState, set_training, take_step
from detcnn.training.tasks import Task

_MEMORY = 0.9
"""Of the running mean of the loss."""

_TOO_FAR = 3.0
"""Times the lowest loss: the training has fallen apart."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One step: its learning rate, the loss before it, and the running mean of the losses."""

    learning_rate: float
    loss: float
    smoothed_loss: float


@dataclass(frozen=True, slots=True)
class RateSuggestion:
    """What a rising learning rate shows.

    Parameters
    ----------
    steepest : float
        The rate at which the smoothed loss falls fastest with the logarithm of the rate.
    lowest : float
        The rate at which the smoothed loss is lowest.
    suggested : float
        A tenth of `lowest`: beyond it the loss is about to rise.
    """

    steepest: float
    lowest: float
    suggested: float


def iter_range_test(
    state: TrainingState,
    task: Task,
    train: Batches,
    *,
    options: FitOptions,
    low: float,
    high: float,
    n_steps: int,
) -> Iterator[RatePoint]:
    """Train while the learning rate rises by the same factor in every step.

    Parameters
    ----------
    state : TrainingState
        From `detcnn.training.loop.start_training`; of no more use afterwards.
    task : Task
        The loss.
    train : Batches
        The training split, gone through as often as it takes.
    options : FitOptions
        How to train, but for the learning rate.
    low, high : float
        The first rate and the last, low < high.
    n_steps : int
        Steps at most, at least 2; fewer if the loss comes to three times its lowest, or to what is
        no number.

    Yields
    ------
    RatePoint
    """
    set_training(state.model)
    mean, lowest = 0.0, math.inf
    batches = _iter_batches(state, train)
    for number in range(n_steps):
        group = list(islice(batches, options.accumulate))
        rate = low * (high / low) ** (number / (n_steps - 1))
        try:
            loss = take_step(state, task, group, options, seed=train.seed, learning_rate=rate)
        except DivergedError:
            return
        state.step += 1
        mean = _MEMORY * mean + (1 - _MEMORY) * loss
        # As if the mean had begun before the first step.
        smoothed = mean / (1 - _MEMORY ** (number + 1))
        yield RatePoint(rate, loss, smoothed)
        lowest = min(lowest, smoothed)
        if smoothed > _TOO_FAR * abs(lowest):
            return


def suggest_rate(points: Sequence[RatePoint]) -> RateSuggestion:
    """Read a learning rate off the points of a range test.

    Raises
    ------
    DataError
        If there are too few points, or the loss never falls.
    """
    if len(points) < 3:
        raise DataError(
            f"the loss was a number for {len(points)} steps only: check the images, or start from "
            "a lower rate"
        )
    losses = [point.smoothed_loss for point in points]
    best = min(range(len(points)), key=losses.__getitem__)
    if best == 0:
        raise DataError(
            "the loss rises from the first step on: check the images, or start from a lower rate"
        )
    # Over a tenth of the way to either side, for steps beside each other differ by chance.
    reach = max(1, best // 10)
    falls = {i: losses[i + reach] - losses[i - reach] for i in range(reach, best - reach + 1)}
    steepest = min(falls, key=falls.__getitem__)
    lowest = points[best].learning_rate
    return RateSuggestion(points[steepest].learning_rate, lowest, lowest / 10)


def _iter_batches(state: TrainingState, train: Batches) -> Iterator[Batch]:
    for epoch in count(1):
        batches = train.iter_batches(epoch, standardise=state.model.standardise)
        yield from feed(batches, state.device)
