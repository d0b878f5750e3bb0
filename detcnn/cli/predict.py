"""``detcnn predict``: a model, and images or new files, to scores."""

from pathlib import Path
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
    Workers,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="predict")(command(_predict))


def _predict(
    study: StudyFile,
    models: Models = None,
    images: Images = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="New files, laid out as the study's first source, in place of images: a file, a "
            "pattern in quotes, or @list.txt; may be repeated. Nothing need be known of their "
            "events.",
            show_default=False,
        ),
    ] = None,
    overlays: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Draw the first N events with what the model says of them."
        ),
    ] = 0,
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
    workers: Workers = None,
    overwrite: Overwrite = False,
    update: Update = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write what a model says of every image: scores, energies, maps of pixels or points.

    The images are those of a split, or are made of new files as the model's were, in partitions;
    nothing need be known of new events. They stay beside the result, for `detcnn evaluate --images`
    where their truth is known.

    Examples:

        detcnn predict pipelines/quark_gluon/study.yaml

        detcnn predict study.yaml --split validation --output work/scores-2

        detcnn predict study.yaml --model work/model-1 --model work/model-2

        detcnn predict study.yaml --input 'new_*.h5' --output new --overlays 8
    """
    from detcnn.processors import available_cpus, prepare_threads

    # Before torch is imported, which happens inside the stage.
    prepare_threads()

    from detcnn.artifacts.publishing import refuse_existing
    from detcnn.cli.studies import open_study
    from detcnn.errors import ConfigError
    from detcnn.stages import overlays as overlaid
    from detcnn.stages import unseen
    from detcnn.stages.predict import run
    from detcnn.stages.trained import warn_of_other_task
    from detcnn.storage.schema import SPLITS

    if inputs and (images or split):
        raise ConfigError(
            "--input: new files make images of their own: leave out --images, --split"
        )
    opened = open_study(study, overrides, work=work)
    config = opened.study.evaluate
    chosen = "test" if inputs else split or config.split
    if chosen not in SPLITS:
        raise ConfigError(f"--split {chosen}: expected one of {', '.join(SPLITS)}")
    # Scores of another split stand beside those that evaluate takes and keeps up to date.
    default = "scores" if chosen == config.split else f"scores-{chosen}"
    output = output or opened.output / ("predictions" if inputs else default)
    first, *further = models or [opened.output / "model"]
    if overlays:
        overlaid.require_drawable(first)
    with show_progress(quiet=quiet) as progress:
        warn_of_other_task([first, *further], opened.study.train.task.name, progress)
        if inputs:
            refuse_existing(output, overwrite=overwrite or update)
            images = output.with_name(f"{output.name}-images")
            unseen.run(
                opened.study.preprocess,
                files=inputs,
                model=first,
                # Paths on the command line start from where it is typed.
                base=Path.cwd(),
                output=images,
                workers=workers or available_cpus(),
                # Those of an earlier run are as good, if they are of these files.
                update=True,
                progress=progress,
            )
        result = run(
            model=first,
            further=further,
            images=images or opened.output / "images",
            split=chosen,
            output=output,
            # For the report, which is about this split.
            occlusion=config.occlusion if chosen == config.split and not inputs else None,
            tta=config.tta,
            confidence=config.confidence,
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    drawn = output.with_name(f"{output.name}-overlays")
    if overlays:
        overlaid.run(
            output,
            images=images or opened.output / "images",
            folder=drawn,
            n_events=overlays,
            confidence=config.confidence,
        )
    contents = result.artifact.manifest.contents
    summary: dict[str, object] = {
        "scores": str(result.artifact.path),
        # Of new files it is but where their images stand.
        **({} if inputs else {"split": contents["split"]}),
        "events": contents["n_events"],
        **({"overlays": str(drawn)} if overlays else {}),
        "digest": result.artifact.manifest.digest,
    }
    if verbose:
        summary |= {name: contents[name] for name in ("classes", "columns")}
    print_summary(summary, as_json=as_json, quiet=quiet)
