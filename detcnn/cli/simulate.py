"""``detcnn simulate``: jets from a published definition, or images of a detector."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer
from typer.core import TyperCommand

from detcnn.cli.console import command, print_summary, show_progress
from detcnn.cli.options import AsJson, Debug, Overwrite, Quiet, Verbose, Workers
from detcnn.errors import ConfigError
from detcnn.progress import Progress

_DEFAULT = 10_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="simulate", cls=_ListingSamples)(command(_simulate))


class _ListingSamples(TyperCommand):
    """Tells in its help what there is to simulate, and looks for it only then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from detcnn.simulation.definitions import DEFINITIONS
        from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS

        jets = [
            f"{name}: jets of {_listed(definition.classes)}, pT from {definition.pt[0]:g} to "
            f"{definition.pt[1]:g} GeV"
            for name, definition in DEFINITIONS.items()
        ]
        images = [
            f"{name}: {_listed(definition.classes)}; {_listed(list(definition.channels))} by "
            f"{' × '.join(definition.axes)}"
            for name, definition in IMAGE_DEFINITIONS.items()
        ]
        self.epilog = "\n\n".join(["Samples:", *jets, *images])
        super().format_help(ctx, formatter)


def _simulate(
    study: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Which sample: quark-gluon, neutrino or another of those below.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The HDF5 file to write; frames of one channel may go to a .fits file.",
            show_default=False,
        ),
    ],
    events: Annotated[
        int | None,
        typer.Option(
            "--events",
            "-n",
            min=1,
            help="Images: events of all classes together, by default 10000.",
            show_default=False,
        ),
    ] = None,
    jets_per_class: Annotated[
        int | None,
        typer.Option(min=1, help="Jets: of each class, by default 10000.", show_default=False),
    ] = None,
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
    """Simulate jets (with Pythia 8: needs the extra "simulate"), or images of a detector.

    Ctrl-C keeps what is there; the same command goes on later, to the same bytes.

    Examples:

        detcnn simulate quark-gluon --output jets.h5

        detcnn simulate quark-gluon -o jets.h5 --jets-per-class 50000 --seed 7

        detcnn simulate top-qcd -o towers.h5 --calorimeter 0.1

        detcnn simulate neutrino -o pixel_maps.h5 -n 2000

        detcnn simulate ccd -o frames.fits -n 100
    """
    from detcnn.simulation.definitions import DEFINITIONS
    from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS

    if study not in {*DEFINITIONS, *IMAGE_DEFINITIONS}:
        known = ", ".join([*DEFINITIONS, *IMAGE_DEFINITIONS])
        raise ConfigError(f"simulate {study!r}: no such sample, expected one of {known}")
    with show_progress(quiet=quiet) as progress:
        options: _Options = {
            "output": output,
            "workers": workers,
            "overwrite": overwrite,
            "progress": progress,
        }
        if study in IMAGE_DEFINITIONS:
            _refuse(study, "is counted in --events, not in", "--jets-per-class", jets_per_class)
            _refuse(study, "has no", "--calorimeter", cell)
            summary = _images(study, events, seed, options)
        else:
            _refuse(study, "is counted in --jets-per-class, not in", "--events", events)
            summary = _jets(study, jets_per_class, seed, cell, options, verbose=verbose)
    print_summary(summary, as_json=as_json, quiet=quiet)


class _Options(TypedDict):
    output: Path
    workers: int | None
    overwrite: bool
    progress: Progress


def _images(study: str, events: int | None, seed: int, options: _Options) -> dict[str, Any]:
    from detcnn.config.simulate import build_image_simulation
    from detcnn.stages.simulate_images import run

    config = build_image_simulation(study=study, events=events or _DEFAULT, seed=seed)
    result = run(config, **options)
    return {"file": str(result.path), "events": dict(result.classes)}


def _jets(
    study: str,
    jets_per_class: int | None,
    seed: int,
    cell: float | None,
    options: _Options,
    *,
    verbose: bool,
) -> dict[str, Any]:
    from detcnn.config.simulate import build_simulation

    config = build_simulation(
        study=study, jets_per_class=jets_per_class or _DEFAULT, seed=seed, cell=cell
    )
    from detcnn.stages.simulate import run

    result = run(config, **options)
    tallies = dict(zip(result.classes, map(asdict, result.tallies), strict=True))
    return {
        "file": str(result.path),
        "jets": tallies if verbose else {name: tally["jets"] for name, tally in tallies.items()},
    }


def _refuse(study: str, fault: str, option: str, value: float | None) -> None:
    if value is not None:
        raise ConfigError(f"simulate {study}: {fault} {option}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
