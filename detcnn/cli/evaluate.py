"""``detcnn evaluate``: a model to tables, figures and a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table, show_progress
from detcnn.cli.options import (
    AsJson,
    Debug,
    Images,
    Models,
    Output,
    Overrides,
    Overwrite,
    Quiet,
    StudyFile,
    Update,
    Verbose,
    Work,
)

if TYPE_CHECKING:
    from detcnn.evaluation.baselines import Baselines
    from detcnn.evaluation.class_selection import Selections
    from detcnn.evaluation.classification import Discrimination
    from detcnn.stages.evaluate import EvaluateResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate")(command(_evaluate))


def _evaluate(
    study: StudyFile,
    models: Models = None,
    images: Images = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Where the scores are; they are made if they are not there or out of date.",
            show_default=False,
        ),
    ] = None,
    work: Work = None,
    output: Output = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    update: Update = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Say what a model is worth: ROC, working points with intervals, figures, a report.

    Scores are made first where there are none of this model and these images; evaluating again
    with other working points does without torch.

    Examples:

        detcnn evaluate pipelines/quark_gluon/study.yaml

        detcnn evaluate study.yaml -s evaluate.level=0.95 --overwrite

        detcnn evaluate study.yaml --model work/model-1 --model work/model-2

        detcnn evaluate study.yaml --json
    """
    from detcnn.cli.studies import open_study
    from detcnn.evaluation.export import plain
    from detcnn.processors import prepare_threads
    from detcnn.stages.evaluate import run
    from detcnn.stages.trained import warn_of_other_task

    # Before torch is imported, which happens if there are scores to make.
    prepare_threads()

    opened = open_study(study, overrides, work=work)
    first, *further = models or [opened.output / "model"]
    with show_progress(quiet=quiet) as progress:
        warn_of_other_task([first, *further], opened.study.train.task.name, progress)
        result = run(
            opened.study.evaluate,
            model=first,
            further=further,
            images=images or opened.output / "images",
            scores=scores or opened.output / "scores",
            output=output or opened.output / "metrics",
            title=opened.study.name,
            description=opened.study.description,
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    if result.evaluation is None:
        _print_judgement(result, as_json=as_json, quiet=quiet)
        return
    headline, baselines = result.evaluation.headline, result.baselines
    if as_json:
        summary = {
            "metrics": str(result.artifact.path),
            "report": str(result.report),
            "digest": result.artifact.manifest.digest,
            "auc": plain(headline.auc.interval),
            "working_points": plain(headline.working_points),
            "best_baseline": baselines
            and {
                "name": baselines.best.label,
                "auc": plain(baselines.best.discrimination.auc.interval),
            },
            "auc_over_best_baseline": plain(baselines and baselines.gain),
            "selections": plain(
                result.selections and {one.name: one.selected for one in result.selections.classes}
            ),
        }
        print_summary(summary, as_json=True, quiet=quiet)
    elif not quiet:
        n_events = sum(count.n_events for count in result.evaluation.counts)
        level = f"{100 * result.evaluation.level:g} % intervals"
        print_table(
            [
                *_rows(headline, verbose=verbose),
                *_baseline_rows(baselines, verbose=verbose),
                *_selection_rows(result.selections),
            ],
            title=f"{headline.title}: {n_events:,} events, {level}",
        )
        _print_end(result)


def _print_judgement(result: "EvaluateResult", *, as_json: bool, quiet: bool) -> None:
    assert result.judgement is not None
    if as_json:
        summary = {
            "metrics": str(result.artifact.path),
            "report": str(result.report),
            "digest": result.artifact.manifest.digest,
            "headline": dict(result.judgement.headline),
        }
        print_summary(summary, as_json=True, quiet=quiet)
    elif not quiet:
        print_table(list(result.judgement.headline), title=result.judgement.title)
        _print_end(result)


def _print_end(result: "EvaluateResult") -> None:
    if result.caution:
        print(result.caution)
    print(f"report: {result.report}")


def _rows(headline: "Discrimination", *, verbose: bool) -> list[tuple[str, str]]:
    rows = [("AUC", headline.auc.interval.text())]
    for point in headline.working_points:
        where = f"at {100 * point.target:g} % signal efficiency"
        rows.append((f"background rejection {where}", point.background_rejection.text()))
        if verbose:
            improvement = point.significance_improvement.text()
            rows.append((f"significance improvement {where}", improvement))
            rows.append((f"threshold {where}", f"{point.threshold:.4g}"))
    return rows


def _baseline_rows(baselines: "Baselines | None", *, verbose: bool) -> list[tuple[str, str]]:
    if baselines is None:
        return []
    best, *others = baselines.baselines
    rows = [
        (f"AUC of the best baseline, {best.title}", best.discrimination.auc.interval.text()),
        ("AUC of the network minus that", baselines.gain.text()),
    ]
    if verbose:
        rows += [(f"AUC of {b.title}", b.discrimination.auc.interval.text()) for b in others]
    return rows


def _selection_rows(selections: "Selections | None") -> list[tuple[str, str]]:
    if selections is None:
        return []
    rows = []
    for one in selections.classes:
        rows.append((f"efficiency of {one.name}", one.selected.efficiency.text()))
        rows.append((f"purity of {one.name}", one.selected.purity.text()))
    rows += [
        (f"efficiency over {cut.title}, for {cut.name} at its purity", cut.gain_text())
        for cut in selections.cuts
    ]
    return rows
