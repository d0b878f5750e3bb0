"""From the scores and images of an evaluation to what simpler discriminants are worth."""

from collections.abc import Sequence

import numpy as np

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError
from detcnn.evaluation.baselines import Baselines, TrainingEvents, evaluate_baselines
from detcnn.evaluation.classification import ClassificationEvaluation
from detcnn.evaluation.inputs import scored_events
from detcnn.stages.predict import TABLE
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet

_OF_READY_IMAGES = "pixel_sum"


def find_baselines(
    config: EvaluateConfig,
    evaluation: ClassificationEvaluation,
    *,
    scores: Artifact,
    images: Artifact,
) -> Baselines | None:
    """Return the baselines beside a network's evaluation, made from the images' training split.

    Returns
    -------
    Baselines or None
        None if none are asked for, and by default where there are no observables.

    Raises
    ------
    ConfigError
        If a column is not there.
    DataError
        If a table or the store is damaged, or a column holds NaN or infinite values.
    """
    names = _names(config, images, scores.manifest.contents["columns"])
    if not names:
        return None
    store = open_store(images.path / STORE)
    training = store.splits["train"]
    classes = store.schema.classes
    table = read_parquet(scores.path / TABLE)
    return evaluate_baselines(
        evaluation,
        scored_events(
            np.column_stack([table[f"score_{i}"] for i in range(len(classes))]),
            table["label"],
            classes=classes,
            weights=table["weight"],
        ),
        {name: table[f"column_{name}"] for name in names},
        training=TrainingEvents(
            labels=training.label,
            weights=training.training_weight.astype(np.float64),
            columns={name: training.column(name) for name in names},
        ),
        event_id=table["column_event_id"],
        n_replicas=config.replicas,
        seed=config.seed,
    )


def _names(config: EvaluateConfig, images: Artifact, columns: Sequence[str]) -> tuple[str, ...]:
    if config.baselines == "none":
        return ()
    if config.baselines == "auto":
        # Columns of the input may be anything, also the truth; these were worked out.
        contents = images.manifest.contents
        worked_out = (*contents.get("observables", ()), _OF_READY_IMAGES)
        return tuple(name for name in worked_out if name in columns)
    for name in config.baselines:
        if name not in columns:
            raise ConfigError(
                f"evaluate.baselines: no column {name!r} in the scores; "
                f"there are: {', '.join(columns)}"
            )
    return config.baselines
