"""``detcnn simulate``: jets from a published definition."""

from pathlib import Path
from typing import Annotated

import typer

from detcnn.cli.console import command, print_summary, show_progress
from detcnn.cli.options import AsJson, Debug, Overwrite, Quiet, Verbose, Workers


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="simulate")(command(_simulate))


def _simulate(
    study: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Which jets: quark-gluon, top-qcd or w-qcd.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The HDF5 file to write.", show_default=False)
    ],
    jets_per_class: Annotated[
        int, typer.Option("--jets-per-class", "-n", min=1, help="Jets of each class.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 1,
    cell: Annotated[
        float | None,
        typer.Option(
            "--calorimeter",
            metavar="CELL",
            help="Put a calorimeter with cells of this size, as 0.1, between particles and jets.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Simulate jets with Pythia 8 and its FastJet core (needs the extra "simulate").

    Ctrl-C keeps what is there; the same command goes on later, to the same bytes.

    Examples:

        detcnn simulate quark-gluon --output jets.h5

        detcnn simulate quark-gluon -o jets.h5 -n 50000 --seed 7 --workers 8

        detcnn simulate top-qcd -o towers.h5 --calorimeter 0.1
    """
    from dataclasses import asdict

    from detcnn.config.simulate import build_simulation
    from detcnn.stages.simulate import run

    config = build_simulation(study=study, jets_per_class=jets_per_class, seed=seed, cell=cell)
    with show_progress(quiet=quiet) as progress:
        result = run(config, output=output, workers=workers, overwrite=overwrite, progress=progress)
    tallies = dict(zip(result.classes, map(asdict, result.tallies), strict=True))
    summary = {
        "file": str(result.path),
        "jets": tallies if verbose else {name: tally["jets"] for name, tally in tallies.items()},
    }
    print_summary(summary, as_json=as_json, quiet=quiet)
