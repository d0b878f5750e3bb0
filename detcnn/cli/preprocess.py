"""``detcnn preprocess``: input files to images."""

from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, show_progress
from detcnn.cli.options import (
    AsJson,
    Debug,
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
    app.command(name="preprocess")(command(_preprocess))


def _preprocess(
    study: StudyFile,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Input in place of the study's: a file, a pattern in quotes, or @list.txt; "
            "once for each source, or any number of files for a study of one source.",
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
    """Turn input files into a store of images: align, project, split, weigh.

    A run that was stopped goes on where it was when it is started again.

    Examples:

        detcnn preprocess pipelines/quark_gluon/study.yaml

        detcnn preprocess study.yaml --input jets.h5 --output work/images

        detcnn preprocess study.yaml --input 'jets_*.h5'

        detcnn preprocess study.yaml -s preprocess.image.grid.pixels=65 -j 8
    """
    from detcnn.cli.studies import open_study
    from detcnn.processors import available_cpus
    from detcnn.stages.preprocess import run

    opened = open_study(study, overrides, work=work, inputs=inputs)
    with show_progress(quiet=quiet) as progress:
        result = run(
            opened.study.preprocess,
            base=opened.folder,
            output=output or opened.output / "images",
            workers=workers or available_cpus(),
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    contents = result.artifact.manifest.contents
    summary = {
        "images": str(result.artifact.path),
        "events": contents["n_events"],
        **({"tiles": contents["n_tiles"]} if contents.get("n_tiles") else {}),
        # Names that a study gives to numbers may be in the wrong order.
        "class_labels": contents["class_labels"],
        "image_shape": contents["image_shape"],
        "channels": [channel["name"] for channel in contents["channels"]],
        "encoding": contents["encoding"],
        "occupancy": contents["occupancy"],
        "dropped": contents["n_dropped"],
        "digest": result.artifact.manifest.digest,
    }
    if verbose:
        summary |= {
            "partitions": {"all": result.n_partitions, "from_earlier_run": result.n_resumed},
            "empty_images": contents["n_empty_images"],
            "pt_fraction_outside": contents["pt_fraction_outside"],
            "class_weights": contents["class_weights"],
        }
    print_summary(summary, as_json=as_json, quiet=quiet)
