"""How a stage tells its caller how far it is, without knowing who listens.

Stages take a `Progress` and report to it; the command line draws it as bars on a terminal and as
plain lines in a batch log; a library user passes nothing and hears nothing.
"""

from typing import Protocol


class Task(Protocol):
    """One piece of work of known or unknown length."""

    def advance(self, amount: float = 1.0, *, note: str | None = None) -> None:
        """Move on by `amount`; `note` replaces the text shown behind the bar."""
        ...

    def finish(self) -> None:
        """Mark the work as done; a bar stays full."""
        ...


class Progress(Protocol):
    """Receives what a stage has to say while it runs."""

    def task(self, name: str, *, total: float | None = None, unit: str = "") -> Task:
        """Open a task. `total` of None means that the length is not known."""
        ...

    def info(self, message: str) -> None:
        """Say something that a user wants to read once."""
        ...

    def warn(self, message: str) -> None:
        """Say something that a user should act on, though the work goes on."""
        ...


class _SilentTask:
    def advance(self, amount: float = 1.0, *, note: str | None = None) -> None:
        pass

    def finish(self) -> None:
        pass


class SilentProgress:
    """Hears everything and shows nothing: the default of every stage."""

    def task(self, name: str, *, total: float | None = None, unit: str = "") -> Task:
        """Return a task that shows nothing."""
        return _SilentTask()

    def info(self, message: str) -> None:
        """Drop the message."""

    def warn(self, message: str) -> None:
        """Drop the message."""


SILENT = SilentProgress()
