"""Stage ``compare``: several sets of scores to tables, a figure and a report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import COMPARISON, METRICS, SCORES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, find_current, is_artifact, open_artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.classification import TARGETS
from detcnn.evaluation.common_events import Result
from detcnn.evaluation.comparison import Comparison, compare, training_names
from detcnn.evaluation.comparison_rows import comparison_rows
from detcnn.evaluation.export import plain
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.intervals import LEVEL
from detcnn.evaluation.learning_curve import learning_curves
from detcnn.evaluation.published import PublishedFigure, published_figures
from detcnn.plotting.comparison import comparison_sections
from detcnn.plotting.learning_curve import learning_curve_section
from detcnn.plotting.report import Details, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages.predict import TABLE
from detcnn.storage.csv_tables import read_csv, write_csv
from detcnn.storage.tables import read_parquet

REPORT = "report.html"

# With the event id these name an event. Samples that number their events alike still differ in pT.
_IDENTITY = ("source", "row", "pt")


@dataclass(frozen=True, slots=True)
class CompareResult:
    """What comparing made: the artifact, and the results in it."""

    artifact: Artifact
    comparison: Comparison

    @property
    def report(self) -> Path:
        """The report's place."""
        return self.artifact.path / REPORT


def run(
    results: Sequence[Path],
    *,
    output: Path,
    labels: Sequence[str | None] = (),
    signal: str | None = None,
    working_points: Sequence[float] = TARGETS,
    level: float = LEVEL,
    replicas: int = 1000,
    seed: int = 1,
    ensemble: bool = False,
    published: Path | None = None,
    along: str | None = None,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> CompareResult:
    """Compare several results, each with the first.

    Parameters
    ----------
    results : sequence of Path
        Scores, or folders that have them: a study's artifacts, or metrics with the scores they
        were made from beside them.
    output : Path
        Where the comparison goes.
    labels : sequence of str or None
        Names of the results in their order; what is missing or None is called by what differs in
        the paths. Results of one label are trainings of one model.
    signal : str, optional
        The class whose efficiency is quoted; the last one if left out.
    working_points : sequence of float
        Signal efficiencies to quote.
    level : float
        Confidence level of every interval.
    replicas, seed : int
        Bootstrap replicas, and the seed of their random numbers.
    ensemble : bool
        Add the ensemble of every label with several trainings.
    published : Path, optional
        Table of published figures as CSV, see `detcnn.evaluation.published`.
    along : str, optional
        The labels end in a number after @, which this describes: areas are drawn along it.
    overwrite : bool
        Replace an existing comparison.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is, and which events were not used.

    Returns
    -------
    CompareResult

    Raises
    ------
    ConfigError
        If a result is named twice, is no classification, or an option asks for something that
        cannot be.
    DataError
        If scores are not there or damaged, do not go together, or the table of published figures
        is none.
    OutputExistsError
        If the output exists.
    """
    overwrite = overwrite or update
    if not results:
        raise ConfigError("nothing to compare: name the scores of one or more results")
    refuse_existing(output, overwrite=overwrite)
    scores = [_find_scores(path) for path in results]
    for path, artifact in zip(results, scores, strict=True):
        _require_classification(path, artifact)
    places = [artifact.path.resolve() for artifact in scores]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise ConfigError(f"{results[i]}: named twice: a result is compared with other ones")
    names = _labels(results, labels)
    figures = _published(published)
    config = {
        "labels": names,
        "signal": signal,
        "working_points": list(working_points),
        "level": level,
        "replicas": replicas,
        "seed": seed,
        "ensemble": ensemble,
        "along": along,
    }
    inputs = [
        artifact.as_input(name)
        for name, artifact in zip(training_names(names), scores, strict=True)
    ]
    if published is not None:
        inputs.append(Input("published", published.name, file_digest(published)))
    identity = value_digest(
        {"format": COMPARISON.version, "config": config, "inputs": [i.digest for i in inputs]}
    )
    comparison = compare(
        [_read(path, artifact) for path, artifact in zip(results, scores, strict=True)],
        labels=names,
        signal=(signal,) if signal else scores[0].manifest.contents["classes"][-1:],
        targets=working_points,
        level=level,
        n_replicas=replicas,
        seed=seed,
        ensemble=ensemble,
        published=figures,
    )
    curves = None if along is None else learning_curves(comparison)
    _warn(comparison, scores, progress)
    current = find_current(output, kind=COMPARISON, identity=identity) if update else None
    if current is not None:
        return CompareResult(current, comparison)
    with build_artifact(output, kind=COMPARISON, identity=identity, overwrite=overwrite) as builder:
        (builder.folder / "comparison.json").write_text(
            json.dumps(plain(comparison), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        write_csv(builder.folder / "comparison.csv", comparison_rows(comparison))
        sections = comparison_sections(comparison)
        if curves is not None and along is not None:
            drawn = learning_curve_section(curves, along=along, level=level)
            sections = (drawn, *sections)
        folder = builder.folder / "figures"
        folder.mkdir(exist_ok=True)
        for picture in (picture for section in sections for picture in section.pictures):
            write_figure(picture.figure, folder, picture.name)
        report = Report(
            title=" · ".join(curves or (entry.label for entry in comparison.entries)),
            lead=f"Comparison of {len(results)} results, {comparison.title}.",
            sections=(*sections, _provenance(config, inputs)),
        )
        write_report(report, builder.folder / REPORT)
        artifact = builder.publish(
            stage="compare",
            config=config,
            inputs=inputs,
            contents={
                "entries": [entry.label for entry in comparison.entries],
                "signal": list(comparison.signal),
                "background": list(comparison.background),
                "n_events": [result.n_used for result in comparison.results],
            },
            circumstances={"results": [str(artifact.path) for artifact in scores]},
        )
    return CompareResult(artifact, comparison)


def _find_scores(path: Path) -> Artifact:
    if not is_artifact(path):
        beneath = path / "scores"
        return open_artifact(beneath if beneath.is_dir() else path, expected=SCORES)
    artifact = open_artifact(path)
    if artifact.manifest.kind != METRICS.name:
        return open_artifact(path, expected=SCORES)
    scores = open_artifact(path.parent / "scores", expected=SCORES)
    made_from = next(i.digest for i in artifact.manifest.inputs if i.role == "scores")
    if scores.manifest.digest != made_from:
        raise DataError(
            f"{scores.path}: not the scores that {path} was made from: name the scores themselves, "
            "or evaluate again"
        )
    return scores


def _require_classification(path: Path, scores: Artifact) -> None:
    task = scores.manifest.contents["task"]["name"]
    if task != "classification":
        raise ConfigError(
            f"{path}: the scores are of the task {task}, and compare takes those of "
            "classifications alone: evaluate each study, and hold their metrics.csv side by side"
        )


def _labels(results: Sequence[Path], labels: Sequence[str | None]) -> list[str]:
    if len(labels) > len(results):
        raise ConfigError(f"{len(labels)} labels for {len(results)} results: expected one for each")
    # Links keep the names they were given.
    defaults = _what_differs([path.absolute() for path in results])
    given = [*labels, *[None] * (len(results) - len(labels))]
    clash = {name for name in given if name} & {
        default for name, default in zip(given, defaults, strict=True) if not name
    }
    if clash:
        raise ConfigError(
            f"label {clash.pop()!r} is also the folder of a result without a label: label that too"
        )
    return [name or default for name, default in zip(given, defaults, strict=True)]


def _what_differs(places: Sequence[Path]) -> list[str]:
    """Return the part of each path between what all begin and what all end with."""
    shortest = min((len(place.parts) for place in places), default=0)
    common = [len({place.parts[i] for place in places}) == 1 for i in range(shortest)]
    first = (*common, False).index(False)
    same = [len({place.parts[-i] for place in places}) == 1 for i in range(1, shortest - first + 1)]
    last = (*same, False).index(False)
    names = ["/".join(place.parts[first : len(place.parts) - last]) for place in places]
    # One result alone, or a folder within another one.
    return names if all(names) else [place.name for place in places]


def _published(path: Path | None) -> tuple[PublishedFigure, ...]:
    return () if path is None else published_figures(read_csv(path), place=str(path))


def _read(path: Path, artifact: Artifact) -> Result:
    classes: list[str] = artifact.manifest.contents["classes"]
    table = read_parquet(artifact.path / TABLE)
    events = scored_events(
        np.column_stack([table[f"score_{i}"] for i in range(len(classes))]),
        table["label"],
        classes=classes,
        weights=table["weight"],
    )
    return Result(
        name=str(path),
        events=events,
        event_id=table["column_event_id"],
        identity={name: table[f"column_{name}"] for name in _IDENTITY if f"column_{name}" in table},
    )


def _warn(comparison: Comparison, scores: Sequence[Artifact], progress: Progress) -> None:
    if len({result.matched_set for result in comparison.results}) > 1:
        apart = [r.name for r in comparison.results if r.matched_set > 0]
        progress.warn(
            f"no event in common with {comparison.results[0].name}: {', '.join(apart)}: compared "
            "unpaired, with larger errors"
        )
    for result in comparison.results:
        if result.n_used < result.n_events:
            progress.warn(
                f"{result.name}: {result.n_used:,} of its {result.n_events:,} events are common "
                "to all that it is compared with, and used"
            )
    for result, artifact in zip(comparison.results, scores, strict=True):
        split = artifact.manifest.contents["split"]
        if split == "train":
            progress.warn(f"{result.name}: scores of the training split, which may flatter it")


def _provenance(config: Mapping[str, object], inputs: Sequence[Input]) -> Section:
    return Section(
        title="Provenance",
        lead="The same inputs and configuration give the same digests.",
        tables=(
            Table(
                header=("What", "SHA-256"),
                rows=tuple((entry.role, entry.digest) for entry in inputs),
            ),
        ),
        details=(Details("Configuration: compare", json.dumps(config, indent=2)),),
    )
