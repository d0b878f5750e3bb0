"""Stage ``train``: an image store to a model.

While it runs, its checkpoints stand in the part folder of the model; a training that was killed,
or stopped by a batch system's signal, goes on from the last one to the same weights.
"""

import os
import platform
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from detcnn.artifacts.kinds import MODEL
from detcnn.artifacts.opening import Artifact, find_current
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.train import TrainConfig
from detcnn.errors import CheckpointedError, OutputExistsError
from detcnn.plotting.style import write_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages.history import draw_history
from detcnn.stages.training_plan import open_assignment, plan_training
from detcnn.training.batches import Batches
from detcnn.training.checkpoint import restore_checkpoint, write_checkpoint
from detcnn.training.export import ModelDescription, write_model
from detcnn.training.history import EpochRecord, StepRecord
from detcnn.training.loop import FitOptions, TrainingState, fit, start_training
from detcnn.training.splits import AnySplit
from detcnn.training.tasks import Task

_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training made.

    Parameters
    ----------
    artifact : Artifact
        The model.
    was_complete : bool
        Whether it had been finished by an earlier run.
    """

    artifact: Artifact
    was_complete: bool = False


def run(
    config: TrainConfig,
    *,
    images: Path,
    output: Path,
    base: Path = Path(),
    resume: bool = False,
    keep_threads: bool = False,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train a network on the training split, watching the validation split.

    SIGTERM and SIGUSR1 write a checkpoint after the present step and end with `CheckpointedError`.

    Parameters
    ----------
    config : TrainConfig
        What to do.
    images : Path
        The images artifact.
    output : Path
        Where the model goes.
    base : Path
        Folder that the paths of `config` start from.
    resume : bool
        Go on from the last checkpoint if there is one; a finished model of the same configuration
        and images is left as it is.
    keep_threads : bool
        Train with the threads that torch has, even if the checkpoint was made with another number
        of them and the result will not be equal to the bit.
    overwrite : bool
        Replace an existing model; without `resume`, drop an old checkpoint, too.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    TrainResult

    Raises
    ------
    ConfigError
        If the network does not fit the images, or the loss is not finite.
    DataError
        If the images are not there or damaged.
    OutputExistsError
        If the output, or a checkpoint on its way to it, exists.
    CheckpointedError
        After a signal, with the state saved.
    """
    assignment = open_assignment(config, images=images, base=base)
    source, identity = assignment.images, assignment.identity
    if update or (resume and not overwrite):
        finished = find_current(output, kind=MODEL, identity=identity)
        if finished is not None:
            return TrainResult(finished, was_complete=True)
    # Before the network is built, which may take long.
    refuse_existing(output, overwrite=overwrite or update)
    plan = plan_training(assignment, progress=progress)
    options = plan.options
    with (
        _threads_as_before(),
        build_artifact(
            output, kind=MODEL, identity=identity, overwrite=overwrite or update
        ) as builder,
    ):
        checkpoints = builder.folder / _CHECKPOINTS
        state = start_training(plan.model, options=options, device=plan.device)
        if overwrite and not resume:
            shutil.rmtree(checkpoints, ignore_errors=True)
        elif checkpoints.exists() and not resume:
            raise OutputExistsError(
                f"{output}: an unfinished training is in {builder.folder.name}: "
                "use --resume to go on, or --overwrite to start again"
            )
        if restore_checkpoint(
            checkpoints, state, identity=identity, keep_threads=keep_threads, progress=progress
        ):
            progress.info(f"going on in epoch {state.epoch}, after step {state.step}")
            if state.precision != options.precision:
                progress.info(
                    f"in {state.precision}, as it began, though this machine would have begun in "
                    f"{options.precision}"
                )
        elif resume:
            _warn_of_others(builder.folder, output, progress)
        batches = plan.batches()
        if not batches.shuffle.is_true:
            progress.info(_describe_shuffle(batches))
        _train(
            state,
            plan.task,
            batches=batches,
            validation=plan.split("validation"),
            options=options,
            checkpoints=checkpoints,
            identity=identity,
            seconds_between=60 * config.checkpoint_minutes,
            progress=progress,
        )
        description = ModelDescription(
            task=plan.task.description,
            architecture=plan.architecture,
            classes=plan.store.schema.classes,
            images={**source.manifest.contents, "preprocess": source.manifest.config},
            inputs=config.inputs,
        )
        write_model(
            builder.folder,
            description,
            best=state.best_weights,
            last=state.judged.state_dict(),
            history=state.history,
        )
        best = max((r for r in state.history if r.is_best), key=lambda r: r.epoch)
        figure = draw_history(
            [r.row() for r in state.history], task=plan.task.description, best_epoch=best.epoch
        )
        write_figure(figure, builder.folder, "history")
        artifact = builder.publish(
            scratch=(_CHECKPOINTS,),
            stage="train",
            config=config.identity(),
            inputs=assignment.inputs,
            contents={
                "task": plan.task.description,
                "network": plan.architecture.network,
                "n_parameters": plan.n_parameters,
                "n_trained": plan.n_trained,
                "n_training_events": batches.split.n_images,
                "start": plan.start,
                "inputs": list(config.inputs),
                "precision": state.precision,
                **{
                    name: source.manifest.contents[name]
                    for name in ("classes", "image_shape", "channels", "axes", "image")
                },
                "n_epochs": len(state.history),
                "best_epoch": best.epoch,
                "best": best.row(),
            },
            circumstances={
                "images": str(images),
                "device": device_name(plan.device),
                "threads": torch.get_num_threads(),
                "seconds_per_epoch": [round(r.seconds, 2) for r in state.history],
            },
        )
    return TrainResult(artifact)


def _warn_of_others(folder: Path, output: Path, progress: Progress) -> None:
    for other in output.parent.iterdir():
        if other.name.startswith(f"{output.name}.part-") and other != folder:
            progress.warn(
                f"{other}: is an unfinished training of another configuration or other images, "
                "which is left alone: starting afresh"
            )


def _train(
    state: TrainingState,
    task: Task,
    *,
    batches: Batches,
    validation: AnySplit,
    options: FitOptions,
    checkpoints: Path,
    identity: str,
    seconds_between: float,
    progress: Progress,
) -> None:
    n_images = batches.split.n_images
    bar = progress.task("training", total=options.epochs * n_images, unit="images")
    done = len(state.history) * n_images
    done += state.step * options.accumulate * batches.batch_size
    bar.advance(done)
    last_checkpoint = time.monotonic()
    with _stop_requests() as requests:
        for record in fit(state, task, train=batches, validation=validation, options=options):
            if isinstance(record, StepRecord):
                bar.advance(record.n_images)
            if isinstance(record, EpochRecord):
                bar.advance(0, note=_describe(record, options.epochs))
            is_due = time.monotonic() - last_checkpoint > seconds_between
            if isinstance(record, EpochRecord) or is_due or requests:
                write_checkpoint(checkpoints, state, identity=identity)
                last_checkpoint = time.monotonic()
            if requests:
                where = f"checkpoint in epoch {state.epoch}, after step {state.step}"
                if signal.SIGINT in requests:
                    raise KeyboardInterrupt(f"interrupted: {where}: go on with --resume")
                name = signal.Signals(requests[0]).name
                raise CheckpointedError(f"{name}: {where}: go on with --resume")
    bar.finish()


def _describe(record: EpochRecord, n_epochs: int) -> str:
    values = ", ".join(f"{name} {value:.4f}" for name, value in record.validation.items())
    rate = record.n_images / max(record.seconds, 1e-9)
    best = " *" if record.is_best else ""
    return (
        f"epoch {record.epoch}/{n_epochs}: train loss {record.train_loss:.4f}, "
        f"validation {values}, {rate:,.0f} images/s{best}"
    )


@contextmanager
def _threads_as_before() -> Iterator[None]:
    """Give back the threads that a checkpoint changes: another training may follow."""
    n_threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect the signals that ask to stop; a second Ctrl-C stops at once."""
    requests: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and requests:
            raise KeyboardInterrupt
        requests.append(number)

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; a library user's own handlers stay.
        yield requests
        return
    caught = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = {number: signal.signal(number, note) for number in caught}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _describe_shuffle(batches: Batches) -> str:
    shuffle = batches.shuffle
    return (
        f"the training images do not fit into memory_gib and are read from disk in each epoch: "
        f"{shuffle.blocks_at_once} of {shuffle.n_blocks} blocks are shuffled together, "
        f"{100 * shuffle.pairs_that_meet:.2g} % of all pairs of images"
    )


def device_name(device: torch.device) -> str:
    """Return what a device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or os.uname().machine
