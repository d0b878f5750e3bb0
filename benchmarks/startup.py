"""How long a command takes before it does anything: whole processes, from start to end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from benchmarks.timing import Contender, Table, compare

_DETCNN = "from detcnn.cli.main import main; main()"
_LIBRARIES = "import typer, rich.console"

_ONE_COMMAND = """
import typer
app = typer.Typer(rich_markup_mode="rich")
@app.callback()
def program() -> None: pass
@app.command()
def work(times: int = 1) -> None: "Work so many times."
app()
"""

_DECORATORS = {
    "numba": "from numba import njit\ncompiled = njit(cache=True, nogil=True)",
    "detcnn": "from detcnn.kernels.compilation import compiled",
}
_KERNEL = """
import numpy as np
{decorator}

@compiled
def squares(values):
    total = 0.0
    for value in values:
        total += value * value
    return total

squares(np.ones(3))
"""

_STAGES = ("inspect", "preprocess", "predict", "evaluate", "train")


def run(*, quick: bool) -> list[Table]:
    return [
        _first_words(rounds=1 if quick else 15),
        _first_kernel(("detcnn",) if quick else ("detcnn", "numba"), rounds=1 if quick else 7),
        _stages(_STAGES[:1] if quick else _STAGES, rounds=1 if quick else 5),
    ]


def _first_words(*, rounds: int) -> Table:
    programs = {
        f"python -c '{_LIBRARIES}'": _process(_LIBRARIES),
        "detcnn --help": _process(_DETCNN, "--help"),
        "detcnn --version": _process(_DETCNN, "--version"),
        "detcnn inspect --help": _process(_DETCNN, "inspect", "--help"),
        "detcnn evaluate --help": _process(_DETCNN, "evaluate", "--help"),
        "Typer with one command: --help": _process(_ONE_COMMAND, "--help"),
        "Typer with one command: work --help": _process(_ONE_COMMAND, "work", "--help"),
    }
    contenders = [Contender(name, process, 1) for name, process in programs.items()]
    return compare(
        "First words",
        "starts",
        [*contenders, Contender("python -c pass", _process("pass"), 1, is_limit=True)],
        rounds=rounds,
        notes=[
            "The ratios say how many times as long a program takes as the first line.",
            "Most of the rest is what Typer imports to show help: rich.markdown, rich.traceback.",
            "Typer by itself imports pydantic for the help of a command of a group.",
        ],
    )


def _first_kernel(names: tuple[str, ...], *, rounds: int) -> Table:
    with tempfile.TemporaryDirectory(prefix="detcnn-kernels-") as folder:
        for name in names:
            path = Path(folder, f"{name}_squares.py")
            path.write_text(_KERNEL.format(decorator=_DECORATORS[name]), encoding="utf-8")
        numbers = count()

        def kept() -> Mapping[str, str]:
            return {f"{name}_CACHE_DIR": f"{folder}/kept" for name in ("DETCNN", "NUMBA")}

        def fresh() -> Mapping[str, str]:
            number = next(numbers)
            return {f"{name}_CACHE_DIR": f"{folder}/{number}" for name in ("DETCNN", "NUMBA")}

        def kernel(name: str, environment: Callable[[], Mapping[str, str]]) -> Callable[[], object]:
            program = f"import sys; sys.path.insert(0, {folder!r}); import {name}_squares"
            return _process(program, environment=environment)

        return compare(
            "A first kernel",
            "starts",
            [
                Contender("import numba", _process("import numba"), 1, is_limit=True),
                *(Contender(f"{name}, found on disk", kernel(name, kept), 1) for name in names),
                *(Contender(f"{name}, compiled", kernel(name, fresh), 1) for name in names),
            ],
            rounds=rounds,
            notes=[
                "The ratios say how many times as long it takes as to import numba.",
                "Only to compile does detcnn import all that numba can compile; numba always.",
            ],
        )


def _stages(stages: tuple[str, ...], *, rounds: int) -> Table:
    return compare(
        "What a command imports",
        "starts",
        [
            Contender("import numpy", _process("import numpy"), 1, is_limit=True),
            *(Contender(name, _process(f"import detcnn.stages.{name}"), 1) for name in stages),
        ],
        rounds=rounds,
        notes=["The ratios say how many times as long it takes as to import numpy."],
    )


def _process(
    program: str, *arguments: str, environment: Callable[[], Mapping[str, str]] = dict
) -> Callable[[], object]:
    """Return what runs a program in a Python of its own."""
    # As users have it: Python keeps its bytecode.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    inherited["PYTHONPATH"] = str(Path(__file__).parents[1])
    return lambda: subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=inherited | environment(),
        check=True,
        capture_output=True,
    )
