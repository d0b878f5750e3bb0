"""A training rehearsed: everything opened and a few steps made, and nothing written."""

import resource
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import torch

from detcnn.config.train import TrainConfig
from detcnn.errors import ConfigError
from detcnn.progress import SILENT, Progress
from detcnn.stages.training_plan import open_assignment, plan_training
from detcnn.training.batches import feed
from detcnn.training.loop import set_training, start_training, take_step
from detcnn.training.prediction import predict
from detcnn.training.splits import iter_events

_TIMED_STEPS = 3
_IMAGES_SCORED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a training would be.

    Parameters
    ----------
    network : str
        Its name.
    image_shape : tuple of int
        (channels, *axes).
    n_outputs : int
        Of the network.
    n_parameters, n_trained : int
        Weights, and those of them that are not frozen.
    precision : str
        Of the network's arithmetic.
    device : str
        Where it runs.
    n_images : mapping
        Images of the training and of the validation split.
    n_steps : int
        Steps of an epoch.
    losses : tuple of float
        Before each of the steps that were made.
    images_per_second : float
        Of the steps after the first, which also sets up what later ones find; an estimate.
    seconds_per_epoch : float
        What that makes of an epoch, without the validation.
    peak_memory : int
        Bytes: of the GPU if there is one, or else of this process, with its code and the images.
    """

    network: str
    image_shape: tuple[int, ...]
    n_outputs: int
    n_parameters: int
    n_trained: int
    precision: str
    device: str
    n_images: dict[str, int]
    n_steps: int
    losses: tuple[float, ...]
    images_per_second: float
    seconds_per_epoch: float
    peak_memory: int


def run(
    config: TrainConfig, *, images: Path, base: Path = Path(), progress: Progress = SILENT
) -> Rehearsal:
    """Check a configuration against its images, and make the first steps of the training.

    Parameters
    ----------
    config : TrainConfig
        What to rehearse.
    images : Path
        The images artifact.
    base : Path
        Folder that the paths of `config` start from.
    progress : Progress
        Is told what is taken over from another network.

    Returns
    -------
    Rehearsal

    Raises
    ------
    ConfigError, DataError, DivergedError
        As the training would.
    """
    plan = plan_training(open_assignment(config, images=images, base=base), progress=progress)
    options, device = plan.options, plan.device
    known = ("loss", *plan.task.metrics)
    if options.monitor not in known:
        raise ConfigError(f"cannot monitor {options.monitor!r}: expected one of {', '.join(known)}")
    train, validation = plan.batches(), plan.split("validation")
    state = start_training(plan.model, options=options, device=device)
    set_training(state.model)
    rate = options.optimiser.learning_rate / max(1, options.warmup_steps)
    fed = feed(train.iter_batches(1, standardise=state.model.standardise), device)
    losses, n_timed, started = [], 0, perf_counter()
    for number in range(1 + _TIMED_STEPS):
        group = list(islice(fed, options.accumulate))
        if not group:
            break
        loss = take_step(state, plan.task, group, options, seed=config.seed, learning_rate=rate)
        state.step += 1
        losses.append(loss)
        if number == 0 and train.n_steps > options.accumulate:
            started = perf_counter()
        else:
            n_timed += sum(len(batch.images) for batch in group)
    speed = n_timed / max(perf_counter() - started, 1e-9)
    first = next(iter_events(validation))
    n_scored = min(_IMAGES_SCORED, first.n_images)
    predict(state.model, plan.task, first.images.slice(0, n_scored), extra=first.extra[:n_scored])
    return Rehearsal(
        network=plan.architecture.network,
        image_shape=plan.architecture.shape,
        n_outputs=plan.architecture.n_outputs,
        n_parameters=plan.n_parameters,
        n_trained=plan.n_trained,
        precision=options.precision,
        device=str(device),
        n_images={"train": train.split.n_images, "validation": validation.n_images},
        n_steps=-(-train.n_steps // options.accumulate),
        losses=tuple(losses),
        images_per_second=speed,
        seconds_per_epoch=train.split.n_images / speed,
        peak_memory=_peak_memory(device),
    )


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    # In KiB on Linux.
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
