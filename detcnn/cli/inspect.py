"""``detcnn inspect``: what a file or an artifact is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table, printable, show_progress
from detcnn.cli.options import AsJson, Debug, Overrides, Quiet, Verbose

if TYPE_CHECKING:
    from detcnn.stages.inspect import Inspection

_MOST_DATASETS = 40


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="inspect")(command(_inspect))


def _inspect(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Input files, an artifact, or a study file.", show_default=False
        ),
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
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Describe an input file or an artifact: kind, shape, units, classes, provenance.

    Of a study file, each source is described as the study has it read.

    Examples:

        detcnn inspect sample_data/quark_gluon.h5

        detcnn inspect pipelines/quark_gluon/study.yaml

        detcnn inspect work/images --verify

        detcnn inspect jets.h5 --draw figures --preset komiske2017
    """
    from detcnn.cli.studies import open_study
    from detcnn.errors import ConfigError
    from detcnn.stages import inspect

    is_study = path.suffix in (".yaml", ".yml")
    if not is_study:
        if overrides:
            raise ConfigError(f"--set: {path} is no study file, of which keys could be changed")
        found = inspect.run(path, verify=verify)
        summary: dict[str, object] = {"kind": found.kind, **found.facts}
        if draw is not None:
            # Needs matplotlib and numba, which describing does without.
            from detcnn.stages import draw as drawing

            summary["drawn"] = [str(p) for p in drawing.run(path, folder=draw, preset=preset)]
        if as_json:
            print_summary(_as_json(found, summary, verbose), as_json=True, quiet=quiet)
        elif not quiet:
            _show(found, summary, title=str(path), is_verbose=verbose)
        _warn([found], is_quiet=quiet)
        return
    if draw is not None or verify:
        raise ConfigError(f"--draw and --verify: {path} is neither an input file nor an artifact")
    study = open_study(path, overrides, work=None).study
    described = [
        inspect.run(path, study=study, number=i) for i in range(len(study.preprocess.sources))
    ]
    if as_json:
        sources = [
            _as_json(found, {"kind": found.kind, **found.facts}, verbose) for found in described
        ]
        print_summary({"sources": sources}, as_json=True, quiet=quiet)
    elif not quiet:
        for i, found in enumerate(described):
            title = f"{path}: source {i}"
            _show(found, {"kind": found.kind, **found.facts}, title=title, is_verbose=verbose)
    _warn(described, is_quiet=quiet)


def _warn(described: "list[Inspection]", *, is_quiet: bool) -> None:
    with show_progress(quiet=is_quiet) as progress:
        for found in described:
            for warning in found.warnings:
                progress.warn(warning)


def _as_json(
    found: "Inspection", summary: dict[str, object], is_verbose: bool
) -> dict[str, object]:
    columns: dict[str, object] = {"columns": found.columns} if found.columns else {}
    if found.datasets:
        columns["datasets"] = found.datasets
    if found.suggestion:
        columns["suggestion"] = found.suggestion
    if found.warnings:
        columns["warnings"] = found.warnings
    return {**summary, **columns, **(found.provenance if is_verbose else {})}


def _show(found: "Inspection", summary: dict[str, object], *, title: str, is_verbose: bool) -> None:
    import json

    print_summary(summary, as_json=False, quiet=False, title=title)
    if found.columns:
        header = list(found.columns[0])
        rows = [[_cell(column[key]) for key in header] for column in found.columns]
        print_table(rows, header=header)
    if found.datasets:
        # As many as a screen takes; of all there are with --json.
        shown = found.datasets if found.suggestion else found.datasets[:_MOST_DATASETS]
        header = list(shown[0])
        rows = [[_cell(dataset[key]) for key in header] for dataset in shown]
        title = "All that is in it" if found.suggestion else "Beside these there are"
        print_table(rows, header=header, title=title)
        if len(shown) < len(found.datasets):
            print(f"… and {len(found.datasets) - len(shown):,} more: --json lists them")
    if found.suggestion:
        print("\nA study would say so, for example; look for what was guessed wrong:\n")
        print("\n".join(map(printable, found.suggestion)))
    if is_verbose and found.provenance:
        print(json.dumps(found.provenance, indent=2))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
