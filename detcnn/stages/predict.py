"""Stage ``predict``: a model and images to scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import IMAGES, MODEL, SCORES
from detcnn.artifacts.opening import Artifact, find_current, open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import DataError
from detcnn.progress import SILENT, Progress
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import write_parquet

TABLE = "scores.parquet"
_IMAGES_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class PredictResult:
    """What prediction made.

    Parameters
    ----------
    artifact : Artifact
        The scores.
    was_there : bool
        Whether they had been made by an earlier run from the same model and images.
    """

    artifact: Artifact
    was_there: bool = False


def run(
    *,
    model: Path,
    images: Path,
    split: str,
    output: Path,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> PredictResult:
    """Write the scores of every image of a split, with what is known of its event.

    Parameters
    ----------
    model, images : Path
        The artifacts.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    output : Path
        Where the scores go.
    overwrite : bool
        Replace existing scores.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    PredictResult

    Raises
    ------
    DataError
        If an artifact is not there or damaged, the split is empty, the images are not such as the
        model was trained on, or a score is not finite.
    OutputExistsError
        If the output exists.
    """
    model_artifact = open_artifact(model, expected=MODEL)
    images_artifact = open_artifact(images, expected=IMAGES)
    made_for, given = model_artifact.manifest.contents, images_artifact.manifest.contents
    for name in ("classes", "image_shape", "channels", "axes", "image"):
        if made_for[name] != given[name]:
            raise DataError(
                f"{images}: {name.replace('_', ' ')} {given[name]}, but the model {model} was "
                f"trained with {made_for[name]}: use the images that the model was made for"
            )
    if images_artifact.manifest.digest != _digest_of_images(model_artifact):
        progress.warn(
            f"{images}: not the images that {model} was trained on: its training events may be "
            f"among those of the {split} split"
        )
    inputs = [model_artifact.as_input("model"), images_artifact.as_input("images")]
    identity = value_digest(
        {"format": SCORES.version, "inputs": [i.digest for i in inputs], "split": split}
    )
    current = find_current(output, kind=SCORES, identity=identity) if update else None
    if current is not None:
        return PredictResult(current, was_there=True)
    with build_artifact(
        output, kind=SCORES, identity=identity, overwrite=overwrite or update
    ) as builder:
        # Torch takes seconds to import; evaluating scores that are there does without.
        from detcnn.training.device import find_device
        from detcnn.training.export import read_model
        from detcnn.training.prediction import predict
        from detcnn.training.tasks import Classification

        trained = read_model(model).model
        store = open_store(images / STORE)
        chosen = store.splits[split]
        if chosen.n_events == 0:
            raise DataError(f"{images}: the {split} split is empty")
        task = Classification(len(store.schema.classes))
        trained.to(find_device())
        bar = progress.task("scoring", total=chosen.n_events, unit="images")
        scores = []
        for start in range(0, chosen.n_events, _IMAGES_AT_ONCE):
            block = chosen.images(start, min(start + _IMAGES_AT_ONCE, chosen.n_events))
            try:
                scores.append(predict(trained, task, block))
            except DataError as error:
                raise DataError(f"{images}: {split} split, from image {start}: {error}") from None
            bar.advance(block.n_images)
        bar.finish()
        columns = {
            "label": chosen.label,
            "weight": chosen.weight,
            **{
                f"score_{i}": values
                for i, values in enumerate(np.ascontiguousarray(np.concatenate(scores).T))
            },
            **{f"column_{name}": chosen.column(name) for name in chosen.column_names},
        }
        write_parquet(builder.folder / TABLE, columns)
        artifact = builder.publish(
            stage="predict",
            config={"split": split},
            inputs=inputs,
            contents={
                "split": split,
                "classes": list(store.schema.classes),
                "n_events": chosen.n_events,
                "columns": list(chosen.column_names),
            },
            circumstances={"model": str(model), "images": str(images)},
        )
    return PredictResult(artifact)


def _digest_of_images(model: Artifact) -> str:
    return next(entry.digest for entry in model.manifest.inputs if entry.role == "images")
