"""New files for a trained model: their events become images such as it was trained on.

The image, hits, steps and tiles of the study are held against those in the model, so that a model
is never shown images that were made in another way.
"""

from collections.abc import Sequence
from pathlib import Path

from detcnn.artifacts.kinds import MODEL
from detcnn.artifacts.opening import open_artifact
from detcnn.config.preprocess import PreprocessConfig
from detcnn.events.labels import Classes
from detcnn.progress import SILENT, Progress
from detcnn.stages import preprocess
from detcnn.stages.preprocess import PreprocessResult
from detcnn.stages.preprocessing.image_plan import ImagePlan, image_identity
from detcnn.stages.trained import SAME, require_same
from detcnn.storage.schema import ChannelInfo, Schema


def run(
    config: PreprocessConfig,
    *,
    files: Sequence[str],
    model: Path,
    base: Path,
    output: Path,
    workers: int = 1,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> PreprocessResult:
    """Turn new files into images for a model.

    Parameters
    ----------
    config : PreprocessConfig
        What the study says. The files are laid out as its first source; its split and its classes
        do not count.
    files : sequence of str
        Paths, patterns or ``@list.txt``.
    model : Path
        The artifact.
    base : Path
        Folder that relative input paths start from.
    output : Path
        Where the images go.
    workers : int
        Number of processes; the result does not depend on it.
    overwrite : bool
        Replace existing images.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    PreprocessResult

    Raises
    ------
    ConfigError
        If the study makes other images than those of the model, or does not fit the files.
    DataError
        If the model or the input is malformed, or the files make other images than the model's.
    OutputExistsError
        If the output exists or is being written.
    """
    opened = open_artifact(model, expected=MODEL)
    require_same(opened, {"image": image_identity(config, base=base)}, place="the study")

    def check(plan: ImagePlan) -> None:
        planned = Schema("dense", plan.grid, plan.channels, plan.classes.names).attributes()
        require_same(
            opened, {name: planned[name] for name in SAME}, place=str(plan.sources[0].path)
        )

    # Torch takes seconds to import, which a study that does not fit need not wait for.
    from detcnn.training.export import read_description

    labels = read_description(model).images["class_labels"]
    source = config.sources[0].model_copy(update={"path": tuple(files), "class_name": None})

    return preprocess.run(
        config.model_copy(update={"sources": (source,)}),
        base=base,
        output=output,
        unstated=tuple(ChannelInfo(**told) for told in opened.manifest.contents["channels"]),
        check=check,
        unseen_by=Classes(tuple(labels), tuple(tuple(values) for values in labels.values())),
        workers=workers,
        overwrite=overwrite,
        update=update,
        progress=progress,
    )
