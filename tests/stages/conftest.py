import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from detcnn.artifacts.manifest import read_manifest, write_manifest
from detcnn.config.loading import load_study
from detcnn.config.study import Study
from detcnn.stages import preprocess, train


def leave_out_what_is_slow(patch: pytest.MonkeyPatch) -> None:
    """Flush nothing to disk, because no test cuts the power, and draw no history."""
    patch.setattr(os, "fsync", lambda descriptor: None)
    patch.setattr(train, "write_figure", lambda *_: None)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    leave_out_what_is_slow(monkeypatch)


@pytest.fixture(scope="session")
def load():
    """Read the study of a folder, with overrides."""

    def load(folder, *overrides: str) -> Study:
        return load_study(folder.study, overrides)

    return load


@pytest.fixture(scope="session")
def killed(request):
    """Run a stage unbroken and killed at some file operations, see ``killing.py``."""

    def run(stage: str, study: Path, *, points: int, seed: int) -> dict:
        script = Path(__file__).with_name("killing.py")
        command = [sys.executable, script, stage, study, str(points), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def trained(make_folder, load):
    """A study with images and a model; to be left as it is."""
    folder = make_folder()
    study = load(folder)
    with pytest.MonkeyPatch.context() as patch:
        leave_out_what_is_slow(patch)
        preprocess.run(study.preprocess, base=folder.path, output=folder.path / "images")
        train.run(study.train, images=folder.path / "images", output=folder.path / "model")
    return folder


@pytest.fixture
def trained_otherwise(trained, tmp_path):
    """A copy of a model that says of itself that it has learned something else than classes."""
    model = shutil.copytree(trained.path / "model", tmp_path / "model")
    manifest = read_manifest(model)
    contents = {**manifest.contents, "task": {"name": "regression"}}
    write_manifest(replace(manifest, contents=contents), model)
    return model


class Listener:
    """A progress that remembers what it was told, and can do something at the n-th step."""

    def __init__(self, at=None, act=lambda: None):
        self.at, self.act = at, act
        self.n_steps, self.said = 0, []

    def task(self, name, *, total=None, unit=""):
        return self

    def advance(self, amount=1.0, *, note=None):
        self.n_steps += 1
        if self.n_steps == self.at:
            self.act()

    def finish(self):
        pass

    def info(self, message):
        self.said.append(message)

    warn = info


@pytest.fixture(scope="session", name="Listener")
def listener_fixture():
    return Listener
