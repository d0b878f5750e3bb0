"""``detcnn train``: images to a model."""

from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, show_progress
from detcnn.cli.options import (
    AsJson,
    Debug,
    Images,
    Output,
    Overrides,
    Overwrite,
    Quiet,
    StudyFile,
    Update,
    Verbose,
    Work,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="train")(command(_train))


def _train(
    study: StudyFile,
    images: Images = None,
    work: Work = None,
    output: Output = None,
    overrides: Overrides = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on from the last checkpoint; start afresh if there is none."
        ),
    ] = False,
    overwrite: Overwrite = False,
    update: Update = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train a network on images and keep the weights of its best epoch.

    SIGTERM and SIGUSR1 write a checkpoint and end with exit code 75; --resume goes on from there.

    Examples:

        detcnn train pipelines/quark_gluon/study.yaml

        detcnn train study.yaml --resume

        detcnn train study.yaml -s train.epochs=5 -s train.seed=2 -o work/model-2
    """
    from detcnn.processors import busy_advice, prepare_threads

    # Before torch is imported, which happens with the stage.
    prepare_threads()

    from detcnn.cli.studies import open_study
    from detcnn.stages.train import run

    opened = open_study(study, overrides, work=work)
    with show_progress(quiet=quiet) as progress:
        if advice := busy_advice():
            progress.info(advice)
        result = run(
            opened.study.train,
            images=images or opened.output / "images",
            output=output or opened.output / "model",
            resume=resume,
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    contents = result.artifact.manifest.contents
    summary: dict[str, object] = {
        "model": str(result.artifact.path),
        "network": contents["network"],
        "parameters": contents["n_parameters"],
        "precision": contents["precision"],
        "epochs": contents["n_epochs"],
        "best": {name: value for name, value in contents["best"].items() if value is not None},
        "digest": result.artifact.manifest.digest,
    }
    if result.was_complete:
        summary["finished_before"] = True
    if verbose:
        environment = result.artifact.manifest.environment
        summary |= {name: environment[name] for name in ("device", "threads", "seconds_per_epoch")}
    print_summary(summary, as_json=as_json, quiet=quiet)
