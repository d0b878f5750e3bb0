"""The ``detcnn`` command."""

import gc
import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from detcnn import __version__

_EPILOG = (
    "Exit codes: 0 done, 1 a bug, 2 usage or configuration, 65 bad data, 73 the output exists or "
    "is being written, 74 disk or file system, 75 checkpointed: run me again, 130 interrupted."
)

COMMANDS = {
    "simulate": 'Simulate jets (with Pythia 8: needs the extra "simulate"), or images of a '
    "detector.",
    "validate": "Compare simulated jets with what is known of their definition; exit code 65 if "
    "they differ.",
    "inspect": "Describe an input file or an artifact: kind, shape, units, classes, provenance.",
    "audit": "Check the data: numbers, units, duplicates, leakage, pixels. Exits with 65 on "
    "trouble.",
    "config": "Print what a study resolves to: every default and preset written out.",
    "filter": "Move filters made by hand over images: pictures and numbers of every step.",
    "preprocess": "Turn input files into a store of images: align, project, split, weigh.",
    "train": "Train a network on images and keep the weights of its best epoch.",
    "predict": "Write what a model says of every image: scores, energies, maps of pixels or "
    "points.",
    "evaluate": "Say what a model is worth: ROC, working points with intervals, figures, a report.",
    "explain": "Show what a trained classifier looks for, and where in the image it finds it.",
    "compare": "Compare classifications: ROC curves with ratios, differences with intervals and "
    "p-values.",
    "models": "The networks, layer by layer, and the arithmetic of their layers.",
}
"""The commands, each a module of this room that registers it, and the first line of their help."""


class _Commands(TyperGroup):
    """The commands by their first lines; the one that is called is imported then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, line in COMMANDS.items():
            self.add_command(TyperCommand(name=name, help=line))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command, and return what follows them."""
        for option in self.get_params(ctx):
            # Typer's own flags are None where they are not given, and what is no bool it has
            # checked by pydantic, for which the help of a command would wait.
            if option.default is None and getattr(option, "is_flag", False):
                option.default = False
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the command that is called, the command and what follows it."""
        name, listed, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, listed, rest
        alone = typer.Typer()
        importlib.import_module(f"{__package__}.{name}").register(alone)
        return name, get_group(alone).commands[name], rest


app = typer.Typer(
    cls=_Commands,
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


def main() -> None:
    """Run the command line."""
    # What imports make is there to stay: the garbage collector would go through it again and
    # again and find nothing. It is at work again as soon as a command is.
    gc.disable()
    app()
