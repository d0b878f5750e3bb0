import subprocess
import sys
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAVY = {"torch", "numba", "h5py", "zarr", "pydantic", "matplotlib", "scipy", "pyarrow", "sklearn"}


def test_imports_go_down_only(tmp_path):
    found = lint_imports(config_filename=str(PROJECT), cache_dir=str(tmp_path), no_cache=True)
    assert found == EXIT_STATUS_SUCCESS


def test_every_command_starts_without_anything_heavy():
    program = """
import importlib, sys
from detcnn.cli.main import COMMANDS
for name in COMMANDS:
    importlib.import_module(f"detcnn.cli.{name}")
print(*{name.split(".")[0] for name in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert HEAVY & set(done.stdout.split()) == set()
