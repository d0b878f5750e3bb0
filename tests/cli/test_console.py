import gc
import io
import json
import os
import re
import subprocess
import sys
from functools import partial

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from detcnn.cli import console
from detcnn.errors import (
    CheckpointedError,
    ConfigError,
    DataError,
    DetcnnError,
    MissingExtraError,
    OutputExistsError,
    StorageError,
)


def invoke(act, *arguments):
    app = typer.Typer()

    @app.command()
    @console.command
    def act_and_say(debug: bool = False) -> None:
        act()
        print("done")

    return CliRunner().invoke(app, arguments)


def raising(error):
    def act():
        raise error

    return act


# Errors


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DetcnnError("a"), 1, "a"),
        (ConfigError("a"), 2, "a"),
        (MissingExtraError("p", extra="e", purpose="it"), 2, "pip install 'detcnn[e]'"),
        (DataError("two\nlines"), 65, "two lines"),
        (OutputExistsError("a"), 73, "a"),
        (StorageError("a"), 74, "a"),
        (OSError(28, "No space left on device", "/x"), 74, "/x: No space left on device"),
        (PermissionError(13, "Permission denied"), 74, "Permission denied"),
        (CheckpointedError("a"), 75, "a"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("stopped"), 130, "stopped"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(error, code, text):
    result = invoke(raising(error))
    assert result.exit_code == code
    assert result.stdout == ""
    assert re.fullmatch(rf"detcnn: .*{re.escape(text)}.*\n", result.stderr)


def test_debug_shows_the_traceback_as_well():
    result = invoke(raising(DataError("no good")), "--debug")
    assert result.exit_code == 65
    assert "Traceback" in result.stderr
    assert "raise error" in result.stderr
    assert result.stderr.endswith("detcnn: no good\n")


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), OSError("a library's own")])
def test_a_bug_is_not_hidden(error):
    result = invoke(raising(error))
    assert result.exit_code == 1
    assert result.exception is error


def test_success_says_nothing_of_its_own():
    result = invoke(lambda: None)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")


def test_a_command_has_a_garbage_collector():
    gc.disable()
    try:
        invoke(lambda: None)
        assert gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("is_more_than_a_buffer", [False, True])
def test_a_reader_that_has_gone_is_no_failure(folder, is_more_than_a_buffer):
    program = "from detcnn.cli.main import main; main()"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            "config",
            "--schema" if is_more_than_a_buffer else folder.study,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == b""


# Progress


def test_lines_are_few_and_tell_the_end_once(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with console.show_progress(quiet=False) as progress:
        task = progress.task("reading", total=5000, unit="events")
        for _ in range(4):
            clock[0] += 8
            task.advance(1000)
        task.advance(1000, note="all of it")
        task.finish()
        open_end = progress.task("waiting", unit="s")
        open_end.advance(3)
        open_end.finish()
        open_end.finish()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reading: 3,000 of 5,000 events in 24 s",
        "reading: 5,000 of 5,000 events in 32 s  all of it",
        "waiting: 3 s in 0 s",
    ]


def test_quiet_hears_warnings_only(capsys):
    with console.show_progress(quiet=True) as progress:
        progress.task("reading", total=1).finish()
        progress.info("by the way")
        progress.warn("take [care]")
    assert capsys.readouterr().err == "warning: take [care]\n"


def test_on_a_terminal_notes_stay_above_the_bar(monkeypatch):
    screen = io.StringIO()
    terminal = partial(Console, file=screen, force_terminal=True, width=80)
    monkeypatch.setattr("rich.console.Console", terminal)
    with console.show_progress(quiet=False) as progress:
        task = progress.task("training", total=10, unit="images")
        task.advance(4, note="epoch 1/3: " + "loss 0.1234, " * 6 + "[end]")
        task.advance(4)
        task.finish()
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).splitlines()
    assert any(line.endswith("[end]") for line in lines)
    assert "training" in lines[-1]
    assert "10/10" in lines[-1]


# Results


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (12345, "12,345"),
        (0.000012345, "1.234e-05"),
        ([3, 33, 33], "3, 33, 33"),
        (["one thing", "another"], "one thing\nanother"),
        ({"gluon": 1000, "quark": 5}, "gluon 1,000, quark 5"),
        ({"train": {"a": 1}, "test": {"a": 2}}, "train: a 1\ntest: a 2"),
        ("as it is", "as it is"),
    ],
)
def test_values_read_well(value, text):
    assert "\n".join(console._lines(value)) == text


def test_what_a_terminal_obeys_is_spelled_out(capsys):
    name = "a\x1b[31mb\nc\x9b\udc80\u202ed"
    told = r"a\x1b[31mb\nc\x9b\udc80\u202ed"
    console.print_table([[name, [name, "é"]]], header=("x", "y"), title=name)
    console.print_summary(
        {"a": name, "b": {name: {"c": [name, "e f"]}}}, as_json=False, quiet=False
    )
    with console.show_progress(quiet=False) as progress:
        progress.warn(name)
        progress.info(name)
    seen = capsys.readouterr()
    assert seen.out.splitlines() == [
        told,
        f"x{' ' * len(told)} y",
        f"{told}  {told}",
        f"{' ' * len(told)}  é",
        f"a  {told}",
        f"b  {told}: c {told}",
        "   e f",
    ]
    assert seen.err == f"warning: {told}\n{told}\n"


def test_errors_spell_out_what_a_terminal_obeys(capsys):
    @console.command
    def fails():
        raise DataError("no dataset 'a\x1b[2Jb'")

    with pytest.raises(typer.Exit):
        fails()
    assert capsys.readouterr().err == "detcnn: no dataset 'a\\x1b[2Jb'\n"


def test_a_pipe_gets_long_values_in_one_line(capsys):
    path = "/a/long/path" * 30
    console.print_summary({"some_path": path}, as_json=False, quiet=False)
    assert capsys.readouterr().out.rstrip() == f"some path  {path}"


def test_brackets_and_colons_are_no_commands(capsys):
    console.print_summary({"a": "[red]:dog:[/]"}, as_json=False, quiet=False, title="[b]:cat:")
    assert capsys.readouterr().out == "[b]:cat:\na  [red]:dog:[/]\n"
    with console.show_progress(quiet=False) as progress:
        progress.info("[/] :dog:")
    assert capsys.readouterr().err == "[/] :dog:\n"


def test_json_wins_over_quiet(capsys):
    console.print_summary({"a": [1]}, as_json=True, quiet=True)
    assert json.loads(capsys.readouterr().out) == {"a": [1]}
    console.print_summary({"a": [1]}, as_json=False, quiet=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("no_color", "is_coloured"), [("1", False), ("", True)])
def test_no_color_is_honoured(no_color, is_coloured):
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    env = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm-256color"}
    subprocess.run(
        [sys.executable, "-c", "from detcnn.cli.main import main; main()", "--help"],
        stdout=follower,
        stdin=follower,
        env=env,
        check=True,
    )
    os.close(follower)
    output = b""
    # Linux tells the end of a pseudo-terminal by an error.
    try:
        while block := os.read(leader, 4096):
            output += block
    except OSError:
        pass
    os.close(leader)
    assert b"preprocess" in output
    colours = re.findall(rb"\x1b\[[0-9;]*3[0-7][0-9;]*m", output)
    assert bool(colours) == is_coloured
