"""HDF5 files that others made, from the file to the images."""

import json
from pathlib import Path

import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.stages import inspect, preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def study(tmp_path):
    """Write a study of one of the files: ``study("cms_jet_images/split_dev.h5", image=...)``."""

    def study(name, **preprocess):
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not here")
        section = {"sources": [{"path": str(path)}], **preprocess}
        file = tmp_path / "study.yaml"
        file.write_text(json.dumps({"name": "shared", "preprocess": section}))
        return path, load_study(file).preprocess

    return study


def test_cms_jet_images(study, tmp_path):
    path, section = study("cms_jet_images/split_dev.h5")
    found = inspect.run(path)
    assert found.kind == "HDF5, ready images"
    assert found.facts["channel_axis"] == "last"
    result = preprocess.run(section, base=tmp_path, output=tmp_path / "images")
    n_events = result.artifact.manifest.contents["n_events"]
    assert {name: sum(counts[name] for counts in n_events.values()) for name in ("QCD", "TT")} == {
        "QCD": 2305,
        "TT": 1222,
    }
    split = open_store(result.artifact.path / STORE).splits["test"]
    sums = split.column("pixel_sum")
    assert 150 < np.median(sums) < 600


@pytest.mark.parametrize("name", ["w_qcd_b", "top_qcd", "quark_gluon"])
def test_generated_jets(study, tmp_path, name):
    path, section = study(f"generated_jets/{name}.h5", image={"preset": "jet_pt"})
    found = inspect.run(path)
    assert found.kind == "HDF5, constituents with offsets"
    assert found.facts["samples"]["jets"]["events"] > 5000
    pt = next(c for c in found.columns if (c["of"], c["part"]) == ("constituent", "pt"))
    assert (pt["unit"], pt["unit_is"], pt["not_finite"]) == ("GeV", "assumed", 0)
    if name != "w_qcd_b":
        # The others differ from it in nothing but their number.
        return
    contents = preprocess.run(
        section, base=tmp_path, output=tmp_path / "images"
    ).artifact.manifest.contents
    assert contents["n_read"] == found.facts["samples"]["jets"]["events"]
    assert set(contents["n_events"]["train"]) == {"qcd", "W"}
