"""``detcnn explain``: what a trained network looks at."""

from pathlib import Path
from typing import Annotated, Any

import typer

from detcnn.cli.console import command, print_summary, print_table, show_progress
from detcnn.cli.options import AsJson, Debug, Overwrite, Quiet, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explain")(command(_explain))


def _explain(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A trained model.", show_default=False)
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            help="The images to show it; by default those that it was trained on.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    event: Annotated[
        list[int] | None,
        typer.Option(
            "--event",
            "-e",
            metavar="N",
            help="An event of the split, counted from 0; may be repeated. The best and the worst "
            "of each class by default.",
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Events to average over, as many of each class; 200, or 2000 with --symmetry.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of Grad-CAM; the last one that makes maps by default.", show_default=False
        ),
    ] = None,
    occlusion: Annotated[
        bool, typer.Option(help="Also empty the images patch by patch, which takes longest.")
    ] = True,
    symmetry: Annotated[
        str | None,
        typer.Option(
            help="Instead, how score and performance change with images that are changed: shift, "
            "rotate, mirror, zoom or boost.",
            show_default=False,
        ),
    ] = None,
    amount: Annotated[
        list[float] | None,
        typer.Option(
            "--amount",
            "-a",
            help="Of the change: pixels, degrees, 0 to 3, factor, rapidity; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of events.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where the result goes; by default beside the model.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show what a trained classifier looks for, and where in the image it finds it.

    Kernels and feature maps; saliency (gradients), Grad-CAM and occlusion,
    for single events and averaged by class. Or, with --symmetry,
    performance and mean change of the score against the amount of a change.
    Writes a page, figures, and all numbers.

    Examples:

        detcnn explain work/model

        detcnn explain work/model --event 12 --event 80 --no-occlusion

        detcnn explain work/model --symmetry rotate -o work/rotate
    """
    from detcnn.processors import prepare_threads

    # Before torch is imported, which happens inside the stage.
    prepare_threads()

    from detcnn.errors import ConfigError
    from detcnn.stages.explain import ExplainOptions, run
    from detcnn.storage.schema import SPLITS

    if split not in SPLITS:
        raise ConfigError(f"--split {split}: expected one of {', '.join(SPLITS)}")
    if symmetry is not None:
        for option, is_given in (
            ("--layer", layer is not None),
            ("--event", bool(event)),
            ("--no-occlusion", not occlusion),
        ):
            if is_given:
                raise ConfigError(f"{option}: --symmetry has no such option: leave one of them out")
        _symmetry(
            model,
            images=images,
            split=split,
            name=symmetry,
            amounts=amount or [],
            n_events=events or 2000,
            seed=seed,
            output=output or model.parent / f"symmetry-{symmetry}",
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
        )
        return
    if amount:
        raise ConfigError("--amount: of which --symmetry?")
    with show_progress(quiet=quiet) as progress:
        result = run(
            model,
            images=images,
            split=split,
            output=output or model.parent / "explanation",
            options=ExplainOptions(
                n_events=events or 200,
                events=tuple(event or ()),
                layer=layer,
                occlusion=occlusion,
                seed=seed,
            ),
            overwrite=overwrite,
            progress=progress,
        )
    told = result.told
    summary: dict[str, Any] = {
        "report": str(result.report),
        "events": told["n_events"],
        "layer": told["layer"] or "none",
        "looked_at": told["events"],
    }
    if verbose or as_json:
        summary["numbers"] = {
            name: "x".join(map(str, shape)) for name, shape in told["arrays"].items()
        }
    print_summary(summary, as_json=as_json, quiet=quiet)


def _symmetry(
    model: Path,
    *,
    name: str,
    output: Path,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from detcnn.stages.symmetry import run

    with show_progress(quiet=quiet) as progress:
        result = run(model, name=name, output=output, progress=progress, **options)
    contents = result.artifact.manifest.contents
    if as_json:
        print_summary({"report": str(result.report), **contents}, as_json=True, quiet=quiet)
    elif not quiet:
        rows = [
            [
                result.names[int(r.amount)] if result.names else f"{r.amount:g}",
                r.performance.text(),
                f"{r.mean_change:+.4f} ± {r.mean_change_error:.4f}",
                f"{r.mean_size:.4f}",
            ]
            for r in result.responses
        ]
        print_table(rows, header=[name, result.performance, "mean change of score", "mean size"])
        print()
        print_summary({"report": str(result.report)}, as_json=False, quiet=False)
