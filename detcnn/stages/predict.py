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
from detcnn.config.evaluate import CONFIDENCE, OcclusionConfig, VariationsConfig
from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.occlusion import OcclusionSums, occlusion_table
from detcnn.events.images import as_dense, filled_planes
from detcnn.events.sampling import sample_of_each_class
from detcnn.progress import SILENT, Progress
from detcnn.stages.frames import FrameMaps, Frames, open_frames
from detcnn.stages.scores import Scorer, score_writer
from detcnn.stages.trained import (
    digest_of_images,
    empty_image,
    found_images,
    require_fit,
    usual_patch,
)
from detcnn.storage.masks import MASKS, write_masks
from detcnn.storage.reader import ImageSplit, ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import write_parquet

if TYPE_CHECKING:
    from detcnn.models.standardise import DetectorModel
    from detcnn.training.export import TrainedModel
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
    confidence: float = CONFIDENCE,
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
    confidence : float
        Of a localisation: what points have, at least, that are counted; all are written.
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
    learned = models[0].manifest.contents["task"]["name"]
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
        # Other scores do not depend on it.
        **({"confidence": confidence} if learned == "localisation" else {}),
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
        from detcnn.training.splits import stored_extra

        read = [read_model(artifact.path) for artifact in models]
        task = _common_task(models, read, tta=tta)
        store = open_store(images / STORE)
        frames = open_frames(images_artifact, split)
        chosen = frames.split
        if chosen.n_events == 0:
            raise DataError(f"{images}: the {split} split is empty")
        for one in read:
            one.model.to(find_device())
        variations = _variations(tta, store)
        scorer = Scorer(read, task, variations)
        writer = score_writer(
            task,
            builder.folder,
            frames=frames,
            n_filled=_n_filled(chosen, task),
            confidence=confidence,
        )
        is_occluded = occlusion is not None and task.description["name"] == "classification"
        rows = np.empty(0, dtype=np.int64)
        if occlusion is not None and is_occluded:
            rows = sample_of_each_class(
                chosen.label,
                len(store.schema.classes),
                n=occlusion.events,
                seed=occlusion.seed,
                purpose="occlusion",
            )
        bar = progress.task("scoring", total=chosen.n_events, unit="images")
        samples = []
        for start, block in chosen.iter_images():
            stop = start + block.n_images
            extras = [stored_extra(chosen, one.description.inputs, start, stop) for one in read]
            try:
                for part, scores in scorer.iter_scores(block, extras=extras, first_row=start):
                    writer.append(block.slice(part.start, part.stop), scores)
                    bar.advance(part.stop - part.start)
            except DataError as error:
                raise DataError(f"{images}: {split} split, from image {start}: {error}") from None
            within = rows[(rows >= start) & (rows < stop)] - start
            samples.append(as_dense(block.take(within)).values)
        bar.finish()
        said = writer.close()
        if task.description["name"] == "segmentation":
            _write_masks(builder.folder, frames, task)
        columns: dict[str, NDArray[Any]] = {
            # The only class says nothing of an event.
            **({"label": chosen.label} if len(store.schema.classes) > 1 else {}),
            "weight": chosen.weight,
            **said,
            **{f"column_{name}": chosen.column(name) for name in chosen.column_names},
        }
        write_parquet(builder.folder / TABLE, columns)
        made = None
        if occlusion is not None and is_occluded:
            made = _occlude(
                [one.model for one in read],
                task,
                np.concatenate(samples),
                chosen.label[rows],
                extras=[stored_extra(chosen, one.description.inputs)[rows] for one in read],
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
                "task": task.description,
                "split": split,
                "classes": list(store.schema.classes),
                "n_events": frames.n_frames,
                "columns": list(chosen.column_names),
                "occlusion": made,
            },
            circumstances={
                "model": [str(artifact.path) for artifact in models] if further else str(model),
                "images": str(images),
            },
        )
    return PredictResult(artifact)


def _common_task(
    artifacts: Sequence[Artifact], models: Sequence["TrainedModel"], *, tta: VariationsConfig | None
) -> "Task":
    """Return the task of models whose scores are averaged."""
    from detcnn.training.task_descriptions import read_task

    tasks = [read_task(one.description.task) for one in models]
    first = tasks[0]
    for artifact, task in zip(artifacts, tasks, strict=True):
        same = (task.description["name"], task.score_names, task.wanted, task.n_outputs)
        if same != (first.description["name"], first.score_names, first.wanted, first.n_outputs):
            raise DataError(
                f"{artifact.path}: has learned {task.description['name']} "
                f"{', '.join(task.score_names)}, but {artifacts[0].path} "
                f"{first.description['name']} {', '.join(first.score_names)}: only models of one "
                "task can be averaged"
            )
    if first.wanted.points is not None and len(tasks) > 1:
        raise ConfigError("points found by several models have no mean: name one model")
    if first.is_per_pixel and tta is not None:
        raise ConfigError(
            "evaluate.tta: what is said of the pixels of a changed image is not of those of the "
            "image: set it to null"
        )
    return first


def _n_filled(split: ImageSplit, task: "Task") -> int:
    """Return how many pixels will have scores, where only filled ones do."""
    if not task.wanted.only_filled or task.wanted.pixels is None:
        return 0
    # New events have no truth that would tell.
    planes = int(task.description["planes"])
    blocks = (block for _, block in split.iter_images())
    of_channels = task.wanted.of_channels
    return sum(len(filled_planes(b, planes, of_channels=of_channels).pixel) for b in blocks)


def _write_masks(folder: Path, frames: Frames, task: "Task") -> None:
    """Write the class of each pixel of whole frames, background where nothing was said."""
    maps = FrameMaps(frames, folder, task.description)
    event_id = frames.split.column("event_id")
    write_masks(
        folder / MASKS,
        (
            maps.classes(maps.read(start, stop)) * maps.valid(start, stop)
            for start, stop in maps.iter_ranges()
        ),
        shape=(int(task.description["planes"]), *frames.grid.shape),
        classes=task.description["classes"],
        event_id=event_id[frames.first_rows(event_id)],
    )


def _check_fit(model: Artifact, images: Artifact, *, split: str, progress: Progress) -> None:
    """Refuse images that a model was not made for, and warn of events that it was trained with."""
    require_fit(model, images)
    if images.manifest.digest == digest_of_images(model):
        return
    try:
        trained_on = found_images(model)
    except ConfigError:
        progress.warn(
            f"{images.path}: not the images that {model.path} was trained on, which are no longer "
            f"there: its training events may be among those of the {split} split"
        )
        return
    frames = open_frames(images, split)
    event_id = frames.split.column("event_id")
    ids = [
        event_id[frames.first_rows(event_id)],
        open_store(trained_on / STORE).splits["train"].column("event_id"),
    ]
    n_seen = int(np.isin(ids[0], ids[1]).sum())
    if n_seen:
        progress.warn(
            f"{images.path}: {n_seen:,} of the {len(ids[0]):,} events of the {split} split have "
            f"the id of one that {model.path} was trained with: what it says of them is no test, "
            "unless two files merely number their events alike"
        )


def _variations(config: VariationsConfig | None, store: ImageStore) -> "Variations":
    from detcnn.stages.policies import policies_of
    from detcnn.training.variations import AS_IT_IS, Variations

    if config is None:
        return AS_IT_IS
    policies = policies_of(config.augment, store.schema.grid)
    return Variations(policies=policies, draws=config.draws, seed=config.seed)


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
