"""The training loop: a generator that yields records, while its caller logs and saves.

Whenever the loop yields, the state is complete. A caller that wants to stop, because of a signal
say, writes a checkpoint and asks for no more; a caller that goes on from that checkpoint gets, on
the CPU and with the same number of threads, the same weights to the bit.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from detcnn.errors import ConfigError, DivergedError
from detcnn.models.standardise import DetectorModel
from detcnn.seeding import derived_seed, generator
from detcnn.training.averaging import start_average, update_average
from detcnn.training.batches import Batch, Batches, feed, target_tensor
from detcnn.training.compilation import Forward, compile_network
from detcnn.training.device import Precision, arithmetic, memory_format, repeatable
from detcnn.training.history import EpochRecord, Record, StepRecord, ValidationRecord, stalls
from detcnn.training.mixup import draw_mixture
from detcnn.training.optimisers import Adam, Constant, OptimiserOptions, Schedule
from detcnn.training.prediction import iter_outputs
from detcnn.training.splits import AnySplit, iter_events
from detcnn.training.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How to train.

    Parameters
    ----------
    epochs : int
        At most this many passes over the training split.
    optimiser : OptimiserOptions
        How weights are updated.
    schedule : Schedule
        How the learning rate changes.
    warmup_steps : int
        Over the first steps the learning rate rises linearly to what the schedule says.
    monitor : str
        What decides about the best epoch, about early stopping and about a plateau: ``"loss"``, or
        a metric of the task, of the validation split.
    patience : int, optional
        Stop after this many epochs in a row without improvement; None never to stop early.
    min_improvement : float
        For early stopping, an improvement must beat the best value by more than this.
    gradient_clip : float, optional
        Largest Euclidean norm of the gradient of all weights together; larger ones are scaled down.
    precision : {"float32", "bf16"}
        Of the network's arithmetic in a training that begins; one that goes on from a checkpoint
        keeps that which it began with. Weights and loss are always float32.
    accumulate : int
        Batches whose gradients are added up for one step: it is as if the batch was so many times
        as large, but for layers that normalise by batch.
    mixup_alpha : float, optional
        Train on mixtures of two images, see `detcnn.training.mixup.draw_mixture`.
    ema_decay : float, optional
        Validate, and keep, a running average of the weights, see
        `detcnn.training.averaging.update_average`.
    compile : bool
        Run the network through `torch.compile` in training.
    """

    epochs: int = 50
    optimiser: OptimiserOptions = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Constant)
    warmup_steps: int = 0
    monitor: str = "loss"
    patience: int | None = None
    min_improvement: float = 0.0
    gradient_clip: float | None = None
    precision: Precision = "float32"
    accumulate: int = 1
    mixup_alpha: float | None = None
    ema_decay: float | None = None
    compile: bool = False


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """All that a training needs to go on, beside its data and its options.

    Parameters
    ----------
    model : DetectorModel
        With the weights of now.
    optimiser : torch.optim.Optimizer
        With its moments of now.
    forward : callable
        The network of `model`, or what it was compiled to.
    precision : {"float32", "bf16"}
        Of the network's arithmetic, from the first step to the last.
    step : int
        Steps made in the present epoch.
    loss_sum : float
        Σ w l over these steps.
    seconds : float
        Time spent on the present epoch.
    history : list of EpochRecord
        The finished epochs.
    best_weights : dict
        The tensors of the judged model after the best epoch; empty before the first is finished.
    average : DetectorModel, optional
        The running average of the weights, if there is to be one.
    """

    model: DetectorModel
    optimiser: torch.optim.Optimizer
    forward: Forward
    precision: Precision
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    average: DetectorModel | None = None

    @property
    def judged(self) -> DetectorModel:
        """What is validated and kept: the average if there is one, or else the model."""
        return self.model if self.average is None else self.average

    @property
    def epoch(self) -> int:
        """The present epoch, from 1."""
        return len(self.history) + 1

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device


def start_training(
    model: DetectorModel, *, options: FitOptions, device: torch.device
) -> TrainingState:
    """Move a model to its device and return the state of a training that has not begun.

    Weights that ask for no gradient stay as they are.

    Raises
    ------
    ConfigError
        If the network is to be compiled and cannot be.
    """
    model.to(device)
    layout = memory_format(model.standardise.mean.dim() - 2)
    model.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
    network = model.network
    return TrainingState(
        model=model,
        optimiser=options.optimiser.build(model),
        forward=compile_network(network, device) if options.compile else network,
        precision=options.precision,
        average=None if options.ema_decay is None else start_average(model),
    )


def fit(
    state: TrainingState,
    task: Task,
    *,
    train: Batches,
    validation: AnySplit,
    options: FitOptions,
) -> Iterator[Record]:
    """Train, yielding a record after every step, validated batch and epoch.

    Whenever it yields, `state` may be written by `detcnn.training.checkpoint.write_checkpoint`, and
    the loop may be left for good. What is drawn at random in a step is a function of
    (seed, epoch, step), so the state holds no random generator; torch's own is left alone.

    Parameters
    ----------
    state : TrainingState
        From `start_training`, or restored from a checkpoint; updated in place.
    task : Task
        Loss and metrics.
    train : Batches
        The training split.
    validation : Split or StoredSplit
        The validation split.
    options : FitOptions
        How to train.

    Yields
    ------
    StepRecord, ValidationRecord or EpochRecord
        Nothing if the training is over already.

    Raises
    ------
    ConfigError
        If the monitored metric is unknown, or the loss or its gradient is not finite; the weights
        are then those before the step.
    DataError
        If a metric cannot be computed, for a class without images in the validation split say.
    """
    if options.monitor not in ("loss", *task.metrics):
        raise ConfigError(
            f"cannot monitor {options.monitor!r}: expected one of loss, {', '.join(task.metrics)}"
        )
    while True:
        monitored = [_monitored(record.validation, task, options) for record in state.history]
        is_stalled = options.patience is not None and stalls(
            monitored, patience=options.patience, min_improvement=options.min_improvement
        )
        if is_stalled or len(state.history) >= options.epochs:
            return
        yield from _train_epoch(state, task, train, options, monitored)
        values = yield from _validate(state, task, validation, train.batch_size)
        yield _finish_epoch(state, task, train, values, options, monitored)


def _monitored(values: Mapping[str, float], task: Task, options: FitOptions) -> float:
    """Return the monitored one of the validation's values, turned such that lower is better."""
    sign = -1 if task.metrics.get(options.monitor, False) else 1
    return sign * values[options.monitor]


def _train_epoch(
    state: TrainingState,
    task: Task,
    train: Batches,
    options: FitOptions,
    monitored: list[float],
) -> Iterator[StepRecord]:
    set_training(state.model)
    n_steps = _n_steps(train, options)
    started = perf_counter()
    batches = train.iter_batches(
        state.epoch,
        start_step=state.step * options.accumulate,
        standardise=state.model.standardise,
    )
    fed = feed(batches, state.device)
    while group := list(islice(fed, options.accumulate)):
        rate = _learning_rate(state.epoch, state.step, n_steps, options, monitored)
        loss = take_step(state, task, group, options, seed=train.seed, learning_rate=rate)
        n_images = sum(len(batch.images) for batch in group)
        state.step += 1
        if state.average is not None and options.ema_decay is not None:
            done = (state.epoch - 1) * n_steps + state.step
            update_average(state.average, state.model, decay=options.ema_decay, n_steps=done)
        state.loss_sum += loss * n_images
        state.seconds += perf_counter() - started
        yield StepRecord(
            epoch=state.epoch,
            step=state.step,
            n_steps=n_steps,
            n_images=n_images,
            loss=loss,
            learning_rate=rate,
        )
        started = perf_counter()


def _n_steps(train: Batches, options: FitOptions) -> int:
    return -(-train.n_steps // options.accumulate)


def set_training(model: DetectorModel) -> None:
    """Set all to training but for what has weights and trains none of them."""
    model.train()
    for module in model.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()


def take_step(
    state: TrainingState,
    task: Task,
    group: Sequence[Batch],
    options: FitOptions,
    *,
    seed: int,
    learning_rate: float,
) -> float:
    """Make one optimiser step with the images of all batches and return the loss that led to it.

    Parameters
    ----------
    state : TrainingState
        Its weights and moments are updated; what it counts is left to the caller.
    task : Task
        The loss.
    group : sequence of Batch
        On the state's device.
    options : FitOptions
        How to train.
    seed : int
        With the state's epoch and step it decides what is drawn at random.
    learning_rate : float
        Of this step.

    Raises
    ------
    DivergedError
        If the loss or its gradient is not finite; the weights are then those before the step.
    """
    for parameters in state.optimiser.param_groups:
        parameters["lr"] = learning_rate
    with repeatable(derived_seed(seed, "step", state.epoch, state.step), state.device):
        return _step(state, task, group, options, seed)


def _step(
    state: TrainingState, task: Task, group: Sequence[Batch], options: FitOptions, seed: int
) -> float:
    state.optimiser.zero_grad()
    n_images = sum(len(batch.images) for batch in group)
    losses = []
    for number, batch in enumerate(group, start=state.step * options.accumulate):
        loss = _loss(state, task, batch, options, seed=seed, number=number)
        if len(group) > 1:
            loss = loss * (len(batch.images) / n_images)
        torch.autograd.backward(loss)
        losses.append(loss.detach())
    loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
    weights = [weight for group in state.optimiser.param_groups for weight in group["params"]]
    norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    # Together, because a GPU has to finish all its work before it can tell.
    value, size = map(float, torch.stack((loss, norm)).tolist())
    if not (math.isfinite(value) and math.isfinite(size)):
        raise DivergedError(
            f"epoch {state.epoch}, step {state.step + 1}: the loss is {value:g} and its gradient "
            f"{size:g}, expected finite numbers: lower the learning rate or clip the gradient"
        )
    if options.gradient_clip is not None:
        clip_grads_with_norm_(weights, options.gradient_clip, norm)
    state.optimiser.step()
    return value


def _loss(
    state: TrainingState, task: Task, batch: Batch, options: FitOptions, *, seed: int, number: int
) -> Tensor:
    """Return the mean loss of a batch, the `number`-th of its epoch."""
    device = state.device
    images, extra, mixture = batch.images, batch.extra, None
    if options.mixup_alpha is not None:
        rng = generator(seed, "mixup", state.epoch, number)
        mixture = draw_mixture(len(images), alpha=options.mixup_alpha, rng=rng, device=device)
        images, extra = mixture.images(images), mixture.extra(extra)
    with arithmetic(device, state.precision), _statistics_for(len(images), state.model):
        # The batch has passed the model's first layer.
        outputs = state.forward(images, state.model.standardised_extra(extra)).float()
    if mixture is not None:
        return mixture.losses(task, outputs, batch).mean()
    # Not divided by the batch's own sum of weights: with weights of both signs that may vanish.
    return (batch.weights * task.training_loss(outputs, batch.targets)).mean()


@contextmanager
def _statistics_for(n_images: int, model: DetectorModel) -> Iterator[None]:
    """Have a lone image, such as may be left at the end of an epoch, normalised as in prediction.

    One image is no batch to take a mean and a spread of: where its maps have come down to one
    pixel there is but one value a channel, and torch gives up.
    """
    layers = batch_norms(model) if n_images == 1 else []
    training = [layer for layer in layers if layer.training]
    for layer in training:
        layer.eval()
    try:
        yield
    finally:
        for layer in training:
            layer.train()


def batch_norms(model: DetectorModel) -> list[nn.Module]:
    """Return the layers that normalise by the statistics of a batch."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [layer for layer in model.modules() if isinstance(layer, kinds)]


def _learning_rate(
    epoch: int, step: int, n_steps: int, options: FitOptions, monitored: list[float]
) -> float:
    done = (epoch - 1) * n_steps + step
    warmup = min(1.0, (done + 1) / options.warmup_steps) if options.warmup_steps else 1.0
    share = done / (options.epochs * n_steps)
    factor = options.schedule.factor(epoch=epoch, share=share, losses=monitored)
    return options.optimiser.learning_rate * warmup * factor


def _validate(
    state: TrainingState, task: Task, split: AnySplit, batch_size: int
) -> Generator[ValidationRecord, None, dict[str, float]]:
    """Yield after every batch; return the loss and the metrics."""
    started = perf_counter()
    meter = task.meter()
    loss_sum = 0.0
    for events in iter_events(split):
        weights = torch.from_numpy(events.relative_weight)
        for rows, outputs in iter_outputs(
            state.judged,
            events.images,
            extra=events.extra,
            batch_size=batch_size,
            precision=state.precision,
        ):
            outputs = outputs.cpu()
            targets = target_tensor(events, np.arange(rows.start, rows.stop))
            losses = task.loss(outputs, targets)
            loss_sum += float((weights[rows] * losses).sum(dtype=torch.float64))
            meter.update(outputs, targets, weights[rows])
            state.seconds += perf_counter() - started
            yield ValidationRecord(epoch=state.epoch, n_images=rows.stop - rows.start)
            started = perf_counter()
    if not math.isfinite(loss_sum):
        raise DivergedError(
            f"epoch {state.epoch}: the validation loss is {loss_sum:g}, expected a finite number: "
            "lower the learning rate or clip the gradient"
        )
    values = {"loss": loss_sum / split.n_images, **meter.result()}
    state.seconds += perf_counter() - started
    return values


def _finish_epoch(
    state: TrainingState,
    task: Task,
    train: Batches,
    values: dict[str, float],
    options: FitOptions,
    monitored: list[float],
) -> EpochRecord:
    record = EpochRecord(
        epoch=state.epoch,
        train_loss=state.loss_sum / train.split.n_images,
        validation=values,
        learning_rate=_learning_rate(
            state.epoch, state.step - 1, _n_steps(train, options), options, monitored
        ),
        n_images=train.split.n_images,
        seconds=state.seconds,
        is_best=_monitored(values, task, options) < min(monitored, default=math.inf),
    )
    state.history.append(record)
    if record.is_best:
        state.best_weights = {
            name: tensor.detach().clone() for name, tensor in state.judged.state_dict().items()
        }
    state.step, state.loss_sum, state.seconds = 0, 0.0, 0.0
    return record
