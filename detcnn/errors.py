"""The few ways detcnn can fail, each with the exit code that a shell sees.

Codes follow ``sysexits.h`` where it has one, so that a batch system can tell "your configuration
is wrong" (do not retry) from "checkpointed" (submit me again). A message is one line: the offending
value with its place, what was expected, and what to do about it.
"""

from typing import ClassVar

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells report a process ended by SIGINT."""


class DetcnnError(Exception):
    """Base of every error that detcnn raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(DetcnnError):
    """The command line or the study file asks for something that cannot be (exit code 2)."""

    exit_code = 2


class MissingExtraError(ConfigError):
    """An optional dependency is not installed (exit code 2)."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed: "
            f"run: pip install 'detcnn[{extra}]'"
        )


class DivergedError(DetcnnError):
    """A training has left the finite numbers: change its configuration (exit code 2)."""

    exit_code = 2


class DataError(DetcnnError):
    """Input data are malformed, or an artifact is foreign, partial or corrupt (exit code 65)."""

    exit_code = 65


class OutputExistsError(DetcnnError):
    """The output is there already, or another process is writing it (exit code 73)."""

    exit_code = 73


class StorageError(DetcnnError):
    """The operating system refused to read or write: disk full, permissions (exit code 74)."""

    exit_code = 74


class CheckpointedError(DetcnnError):
    """Stopped on request with the state saved: run the same command again (exit code 75)."""

    exit_code = 75
