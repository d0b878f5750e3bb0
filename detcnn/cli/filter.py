"""``detcnn filter``: filters made by hand on images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detcnn.cli.console import command, print_summary
from detcnn.cli.options import AsJson, Debug, Overwrite, Quiet, Verbose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detcnn.stages.filter import FilterResult

_STEPS = {"map": "feature map", "flatten": "flattened"}
_MOST_ACROSS = 12
"""Numbers in a line up to which they are printed."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="filter")(command(_filter))


def _filter(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="An images artifact, or an input file.", show_default=False
        ),
    ],
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filters",
            "-f",
            metavar="FILTER",
            help="A name (edge_horizontal, edge_vertical, edges, blur, sharpen, angle, or all), a "
            "matrix as in '0 0 1 / 0 1 0 / 1 0 0' or angle='…', or a YAML file; may be repeated.",
            show_default=False,
        ),
    ] = None,
    event: Annotated[
        list[int] | None,
        typer.Option(
            "--event",
            "-e",
            metavar="N",
            help="An event, counted from 0; may be repeated. The first of each class by default.",
            show_default=False,
        ),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Pixels from one place to the next.")] = 1,
    padding: Annotated[int, typer.Option(min=0, help="Zeros added on each side.")] = 0,
    bias: Annotated[float, typer.Option(help="Added to every sum.")] = 0.0,
    rectify: Annotated[
        bool, typer.Option("--rectify", help="Then set what is below zero to zero.")
    ] = False,
    pool: Annotated[
        int | None,
        typer.Option(
            min=1, help="Then take the largest of windows of this side.", show_default=False
        ),
    ] = None,
    dense: Annotated[
        str | None,
        typer.Option(
            metavar="MATRIX",
            help="Then add up what is left with these weights, a row for each output.",
            show_default=False,
        ),
    ] = None,
    dense_bias: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Added to the outputs.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of an images artifact: train, validation or test; train by default.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="The image to make of constituents; jet_pt by default.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the figures and numbers.")
    ] = Path("filtered"),
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Print every number of every step.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Move filters made by hand over images: pictures and numbers of every step.

    The steps of a convolutional layer, in order: filter and bias,
    rectifier, pooling, and if need be a dense layer. Each channel is
    filtered on its own. As in networks, a filter is not turned round before
    it is moved over the image.

    Examples:

        detcnn filter work/images --filters edges --filters blur --event 12

        detcnn filter images.npz -f "0 0 1/0 1 0/1 0 0" --rectify --numbers

        detcnn filter jets.h5 --preset komiske2017 --filters my_filters.yaml
    """
    from detcnn.errors import ConfigError
    from detcnn.stages.filter import FilterOptions, run
    from detcnn.storage.schema import SPLITS

    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split}: expected one of {', '.join(SPLITS)}")
    result = run(
        path,
        filters=filters or ["all"],
        events=event or None,
        output=output,
        options=FilterOptions(
            stride=stride,
            padding=padding,
            bias=bias,
            rectify=rectify,
            pool=pool,
            dense=dense,
            dense_bias=dense_bias,
        ),
        split=split,
        preset=preset,
        overwrite=overwrite,
    )
    contents = result.artifact.manifest.contents
    drawn = sorted(p.name for p in result.artifact.path.glob("*.png"))
    summary: dict[str, Any] = {
        "filtered": str(result.artifact.path),
        "filters": list(result.steps),
        "events": list(result.events),
        "figures": drawn if verbose or as_json else len(drawn),
    }
    if as_json:
        more = {"steps": contents["steps"], "outputs": contents["outputs"]}
        if numbers:
            more["numbers"] = {
                name: {step: maps.tolist() for step, maps in own.items()}
                for name, own in result.steps.items()
            }
        print_summary({**summary, **more}, as_json=True, quiet=quiet)
    elif not quiet:
        if numbers:
            _print_numbers(result, contents["channel_names"])
        print_summary(summary, as_json=False, quiet=False)


def _print_numbers(result: "FilterResult", channels: list[str]) -> None:
    import numpy as np

    place = result.artifact.path / "numbers.npz"
    with np.load(place) as arrays:
        images = arrays["images"]
        kernels = {name: arrays[f"filter/{name}"] for name in result.steps}

    def show(title: str, values: "NDArray[Any]", array: str) -> None:
        rows, columns = values.shape
        is_wide = columns > _MOST_ACROSS
        note = f"{rows}x{columns} numbers, too many to print in a line: {array} in {place}"
        print(f"{title}\n{note if is_wide else _rows(values)}\n")

    for name, kernel in kernels.items():
        show(f"filter {name}", kernel, f"filter/{name}")
    for i, title in enumerate(result.events):
        for j, channel in enumerate(channels):
            show(f"{title}, {channel}", images[i, j], f"images[{i}, {j}]")
            for name, own in result.steps.items():
                for step, maps in own.items():
                    shown = f"{title}, {channel}: {name}, {_STEPS.get(step, step)}"
                    show(shown, maps[i, j], f"{step}/{name}[{i}, {j}]")
        for step, values in result.outputs.items():
            show(f"{title}: {_STEPS.get(step, step)}", values[i : i + 1], f"{step}[{i}]")


def _rows(values: "NDArray[Any]") -> str:
    text = [[f"{number + 0.0:.4g}".replace("-", "−") for number in row] for row in values.tolist()]
    width = max(len(number) for row in text for number in row)
    return "\n".join("  ".join(number.rjust(width) for number in row) for row in text)
