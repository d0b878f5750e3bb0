"""``detcnn inspect``: what a file or an artifact is."""

from pathlib import Path
from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table
from detcnn.cli.options import AsJson, Debug, Quiet, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="inspect")(command(_inspect))


def _inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="An input file or artifact.", show_default=False)
    ],
    draw: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw average images and single events into it.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="The image that --draw makes of constituents; jet_pt by default.",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare an artifact's files with their checksums.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Describe an input file or an artifact: kind, shape, units, classes, provenance.

    Examples:

        detcnn inspect sample_data/quark_gluon.h5

        detcnn inspect work/images --verify

        detcnn inspect sample_data/quark_gluon.h5 --draw figures --preset komiske2017
    """
    import json

    from detcnn.stages import inspect

    found = inspect.run(path, verify=verify)
    summary: dict[str, object] = {"kind": found.kind, **found.facts}
    if draw is not None:
        # Needs matplotlib and numba, which describing does without.
        from detcnn.stages import draw as drawing

        summary["drawn"] = [str(p) for p in drawing.run(path, folder=draw, preset=preset)]
    if as_json:
        columns = {"columns": found.columns} if found.columns else {}
        provenance = found.provenance if verbose else {}
        print_summary({**summary, **columns, **provenance}, as_json=True, quiet=quiet)
        return
    print_summary(summary, as_json=False, quiet=quiet, title=str(path))
    if quiet:
        return
    if found.columns:
        header = list(found.columns[0])
        rows = [[_cell(column[key]) for key in header] for column in found.columns]
        print_table(rows, header=header)
    if verbose and found.provenance:
        print(json.dumps(found.provenance, indent=2))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
