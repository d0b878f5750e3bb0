"""Publishes small artifacts in a process of its own, which can be struck at any file operation.

publisher.py strike ROOT {kill,ENOSPC}   publish over an old artifact in ROOT/0, ROOT/1 ..., struck
                                         at the first operation, the second ...; print how many
publisher.py hold TARGET                 open TARGET for writing, say so, wait for a line
"""

import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from detcnn.artifacts.kinds import METRICS
from detcnn.artifacts.opening import Artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import DetcnnError


def publish(target: Path, text: str) -> Artifact:
    """Publish an artifact of three files, replacing what is there."""
    with build_artifact(target, kind=METRICS, identity=f"{0:064x}", overwrite=True) as builder:
        (builder.folder / "tables").mkdir(exist_ok=True)
        for name in ("metrics.json", "report.html", "tables/roc.csv"):
            (builder.folder / name).write_text(text)
        return builder.publish(
            stage="evaluate", config={"text": text}, inputs=[], contents={}, circumstances={}
        )


def strike_at(number: int, folder: Path, blow: Callable[[], None]) -> None:
    """Deal a blow just before the file operation of that number in `folder`."""
    operations = itertools.count()

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        is_ours = event == "test.fsync" or (
            event.startswith(("open", "os.", "shutil."))
            and any(str(argument).startswith(str(folder)) for argument in arguments)
        )
        if is_ours and next(operations) == number:
            blow()

    sys.addaudithook(audit)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def strike(root: Path, blow: Callable[[], None]) -> int:
    # No power fails here, so that flushing is an operation like any other, but takes no time.
    os.fsync = lambda _: sys.audit("test.fsync")
    for number in itertools.count():
        folder = root / str(number)
        publish(folder / "metrics", "old")
        if (child := os.fork()) == 0:
            strike_at(number, folder, blow)
            try:
                publish(folder / "metrics", "new")
            except (OSError, DetcnnError):
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return number
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "strike":
        blow = {"kill": kill, "ENOSPC": disk_full}[sys.argv[3]]
        sys.stdout.write(str(strike(Path(sys.argv[2]), blow)))
    else:
        with build_artifact(Path(sys.argv[2]), kind=METRICS, identity=f"{0:064x}", overwrite=False):
            sys.stdout.write("writing\n")
            sys.stdout.flush()
            sys.stdin.readline()
