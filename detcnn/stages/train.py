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

import numpy as np
import torch

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import IMAGES, MODEL
from detcnn.artifacts.opening import Artifact, find_current, open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.config.train import (
    AdaDeltaConfig,
    AdamConfig,
    AdamWConfig,
    AugmentationConfig,
    ConstantConfig,
    CosineConfig,
    DropPixelsConfig,
    FlipImageConfig,
    NoiseConfig,
    OptimiserConfig,
    PlateauConfig,
    ScheduleConfig,
    ShiftConfig,
    StandardiseConfig,
    TrainConfig,
)
from detcnn.errors import CheckpointedError, DataError, OutputExistsError
from detcnn.events.grid import Grid
from detcnn.imaging.augmentation import DropPixels, Flip, Noise, Policy, Rotate, Shift
from detcnn.models.catalogue import (
    EQUAL_IN_BF16,
    build_network,
    describe_network,
    require_image_outputs,
)
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.plotting.style import write_figure
from detcnn.plotting.training import history_figure
from detcnn.processors import keep_freed_memory
from detcnn.progress import SILENT, Progress
from detcnn.storage.reader import ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.training.batches import Batches
from detcnn.training.checkpoint import restore_checkpoint, write_checkpoint
from detcnn.training.device import find_device, find_precision
from detcnn.training.export import ModelDescription, write_model
from detcnn.training.history import EpochRecord, StepRecord
from detcnn.training.loop import FitOptions, TrainingState, fit, start_training
from detcnn.training.optimisers import (
    SGD,
    AdaDelta,
    Adam,
    AdamW,
    Constant,
    Cosine,
    OptimiserOptions,
    Plateau,
    Schedule,
    Step,
)
from detcnn.training.splits import AnySplit, open_split
from detcnn.training.tasks import Classification

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
    resume: bool = False,
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
    resume : bool
        Go on from the last checkpoint if there is one; a finished model of the same configuration
        and images is left as it is.
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
    source = open_artifact(images, expected=IMAGES)
    identity = value_digest(
        {
            "format": MODEL.version,
            "config": config.identity(),
            "images": source.manifest.digest,
        }
    )
    if update or (resume and not overwrite):
        finished = find_current(output, kind=MODEL, identity=identity)
        if finished is not None:
            return TrainResult(finished, was_complete=True)
    store = open_store(source.path / STORE)
    task = Classification(len(store.schema.classes))
    require_image_outputs(config.network.name)
    architecture = describe_network(
        config.network.name,
        shape=store.schema.shape,
        n_outputs=task.n_classes,
        options=config.network.options,
    )
    device = find_device(config.device)
    keep_freed_memory()
    model = DetectorModel(
        _standardise(config.standardise, store), build_network(architecture, seed=config.seed)
    )
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    options = FitOptions(
        epochs=config.epochs,
        optimiser=_optimiser(config.optimiser),
        schedule=_schedule(config.schedule),
        warmup_steps=config.warmup_steps,
        monitor=config.monitor,
        patience=config.early_stopping.patience if config.early_stopping else None,
        min_improvement=config.early_stopping.min_improvement if config.early_stopping else 0.0,
        gradient_clip=config.gradient_clip,
        precision=find_precision(
            config.precision, device, is_as_good_in_bf16=config.network.name in EQUAL_IN_BF16
        ),
    )
    with build_artifact(
        output, kind=MODEL, identity=identity, overwrite=overwrite or update
    ) as builder:
        checkpoints = builder.folder / _CHECKPOINTS
        state = start_training(model, options=options, device=device)
        if overwrite and not resume:
            shutil.rmtree(checkpoints, ignore_errors=True)
        elif checkpoints.exists() and not resume:
            raise OutputExistsError(
                f"{output}: an unfinished training is in {builder.folder.name}: "
                "use --resume to go on, or --overwrite to start again"
            )
        if restore_checkpoint(checkpoints, state, identity=identity, progress=progress):
            progress.info(f"going on in epoch {state.epoch}, after step {state.step}")
            if state.precision != options.precision:
                progress.info(
                    f"in {state.precision}, as it began, though this machine would have begun in "
                    f"{options.precision}"
                )
        elif resume:
            _warn_of_others(builder.folder, output, progress)
        batches = Batches(
            _split(store, "train", config),
            batch_size=config.batch_size,
            seed=config.seed,
            policies=tuple(_policy(entry, store.schema.grid) for entry in config.augment),
        )
        if not batches.shuffle.is_true:
            progress.info(_describe_shuffle(batches))
        _train(
            state,
            task,
            batches=batches,
            validation=_split(store, "validation", config),
            options=options,
            checkpoints=checkpoints,
            identity=identity,
            seconds_between=60 * config.checkpoint_minutes,
            progress=progress,
        )
        description = ModelDescription(
            task="classification",
            architecture=architecture,
            classes=store.schema.classes,
            images={**source.manifest.contents, "preprocess": source.manifest.config},
        )
        write_model(
            builder.folder,
            description,
            best=state.best_weights,
            last=state.model.state_dict(),
            history=state.history,
        )
        best = max((r for r in state.history if r.is_best), key=lambda r: r.epoch)
        figure = history_figure([r.row() for r in state.history], best_epoch=best.epoch)
        write_figure(figure, builder.folder, "history")
        artifact = builder.publish(
            scratch=(_CHECKPOINTS,),
            stage="train",
            config=config.identity(),
            inputs=[source.as_input("images")],
            contents={
                "network": architecture.network,
                "n_parameters": n_parameters,
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
                "device": _device_name(device),
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
    task: Classification,
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
    done = len(state.history) * n_images + state.step * batches.batch_size
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


def _split(store: ImageStore, name: str, config: TrainConfig) -> AnySplit:
    split = store.splits[name]
    if split.n_events == 0:
        raise DataError(
            f"{store.path}: the {name} split is empty: give preprocess.split.{name} a share"
        )
    return open_split(split, weights=config.weights, memory=int(config.memory_gib * 2**30))


def _describe_shuffle(batches: Batches) -> str:
    shuffle = batches.shuffle
    return (
        f"the training images do not fit into memory_gib and are read from disk in each epoch: "
        f"{shuffle.blocks_at_once} of {shuffle.n_blocks} blocks are shuffled together, "
        f"{100 * shuffle.pairs_that_meet:.2g} % of all pairs of images"
    )


def _standardise(config: StandardiseConfig | None, store: ImageStore) -> Standardise:
    mean, std = store.statistics["mean"], store.statistics["std"]
    if config is None:
        flat = np.zeros((len(mean), 1, 1))
        return Standardise(flat, flat + 1)
    if config.per == "channel":
        square = (std**2 + mean**2).mean(axis=(1, 2), keepdims=True)
        mean = mean.mean(axis=(1, 2), keepdims=True)
        std = np.sqrt(np.clip(square - mean**2, 0, None))
    return Standardise.from_statistics(
        mean, std, floor=config.floor, relative_floor=config.relative_floor
    )


def _optimiser(config: OptimiserConfig) -> OptimiserOptions:
    options = config.model_dump(exclude={"name"})
    match config:
        case AdamConfig():
            return Adam(**options)
        case AdamWConfig():
            return AdamW(**options)
        case AdaDeltaConfig():
            return AdaDelta(**options)
        case _:
            return SGD(**options)


def _schedule(config: ScheduleConfig) -> Schedule:
    options = config.model_dump(exclude={"name"})
    match config:
        case ConstantConfig():
            return Constant()
        case CosineConfig():
            return Cosine(**options)
        case PlateauConfig():
            return Plateau(**options)
        case _:
            return Step(**options)


def _policy(config: AugmentationConfig, grid: Grid) -> Policy:
    options = config.model_dump(exclude={"policy"})
    match config:
        case ShiftConfig():
            return Shift(**options)
        case FlipImageConfig():
            return Flip(**options)
        case NoiseConfig():
            return Noise(**options)
        case DropPixelsConfig():
            return DropPixels(**options)
        case _:
            aspect = grid.rows.pixel_width / grid.columns.pixel_width
            return Rotate(aspect=aspect, **options)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or os.uname().machine
