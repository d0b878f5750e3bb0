import json
import shutil
from pathlib import Path

import h5py

SAMPLES = Path(__file__).parents[2] / "sample_data"


def test_a_good_sample_is_shown(detcnn, tmp_path):
    shutil.copy(SAMPLES / "top_qcd.h5", tmp_path / "jets.h5")
    done = detcnn("validate", tmp_path / "jets.h5")
    assert done.exit_code == 0
    assert "peak of mass" in done.stdout
    assert (tmp_path / "jets.validation" / "report.html").exists()
    again = detcnn("validate", tmp_path / "jets.h5", "--overwrite", "--json")
    checks = json.loads(again.stdout)["checks"]
    assert [check["agrees"] for check in checks] == [True, True]


def test_a_wrong_sample_ends_with_65_and_keeps_its_page(detcnn, tmp_path):
    shutil.copy(SAMPLES / "top_qcd.h5", tmp_path / "jets.h5")
    with h5py.File(tmp_path / "jets.h5", "r+") as file:
        file["jets/mass"][...] = 1.3 * file["jets/mass"][:]
    done = detcnn("validate", tmp_path / "jets.h5")
    assert done.exit_code == 65
    assert "not as its definition demands: peak of mass, top" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "jets.validation" / "report.html").exists()
