"""``detcnn audit``: whether input files or images can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table, printable, show_progress
from detcnn.cli.options import AsJson, Debug, Overrides, Quiet, Verbose

if TYPE_CHECKING:
    from detcnn.quality.findings import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="audit")(command(_audit))


def _audit(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Input files, images, or a study file.", show_default=False
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="The image to make of a lone file of constituents; jet_pt by default.",
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK",
            help="Only warn of the trouble that this check finds; may be repeated.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Check the data: numbers, units, duplicates, leakage, pixels. Exits with 65 on trouble.

    A study file stands for all of its inputs together.

    Examples:

        detcnn audit sample_data/quark_gluon.h5

        detcnn audit pipelines/quark_gluon/study.yaml

        detcnn audit work/images --accept duplicates
    """
    from dataclasses import asdict

    from detcnn.cli.studies import open_study
    from detcnn.errors import ConfigError, DataError
    from detcnn.quality.findings import CHECKS
    from detcnn.stages.audit import run

    is_study = path.suffix in (".yaml", ".yml")
    if overrides and not is_study:
        raise ConfigError(f"--set: {path} is no study file, of which keys could be changed")
    if preset and (is_study or path.is_dir()):
        raise ConfigError(f"--preset: {path} says itself what its images are")
    study = open_study(path, overrides, work=None).study if is_study else None
    with show_progress(quiet=quiet) as progress:
        found = run(path, study=study, preset=preset, accept=tuple(accept or ()), progress=progress)
    if as_json:
        summary = {
            "path": str(path),
            "kind": found.kind,
            "events": found.n_events,
            "verdict": found.verdict,
            "findings": [asdict(finding) for finding in found.findings],
        }
        print_summary(summary, as_json=True, quiet=quiet)
    elif not quiet:
        # No title of the table: that would be broken to its width.
        print(f"{printable(str(path))}: {found.verdict} ({found.kind}, {found.n_events:,} events)")
        print_table(
            [_row(f, f.message or f"no {CHECKS[f.check]}", verbose) for f in found.findings],
            header=("verdict", "check", "count", "found"),
        )
    if found.verdict == "trouble":
        raise typer.Exit(DataError.exit_code)


def _row(finding: "Finding", text: str, is_verbose: bool) -> list[str | list[str]]:
    is_fine = finding.severity == "fine"
    lines = [text]
    if finding.where and (is_verbose or not is_fine):
        lines.append(f"first: {finding.where}")
    if finding.remedy:
        lines.append(f"→ {finding.remedy}")
    count = f"{finding.count:,}" if finding.count else ""
    return [finding.severity, finding.check, count, lines]
