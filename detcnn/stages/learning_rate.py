"""Stage ``train --find-learning-rate``: what the loss does while the learning rate rises."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import LEARNING_RATES
from detcnn.artifacts.opening import Artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.train import TrainConfig
from detcnn.plotting.style import write_figure
from detcnn.plotting.training import learning_rate_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages.training_plan import open_assignment, plan_training
from detcnn.storage.csv_tables import write_csv
from detcnn.training.loop import start_training
from detcnn.training.range_test import RatePoint, RateSuggestion, iter_range_test, suggest_rate

LOWEST = 1e-6
HIGHEST = 10.0
N_STEPS = 200


@dataclass(frozen=True, slots=True)
class LearningRateResult:
    """What the search made.

    Parameters
    ----------
    artifact : Artifact
        The table and the figure.
    points : sequence of RatePoint
        The steps that were made.
    suggestion : RateSuggestion
        What they show.
    """

    artifact: Artifact
    points: Sequence[RatePoint]
    suggestion: RateSuggestion


def run(
    config: TrainConfig,
    *,
    images: Path,
    output: Path,
    base: Path = Path(),
    low: float = LOWEST,
    high: float = HIGHEST,
    n_steps: int = N_STEPS,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> LearningRateResult:
    """Make some steps with a rising learning rate, and tell what it does to the loss.

    Parameters
    ----------
    config : TrainConfig
        How the network would be trained.
    images : Path
        The images artifact.
    output : Path
        Where the result goes.
    base : Path
        Folder that the paths of `config` start from.
    low, high : float
        The first rate and the last.
    n_steps : int
        Steps at most.
    overwrite : bool
        Replace an existing result.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    LearningRateResult

    Raises
    ------
    ConfigError
        If the network does not fit the images.
    DataError
        If the images are not there or damaged, or the loss never falls.
    OutputExistsError
        If the output exists.
    """
    assignment = open_assignment(config, images=images, base=base)
    refuse_existing(output, overwrite=overwrite)
    section = {**assignment.config.identity(), "range": [low, high, n_steps]}
    identity = value_digest(
        {
            "format": LEARNING_RATES.version,
            "config": section,
            "inputs": [entry.digest for entry in assignment.inputs],
        }
    )
    plan = plan_training(assignment, progress=progress)
    with build_artifact(
        output, kind=LEARNING_RATES, identity=identity, overwrite=overwrite
    ) as builder:
        state = start_training(plan.model, options=plan.options, device=plan.device)
        bar = progress.task("raising the learning rate", total=n_steps, unit="steps")
        points = []
        for point in iter_range_test(
            state,
            plan.task,
            plan.batches(),
            options=plan.options,
            low=low,
            high=high,
            n_steps=n_steps,
        ):
            points.append(point)
            bar.advance()
        bar.finish()
        suggestion = suggest_rate(points)
        write_csv(builder.folder / "learning_rates.csv", [asdict(point) for point in points])
        figure = learning_rate_figure(
            [point.learning_rate for point in points],
            [point.loss for point in points],
            [point.smoothed_loss for point in points],
            marks={"suggested": suggestion.suggested, "lowest loss": suggestion.lowest},
        )
        write_figure(figure, builder.folder, "learning_rates")
        artifact = builder.publish(
            stage="train",
            config=section,
            inputs=assignment.inputs,
            contents={"n_steps": len(points), **asdict(suggestion)},
            circumstances={"images": str(images)},
        )
    return LearningRateResult(artifact, points, suggestion)
