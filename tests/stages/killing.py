"""Run a stage in child processes: once unbroken, then killed by SIGKILL at one file operation each.

    python killing.py preprocess|train STUDY POINTS SEED

prints, as JSON, the digest of the unbroken run, and for each killed one its operation, what was
left beside the output, and the digest after running it again. Children are forked, so that the
imports are paid for once.
"""

import importlib
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from detcnn.config.loading import load_study
from detcnn.events.images import SparseImages
from detcnn.stages import preprocess, train
from detcnn.training.batches import dense_images

_OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}

# What takes most of the time: a killed process leaves its writes behind without it, and a figure.
os.fsync = lambda descriptor: None
train.write_figure = lambda figure, folder, name: None


def warm_up() -> None:
    """Pay here, and not in every child, for what happens before the first kernel and step."""
    importlib.import_module("torch._dynamo")  # by the first optimiser
    one = SparseImages(np.array([0, 1]), np.zeros(1, np.uint16), np.ones(1, np.float32), (1, 2, 2))
    dense_images(one, np.zeros(1, dtype=np.int64))


def in_child(run: Callable[[], str], scratch: Path, *, kill_at: int | None = None) -> str | None:
    """Return what `run` returns with the number of operations, or None if it was killed."""
    child = os.fork()
    if child == 0:
        count = itertools.count(1)
        n_operations = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal n_operations
            # Removing a tree names what is in it by file descriptor.
            if event in _OPERATIONS and (
                str(arguments[0]).startswith(str(scratch)) or arguments[-1] not in (-1, None)
            ):
                n_operations = next(count)
                if n_operations == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        result = run()
        (scratch / "result").write_text(f"{n_operations} {result}")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    assert os.waitstatus_to_exitcode(status) == 0
    return (scratch / "result").read_text()


def main(stage: str, study_path: Path, n_points: int, seed: int) -> None:
    warm_up()
    study = load_study(study_path)
    base = study_path.parent

    def build(output: Path) -> str:
        if stage == "preprocess":
            return preprocess.run(
                study.preprocess, base=base, output=output
            ).artifact.manifest.digest
        result = train.run(study.train, images=base / "images", output=output, resume=True)
        return result.artifact.manifest.digest

    def prepared(name: str) -> Path:
        scratch = base / name
        scratch.mkdir()
        return scratch

    unbroken = prepared("unbroken")
    report = in_child(lambda: build(unbroken / "output"), unbroken)
    assert report is not None
    n_operations, digest = report.split()
    killed = []
    for n in sorted(random.Random(seed).sample(range(1, int(n_operations)), n_points)):
        scratch = prepared(f"killed-{n}")
        died = in_child(lambda s=scratch: build(s / "output"), scratch, kill_at=n) is None
        again = in_child(lambda s=scratch: build(s / "output"), scratch)
        left = sorted(path.name for path in scratch.iterdir())
        killed.append(
            {"at": n, "died": died, "left": left, "digest": again.split()[1] if again else None}
        )
    print(json.dumps({"digest": digest, "n_operations": int(n_operations), "killed": killed}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
