"""Stage ``predict``: a model and images to scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import IMAGES, MODEL, SCORES
from detcnn.artifacts.opening import Artifact, find_current, open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.config.evaluate import OcclusionConfig, VariationsConfig
from detcnn.errors import DataError
from detcnn.evaluation.occlusion import OcclusionSums, occlusion_table
from detcnn.events.images import as_dense
from detcnn.events.sampling import sample_of_each_class
from detcnn.progress import SILENT, Progress
from detcnn.stages.trained import empty_image, require_fit, usual_patch
from detcnn.storage.reader import ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import write_parquet

if TYPE_CHECKING:
    from detcnn.models.standardise import DetectorModel
    from detcnn.training.tasks import Task
    from detcnn.training.variations import Variations

TABLE = "scores.parquet"
OCCLUSION = "occlusion.parquet"


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
    further: Sequence[Path] = (),
    occlusion: OcclusionConfig | None = None,
    tta: VariationsConfig | None = None,
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
    further : sequence of Path
        More models; the scores are then the means of those of all.
    occlusion : OcclusionConfig, optional
        Also write maps of how the scores of some images change when parts of them are emptied.
    tta : VariationsConfig, optional
        Score each image in several variations, and take the mean of the scores.
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
    models = [open_artifact(path, expected=MODEL) for path in (model, *further)]
    images_artifact = open_artifact(images, expected=IMAGES)
    given = images_artifact.manifest.contents
    for artifact in models:
        _check_fit(artifact, images_artifact, split=split, progress=progress)
    inputs = [
        *(artifact.as_input("model") for artifact in models),
        images_artifact.as_input("images"),
    ]
    config = {
        "split": split,
        "occlusion": None if occlusion is None else occlusion.identity(),
        "tta": None if tta is None else tta.identity(),
    }
    identity = value_digest(
        {"format": SCORES.version, "inputs": [i.digest for i in inputs], **config}
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
        from detcnn.training.splits import stored_extra
        from detcnn.training.tasks import Classification

        read = [read_model(artifact.path) for artifact in models]
        trained = [one.model for one in read]
        inputs_of = [one.description.inputs for one in read]
        store = open_store(images / STORE)
        chosen = store.splits[split]
        if chosen.n_events == 0:
            raise DataError(f"{images}: the {split} split is empty")
        task = Classification(len(store.schema.classes))
        for network in trained:
            network.to(find_device())
        variations = _variations(tta, store)
        bar = progress.task("scoring", total=chosen.n_events, unit="images")
        rows = np.empty(0, dtype=np.int64)
        if occlusion is not None:
            rows = sample_of_each_class(
                chosen.label,
                len(store.schema.classes),
                n=occlusion.events,
                seed=occlusion.seed,
                purpose="occlusion",
            )
        scores, samples = [], []
        for start, block in chosen.iter_images():
            try:
                each = [
                    predict(
                        network,
                        task,
                        block,
                        extra=stored_extra(chosen, names, start, start + block.n_images),
                        variations=variations,
                        first_row=start,
                    )
                    for network, names in zip(trained, inputs_of, strict=True)
                ]
            except DataError as error:
                raise DataError(f"{images}: {split} split, from image {start}: {error}") from None
            scores.append(np.mean(each, axis=0, dtype=np.float64).astype(np.float32))
            within = rows[(rows >= start) & (rows < start + block.n_images)] - start
            samples.append(as_dense(block.take(within)).values)
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
        made = None
        if occlusion is not None:
            made = _occlude(
                trained,
                task,
                np.concatenate(samples),
                chosen.label[rows],
                extras=[stored_extra(chosen, names)[rows] for names in inputs_of],
                store=store,
                occupancy=given["occupancy"],
                config=occlusion,
                path=builder.folder / OCCLUSION,
                progress=progress,
            )
        artifact = builder.publish(
            stage="predict",
            config=config,
            inputs=inputs,
            contents={
                "split": split,
                "classes": list(store.schema.classes),
                "n_events": chosen.n_events,
                "columns": list(chosen.column_names),
                "occlusion": made,
            },
            circumstances={
                "model": [str(artifact.path) for artifact in models] if further else str(model),
                "images": str(images),
            },
        )
    return PredictResult(artifact)


def _check_fit(model: Artifact, images: Artifact, *, split: str, progress: Progress) -> None:
    """Refuse images that a model was not made for, and warn if they are not those it knows."""
    require_fit(model, images)
    if images.manifest.digest != _digest_of_images(model):
        progress.warn(
            f"{images.path}: not the images that {model.path} was trained on: its training events "
            f"may be among those of the {split} split"
        )


def _variations(config: VariationsConfig | None, store: ImageStore) -> "Variations":
    from detcnn.stages.policies import policies_of
    from detcnn.training.variations import AS_IT_IS, Variations

    if config is None:
        return AS_IT_IS
    policies = policies_of(config.augment, store.schema.grid)
    return Variations(policies=policies, draws=config.draws, seed=config.seed)


def _digest_of_images(model: Artifact) -> str:
    return next(entry.digest for entry in model.manifest.inputs if entry.role == "images")


def _occlude(
    models: Sequence["DetectorModel"],
    task: "Task",
    images: NDArray[np.float32],
    label: NDArray[np.int64],
    *,
    extras: Sequence[NDArray[np.float32]],
    store: ImageStore,
    occupancy: float,
    config: OcclusionConfig,
    path: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Write the occlusion maps of some images, and say how they were made."""
    from detcnn.training.occlusion import iter_occlusion

    schema = store.schema
    patch = config.patch or usual_patch(schema.grid)
    stride = config.stride or patch
    empty, is_zero = empty_image(store, occupancy)
    sums = OcclusionSums(len(schema.classes), (len(schema.classes), *schema.grid.picture.shape))
    bar = progress.task("occluding", total=len(images), unit="images")
    changes = [
        iter_occlusion(
            model,
            task,
            images,
            empty=empty,
            extra=extra,
            patch=patch,
            stride=stride,
        )
        for model, extra in zip(models, extras, strict=True)
    ]
    for *each, class_index in zip(*changes, label.tolist(), strict=True):
        # The mean of the changes is the change of the mean score.
        sums.add(np.mean(each, axis=0), class_index)
        bar.advance()
    bar.finish()
    write_parquet(path, occlusion_table(sums.maps()))
    return {"patch": patch, "stride": stride, "empty": "zero" if is_zero else "training mean"}
