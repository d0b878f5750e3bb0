"""From the scores and images of an evaluation to what the network has learned."""

from dataclasses import dataclass

import numpy as np

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.evaluation.classification import ClassificationEvaluation
from detcnn.evaluation.correlation import pixel_correlation
from detcnn.evaluation.discriminant import discriminant
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.learned import Learned, evaluate_learned
from detcnn.evaluation.occlusion import occlusion_from_table
from detcnn.plotting.learned import ImageMaps, learned_section
from detcnn.plotting.report import Section
from detcnn.stages.predict import OCCLUSION, TABLE
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet


@dataclass(frozen=True, slots=True)
class LearnedPart:
    """What evaluation says of it: in numbers, and in the report."""

    learned: Learned
    section: Section


def describe_learned(
    config: EvaluateConfig,
    evaluation: ClassificationEvaluation,
    *,
    scores: Artifact,
    images: Artifact,
) -> LearnedPart:
    """Return what the network learned, from its scores and the images they are of.

    Raises
    ------
    DataError
        If a table or the store is damaged.
    """
    contents = scores.manifest.contents
    classes: list[str] = contents["classes"]
    table = read_parquet(scores.path / TABLE)
    events = scored_events(
        np.column_stack([table[f"score_{i}"] for i in range(len(classes))]),
        table["label"],
        classes=classes,
        weights=table["weight"],
    )
    headline = evaluation.headline
    (signal,), background = headline.signal, headline.background
    sides = [classes.index(signal)], [classes.index(name) for name in background]
    value = discriminant(events.scores, signal=sides[0], background=sides[1])
    learned = evaluate_learned(
        events,
        value,
        {name: table[f"column_{name}"] for name in contents["columns"]},
        background=background,
        working_points=headline.working_points,
        level=config.level,
        n_replicas=config.replicas,
        seed=config.seed,
    )
    store = open_store(images.path / STORE)
    means, n_train = store.statistics["class_mean"], images.manifest.contents["n_events"]["train"]
    signal_mean, background_mean = (
        np.average(means[side], axis=0, weights=[max(n_train[classes[i]], 1) for i in side])
        for side in sides
    )
    made: dict[str, object] | None = contents["occlusion"]
    channels = store.schema.picture_channels
    picture = len(channels), *store.schema.grid.picture.shape
    maps = ImageMaps(
        grid=store.schema.grid.picture,
        channels=[channel.name for channel in channels],
        units=[channel.unit for channel in channels],
        signal_mean=signal_mean.reshape(picture),
        background_mean=background_mean.reshape(picture),
        correlation=pixel_correlation(
            (block.folded for _, block in store.splits[contents["split"]].iter_images()),
            value,
            weights=events.weights,
        ),
        occlusion=occlusion_from_table(read_parquet(scores.path / OCCLUSION)) if made else None,
        occlusion_made=made or {},
    )
    section = learned_section(
        learned,
        maps,
        classes=classes,
        signal=signal,
        background=background[0] if len(background) == 1 else "background",
    )
    return LearnedPart(learned, section)
