"""A trained model and images that it can be shown."""

from dataclasses import dataclass
from pathlib import Path

from detcnn.artifacts.kinds import IMAGES, MODEL
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, open_artifact
from detcnn.errors import ConfigError, DataError
from detcnn.storage.reader import ImageSplit, ImageStore, open_store
from detcnn.storage.schema import STORE


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
    """Open a model and images such as it was trained on.

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
        If no images are named and none are found.
    DataError
        If an artifact is not there or damaged, the split is empty, or the images are not such as
        the model was trained on.
    """
    opened = open_artifact(model, expected=MODEL)
    path = images or _found_images(opened)
    shown = open_artifact(path, expected=IMAGES)
    made_for, given = opened.manifest.contents, shown.manifest.contents
    for name in ("classes", "image_shape", "channels", "axes", "image"):
        if made_for[name] != given[name]:
            raise DataError(
                f"{path}: {name.replace('_', ' ')} other than those that the model {model} was "
                "trained with: use the images that the model was made for"
            )
    store = open_store(path / STORE)
    chosen = store.splits[split]
    if chosen.n_events == 0:
        raise DataError(f"{path}: the {split} split is empty")
    return Shown(opened, shown, store, chosen)


def _found_images(model: Artifact) -> Path:
    trained_on = model.manifest.environment.get("images")
    beside = model.path.parent / "images"
    for path in ([Path(trained_on)] if trained_on else []) + [beside]:
        if (path / "manifest.json").is_file():
            return path
    raise ConfigError(
        f"{model.path}: its images are neither at {trained_on} nor at {beside}: "
        "name them with --images"
    )
