import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import detcnn.cli
from detcnn import __version__
from detcnn.cli.main import COMMANDS as LINES
from detcnn.cli.main import app
from detcnn.simulation.definitions import DEFINITIONS
from detcnn.simulation.image_definitions import IMAGE_DEFINITIONS

MAIN = typer.main.get_command(app)
TOP = {name: MAIN.resolve_command(MAIN.make_context("detcnn", [name]), [name])[1] for name in LINES}


def walk(commands, *names):
    """Every command by its words, those of a group of commands on their own."""
    for name, found in commands.items():
        if hasattr(found, "commands"):
            yield from walk(found.commands, *names, name)
        else:
            yield " ".join([*names, name]), found


FOUND = dict(walk(TOP))
COMMANDS = sorted(FOUND)


def examples(command):
    text = FOUND[command].help
    return [line.strip() for line in text.splitlines() if line.strip().startswith("detcnn ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_unbroken(detcnn, name):
    result = detcnn(*name.split(), "--help", COLUMNS="80", TERMINAL_WIDTH="80")
    assert result.exit_code == 0
    assert examples(name)
    for example in examples(name):
        assert example in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_command_lines_that_the_command_takes(name):
    for example in examples(name):
        program, *words = shlex.split(example.split(" > ")[0])
        n = len(name.split())
        assert (program, " ".join(words[:n])) == ("detcnn", name)
        FOUND[name].make_context(name, words[n:])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_the_common_options(name):
    options = {option for p in FOUND[name].params for option in p.opts}
    assert options >= {"--json", "--quiet", "--debug"}
    assert "--verbose" in options or name == "config"
    assert all(getattr(p, "help", None) for p in FOUND[name].params)


def test_each_module_that_registers_a_command_is_listed():
    folder = Path(detcnn.cli.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if "def register(" in path.read_text()}
    assert modules == set(LINES)


@pytest.mark.parametrize("name", sorted(LINES))
def test_the_list_of_commands_says_of_each_what_its_own_help_says_first(name):
    first, *_ = TOP[name].help.split("\n\n")
    assert " ".join(first.split()) == LINES[name]


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["inspect", "x", "--nothing"], ["inspect"], ["preprocess", "s", "-j0"]],
)
def test_wrong_usage_exits_with_2(detcnn, arguments):
    result = detcnn(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage" in result.stderr


def test_version(detcnn):
    assert detcnn("--version").stdout == f"detcnn {__version__}\n"


def printed(*arguments):
    """What a command line prints in a new process, and the heavy libraries it imports."""
    heavy = ["h5py", "matplotlib", "numba", "numpy", "pyarrow", "pydantic", "torch", "zarr"]
    program = f"""
import sys
from detcnn.cli.main import app
try:
    app({arguments})
except SystemExit as end:
    assert end.code == 0
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *text, imported = done.stdout.splitlines()
    return " ".join(" ".join(text).split()), imported


def test_help_tells_the_exit_codes_and_imports_nothing_heavy():
    text, imported = printed("--help")
    assert imported == "[]"
    for code in ("0 done", "2 usage", "65 bad data", "73 the output", "74 disk", "75 check", "130"):
        assert code in text


def test_help_of_a_command_imports_nothing_heavy():
    text, imported = printed("train", "--help")
    assert imported == "[]"
    assert "detcnn train" in text


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef detcnn")])
def test_a_shell_gets_its_completion_script(shell, word):
    program = "import sys; from detcnn.cli.main import app; sys.argv[0] = 'detcnn'; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--show-completion", shell],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert word in done.stdout


def test_help_of_simulate_lists_every_sample(detcnn):
    text = detcnn("simulate", "--help").stdout
    for name in (*DEFINITIONS, *IMAGE_DEFINITIONS):
        assert f"{name}: " in text
