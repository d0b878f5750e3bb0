"""What a training consists of: a section of the study, turned into plain values and a network.

Three commands share it: the training itself, the rehearsal that tries one batch, and the search for
a learning rate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import IMAGES, MODEL
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, open_artifact
from detcnn.config.train import (
    AdaDeltaConfig,
    AdamConfig,
    AdamWConfig,
    ConstantConfig,
    CosineConfig,
    OptimiserConfig,
    PlateauConfig,
    ScheduleConfig,
    StandardiseConfig,
    StartConfig,
    TrainConfig,
)
from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.roc import auc, roc_curve
from detcnn.events.images import DenseImages, Images
from detcnn.imaging.clipping import clip_limits, clipped
from detcnn.imaging.statistics import PixelSums, pixel_sums
from detcnn.models.catalogue import (
    EQUAL_IN_BF16,
    READS_FILLED_PIXELS,
    Architecture,
    build_network,
    describe_network,
    require_outputs,
)
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.models.transfer import Transferred, freeze, read_weights, transfer
from detcnn.processors import keep_freed_memory
from detcnn.progress import Progress
from detcnn.quality.separation import HIGHEST_AUC
from detcnn.stages.policies import policies_of
from detcnn.stages.tasks import build_favour, build_task
from detcnn.storage.reader import ImageSplit, ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.training.batches import Batches
from detcnn.training.device import find_device, find_precision
from detcnn.training.export import read_model
from detcnn.training.foreground import Favour
from detcnn.training.loop import FitOptions, batch_norms
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
from detcnn.training.splits import AnySplit, Extra, open_split, stored_extra
from detcnn.training.subsets import stratified_rows
from detcnn.training.tasks import Task

_BOOKKEEPING = frozenset({"event_id", "source", "row"})


@dataclass(frozen=True, slots=True)
class Origin:
    """What a training begins with in place of drawn weights.

    Parameters
    ----------
    config : StartConfig
        The study's section.
    path : Path
        The model or the file of weights.
    record : Input
        What the model that is made will say of it, with its digest.
    """

    config: StartConfig
    path: Path
    record: Input


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to train on which images, before any of it is built.

    Parameters
    ----------
    config : TrainConfig
        The study's section.
    images : Artifact
        Its images.
    origin : Origin, optional
        What it begins with.
    """

    config: TrainConfig
    images: Artifact
    origin: Origin | None

    @property
    def inputs(self) -> list[Input]:
        """What the result is made from."""
        return [self.images.as_input("images"), *([self.origin.record] if self.origin else [])]

    @property
    def identity(self) -> str:
        """Digest of all that determines the model."""
        begun = {"start": self.origin.record.digest} if self.origin else {}
        return value_digest(
            {
                "format": MODEL.version,
                "config": self.config.identity(),
                "images": self.images.manifest.digest,
                **begun,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """A network that waits to be trained, and all that it takes.

    Parameters
    ----------
    config : TrainConfig
        The study's section.
    store : ImageStore
        Its images.
    task : Task
        What is learned.
    architecture : Architecture
        The network.
    model : DetectorModel
        With its first weights, on the CPU.
    options : FitOptions
        How it is trained.
    device : torch.device
        Where.
    favour : Favour, optional
        Which images come more often.
    start : mapping, optional
        What it has from another network, as JSON-able values.
    """

    config: TrainConfig
    store: ImageStore
    task: Task
    architecture: Architecture
    model: DetectorModel
    options: FitOptions
    device: torch.device
    favour: Favour | None
    start: dict[str, Any] | None

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def n_trained(self) -> int:
        """Number of weights that are not frozen."""
        return sum(w.numel() for w in self.model.parameters() if w.requires_grad)

    def batches(self) -> Batches:
        """Open the training split.

        Raises
        ------
        DataError, ConfigError
            As `split`.
        """
        return Batches(
            self.split("train"),
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            policies=policies_of(self.config.augment, self.store.schema.grid),
            favour=self.favour,
        )

    def split(self, name: str) -> AnySplit:
        """Open a split, or as much of it as the study allows.

        Raises
        ------
        DataError
            If it is empty or damaged.
        ConfigError
            If fewer events are allowed than there are classes.
        """
        return _split(self.store, name, self.config, self.task)


def open_assignment(config: TrainConfig, *, images: Path, base: Path) -> Assignment:
    """Open what a training is made from.

    Parameters
    ----------
    config : TrainConfig
        The study's section.
    images : Path
        The images artifact.
    base : Path
        Folder that the paths of `config` start from.

    Raises
    ------
    DataError
        If something is not there, or damaged.
    """
    source = open_artifact(images, expected=IMAGES)
    start = config.start
    if start is None:
        return Assignment(config, source, None)
    if start.model is not None:
        path = base / start.model
        record = open_artifact(path, expected=MODEL).as_input("start")
    else:
        path = base / (start.weights or "")
        record = Input(role="start", name=path.name, digest=file_digest(path))
    return Assignment(config, source, Origin(start, path, record))


def plan_training(assignment: Assignment, *, progress: Progress) -> TrainingPlan:
    """Build the network and all else that is there before the first step.

    Parameters
    ----------
    assignment : Assignment
        From `open_assignment`.
    progress : Progress
        Is told what is taken over from another network.

    Raises
    ------
    ConfigError
        If the network does not fit the images, or an option is out of range.
    DataError
        If the images are damaged, or what to begin with does not fit the network.
    """
    config = assignment.config
    store = open_store(assignment.images.path / STORE)
    task = build_task(config.task, store)
    _check_tiles(task, assignment.images)
    favour = build_favour(config.favour, task)
    require_outputs(config.network.name, per_pixel=task.is_per_pixel)
    if config.network.name in READS_FILLED_PIXELS and config.standardise is not None:
        raise ConfigError(
            f"network {config.network.name!r} has to see which pixels are filled, and standardised "
            "images do not tell: set train.standardise=null"
        )
    _check_inputs(config.inputs, store, progress)
    architecture = describe_network(
        config.network.name,
        shape=store.schema.shape,
        n_outputs=task.n_outputs,
        options=config.network.options,
        n_extra=len(config.inputs),
    )
    device = find_device(config.device)
    keep_freed_memory()
    model = DetectorModel(
        _standardise(config.standardise, store),
        build_network(architecture, seed=config.seed),
        _standardise_extra(stored_extra(store.splits["train"], config.inputs)),
    )
    if config.batch_size == 1 and batch_norms(model):
        raise ConfigError(
            f"train.batch_size: batches of one image, which network {config.network.name!r} cannot "
            "normalise by: take 2 or more, or the network's option norm: group"
        )
    start = None
    if assignment.origin is not None:
        start = _begin_with(assignment.origin, model, progress=progress)
    return TrainingPlan(
        config=config,
        store=store,
        task=task,
        architecture=architecture,
        model=model,
        options=FitOptions(
            epochs=config.epochs,
            optimiser=_optimiser(config.optimiser),
            schedule=_schedule(config.schedule),
            warmup_steps=config.warmup_steps,
            monitor=config.monitor,
            patience=config.early_stopping.patience if config.early_stopping else None,
            min_improvement=(
                config.early_stopping.min_improvement if config.early_stopping else 0.0
            ),
            gradient_clip=config.gradient_clip,
            precision=find_precision(
                config.precision, device, is_as_good_in_bf16=config.network.name in EQUAL_IN_BF16
            ),
            accumulate=config.accumulate,
            mixup_alpha=config.mixup.alpha if config.mixup else None,
            ema_decay=config.ema.decay if config.ema else None,
            compile=config.compile,
        ),
        device=device,
        favour=favour,
        start=start,
    )


def _begin_with(origin: Origin, model: DetectorModel, *, progress: Progress) -> dict[str, Any]:
    """Take over the features, and say what was taken."""
    config, network = origin.config, model.network
    if config.model is not None:
        begun = read_model(origin.path).model
        tensors = begun.network.state_dict()
    else:
        begun = None
        tensors = read_weights(origin.path)
    made = transfer(
        network,
        tensors,
        where=str(origin.path),
        channels=config.channels,
        keep_head=config.head == "keep",
    )
    has_standardisation = (
        begun is not None
        and config.standardise == "start"
        and begun.standardise.mean.shape[1:] in (model.standardise.mean.shape[1:], _flat(model))
    )
    if has_standardisation and begun is not None:
        model.standardise = begun.standardise
    frozen = freeze(network, config.freeze)
    progress.info(_describe_start(origin.path, made, frozen, has_standardisation))
    return {**asdict(made), "frozen": frozen, "standardise": has_standardisation}


def _flat(model: DetectorModel) -> tuple[int, int, int]:
    """Return the shape of a standardisation for each channel."""
    return (model.standardise.mean.shape[1], 1, 1)


def _describe_start(
    path: Path, made: Transferred, frozen: tuple[str, ...], has_standardisation: bool
) -> str:
    parts = [f"{path}: {len(made.taken)} tensors taken over"]
    if made.adapted:
        parts.append(f"{made.adapted} adapted to the channels")
    if has_standardisation:
        parts.append("the standardisation, too")
    for words, names in (("new are", made.fresh), ("not used are", made.unused)):
        if names:
            shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            parts.append(f"{words} {shown}")
    parts.append(f"frozen are {', '.join(frozen)}" if frozen else "nothing is frozen")
    return "; ".join(parts)


def _split(store: ImageStore, name: str, config: TrainConfig, task: Task) -> AnySplit:
    split = store.splits[name]
    if split.n_events == 0:
        raise DataError(
            f"{store.path}: the {name} split is empty: give preprocess.split.{name} a share"
        )
    rows = None
    if config.max_events is not None and config.max_events < split.n_events:
        rows = stratified_rows(split.label, config.max_events, seed=config.seed)
    return open_split(
        split,
        weights=config.weights,
        memory=int(config.memory_gib * 2**30),
        rows=rows,
        inputs=config.inputs,
        wanted=task.wanted,
    )


def _standardise(config: StandardiseConfig | None, store: ImageStore) -> Standardise:
    mean, std = store.statistics["mean"], store.statistics["std"]
    if config is None:
        flat = np.zeros((len(mean), *[1] * (mean.ndim - 1)))
        return Standardise(flat, flat + 1)
    limit = None
    if config.clip is not None:
        limit, sums = _clipped_sums(store.splits["train"], config.clip)
        mean, std = sums.mean, sums.std
    if config.per == "channel":
        axes = tuple(range(1, mean.ndim))
        square = (std**2 + mean**2).mean(axis=axes, keepdims=True)
        mean = mean.mean(axis=axes, keepdims=True)
        std = np.sqrt(np.clip(square - mean**2, 0, None))
    return Standardise.from_statistics(
        mean, std, floor=config.floor, relative_floor=config.relative_floor, limit=limit
    )


def _clipped_sums(train: ImageSplit, share: float) -> tuple[NDArray[np.float32], PixelSums]:
    """Return how large pixels may be, and the sums over images that are cut to that."""

    def read() -> Iterator[Images]:
        return (images for _, images in train.iter_images())

    shape = train.schema.shape
    limits = clip_limits(read, n_channels=shape[0], share=share)
    blank = DenseImages(np.zeros((0, *shape), dtype=np.float32))
    sums = pixel_sums(blank, np.zeros(0, dtype=np.int64), n_classes=1)
    for images in read():
        labels = np.zeros(images.n_images, dtype=np.int64)
        sums += pixel_sums(clipped(images, limits), labels, n_classes=1)
    return limits, sums


def _check_tiles(task: Task, images: Artifact) -> None:
    """Refuse to learn of each tile what is known of its frame alone."""
    if images.manifest.contents.get("tiling") is not None and not task.is_per_pixel:
        raise ConfigError(
            f"train.task: {task.description['name']} is about whole images, but {images.path} "
            "holds tiles of them, none of which has a truth of its own: leave out preprocess.tiles "
            "and make the images again, or set train.task to segmentation, pixel-regression or "
            "localisation"
        )


def _check_inputs(names: Sequence[str], store: ImageStore, progress: Progress) -> None:
    """Refuse columns that say nothing of an event, and warn of those that give its class away."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"train.inputs: {twice[0]} is named twice: name each column once")
    for name in names:
        if name in _BOOKKEEPING:
            raise ConfigError(
                f"train.inputs: {name} says where an event comes from and nothing of what it is: "
                "leave it out"
            )
        split = store.splits["train"]
        values, label = split.column(name), split.label
        for index, class_name in enumerate(store.schema.classes):
            is_class = label == index
            if 0 < is_class.sum() < len(label) and np.isfinite(values).all():
                area = auc(roc_curve(values.astype(np.float64), is_class))
                if max(area, 1 - area) >= HIGHEST_AUC:
                    progress.warn(
                        f"train.inputs: {name} alone tells {class_name} from the rest with an AUC "
                        f"of {max(area, 1 - area):.4f}: is it the truth?"
                    )
                    break


def _standardise_extra(extra: Extra) -> Standardise | None:
    n_events, n_extra = extra.shape
    if n_extra == 0 or n_events == 0:
        return None
    spread = extra.std(axis=0, dtype=np.float64)
    return Standardise(extra.mean(axis=0, dtype=np.float64), np.where(spread > 0, spread, 1))


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
