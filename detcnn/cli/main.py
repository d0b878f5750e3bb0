"""The ``detcnn`` command."""

from typing import Annotated

import typer

from detcnn import __version__
from detcnn.cli import (
    audit,
    compare,
    config,
    evaluate,
    explain,
    inspect,
    models,
    predict,
    preprocess,
    simulate,
    train,
    validate,
)
from detcnn.cli import filter as filters

_EPILOG = (
    "Exit codes: 0 done, 1 a bug, 2 usage or configuration, 65 bad data, 73 the output exists or "
    "is being written, 74 disk or file system, 75 checkpointed: run me again, 130 interrupted."
)

app = typer.Typer(
    name="detcnn",
    help="Detector data to images, images to a trained and honestly evaluated CNN.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        print(f"detcnn {__version__}")
        raise typer.Exit


@app.callback()
def _detcnn(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for module in (
    simulate,
    validate,
    inspect,
    audit,
    config,
    filters,
    models,
    preprocess,
    train,
    predict,
    evaluate,
    explain,
    compare,
):
    module.register(app)


def main() -> None:
    """Run the command line."""
    app()
