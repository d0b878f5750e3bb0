"""``detcnn evaluate``: a model to tables, figures and a report."""

from pathlib import Path
from typing import Annotated

import typer

from detcnn.cli.console import command, print_table, show_progress
from detcnn.cli.options import (
    AsJson,
    Debug,
    Images,
    Model,
    Output,
    Overrides,
    Overwrite,
    Quiet,
    StudyFile,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate")(command(_evaluate))


def _evaluate(
    study: StudyFile,
    model: Model = None,
    images: Images = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Where the scores are; they are made if they are not there or out of date.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a model is worth: ROC, working points with intervals, figures, a report.

    Scores are made first where there are none of this model and these images; evaluating again
    with other working points does without torch.

    Examples:

        detcnn evaluate pipelines/quark_gluon/study.yaml

        detcnn evaluate study.yaml --set evaluate.working_points=[0.2,0.8] --overwrite

        detcnn evaluate study.yaml --json
    """
    import json

    from detcnn.cli.studies import open_study
    from detcnn.evaluation.export import plain
    from detcnn.processors import prepare_threads
    from detcnn.stages import evaluate, predict

    # Before torch is imported, which happens if there are scores to make.
    prepare_threads()

    opened = open_study(study, overrides)
    model = model or opened.output / "model"
    images = images or opened.output / "images"
    scores = scores or opened.output / "scores"
    with show_progress(quiet=quiet) as progress:
        predict.run(
            model=model,
            images=images,
            split=opened.study.evaluate.split,
            output=scores,
            reuse=True,
            progress=progress,
        )
        result = evaluate.run(
            opened.study.evaluate,
            scores=scores,
            model=model,
            images=images,
            output=output or opened.output / "metrics",
            title=opened.study.name,
            description=opened.study.description,
            overwrite=overwrite,
            progress=progress,
        )
    headline = result.evaluation.headline
    if as_json:
        print(
            json.dumps(
                {
                    "metrics": str(result.artifact.path),
                    "report": str(result.report),
                    "digest": result.artifact.manifest.digest,
                    "auc": plain(headline.auc.interval),
                    "working_points": plain(headline.working_points),
                },
                indent=2,
            )
        )
    elif not quiet:
        sides = f"{' + '.join(headline.signal)} against {' + '.join(headline.background)}"
        n_events = sum(count.n_events for count in result.evaluation.counts)
        rows = [("AUC", headline.auc.interval.text())]
        rows += [
            (
                f"background rejection at {100 * point.target:g} % signal efficiency",
                point.background_rejection.text(),
            )
            for point in headline.working_points
        ]
        title = f"{sides}: {n_events:,} events, {100 * result.evaluation.level:g} % intervals"
        print_table(rows, title=title)
        print(f"report: {result.report}")
