import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.artifacts.kinds import VALIDATION
from detcnn.artifacts.opening import open_artifact
from detcnn.errors import DataError, OutputExistsError
from detcnn.stages import validate
from detcnn.storage.csv_tables import read_csv

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copy(SAMPLES / "quark_gluon.h5", tmp_path / "jets.h5"))


def test_a_good_sample_agrees(sample, tmp_path):
    result = validate.run(sample, output=tmp_path / "page")
    assert [(check.name, check.agrees) for check in result.checks] == [
        ("AUC of multiplicity, gluon", True),
        ("AUC of mass, gluon", True),
        ("AUC of pt, gluon", True),
    ]
    assert all(check.n_jets == 8000 for check in result.checks)
    multiplicity = result.checks[0]
    # Recounted by hand: the share of pairs in which the gluon has more.
    with h5py.File(sample) as file:
        label = file["jets/label"][:]
        count = np.diff(file["jets/offsets"][:])
    gluon, quark = count[label == 0], count[label == 1]
    pairs = gluon[:, None] - quark
    expected = np.mean(pairs > 0) + np.mean(pairs == 0) / 2
    assert multiplicity.found.value == pytest.approx(expected, abs=1e-9)
    page = result.report.read_text(encoding="utf-8")
    assert "Of these lost to a veto" in page
    written = open_artifact(tmp_path / "page", expected=VALIDATION).manifest.contents["checks"]
    assert written == json.loads((tmp_path / "page/validation.json").read_text())["checks"]
    assert len(list((tmp_path / "page/figures").glob("*.png"))) == 4


def test_every_number_of_the_page_is_in_the_table(sample, tmp_path):
    result = validate.run(sample, output=tmp_path / "page")
    rows = read_csv(tmp_path / "page/validation.csv")
    for check, row in zip(result.checks, rows, strict=False):
        assert (row["quantity"], row["class"]) == ("auc", "gluon")
        assert row["column"] == check.expectation.column
        found = (check.found.value, check.found.low, check.found.high, check.pull)
        assert tuple(float(row[key]) for key in ("value", "low", "high", "pull")) == found
        assert (float(row["expected"]), row["agrees"]) == (check.expectation.value, "True")
    with h5py.File(sample) as file:
        tally = json.loads(file.attrs["statistics"])
        label, pthat = file["jets/label"][:], file["jets/pthat"][:]
    page = result.report.read_text(encoding="utf-8")
    for index, name in enumerate(("gluon", "quark")):
        made = {row["quantity"]: row for row in rows[3:] if row["class"] == name}
        counted = tally[name]
        assert int(made["jets"]["value"]) == counted["jets"]
        assert int(made["events"]["value"]) == counted["events"]
        assert float(made["vetoed"]["value"]) == counted["vetoed"] / counted["events"]
        lost = made["lost_to_veto"]
        assert int(lost["n_jets"]) == counted["audit_jets"] > 0
        assert float(lost["value"]) == counted["audit_lost"] / counted["audit_jets"]
        assert float(lost["low"]) <= float(lost["value"]) < float(lost["high"]) < 1
        bracket = f"[{100 * float(lost['low']):.1f}, {100 * float(lost['high']):.1f}] %"
        assert bracket in page
        cut = float(made["pthat_cut"]["value"])
        near = np.mean(pthat[label == index] < 1.1 * cut)
        assert float(made["near_pthat_cut"]["value"]) == pytest.approx(near)


def test_the_page_says_what_its_numbers_are(tmp_path):
    jets = shutil.copy(SAMPLES / "w_qcd.h5", tmp_path / "jets.h5")
    result = validate.run(Path(jets), output=tmp_path / "page")
    page = result.report.read_text(encoding="utf-8")
    (peak,) = (check for check in result.checks if check.name == "peak of mass, w")
    assert f"<td>{peak.found.text()} GeV</td>" in page
    assert "<td>80.4 ± 1 GeV</td>" in page
    assert "Events of w have none." in page
    assert "seed 20263; after de Oliveira" in page


def test_a_wrong_sample_does_not(sample, tmp_path):
    with h5py.File(sample, "r+") as file:
        file["jets/mass"][...] = file["jets/mass"][:][::-1]
    checks = validate.run(sample, output=tmp_path / "page").checks
    assert {check.name: check.agrees for check in checks} == {
        "AUC of multiplicity, gluon": True,
        "AUC of mass, gluon": False,
        "AUC of pt, gluon": True,
    }
    assert checks[1].pull < -10


def test_swapped_labels_are_found(sample, tmp_path):
    with h5py.File(sample, "r+") as file:
        file["jets/label"][...] = 1 - file["jets/label"][:]
    checks = validate.run(sample, output=tmp_path / "page").checks
    assert [check.agrees for check in checks] == [False, False, True]


def test_of_jets_behind_a_calorimeter_nothing_is_claimed(sample, tmp_path):
    with h5py.File(sample, "r+") as file:
        file.attrs["calorimeter"] = '{"cell": 0.1}'
    result = validate.run(sample, output=tmp_path / "page")
    assert result.checks == ()
    assert "Nothing is known of jets behind a calorimeter" in result.report.read_text("utf-8")


def test_another_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    with pytest.raises(DataError, match=r"other\.h5: no file of 'detcnn simulate'"):
        validate.run(tmp_path / "other.h5", output=tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_simulated_images_are_known_as_such_and_refused(tmp_path):
    with h5py.File(tmp_path / "views.h5", "w") as file:
        file.attrs["format"], file.attrs["study"] = "detcnn images", "neutrino"
    words = (
        "images of 'detcnn simulate neutrino', .* jets alone, those of quark-gluon, top-qcd, w-q"
    )
    with pytest.raises(DataError, match=words):
        validate.run(tmp_path / "views.h5", output=tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_page_is_not_overwritten_unasked(sample, tmp_path):
    (tmp_path / "page").mkdir()
    with pytest.raises(OutputExistsError):
        validate.run(sample, output=tmp_path / "page")
