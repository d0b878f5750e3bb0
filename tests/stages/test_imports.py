"""What starting a stage costs: imports, and machine code that is there from the run before."""

import os
import subprocess
import sys

import pytest

HEAVY = ("h5py", "matplotlib", "numba", "pyarrow", "sklearn", "torch", "zarr")


def imported_with(module):
    """What of the heavy libraries a new process has after importing a module."""
    program = f"import sys, {module}; print(*(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("stage", "needed"),
    [
        # Workers import their stage again, each of them.
        ("preprocess", {"h5py", "numba", "pyarrow", "zarr"}),
        ("inspect", {"h5py", "pyarrow"}),
        ("audit", {"h5py", "numba", "pyarrow", "zarr"}),
        ("predict", {"pyarrow", "zarr"}),
        ("evaluate", {"matplotlib", "numba", "pyarrow", "zarr"}),
        ("compare", {"matplotlib", "numba", "pyarrow", "zarr"}),
        ("validate", {"h5py", "matplotlib", "numba"}),
        ("filter", {"h5py", "matplotlib", "numba", "pyarrow", "zarr"}),
        ("explain", {"matplotlib", "zarr"}),
        ("symmetry", {"matplotlib", "numba", "zarr"}),
    ],
)
def test_a_stage_imports_what_it_needs_and_no_more(stage, needed):
    assert imported_with(f"detcnn.stages.{stage}") <= needed


@pytest.mark.parametrize("stage", ["preprocess", "predict", "explain"])
def test_what_scipy_is_not_needed_for(stage):
    # numba imports its first module, which is small.
    program = f"import sys, detcnn.stages.{stage}; print('scipy._lib._util' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


def test_the_arithmetic_of_layers_needs_nothing():
    assert imported_with("detcnn.models.arithmetic") == set()


def test_simulation_imports_what_it_needs_and_no_more():
    pytest.importorskip("pythia8mc")
    assert imported_with("detcnn.stages.simulate") <= {"h5py"}


COUNTING = """
import sys
from numba.core import event
from detcnn.cli.main import app
with event.install_recorder("numba:compile") as compiled:
    try:
        app(sys.argv[1:])
    except SystemExit as end:
        assert end.code == 0
names = [e.data["dispatcher"].__name__ for _, e in compiled.buffer if e.is_start]
print(*names)
"""


def compiled_by(*arguments, **environment):
    """The functions that numba compiles when a command runs in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout.split()


def test_nothing_is_compiled_twice(folder):
    images, model = folder.path / "work" / "images", folder.path / "work" / "model"
    commands = (
        ("preprocess", folder.study, "-q", "-j1", "-o", images, "--overwrite"),
        ("train", folder.study, "-q", "--images", images, "-o", model, "--overwrite"),
    )
    for command in commands:
        compiled_by(*command)
    for command in commands:
        assert compiled_by(*command) == []
    assert "_densify" in compiled_by(*commands[1], DETCNN_CACHE_DIR="/dev/null/none")
