"""Time and peak memory of preprocessing, from ten thousand jets to ten million."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.preprocess import STUDY, write_jets
from benchmarks.timing import Listing

# The peak of the largest of the processes that have ended, as the kernel accounts for it.
PROGRAM = """\
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "detcnn", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(*, quick: bool) -> list[Listing]:
    sizes = (1000, 2000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    rows = []
    for n_jets in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_jets(folder / "jets.h5", n_jets)
            (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
            command = ["preprocess", str(folder / "study.yaml"), "--quiet"]
            command += ["--output", str(folder / "images")]
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, *command],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds = time.perf_counter() - started
            files = [path for path in (folder / "images").rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
        rows.append(
            (
                f"{n_jets:,}",
                f"{seconds:.1f}",
                f"{seconds / n_jets * 1e6:.1f}",
                f"{int(done.stdout) / 1024:,.0f}",
                f"{size / n_jets:.0f}",
            )
        )
    header = ("jets", "seconds", "µs a jet", "peak memory [MiB]", "bytes a jet")
    conditions = (
        "Whole processes, start-up included, the input in the memory of the file system. The peak "
        "is that of the largest process; a partition and the pixels of a shard set it."
    )
    return [Listing("Preprocessing as the input grows", header, tuple(rows), (conditions,))]
