"""``detcnn validate``: whether a simulated sample is what it should be."""

from pathlib import Path
from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table
from detcnn.cli.options import AsJson, Debug, Output, Overwrite, Quiet, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="validate")(command(_validate))


def _validate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="JETS.h5", help="A file of jets of detcnn simulate.", show_default=False
        ),
    ],
    output: Output = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Compare simulated jets with what is known of their definition; exit code 65 if they differ.

    Writes a page with distributions beside the numbers; by default into JETS.validation.

    Examples:

        detcnn validate jets.h5
    """
    from detcnn.errors import DataError
    from detcnn.stages import validate

    folder = output or path.with_suffix(".validation")
    result = validate.run(path, output=folder, overwrite=overwrite)
    if as_json or quiet:
        checks = result.artifact.manifest.contents["checks"]
        print_summary({"report": str(result.report), "checks": checks}, as_json=True, quiet=quiet)
    else:
        print_summary({"report": str(result.report)}, as_json=False, quiet=quiet)
        header = ["quantity", "expected", "found", "agrees", *(["known from"] if verbose else [])]
        rows = [
            [
                check.name,
                f"{check.expectation.value:g} ± {check.expectation.uncertainty:g}",
                check.found.text(),
                "yes" if check.agrees else "NO",
                *([check.expectation.source] if verbose else []),
            ]
            for check in result.checks
        ]
        if rows:
            print_table(rows, header=header)
    wrong = [check.name for check in result.checks if not check.agrees]
    if wrong:
        raise DataError(
            f"{path}: not as its definition demands: {', '.join(wrong)}; see {result.report}"
        )
