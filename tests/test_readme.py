"""Every command block of the README runs, in order, in a fresh copy of what a clone has."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
COMMANDS = [text for language, text in BLOCKS if language == "sh"]
PYTHON = [text for language, text in BLOCKS if language == "python"]


@pytest.fixture(scope="module", name="clone")
def clone_fixture(clone):
    """The clone with what installs it."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, clone)
    return clone


def run(command, folder):
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_two_commands_are_the_makefiles(clone):
    targets = [command.strip() for command in COMMANDS if command.startswith("make ")]
    assert targets == ["make demo", "make test"]
    for target in targets:
        # A dry run: the real ones install from the network, and one of them runs this test.
        plan = run(f"{target} --dry-run", clone)
        assert "pip install" in plan
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_tour(clone):
    tour = [command for command in COMMANDS if not command.startswith("make ")]
    assert any("detcnn evaluate" in command for command in tour)
    for command in tour:
        run(command, clone)
    assert (clone / "tour" / "metrics" / "report.html").exists()
    # A stranger reads the store that the tour made, without detcnn.
    (reads_the_store,) = (text for text in PYTHON if "zarr" in text)
    code = reads_the_store + "\nassert images.shape[1:] == (3, 33, 33) and images.sum() > 0\n"
    subprocess.run([sys.executable, "-c", code], cwd=clone, check=True)


def test_a_file_of_ones_own(tmp_path, monkeypatch):
    """The blocks about own.h5 are a whole: file, study, commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    (makes_the_file,) = (text for text in PYTHON if "own.h5" in text)
    exec(makes_the_file, {})
    (study,) = (text for language, text in BLOCKS if language == "yaml" and "own.h5" in text)
    (tmp_path / "own.yaml").write_text(study)
    (commands,) = (text for language, text in BLOCKS if language == "console")
    quick = "--set train.epochs=2 --set evaluate.replicas=20 --set evaluate.formats=[png]"
    for line in commands.splitlines():
        _, program, *words = line.split()
        assert program == "detcnn"
        if words[0] in ("train", "evaluate"):
            words += quick.split()
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{line}\n{done.output}"
    numbers = json.loads((tmp_path / "work/metrics/metrics.json").read_text())["energy"]
    # Of energies from 50 to 500 MeV.
    assert numbers["unit"] == "MeV"
    assert 50 < numbers["linearity"]["edges"][0] < numbers["linearity"]["edges"][-1] < 501
    manifest = json.loads((tmp_path / "work/images/manifest.json").read_text())["contents"]
    assert manifest["column_units"] == {"energy": "GeV"}
    assert [channel["unit"] for channel in manifest["channels"]] == ["pe", "pe"]
    assert manifest["n_pixels_of_no_class"] == {"mask": 0}
    assert manifest["n_points_outside"] == {"vertex": 0}
    assert (tmp_path / "new").is_dir()
    audited = CliRunner().invoke(app, ["audit", "own.yaml", "--json"])
    assert json.loads(audited.stdout)["verdict"] == "fine", audited.output
    # What inspect prints of the file alone is understood, too.
    inspected = json.loads(CliRunner().invoke(app, ["inspect", "own.h5", "--json"]).stdout)
    assert any("images: {adc: events}" in line for line in inspected["suggestion"])


def test_the_demo_runs_its_stages_and_is_idempotent(clone):
    demo = "make -C pipelines/quark_gluon report SET='--set train.epochs=1'"
    assert "detcnn train" in run(demo, clone)
    again = run(demo, clone)
    assert "detcnn train" not in again
    assert "AUC" in again
    assert "report.html" in again
