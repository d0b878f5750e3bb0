"""``detcnn audit`` on files, studies and images, as a user sees it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.quality.findings import CHECKS

SAMPLES = Path(__file__).parents[2] / "sample_data"
SHARED = Path(__file__).parents[3] / "shared" / "data"
REAL = [
    SAMPLES / "quark_gluon.h5",
    SAMPLES / "cms_jet_images.h5",
    *(SHARED / "generated_jets" / f"{name}.h5" for name in ("quark_gluon", "top_qcd", "w_qcd_b")),
    SHARED / "cms_jet_images" / "split_dev.h5",
    SHARED / "cms_nanoaod" / "pfnano.root",
    SHARED / "delphes" / "delphes_10ev.root",
]


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_files_are_healthy(detcnn, path):
    if not path.exists():
        pytest.skip(f"{path.name} is not part of the repository")
    if path.suffix == ".root":
        pytest.importorskip("uproot")
    result = detcnn("audit", path, "--json", "-q")
    assert result.exit_code == 0, result.stdout + result.stderr
    found = json.loads(result.stdout)
    assert found["path"] == str(path)
    assert found["verdict"] in ("fine", "warning")
    assert found["events"] > 0
    warned = {f["check"] for f in found["findings"] if f["severity"] == "warning"}
    assert warned <= {"separating-columns", "spectra", "outside-grid"}
    assert len({finding["check"] for finding in found["findings"]}) > 10


@pytest.fixture
def broken(folder):
    with h5py.File(folder.path / "jets.h5", "r+") as file:
        file["constituents/pt"][5] = np.nan
    return folder


def test_trouble_is_a_table_and_an_exit_code(broken, detcnn):
    path = broken.path / "jets.h5"
    result = detcnn("audit", path)
    assert result.exit_code == 65
    lines = result.stdout.splitlines()
    assert lines[0] == f"{path}: trouble (input file, 300 events)"
    assert lines[1].split() == ["verdict", "check", "count", "found"]
    assert lines[2].split() == ["trouble", "nan", "1", "NaN", "in", "constituents/pt"]
    assert lines[3].strip() == f"first: {path}: jets, event 0, constituent 5"
    assert lines[4].strip() == "→ mend or drop these events"
    told = [line.split()[0] for line in lines[2:] if not line.startswith(" ")]
    order = ("trouble", "warning", "fine")
    assert told == sorted(told, key=order.index)
    assert result.stderr.startswith("looking at events: 300 of 300 events")
    assert len(result.stderr.splitlines()) == 1


def test_quiet_leaves_the_exit_code(broken, detcnn):
    result = detcnn("audit", broken.path / "jets.h5", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (65, "", "")
    result = detcnn("audit", broken.path / "jets.h5", "-q", "--accept", "nan")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_json_tells_everything(broken, detcnn):
    result = detcnn("audit", broken.path / "jets.h5", "--json", "-q")
    assert result.exit_code == 65
    found = json.loads(result.stdout)
    assert found["verdict"] == "trouble"
    assert found["findings"][0] == {
        "check": "nan",
        "severity": "trouble",
        "count": 1,
        "where": f"{broken.path / 'jets.h5'}: jets, event 0, constituent 5",
        "message": "NaN in constituents/pt",
        "remedy": "mend or drop these events",
    }
    assert {finding["check"] for finding in found["findings"]} <= CHECKS.keys()


def test_verbose_names_places_of_what_is_fine(folder, detcnn):
    path = folder.path / "jets.h5"
    place = f"first: {path}: jets, event 0 and {path}: jets, event 1"
    assert place in detcnn("audit", path, "-v").stdout
    assert place not in detcnn("audit", path).stdout


def test_a_study_and_its_images_are_audited(folder, detcnn):
    result = detcnn("audit", folder.study)
    assert result.exit_code == 0
    assert f"{folder.study}: " in result.stdout
    assert "(inputs of a study, 300 events)" in result.stdout
    assert "train: gluon 91, quark 101" in result.stdout
    changed = detcnn("audit", folder.study, "--set", "preprocess.split.salt=1")
    assert "train: gluon 91, quark 101" not in changed.stdout
    assert detcnn("preprocess", folder.study, "-q", "-j1").exit_code == 0
    result = detcnn("audit", folder.path / "work" / "images")
    assert result.exit_code == 0
    assert "(detcnn images, 300 events)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing.h5"], 65, "no such file"),
        (["{folder}"], 65, "not a detcnn artifact"),
        (["nothing.yaml"], 2, "cannot be read"),
        (["{folder}/jets.h5", "--accept", "NaN"], 2, "no check is called 'NaN'"),
        (["{folder}/jets.h5", "--preset", "best"], 2, "unknown preset 'best'"),
        (["{folder}/jets.h5", "--set", "name=x"], 2, "no study file"),
        (["{folder}/study.yaml", "--preset", "jet_pt"], 2, "says itself what its images are"),
    ],
)
def test_errors_are_one_line(folder, detcnn, arguments, code, message):
    result = detcnn("audit", *(text.format(folder=folder.path) for text in arguments))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("detcnn: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_inspect_warns_of_what_looks_wrong(folder, detcnn):
    path = folder.path / "jets.h5"
    assert detcnn("inspect", path, "-q").stderr == ""
    with h5py.File(path, "r+") as file:
        file["constituents/phi"][...] = np.rad2deg(file["constituents/phi"])
    result = detcnn("inspect", path, "--json")
    assert result.exit_code == 0
    (warning,) = json.loads(result.stdout)["warnings"]
    assert warning.startswith(f"{path}: constituents/phi goes up to ")
    assert warning.endswith("units: {phi: deg}")
    assert result.stderr == f"warning: {warning}\n"
