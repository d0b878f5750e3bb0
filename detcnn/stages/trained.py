"""A trained model and images that it can be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.kinds import IMAGES, MODEL
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, is_artifact, open_artifact
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.progress import Progress
from detcnn.storage.reader import ImageSplit, ImageStore, open_store
from detcnn.storage.schema import MOST_SPARSE, STORE

SAME = ("classes", "image_shape", "channels", "axes")
"""Of an image store's contents, what has to be as a model was trained with."""

_PATCHES_ACROSS = 11


@dataclass(frozen=True, slots=True)
class Shown:
    """A model and a split of images.

    Parameters
    ----------
    model, images : Artifact
        The two.
    store : ImageStore
        The images.
    split : ImageSplit
        The part of them that the model is shown.
    """

    model: Artifact
    images: Artifact
    store: ImageStore
    split: ImageSplit

    @property
    def inputs(self) -> list[Input]:
        """The records of what an artifact is made from."""
        return [self.model.as_input("model"), self.images.as_input("images")]


def show(model: Path, images: Path | None, *, split: str) -> Shown:
    """Open a classifier and images such as it was trained on.

    Parameters
    ----------
    model : Path
        The artifact.
    images : Path, optional
        The artifact; by default the images that the model was trained on, where they were then, or
        the folder ``images`` beside the model.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.

    Raises
    ------
    ConfigError
        If the model is no classifier, or no images are named and none are found.
    DataError
        If an artifact is not there or damaged, the split is empty, or the images are not such as
        the model was trained on.
    """
    opened = open_artifact(model, expected=MODEL)
    task = opened.manifest.contents["task"]["name"]
    if task != "classification":
        raise ConfigError(
            f"{model}: has learned {task}, and what the score of a class comes from is shown of "
            "classifications alone: detcnn evaluate draws what this model says of events"
        )
    path = images or found_images(opened)
    shown = open_artifact(path, expected=IMAGES)
    require_fit(opened, shown)
    store = open_store(path / STORE)
    chosen = store.splits[split]
    if chosen.n_events == 0:
        raise DataError(f"{path}: the {split} split is empty")
    return Shown(opened, shown, store, chosen)


def require_fit(model: Artifact, images: Artifact) -> None:
    """Refuse images that a model was not made for.

    Raises
    ------
    DataError
        Naming what differs.
    """
    given = images.manifest.contents
    names = (*SAME, "image")
    require_same(model, {name: given[name] for name in names}, place=str(images.path))


def warn_of_other_task(models: Sequence[Path], task: str, progress: Progress) -> None:
    """Warn of models that have learned something else than a study says.

    Parameters
    ----------
    models : sequence of Path
        The artifacts.
    task : str
        Name of the study's task.
    progress : Progress
        Hears of it.

    Raises
    ------
    DataError
        If an artifact is not there or damaged.
    """
    for path in models:
        learned = open_artifact(path, expected=MODEL).manifest.contents["task"]["name"]
        if learned != task:
            progress.warn(
                f"{path}: has learned {learned}, and the study's train.task is {task}: what "
                f"follows is of {learned}"
            )


def require_same(model: Artifact, given: Mapping[str, Any], *, place: str) -> None:
    """Refuse images that are not made, or would not be, as a model was trained with.

    Parameters
    ----------
    model : Artifact
        The model.
    given : mapping
        Of an image store's contents, what is to be the same.
    place : str
        Where the images are or what makes them, for the message.

    Raises
    ------
    DataError
        Naming what differs.
    """
    made_for = model.manifest.contents
    for name, value in given.items():
        if made_for[name] != value:
            here, there = _differing(value, made_for[name])
            raise DataError(
                f"{place}: {name.replace('_', ' ')} {here}, but the model {model.path} was "
                f"trained with {there}: use the images that the model was made for"
            )


def _differing(given: Any, made_for: Any) -> tuple[Any, Any]:
    """Return what differs; of two sections, the keys of which it does."""
    if not (isinstance(given, dict) and isinstance(made_for, dict)):
        return given, made_for
    keys = [k for k in {**given, **made_for} if given.get(k) != made_for.get(k)]
    return {k: given.get(k) for k in keys}, {k: made_for.get(k) for k in keys}


def usual_patch(grid: Grid) -> int:
    """Return the side of the patches that are emptied for an occlusion map, in pixels.

    Of a volume, a patch goes through all layers; a waveform is a picture of one row.
    """
    return max(1, round(min(grid.shape[-2:]) / _PATCHES_ACROSS))


def empty_image(store: ImageStore, occupancy: float) -> tuple[NDArray[np.float32], bool]:
    """Return what the pixels of an empty image hold, (channels, *axes), and whether it is zero.

    Where most pixels are empty in every image zero is what an empty one holds; in a full image
    there is no such value, and the mean over the training images tells the least.
    """
    is_zero = occupancy <= MOST_SPARSE
    empty = np.zeros(store.schema.shape) if is_zero else store.statistics["mean"]
    return empty.astype(np.float32), is_zero


def digest_of_images(made: Artifact) -> str:
    """Return the digest of the images that a model, or scores, are made from."""
    return next(entry.digest for entry in made.manifest.inputs if entry.role == "images")


def found_images(model: Artifact) -> Path:
    """Return the images that a model was trained on.

    Raises
    ------
    ConfigError
        If they are not where they were then, nor beside the model.
    """
    digest = digest_of_images(model)
    then = Path(model.manifest.environment.get("images", "images"))
    places = (then, model.path.parent / "images")
    for path in places:
        # Another folder of the name may be there by now, or where the process runs today.
        if is_artifact(path) and open_artifact(path).manifest.digest == digest:
            return path
    raise ConfigError(
        f"{model.path}: the images it was trained on are neither at {places[0]} nor at "
        f"{places[1]}: name them with --images"
    )
