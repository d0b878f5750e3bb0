"""From the ``task`` section of a study, and the images it is learned from, to a task."""

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from detcnn.config.tasks import (
    ClassificationConfig,
    LocalisationConfig,
    MultiLabelConfig,
    MultiTaskConfig,
    PixelRegressionConfig,
    RegressionConfig,
    SegmentationConfig,
    TaskConfig,
)
from detcnn.config.train import FavourConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import as_dense
from detcnn.imaging.weighting import class_weights
from detcnn.storage.reader import ImageSplit, ImageStore
from detcnn.training.foreground import Favour
from detcnn.training.localisation import Localisation
from detcnn.training.multi_task import Head, MultiTask
from detcnn.training.pixel_tasks import PixelRegression, Segmentation
from detcnn.training.splits import stored_truth
from detcnn.training.tasks import Classification, Task, Wanted
from detcnn.training.value_tasks import MultiLabel, Regression, Scale

_VALUES_AT_ONCE = 1 << 24

_PEAKS_PER_POINT = 2
"""What a network may find for each point of the fullest event: some are false."""


def build_task(config: TaskConfig, store: ImageStore) -> Task:
    """Return the task that a ``task`` section describes.

    What it takes of the images, such as the spread of a target, is that of the training split.

    Raises
    ------
    ConfigError
        If the images do not have what is to be learned.
    DataError
        If a target cannot be learned.
    """
    match config:
        case ClassificationConfig():
            return _classification(config, store)
        case RegressionConfig():
            return _regression(config, store.splits["train"])
        case MultiLabelConfig():
            return _multi_label(config, store.splits["train"])
        case MultiTaskConfig():
            return MultiTask(
                {n: Head(build_task(h.task, store), h.weight) for n, h in config.heads.items()}
            )
        case SegmentationConfig():
            return _segmentation(config, store)
        case PixelRegressionConfig():
            return _pixel_regression(config, store)
        case LocalisationConfig():
            return Localisation(
                config.points,
                width=config.width,
                offset_weight=config.offset_weight,
                tolerance=config.tolerance,
                most=max(1, _PEAKS_PER_POINT * store.schema.points_of(config.points).most),
            )


def build_favour(config: FavourConfig | None, task: Task) -> Favour | None:
    """Return which images of a task are favoured, if any are.

    Raises
    ------
    ConfigError
        If the task has no classes of pixels, or not these.
    """
    if config is None:
        return None
    if not isinstance(task, Segmentation):
        raise ConfigError(
            "train.favour: images are favoured for their classes of pixels, which this task does "
            "not learn: set train.task to segmentation, or leave favour out"
        )
    foreground = task.classes[1:]
    for name in config.classes:
        if name not in foreground:
            raise ConfigError(
                f"train.favour.classes: no class {name!r} of pixels beside the background; there "
                f"are: {', '.join(foreground)}"
            )
    numbers = tuple(task.classes.index(name) for name in config.classes)
    return Favour(numbers, config.share, task.planes)


def _classification(config: ClassificationConfig, store: ImageStore) -> Classification:
    classes = store.schema.classes
    if len(classes) < 2:
        raise ConfigError(
            f"a classifier needs two classes or more, the images have {', '.join(classes)}: add a "
            "class, a source, or a label column, or set train.task to what else is to be learned"
        )
    return Classification(len(classes), loss=config.loss, label_smoothing=config.label_smoothing)


def _regression(config: RegressionConfig, split: ImageSplit) -> Regression:
    is_log = config.scale == "log"
    scales = {}
    for name in config.targets:
        values = _column(split, name, "regression")
        if is_log:
            if values.min() <= 0:
                raise DataError(
                    f"train.task: target {name!r} is {values.min():g} in an event, and its "
                    "logarithm is to be learned: cut such events with preprocess.select, or set "
                    "scale: linear"
                )
            values = np.log(values)
        spread = float(values.std())
        if spread == 0:
            raise DataError(
                f"train.task: target {name!r} is the same in all training events: there is "
                "nothing to learn"
            )
        scales[name] = Scale(float(values.mean()), spread, is_log)
    return Regression(scales, loss=config.loss)


def _multi_label(config: MultiLabelConfig, split: ImageSplit) -> MultiLabel:
    weights = []
    for name in config.labels:
        values = _column(split, name, "multi-label")
        if not np.isin(values, (0, 1)).all():
            bad = values[~np.isin(values, (0, 1))][0]
            raise DataError(f"train.task: label {name!r} is {bad:g} in an event, expected 0 or 1")
        n_yes = int(values.sum())
        if n_yes in (0, len(values)):
            raise DataError(f"train.task: label {name!r} is the same in all training events")
        weights.append((len(values) - n_yes) / n_yes)
    return MultiLabel(config.labels, positive_weights=tuple(weights) if config.balance else ())


def _column(split: ImageSplit, name: str, task: str) -> NDArray[np.float64]:
    if name not in split.column_names:
        raise ConfigError(
            f"train.task: {task}: the images have no column {name!r}; there are: "
            f"{', '.join(split.column_names)}: name it in the study under "
            "preprocess.sources[].columns"
        )
    values = split.column(name).astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(
            f"train.task: column {name!r} of training event {row} is {values[row]}, expected a "
            "number: cut such events with preprocess.select"
        )
    return values


def _segmentation(config: SegmentationConfig, store: ImageStore) -> Segmentation:
    info = store.schema.truth_of(config.truth)
    if not info.classes:
        raise ConfigError(
            f"train.task: the pixel truth {config.truth!r} has no classes: give them under "
            "preprocess.sources[].pixels, or set the task to pixel-regression"
        )
    wanted = Wanted(
        pixels=info.name,
        only_filled=config.pixels == "filled",
        of_channels=info.of_channels,
    )
    weights: tuple[float, ...] = ()
    if isinstance(config.class_weights, Mapping):
        unknown = [name for name in config.class_weights if name not in info.classes]
        if unknown:
            raise ConfigError(
                f"train.task.class_weights: {unknown[0]!r} is no class of the pixel truth "
                f"{config.truth!r}; there are: {', '.join(info.classes)}"
            )
        weights = tuple(config.class_weights.get(name, 1.0) for name in info.classes)
    elif config.class_weights != "none":
        counts = _pixel_counts(store.splits["train"], wanted, len(info.classes), info.planes)
        missing = [n for n, count in zip(info.classes, counts, strict=True) if count == 0]
        if missing:
            raise DataError(
                f"train.task.class_weights: no pixel of the training split is of class "
                f"{missing[0]!r}: give the weights by name, or set them to none"
            )
        weights = tuple(class_weights(counts.astype(np.float64), how=config.class_weights).tolist())
    losses = {config.loss: 1.0} if isinstance(config.loss, str) else dict(config.loss)
    return Segmentation(
        info.name,
        classes=info.classes,
        planes=info.planes,
        losses=losses,
        class_weights=weights,
        focal_gamma=config.focal_gamma,
        tversky_weights=config.tversky,
        only_filled=wanted.only_filled,
        of_channels=wanted.of_channels,
    )


def _pixel_regression(config: PixelRegressionConfig, store: ImageStore) -> PixelRegression:
    info = store.schema.truth_of(config.truth)
    wanted = Wanted(
        pixels=info.name,
        only_filled=config.pixels == "filled",
        of_channels=info.of_channels,
    )
    squares, n_pixels = 0.0, 0
    for values, is_counted in _iter_pixels(store.splits["train"], wanted, info.planes):
        squares += float(np.square(values[is_counted], dtype=np.float64).sum())
        n_pixels += int(np.count_nonzero(is_counted))
    if squares == 0:
        raise DataError(
            f"train.task: the pixel truth {config.truth!r} is zero in all training events: there "
            "is nothing to learn"
        )
    return PixelRegression(
        info.name,
        planes=info.planes,
        spread=float(np.sqrt(squares / n_pixels)),
        loss=config.loss,
        only_filled=wanted.only_filled,
        of_channels=wanted.of_channels,
    )


def _pixel_counts(
    split: ImageSplit, wanted: Wanted, n_classes: int, planes: int
) -> NDArray[np.int64]:
    """Return how many pixels that count each class has."""
    counts = np.zeros(n_classes, dtype=np.int64)
    for values, is_counted in _iter_pixels(split, wanted, planes):
        is_known = is_counted & (values >= 0) & (values < n_classes)
        counts += np.bincount(values[is_known].astype(np.int64), minlength=n_classes)
    return counts


def _iter_pixels(
    split: ImageSplit, wanted: Wanted, planes: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield what is true of the pixels of some events, and which of them count."""
    at_once = max(1, _VALUES_AT_ONCE // prod(split.schema.shape))
    for start in range(0, split.n_events, at_once):
        stop = min(start + at_once, split.n_events)
        truth = stored_truth(split, wanted, split.images(start, stop), start, stop)
        assert truth is not None
        values = as_dense(truth).values
        counts = values[:, planes:] > 0 if wanted.only_filled else np.ones_like(values, np.bool_)
        yield values[:, :planes], counts
