"""What the scores of a task beyond one class for each image are worth: tables, figures, sections.

Frames that were cut into tiles are put together again first: a frame is what is judged, once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.stages.frames import open_frames
from detcnn.stages.judging import (
    classification,
    localisation,
    multi_label,
    pixel_regression,
    regression,
    segmentation,
)
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.judgement import Judgement, named, together
from detcnn.stages.judging.units import ToldUnits
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet


def judge(
    config: EvaluateConfig, *, scores: Artifact, images: Artifact, units: ToldUnits
) -> Judgement:
    """Judge the scores of a task that is not the classification of images.

    Parameters
    ----------
    config : EvaluateConfig
        What to quote.
    scores, images : Artifact
        The two.
    units : ToldUnits
        In which numbers are told.

    Raises
    ------
    ConfigError
        If the study asks for what is not there.
    DataError
        If an artifact is damaged, or the scores cannot be judged.
    """
    case = Case(
        config=config,
        task=scores.manifest.contents["task"],
        scores=scores,
        store=open_store(images.path / STORE),
        frames=open_frames(images, config.split),
        table=read_parquet(scores.path / "scores.parquet"),
        units=units,
    )
    return _JUDGES[case.task["name"]](case)


def _multi_task(case: Case) -> Judgement:
    parts = []
    for name, head in case.task["heads"].items():
        of_head = replace(case, task=head["task"], prefix=f"{case.prefix}{name}.")
        parts.append(named(_JUDGES[head["task"]["name"]](of_head), name))
    return together(parts, title="several tasks")


_JUDGES: Mapping[str, Callable[[Case], Judgement]] = {
    "classification": classification.judge,
    "localisation": localisation.judge,
    "multi-label": multi_label.judge,
    "multi-task": _multi_task,
    "pixel-regression": pixel_regression.judge,
    "regression": regression.judge,
    "segmentation": segmentation.judge,
}
