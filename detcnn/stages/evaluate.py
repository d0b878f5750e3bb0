"""Stage ``evaluate``: a model and images to tables, figures and a report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import IMAGES, METRICS, MODEL, SCORES
from detcnn.artifacts.opening import Artifact, find_current, is_artifact, open_artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.evaluate import BinsConfig, EvaluateConfig
from detcnn.errors import ConfigError, OutputExistsError
from detcnn.evaluation.baselines import Baselines
from detcnn.evaluation.class_selection import Selections
from detcnn.evaluation.classification import ClassificationEvaluation, evaluate_classification
from detcnn.evaluation.event_bootstrap import caution_of
from detcnn.evaluation.export import (
    baseline_rows,
    learned_rows,
    plain,
    selection_rows,
    table_rows,
)
from detcnn.events.identity import physical_events
from detcnn.plotting.baselines import baselines_section
from detcnn.plotting.class_selection import selections_section
from detcnn.plotting.classification import classification_sections
from detcnn.plotting.images import images_figure
from detcnn.plotting.report import Details, Picture, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages import predict
from detcnn.stages.frames import open_frames
from detcnn.stages.history import draw_history
from detcnn.stages.judging.baselines import find_baselines
from detcnn.stages.judging.bins import bin_edges
from detcnn.stages.judging.judge import judge
from detcnn.stages.judging.judgement import Judgement
from detcnn.stages.judging.learned import describe_learned
from detcnn.stages.judging.requirements import require_judgeable
from detcnn.stages.judging.selections import find_selections
from detcnn.stages.judging.units import ToldUnits, told_units
from detcnn.stages.trained import digest_of_images
from detcnn.storage.csv_tables import read_csv, write_csv
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """What evaluation made: the artifact, and the results in it.

    Parameters
    ----------
    artifact : Artifact
        The metrics.
    evaluation : ClassificationEvaluation, optional
        Of the classification of images.
    baselines : Baselines, optional
        What it is compared with.
    judgement : Judgement, optional
        Of any other task.
    selections : Selections, optional
        Of each class, where the study asks for them.
    caution : str
        What is to be said of all intervals, if the events are few.
    """

    artifact: Artifact
    evaluation: ClassificationEvaluation | None
    baselines: Baselines | None
    judgement: Judgement | None = None
    selections: Selections | None = None
    caution: str = ""

    @property
    def report(self) -> Path:
        """The report's place."""
        return self.artifact.path / REPORT


def run(
    config: EvaluateConfig,
    *,
    model: Path,
    images: Path,
    scores: Path,
    output: Path,
    further: Sequence[Path] = (),
    title: str,
    description: str = "",
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> EvaluateResult:
    """Say what a model is worth on a split of images.

    Parameters
    ----------
    config : EvaluateConfig
        What to quote.
    model, images : Path
        The artifacts.
    scores : Path
        Where the scores are; they are made first if they are not there, or are not those of this
        model, these images and this split. Without torch if there is nothing to make.
    output : Path
        Where the metrics go.
    further : sequence of Path
        More models; the scores are then the means of those of all.
    title, description : str
        The study's name and what it is about, for the report.
    overwrite : bool
        Replace existing metrics, and scores whatever images they are of.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    EvaluateResult

    Raises
    ------
    ConfigError
        If the configuration asks for a class or column that is not there, or for what the task
        does not have.
    DataError
        If an artifact is not there or damaged, the images are not such as the model was trained
        on or do not tell the truth, or the scores cannot be evaluated.
    OutputExistsError
        If the output exists, or scores of other images would replace those of the images that the
        model was trained on.
    """
    # All of it before the scores, which may take long.
    refuse_existing(output, overwrite=overwrite or update)
    opened, shown = open_artifact(model, expected=MODEL), open_artifact(images, expected=IMAGES)
    task = opened.manifest.contents["task"]["name"]
    require_judgeable(config, task=opened.manifest.contents["task"], images=shown)
    if not overwrite:
        for place in (scores, *_place_of_tuning(config, scores)):
            _keep_scores(place, model=opened, images=shown)
    units = told_units(config, shown)
    for remark in units.remarks():
        progress.warn(remark)
    predict.run(
        model=model,
        images=images,
        split=config.split,
        output=scores,
        further=further,
        occlusion=config.occlusion,
        tta=config.tta,
        confidence=config.confidence,
        update=True,
        progress=progress,
    )
    made = open_artifact(scores, expected=SCORES)
    tuning = _scores_of_tuning(
        config,
        model=model,
        images=images,
        scores=scores,
        further=further,
        progress=progress,
    )
    artifacts = {
        "scores": made,
        "model": opened,
        "images": shown,
        **{
            f"model {number}": open_artifact(path, expected=MODEL)
            for number, path in enumerate(further, start=2)
        },
        **({} if tuning is None else {"scores for tuning": tuning}),
    }
    inputs = [artifact.as_input(role) for role, artifact in artifacts.items()]
    identity = value_digest(
        {
            "format": METRICS.version,
            "config": config.identity(),
            "title": [title, description],
            "inputs": [entry.digest for entry in inputs],
        }
    )
    current = find_current(output, kind=METRICS, identity=identity) if update else None
    judged = _judge_classes if task == "classification" else _judge_task
    evaluation, baselines, judgement = judged(config, artifacts, units)
    selections = (
        find_selections(config, scores=artifacts["scores"], tuning=tuning) if evaluation else None
    )
    caution = caution_of(_n_events(artifacts["scores"]))
    if current is not None:
        return EvaluateResult(current, evaluation, baselines, judgement, selections, caution)
    with build_artifact(
        output, kind=METRICS, identity=identity, overwrite=overwrite or update
    ) as builder:
        contents: dict[str, Any]
        if evaluation is not None:
            part = describe_learned(
                config, evaluation, scores=artifacts["scores"], images=artifacts["images"]
            )
            numbers = plain(evaluation) | {
                "baselines": plain(baselines),
                "selections": plain(selections),
                "learned": plain(part.learned),
            }
            rows = [
                *table_rows(evaluation),
                *(baseline_rows(baselines) if baselines else ()),
                *(selection_rows(selections) if selections else ()),
                *learned_rows(part.learned),
            ]
            judged_sections = (
                *classification_sections(evaluation),
                *_baselines_sections(evaluation, baselines, artifacts["images"]),
                *((selections_section(selections),) if selections else ()),
                part.section,
            )
            contents = {"task": task, "auc": plain(evaluation.headline.auc.interval)}
        else:
            assert judgement is not None
            numbers, rows = judgement.numbers, judgement.rows
            judged_sections = judgement.sections
            contents = {"task": task, "headline": dict(judgement.headline)}
        (builder.folder / "metrics.json").write_text(
            json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        write_csv(builder.folder / "metrics.csv", rows)
        sections = (
            *judged_sections,
            _images_section(artifacts["images"], units),
            _training_section(artifacts["model"], 1 + len(further)),
            _provenance_section(config, artifacts),
        )
        figures = builder.folder / "figures"
        figures.mkdir(exist_ok=True)
        pictures = [picture for section in sections for picture in section.pictures]
        bar = progress.task("drawing", total=len(pictures), unit="figures")
        for picture in pictures:
            write_figure(picture.figure, figures, picture.name, formats=config.formats)
            bar.advance()
        bar.finish()
        lead = "\n".join(text for text in (description, caution) if text)
        report = Report(title=title, lead=lead, sections=sections)
        write_report(report, builder.folder / REPORT)
        artifact = builder.publish(
            stage="evaluate",
            config=config.identity(),
            inputs=inputs,
            contents=contents,
            circumstances={role: str(entry.path) for role, entry in artifacts.items()},
        )
    return EvaluateResult(artifact, evaluation, baselines, judgement, selections, caution)


def _place_of_tuning(config: EvaluateConfig, scores: Path) -> tuple[Path, ...]:
    """Return where the scores that give the thresholds of selections are, if any are needed."""
    if config.selections is None:
        return ()
    return (scores.with_name(f"{scores.name}-{config.selections.tuned_on}"),)


def _keep_scores(place: Path, *, model: Artifact, images: Artifact) -> None:
    """Refuse to put the scores of other images in the place of those of a model's own."""
    own, here = digest_of_images(model), images.manifest.digest
    if here == own or not is_artifact(place):
        return
    if digest_of_images(open_artifact(place, expected=SCORES)) == own:
        raise OutputExistsError(
            f"{place}: holds the scores of the images that {model.path} was trained on, and those "
            f"of {images.path} would replace them: name another place with --scores, or use "
            "--overwrite"
        )


def _scores_of_tuning(
    config: EvaluateConfig,
    *,
    model: Path,
    images: Path,
    scores: Path,
    further: Sequence[Path],
    progress: Progress,
) -> Artifact | None:
    """Return the scores of the split that gives the thresholds of selections, made if need be."""
    if config.selections is None:
        return None
    (output,) = _place_of_tuning(config, scores)
    return predict.run(
        model=model,
        images=images,
        split=config.selections.tuned_on,
        output=output,
        further=further,
        tta=config.tta,
        update=True,
        progress=progress,
    ).artifact


def _n_events(scores: Artifact) -> int:
    table = read_parquet(scores.path / predict.TABLE)
    return len(np.unique(physical_events(table["column_event_id"], table["column_source"])))


_Judged = tuple[ClassificationEvaluation | None, Baselines | None, Judgement | None]


def _judge_classes(
    config: EvaluateConfig, artifacts: dict[str, Artifact], units: ToldUnits
) -> _Judged:
    evaluation = _evaluate(config, artifacts["scores"], units)
    baselines = find_baselines(
        config, evaluation, scores=artifacts["scores"], images=artifacts["images"]
    )
    return evaluation, baselines, None


def _judge_task(
    config: EvaluateConfig, artifacts: dict[str, Artifact], units: ToldUnits
) -> _Judged:
    scores, images = artifacts["scores"], artifacts["images"]
    return None, None, judge(config, scores=scores, images=images, units=units)


def _evaluate(
    config: EvaluateConfig, artifact: Artifact, units: ToldUnits
) -> ClassificationEvaluation:
    contents = artifact.manifest.contents
    classes: list[str] = contents["classes"]
    table = read_parquet(artifact.path / predict.TABLE)
    columns = {name: table[f"column_{name}"] for name in contents["columns"]}
    wanted = config.efficiency_bins
    if not wanted and "pt" in columns:
        wanted = (BinsConfig(column="pt"),)
    for bins in wanted:
        if bins.column not in columns:
            raise ConfigError(
                f"evaluate.efficiency_bins: no column {bins.column!r} in the scores; "
                f"there are: {', '.join(columns)}"
            )
    binned = {bins.column: units.told(bins.column, columns[bins.column]) for bins in wanted}
    return evaluate_classification(
        np.column_stack([table[f"score_{i}"] for i in range(len(classes))]).astype(np.float64),
        table["label"],
        classes=classes,
        signal=(config.signal,) if config.signal else classes[-1:],
        weights=table["weight"],
        columns=binned,
        edges={bins.column: bin_edges(bins, binned[bins.column]) for bins in wanted},
        units={name: units.unit(name) for name in binned},
        targets=config.working_points,
        unit=physical_events(columns["event_id"], columns["source"]),
        level=config.level,
        n_replicas=config.replicas,
        seed=config.seed,
    )


def _baselines_sections(
    evaluation: ClassificationEvaluation, baselines: Baselines | None, images: Artifact
) -> tuple[Section, ...]:
    if baselines is None:
        return ()
    masses = images.manifest.contents.get("constituent_masses") or ""
    return (baselines_section(evaluation.headline, baselines, masses=masses),)


def _images_section(images: Artifact, units: ToldUnits) -> Section:
    store = open_store(images.path / STORE)
    schema, means = store.schema, store.statistics["class_mean"]
    channels = [channel.name for channel in schema.picture_channels]
    pixel_units = [channel.unit for channel in schema.picture_channels]
    means = means.reshape(len(means), len(channels), *schema.grid.picture.shape)
    contents = images.manifest.contents
    tiling = open_frames(images, "train").tiling
    of_frames = (
        ""
        if tiling is None
        else f" They are tiles: {tiling.n_tiles} of each event, whose images have "
        f"{tiling.frame[0]} × {tiling.frame[1]} pixels."
    )
    pictures = [
        Picture(
            "class-means",
            images_figure(
                dict(zip(schema.classes, means, strict=True)),
                grid=schema.grid.picture,
                channels=channels,
                units=pixel_units,
            ),
            "Average images",
            "Mean of the training images of each class. The colour scale is logarithmic; pixels "
            "that are empty, or fainter than it reaches, are blank. Negative pixels, which turns "
            "by splines leave beside bright ones, are blue, and positive ones then red.",
        )
    ]
    return Section(
        title="Images",
        lead=(
            f"{' × '.join(map(str, contents['image_shape']))} pixels, "
            f"{100 * contents['occupancy']:.1f}\N{NO-BREAK SPACE}% of them not zero.{of_frames}"
        ),
        tables=(
            Table(
                header=("Channel", "Unit", "Meaning"),
                rows=tuple((c.name, c.unit, c.meaning) for c in schema.channels),
                caption="What the channels hold.",
            ),
            *_units_tables(units),
            Table(
                header=("Split", *schema.classes),
                rows=tuple(
                    (split, *(f"{counts[name]:,}" for name in schema.classes))
                    for split, counts in contents["n_events"].items()
                ),
                caption=(
                    "Events. A hash of the event id decides the split, or of the content where the "
                    "input has no ids; statistics and weights come from the training split alone."
                ),
            ),
        ),
        pictures=tuple(pictures),
    )


def _units_tables(units: ToldUnits) -> tuple[Table, ...]:
    names = dict.fromkeys((*units.stored, *units.wanted))
    if not names:
        return ()
    return (
        Table(
            header=("Column", "In the images", "In this report"),
            rows=tuple((name, units.stored.get(name, ""), units.unit(name)) for name in names),
            caption="Units of columns, as far as they are known.",
        ),
    )


def _training_section(model: Artifact, n_models: int) -> Section:
    contents = model.manifest.contents
    further = (
        f"The scores are the means of those of {n_models} models, of which this is the first."
        if n_models > 1
        else ""
    )
    records = [
        {name: float(value) for name, value in row.items()}
        for row in read_csv(model.path / "history.csv")
    ]
    return Section(
        title="Training",
        lead=(
            f"Network {contents['network']} with {contents['n_parameters']:,} parameters; "
            f"{contents['n_epochs']} epochs, the weights of epoch {contents['best_epoch']} kept. "
            f"{further}"
        ).strip(),
        pictures=(
            Picture(
                "history",
                draw_history(records, task=contents["task"], best_epoch=contents["best_epoch"]),
                "History",
                "Loss and metrics of each epoch. The training loss is taken while the weights "
                "move and with augmentation and dropout on, so it may lie above that of the "
                "validation split.",
            ),
        ),
    )


def _provenance_section(config: EvaluateConfig, artifacts: dict[str, Artifact]) -> Section:
    manifests = {role: artifact.manifest for role, artifact in artifacts.items()}
    sources = manifests["images"].inputs
    configs = {
        "preprocess": manifests["images"].config,
        "train": manifests["model"].config,
        "evaluate": config.identity(),
    }
    return Section(
        title="Provenance",
        lead="The same inputs and configuration give the same digests.",
        tables=(
            Table(
                header=("What", "Name", "SHA-256"),
                rows=(
                    *((entry.role, entry.name, entry.digest) for entry in sources),
                    *((role, a.path.name, a.manifest.digest) for role, a in artifacts.items()),
                ),
            ),
        ),
        details=(
            *(Details(f"Configuration: {k}", json.dumps(v, indent=2)) for k, v in configs.items()),
            Details(
                "Software", json.dumps(dict(manifests["model"].environment["versions"]), indent=2)
            ),
        ),
    )
