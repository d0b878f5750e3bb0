"""``detcnn predict``: a model and images to scores."""

from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, show_progress
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="predict")(command(_predict))


def _predict(
    study: StudyFile,
    models: Models = None,
    images: Images = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation or test; by default that of evaluate.split.",
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
    """Write the scores of every image of a split to a parquet table.

    Examples:

        detcnn predict pipelines/quark_gluon/study.yaml

        detcnn predict study.yaml --split validation --output work/scores-2

        detcnn predict study.yaml --model work/model-1 --model work/model-2
    """
    from detcnn.processors import prepare_threads

    # Before torch is imported, which happens inside the stage.
    prepare_threads()

    from detcnn.cli.studies import open_study
    from detcnn.errors import ConfigError
    from detcnn.stages.predict import run
    from detcnn.storage.schema import SPLITS

    opened = open_study(study, overrides, work=work)
    config = opened.study.evaluate
    chosen = split or config.split
    if chosen not in SPLITS:
        raise ConfigError(f"--split {chosen}: expected one of {', '.join(SPLITS)}")
    # Scores of another split stand beside those that evaluate takes and keeps up to date.
    default = "scores" if chosen == config.split else f"scores-{chosen}"
    first, *further = models or [opened.output / "model"]
    with show_progress(quiet=quiet) as progress:
        result = run(
            model=first,
            further=further,
            images=images or opened.output / "images",
            split=chosen,
            output=output or opened.output / default,
            # For the report, which is about this split.
            occlusion=config.occlusion if chosen == config.split else None,
            tta=config.tta,
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    contents = result.artifact.manifest.contents
    summary: dict[str, object] = {
        "scores": str(result.artifact.path),
        "split": contents["split"],
        "events": contents["n_events"],
        "digest": result.artifact.manifest.digest,
    }
    if verbose:
        summary |= {name: contents[name] for name in ("classes", "columns")}
    print_summary(summary, as_json=as_json, quiet=quiet)
