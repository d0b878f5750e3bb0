"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY.yaml", help="The study file.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change one key of the study, as in train.epochs=20; may be repeated.",
        show_default=False,
    ),
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work",
        "-w",
        metavar="FOLDER",
        help="Folder of the artifacts, in place of the study's output.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Where the result goes; by default its folder among the artifacts.",
        show_default=False,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(help="The images to use; by default those of the study.", show_default=False),
]
Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        help="The model to use; by default that of the study. May be repeated: the scores are the "
        "means of those of all models.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the result if it is there already.")
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Leave the result as it is if this run would make the same, and replace it if not.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        min=1,
        help="Processes; by default the cores this process may use. Results do not depend on it.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no summary.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on the way.")]
Debug = Annotated[
    bool, typer.Option("--debug", envvar="DETCNN_DEBUG", help="Show tracebacks of errors.")
]
