"""What a user sees: progress on stderr, the summary on stdout, errors as one line."""

import functools
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer

from detcnn.errors import INTERRUPTED, DetcnnError, StorageError
from detcnn.progress import SILENT, Task

# Rich takes longer to import than all of the command line: only what shows something waits for it.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

P = ParamSpec("P")
R = TypeVar("R")

_SECONDS_BETWEEN_LINES = 20.0
_WIDTH_OF_FILES = 1000


class _BarTask:
    """A task drawn as a bar."""

    def __init__(self, bars: "Progress", task: "TaskID") -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: float = 1.0, *, note: str | None = None) -> None:
        self._bars.advance(self._task, amount)
        if note is not None:
            # Above the bar, where it stays: a line of its own, because it leaves a bar no room.
            self._bars.console.print(note, soft_wrap=True)

    def finish(self) -> None:
        task = next(task for task in self._bars.tasks if task.id == self._task)
        self._bars.update(self._task, completed=task.total or task.completed)


class _LineTask:
    """A task told in plain lines, few enough for a batch log."""

    def __init__(self, name: str, total: float | None, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._done, self._said = 0.0, -1.0
        self._start = self._last = time.monotonic()

    def advance(self, amount: float = 1.0, *, note: str | None = None) -> None:
        self._done += amount
        if note is not None or time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._say(note)

    def finish(self) -> None:
        if self._said != self._done:
            self._say()

    def _say(self, note: str | None = None) -> None:
        self._last, self._said = time.monotonic(), self._done
        share = f" of {self._total:,.0f}" if self._total else ""
        seconds = self._last - self._start
        line = f"{self._name}: {self._done:,.0f}{share} {self._unit} in {seconds:.0f} s"
        print(f"{line}  {note}" if note else line, file=sys.stderr, flush=True)


class ConsoleProgress:
    """Draws progress as bars on a terminal, as plain lines elsewhere."""

    def __init__(self, bars: "Progress | None", console: "Console", *, is_quiet: bool) -> None:
        self._bars = bars
        self._console = console
        self._is_quiet = is_quiet

    def task(self, name: str, *, total: float | None = None, unit: str = "") -> Task:
        """Open a task."""
        if self._bars is None:
            return SILENT.task(name) if self._is_quiet else _LineTask(name, total, unit)
        return _BarTask(self._bars, self._bars.add_task(name, total=total))

    def info(self, message: str) -> None:
        """Say something on stderr."""
        if not self._is_quiet:
            self._console.print(printable(message), soft_wrap=True)

    def warn(self, message: str) -> None:
        """Say something on stderr even when quiet."""
        self._console.print(f"warning: {printable(message)}", style="yellow", soft_wrap=True)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    # What is shown are names and paths: nothing in them is a command to Rich.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[ConsoleProgress]:
    """Show what a stage reports while the block runs."""
    console = _console(stderr=True)
    if quiet or not console.is_terminal:
        yield ConsoleProgress(None, console, is_quiet=quiet)
        return

    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield ConsoleProgress(bars, console, is_quiet=False)


def printable(text: str) -> str:
    """Return text with what a terminal would obey, such as escapes and new lines, spelled out.

    The names in a file are whatever somebody wrote there.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_summary(
    summary: Mapping[str, Any], *, as_json: bool, quiet: bool, title: str | None = None
) -> None:
    """Print a command's result on stdout: a two-column table, or JSON for scripts."""
    if as_json:
        print(json.dumps(summary, indent=2))
    elif not quiet:
        print_table(
            [(name.replace("_", " "), _lines(value)) for name, value in summary.items()],
            title=title,
        )


def print_table(
    rows: Sequence[Sequence[str | Sequence[str]]],
    *,
    header: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Print a table on stdout; a line of a cell that is a list, and all else, has one line."""
    from rich.table import Table

    table = Table(
        title=title and printable(title),
        title_justify="left",
        show_header=bool(header),
        box=None,
        pad_edge=False,
    )
    for name in header or [""] * max((len(row) for row in rows), default=0):
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = ([cell] if isinstance(cell, str) else cell for cell in row)
        table.add_row(*("\n".join(map(printable, lines)) for lines in cells))
    console = _console()
    if not console.is_terminal:
        # A file or a pipe has no width; folding there would only cut paths and digests.
        console.width = _WIDTH_OF_FILES
    with console.capture() as capture:
        console.print(table)
    # Without the blanks that fill the last column.
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _lines(value: Any) -> list[str]:
    """Return a value of a summary as the lines of a cell."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, int):
        return [f"{value:,}"]
    if isinstance(value, float):
        return [f"{value:.4g}"]
    if isinstance(value, Mapping):
        named = [(str(key), _lines(entry)) for key, entry in value.items()]
        if any(isinstance(entry, Mapping) for entry in value.values()):
            return [
                line for key, (first, *others) in named for line in (f"{key}: {first}", *others)
            ]
        return _joined([[f"{key} {first}", *others] for key, (first, *others) in named])
    if isinstance(value, list | tuple):
        entries = [_lines(entry) for entry in value]
        if any(" " in line for entry in entries for line in entry):
            return [line for entry in entries for line in entry]
        return _joined(entries)
    return [str(value)]


def _joined(entries: list[list[str]]) -> list[str]:
    """Return entries of a row, where one that has several lines goes on in the next."""
    lines = [""]
    for entry in entries:
        first, *others = entry
        lines[-1] = f"{lines[-1]}, {first}" if entry is not entries[0] else first
        lines += others
    return lines


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what goes wrong inside a command into one line on stderr and an exit code.

    The codes are those of `detcnn.errors`. With ``--debug`` the traceback is shown as well.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # It rests while the command line starts.
        gc.enable()
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            # The reader of our output has gone (| head), which is no failure of ours; what is
            # still in the buffer must go somewhere when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (DetcnnError, KeyboardInterrupt, OSError) as error:
            failure, code = _failure(error)
            if kwargs.get("debug"):
                from rich.console import Console

                Console(stderr=True).print_exception()
        print(f"detcnn: {printable(' '.join(failure.split()))}", file=sys.stderr)
        raise typer.Exit(code)

    return wrapped


def _failure(error: DetcnnError | KeyboardInterrupt | OSError) -> tuple[str, int]:
    if isinstance(error, DetcnnError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", INTERRUPTED
    if error.strerror is None:
        # Not from the operating system: a library's own, so a bug of ours.
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}", StorageError.exit_code
