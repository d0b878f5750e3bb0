"""``detcnn models``: the networks there are, what they cost, and what layers make of a shape."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detcnn.cli.console import command, print_summary, print_table
from detcnn.cli.options import AsJson, Debug, Quiet, Verbose
from detcnn.errors import ConfigError

if TYPE_CHECKING:
    from fractions import Fraction

    from detcnn.models.catalogue import Architecture
    from detcnn.models.summary import NetworkSummary

_HELP = "The networks, layer by layer, and the arithmetic of their layers."

Input = Annotated[
    str,
    typer.Option(
        "--input", "-i", metavar="SHAPE", help="Channels and pixels of an image, as in 3x33x33."
    ),
]
Outputs = Annotated[int, typer.Option(min=1, help="Outputs, for a classifier its classes.")]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="OPTION=VALUE",
        help="An option of the network, as in width=0.5; may be repeated.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = typer.Typer(help=_HELP, no_args_is_help=True)
    models.command(name="list")(command(_list))
    models.command(name="show")(command(_show))
    models.command(name="summary")(command(_summary))
    models.command(name="arithmetic")(command(_arithmetic))
    app.add_typer(models, name="models")


def _list(
    shape: Input = "3x33x33",
    outputs: Outputs = 2,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """List the networks: name, number of parameters for an image of --input, and what each is.

    With --verbose also why one does not take such an image.

    Examples:

        detcnn models list

        detcnn models list --input 1x28x28 --outputs 10 --json
    """
    from detcnn.models.catalogue import NETWORKS, describe_network
    from detcnn.models.entries import catalogue_entry, parameter_count

    sides = _shape(shape)
    found: list[dict[str, Any]] = []
    for name in NETWORKS:
        entry: dict[str, Any] = {"name": name, "parameters": None}
        try:
            described = describe_network(name, shape=sides, n_outputs=outputs)
            entry["parameters"] = parameter_count(described)
        except ConfigError as error:
            entry["why_not"] = str(error)
        found.append({**entry, "what": catalogue_entry(name).headline})
    if as_json:
        summary = {"input": list(sides), "outputs": outputs, "networks": found}
        print_summary(summary, as_json=True, quiet=quiet)
    elif not quiet:
        rows = [
            [
                entry["name"],
                "–" if entry["parameters"] is None else f"{entry['parameters']:,}",
                [entry["what"], *([entry["why_not"]] if verbose and "why_not" in entry else [])],
            ]
            for entry in found
        ]
        print_table(rows, header=["network", "parameters", "what it is"])


def _show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A network's name.", show_default=False)
    ],
    shape: Input = "3x33x33",
    outputs: Outputs = 2,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Say what a network is: its options with their defaults, its paper, its smallest image.

    With --verbose also its whole documentation.

    Examples:

        detcnn models show komiske2017

        detcnn models show plain_cnn --verbose
    """
    from detcnn.models.catalogue import describe_network
    from detcnn.models.entries import catalogue_entry, parameter_count, smallest_side

    sides = _shape(shape)
    entry = catalogue_entry(name)
    summary: dict[str, Any] = {"network": name, "what": entry.headline, "source": entry.source}
    try:
        side = smallest_side(name, channels=sides[0], n_axes=len(sides) - 1)
        summary["smallest_image"] = "x".join([str(side)] * (len(sides) - 1))
        described = describe_network(name, shape=sides, n_outputs=outputs)
        summary["parameters"] = parameter_count(described)
    except ConfigError as error:
        summary["not_for_this_image"] = str(error)
    if as_json:
        more = {"options": entry.options, "documentation": entry.documentation}
        print_summary({**summary, "input": list(sides), **more}, as_json=True, quiet=quiet)
    elif not quiet:
        # The line that names the paper is often the headline.
        said = {k: v for k, v in summary.items() if v and (k == "what" or v != entry.headline)}
        print_summary(said, as_json=False, quiet=False)
        rows = [[option, _value(default)] for option, default in entry.options.items()]
        print()
        print_table(rows or [["none", ""]], header=["option", "default"])
        if verbose:
            print(f"\n{entry.documentation}")


def _summary(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A network's name, or a trained model.", show_default=False
        ),
    ],
    shape: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="SHAPE",
            help="Channels and pixels of an image; 3x33x33, or what the model was trained with.",
            show_default=False,
        ),
    ] = None,
    options: Options = None,
    outputs: Annotated[
        int | None,
        typer.Option(min=1, help="Outputs; 2, or those of the model.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Go through a network layer by layer, without making its weights.

    For each layer as it is called: shape of its output for one image;
    receptive field, the pixels that one place of the output sees; stride,
    the pixels from one place to the next; what it learns; multiply-adds of
    convolutions and matrix products; memory of what it makes.

    Examples:

        detcnn models summary komiske2017 --input 3x33x33

        detcnn models summary resnet18 -i 1x224x224 --set width=0.5

        detcnn models summary work/model --json
    """
    from detcnn.models.summary import summarise

    described = _architecture(name, shape, options or [], outputs)
    found = summarise(described)
    if as_json:
        print_summary(_as_json(found), as_json=True, quiet=quiet)
    elif not quiet:
        rows = [
            [
                layer.name.removeprefix("trunk.") or name,
                layer.kind,
                _times(layer.output_shape),
                "all" if layer.sees_all else _times(layer.receptive_field),
                "" if layer.jump is None else _times(layer.jump),
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
                _bytes(layer.activation_bytes) if layer.activation_bytes else "",
            ]
            for layer in found.layers
        ]
        total = [f"{found.parameters:,}", f"{found.multiply_adds:,}"]
        rows.append(["total", "", "", "", "", *total, _bytes(found.activation_bytes)])
        header = ["layer", "kind", "output", "sees", "stride", "parameters", "mult-adds", "memory"]
        if not verbose:
            # The name tells the kind in most networks, and eight columns are wide.
            rows, header = [[r[0], *r[2:]] for r in rows], [header[0], *header[2:]]
        print_table(rows, header=header)


def _arithmetic(
    layers: Annotated[
        str, typer.Argument(metavar="LAYERS", help="Layers as text.", show_default=False)
    ],
    shape: Input = "1x256x256",
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Work out the shape behind each layer, with the formula.

    Layers: conv and tconv (transposed) with k kernel, s stride, p padding,
    d dilation, f filters, g groups, and op output padding; maxpool,
    meanpool and sumpool with k, s, p, ceil; globalmax, globalmean,
    upsample(by=2), pad(p=1), flatten, dense(n=10), batchnorm, dropout, relu
    and other activations. A number is for all axes, 3x5 is one for each.
    --verbose adds multiply-adds.

    Examples:

        detcnn models arithmetic "conv(k=3,s=2,p=1) maxpool(k=4,s=1)"

        detcnn models arithmetic "conv(5,6) relu maxpool(2)" -i 1x28x28
    """
    from detcnn.models.arithmetic import work_out
    from detcnn.models.layer_text import parse_layers

    sides = _shape(shape)
    found = work_out(parse_layers(layers), sides)
    if as_json:
        entries = [
            {
                "layer": entry.layer.text,
                "output_shape": list(entry.shape),
                "formula": entry.formula,
                "parameters": entry.parameters,
                "multiply_adds": entry.multiply_adds,
                "receptive_field": list(entry.receptive_field),
                "stride": None if entry.jump is None else [float(j) for j in entry.jump],
            }
            for entry in found
        ]
        print_summary({"input": list(sides), "layers": entries}, as_json=True, quiet=quiet)
    elif not quiet:
        rows = [
            [
                entry.layer.text,
                _times(entry.shape),
                entry.formula.split("; "),
                _times(entry.receptive_field),
                f"{entry.parameters:,}" if entry.parameters else "",
                *([f"{entry.multiply_adds:,}"] if verbose else []),
            ]
            for entry in found
        ]
        header = ["layer", "output", "o =", "sees", "parameters", *(["mult-adds"] * verbose)]
        print_table([["input", _times(sides), *[""] * (len(header) - 2)], *rows], header=header)


def _shape(text: str) -> tuple[int, ...]:
    sides = text.lower().replace("×", "x").split("x")
    if not 2 <= len(sides) <= 4 or not all(s.isdecimal() and int(s) > 0 for s in sides):
        raise ConfigError(
            f"--input {text}: expected channels and one to three sides in pixels, as in 3x33x33"
        )
    return tuple(map(int, sides))


def _architecture(
    name: str, shape: str | None, settings: Sequence[str], outputs: int | None
) -> "Architecture":
    """Return what is called `name`: a trained model, or a network of the catalogue."""
    from detcnn.config.loading import apply_override
    from detcnn.models.catalogue import NETWORKS, describe_network

    options: dict[str, Any] = {}
    if name not in NETWORKS and (Path(name) / "manifest.json").exists():
        from detcnn.artifacts.kinds import MODEL
        from detcnn.artifacts.opening import open_artifact
        from detcnn.training.export import read_description

        open_artifact(Path(name), expected=MODEL)
        trained = read_description(Path(name)).architecture
        name, options = trained.network, dict(trained.options)
        sides = _shape(shape) if shape else trained.shape
        n_outputs = outputs or trained.n_outputs
    else:
        sides, n_outputs = _shape(shape or "3x33x33"), outputs or 2
    for setting in settings:
        if "=" not in setting.lstrip("="):
            raise ConfigError(f"--set {setting}: expected option=value, as in width=0.5")
        apply_override(options, setting)
    return describe_network(name, shape=sides, n_outputs=n_outputs, options=options)


def _as_json(found: "NetworkSummary") -> Mapping[str, Any]:
    return {
        "network": found.architecture.network,
        "options": dict(found.architecture.options),
        "input": list(found.architecture.shape),
        "outputs": found.architecture.n_outputs,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "output_shape": list(layer.output_shape),
                "receptive_field": list(layer.receptive_field),
                "sees_all": layer.sees_all,
                "stride": None if layer.jump is None else [float(j) for j in layer.jump],
                "parameters": layer.parameters,
                "multiply_adds": layer.multiply_adds,
                "activation_bytes": layer.activation_bytes,
            }
            for layer in found.layers
        ],
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
        "activation_bytes": found.activation_bytes,
    }


def _times(sides: "Sequence[int | Fraction]") -> str:
    return "x".join(map(str, sides))


def _bytes(number: int) -> str:
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def _value(default: object) -> list[str] | str:
    if isinstance(default, list) and any(isinstance(entry, Mapping) for entry in default):
        return [_value_text(entry) for entry in default]
    return _value_text(default)


def _value_text(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value_text(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value_text, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
