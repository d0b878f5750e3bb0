"""Toy jets and a small study of them, for the tests that run whole stages."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

# Trainings that are to be equal to the bit need the same number of threads, however busy the
# machine is meanwhile.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The tests that run whole pipelines take longest. They begin first: a long test that is left to the
# end keeps one worker busy and all others idle.
_LONGEST = ("test_pipelines.py", "test_readme.py")

ROOT = Path(__file__).parents[1]

_MOST = 14

STUDY: dict[str, Any] = {
    "name": "toy",
    "preprocess": {
        "sources": [{"path": "jets.h5"}],
        "classes": ["gluon", "quark"],
        "image": {
            "grid": {"pixels": 9, "width": 0.9},
            "channels": [
                {"name": "charged_pt", "of": "charged"},
                {"name": "count", "weight": "count"},
            ],
            "align": [
                {"step": "centre", "on": "pt_centroid"},
                {"step": "normalise", "by": "pt_sum"},
            ],
        },
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "events_per_partition": 100,
    },
    "train": {
        "network": {"options": {"blocks": [{"filters": 4, "padding": 1}], "dense": [8]}},
        "epochs": 2,
        "batch_size": 32,
        "augment": [{"policy": "shift"}, {"policy": "noise"}],
        "device": "cpu",
    },
    "evaluate": {"replicas": 20, "working_points": [0.5]},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in _LONGEST)


def toy_jets(n_jets: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Narrow jets of few constituents (label 1) and wide ones of many (0), two an event.

    Of two samples of one seed, the smaller is the beginning of the larger.
    """
    draws = np.random.default_rng(seed).random((n_jets, _MOST + 1, 4))
    label = (draws[:, 0, 0] < 0.5).astype(np.int8)
    n = np.where(label, 5, 9) + (5 * draws[:, 0, 1]).astype(int)
    is_there = np.arange(_MOST) < n[:, None]
    owner = np.nonzero(is_there)[0]
    u = draws[:, 1:][is_there]
    radius = np.where(label[owner], 0.15, 0.3) * u[:, 0]
    axis = 4 * draws[:, 0, 2:] - 2
    pt = -20 * np.log(1 - u[:, 1])
    return {
        "constituents/pt": pt.astype(np.float32),
        "constituents/eta": axis[owner, 0] + radius * np.cos(2 * np.pi * u[:, 2]),
        "constituents/phi": axis[owner, 1] + radius * np.sin(2 * np.pi * u[:, 2]),
        "constituents/charge": np.floor(3 * u[:, 3]).astype(np.int8) - 1,
        "jets/offsets": np.concatenate([[0], np.cumsum(n)]),
        "jets/label": label,
        "jets/weight": 0.5 + draws[:, 0, 1],
        "jets/pt": np.bincount(owner, weights=pt, minlength=n_jets),
        "jets/event_id": np.arange(n_jets) // 2,
    }


class StudyFolder:
    """A folder with a study file and a file of jets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.yaml"
        path.mkdir(exist_ok=True)
        # JSON is YAML, too.
        self.study.write_text(json.dumps(STUDY))

    def write(self, jets: dict[str, np.ndarray], name: str = "jets.h5") -> Path:
        with h5py.File(self.path / name, "w") as file:
            file.attrs["classes"] = '["gluon", "quark"]'
            for dataset, values in jets.items():
                file[dataset] = values
        return self.path / name


@pytest.fixture(scope="session", name="toy_jets")
def toy_jets_fixture():
    return toy_jets


@pytest.fixture
def folder(tmp_path):
    """A study with 300 jets."""
    folder = StudyFolder(tmp_path / "study")
    folder.write(toy_jets(300))
    return folder


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory):
    """A maker of studies with so many jets, for fixtures of a wider scope."""

    def make(n_jets: int = 300) -> StudyFolder:
        folder = StudyFolder(tmp_path_factory.mktemp("toy") / "study")
        folder.write(toy_jets(n_jets))
        return folder

    return make


def write_part(source: Path, target: Path, n_jets: int) -> Path:
    """Write the first jets of a file of jets."""
    with h5py.File(source) as whole, h5py.File(target, "w") as part:
        part.attrs.update(whole.attrs)
        n_constituents = whole["jets/offsets"][n_jets]
        for group, n in (("jets", n_jets), ("constituents", n_constituents)):
            for name, dataset in whole[group].items():
                n_rows = n_jets + 1 if name == "offsets" else n
                part[f"{group}/{name}"] = dataset[:n_rows]
                part[f"{group}/{name}"].attrs.update(dataset.attrs)
    return target


@pytest.fixture(scope="session", name="write_part")
def write_part_fixture():
    return write_part


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The pipelines and the samples as they are in a fresh clone, but for the number of jets.

    A pipeline does the same with a thousand; that the whole samples are sound, `detcnn validate`
    says of them.
    """
    folder = tmp_path_factory.mktemp("clone")
    for name in ("pipelines", "sample_data"):
        made = shutil.ignore_patterns("work", "*.part-*")
        shutil.copytree(ROOT / name, folder / name, ignore=made)
    for name in ("quark_gluon", "top_qcd", "w_qcd"):
        write_part(ROOT / f"sample_data/{name}.h5", folder / f"sample_data/{name}.h5", 1000)
    return folder
