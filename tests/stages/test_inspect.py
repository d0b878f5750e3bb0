import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.errors import ConfigError, DataError
from detcnn.stages import inspect, predict


def test_constituents_are_described(folder, toy_jets):
    jets = toy_jets(300)
    jets["constituents/pt"][7] = np.nan
    folder.write(jets)
    found = inspect.run(folder.path / "jets.h5")
    lengths = np.diff(jets["jets/offsets"])
    assert found.kind == "HDF5, constituents with offsets"
    assert found.facts["samples"] == {"jets": {"events": 300}}
    assert found.facts["class_labels"] == {"gluon": 0, "quark": 1}
    assert found.facts["constituents_per_event"] == {
        "mean": pytest.approx(lengths.mean()),
        "min": lengths.min(),
        "max": lengths.max(),
    }
    assert "event_id" not in found.facts
    columns = {(column["of"], column["part"]): column for column in found.columns}
    pt = columns["constituent", "pt"]
    assert (pt["dataset"], pt["unit"], pt["not_finite"]) == ("constituents/pt", "GeV", 1)
    assert pt["max"] == pytest.approx(np.nanmax(jets["constituents/pt"]))
    assert columns["event", "event_id"]["max"] == 149
    json.dumps([found.facts, found.columns], allow_nan=False)


def test_images_are_described(folder):
    values = np.zeros((40, 5, 6, 2), dtype=np.float32)
    values[:, 2, 3, 1] = 2.5
    folder.write({"A": values, "B": values[:7]}, "pictures.h5")
    found = inspect.run(folder.path / "pictures.h5")
    assert found.kind == "HDF5, ready images"
    assert found.facts["samples"] == {
        "A": {"events": 40, "class": "A"},
        "B": {"events": 7, "class": "B"},
    }
    assert found.facts["image_shape"] == [2, 5, 6]
    assert found.facts["channel_axis"] == "last"
    assert found.facts["pixels"] == {"min": 0.0, "max": 2.5, "occupancy": pytest.approx(1 / 60)}
    assert "hash" in found.facts["event_id"]


def test_what_cannot_be_decided_is_listed_with_how_a_study_would_say_it(folder):
    rng = np.random.default_rng(1)
    pictures = rng.random((8, 5, 6)).astype(np.float32)
    datasets = {"adc": pictures[:, None] * [[[[1]], [[2]]]], "mask": (pictures > 0.5) * 1}
    path = folder.write({**datasets, "kind": [b"p", b"n"] * 4}, "own.h5")
    with h5py.File(path, "a") as file:
        file["adc"].attrs["unit"] = "MeV"
    found = inspect.run(path)
    assert found.kind == "HDF5, not decided which dataset plays which part"
    told = {entry["dataset"]: entry for entry in found.datasets}
    assert told.keys() == {"adc", "kind", "mask"}
    assert (told["adc"]["shape"], told["adc"]["unit"]) == ([8, 2, 5, 6], "MeV")
    assert (told["mask"]["min"], told["mask"]["max"]) == (0, 1)
    assert (told["kind"]["type"], told["kind"]["words"]) == ("text", ["p", "n"])
    assert any("name those of one study as images" in warning for warning in found.warnings)
    assert "      images: {adc: ''}" in found.suggestion
    json.dumps([found.facts, found.datasets], allow_nan=False)


def test_what_plays_no_part_is_listed_too(folder, toy_jets):
    path = folder.write(toy_jets(20) | {"notes": [b"x"] * 4}, "more.h5")
    found = inspect.run(path)
    assert found.kind == "HDF5, constituents with offsets"
    assert [entry["dataset"] for entry in found.datasets] == ["notes"]
    assert not found.suggestion


def test_images_of_no_known_class_are_described(folder):
    found = inspect.run(folder.write({"images": np.ones((9, 20, 30))}, "plain.h5"))
    assert found.facts["image_shape"] == [1, 20, 30]
    assert found.warnings[-1].endswith("columns.label, or give the source a class")


def test_a_long_file_is_looked_at_from_its_beginning(folder, monkeypatch):
    monkeypatch.setattr(inspect, "_LOOKED_AT", 100)
    found = inspect.run(folder.path / "jets.h5")
    assert found.facts["samples"] == {"jets": {"events": 300}}
    assert found.facts["ranges"] == "of the first 100 events of jets"
    columns = {column["part"]: column for column in found.columns}
    assert columns["event_id"]["max"] == 49


def test_artifacts_are_described(trained, tmp_path):
    predict.run(
        model=trained.path / "model",
        images=trained.path / "images",
        split="test",
        output=tmp_path / "scores",
    )
    paths = {
        "images": trained.path / "images",
        "model": trained.path / "model",
        "scores": tmp_path / "scores",
    }
    found = {kind: inspect.run(path, verify=True) for kind, path in paths.items()}
    for kind, inspection in found.items():
        manifest = json.loads((paths[kind] / "manifest.json").read_bytes())
        assert inspection.kind == f"detcnn {kind}"
        assert inspection.facts["digest"] == manifest["digest"]
        assert inspection.facts["files"] == len(manifest["payload"])
        assert inspection.facts["verified"] is True
        assert inspection.provenance["config"] == manifest["config"]
        json.dumps([inspection.facts, inspection.provenance], allow_nan=False)
    images = found["images"].facts
    assert images["channels"]["count"] == {"unit": "1", "meaning": "number, all constituents"}
    assert images["axes"]["phi"] == {"n_pixels": 9, "low": -0.45, "high": 0.45, "unit": "rad"}
    assert images["inputs"]["source 0"]["name"] == "jets.h5"
    assert found["scores"].facts["inputs"]["model"]["digest"] == found["model"].facts["digest"]


def test_one_flipped_bit_is_found(trained, tmp_path):
    images = shutil.copytree(trained.path / "images", tmp_path / "images")
    manifest = json.loads((images / "manifest.json").read_bytes())
    largest = max(manifest["payload"], key=lambda file: file["size"])["path"]
    content = bytearray((images / largest).read_bytes())
    content[len(content) // 2] ^= 1
    (images / largest).write_bytes(content)
    assert "verified" not in inspect.run(images).facts
    with pytest.raises(DataError, match=rf"1 of {len(manifest['payload'])} files.*{largest}"):
        inspect.run(images, verify=True)


def foreign_folder(path):
    path.mkdir()


def half_written(path):
    path.with_name("thing.part-0123456789ab").mkdir()


def inside_half_written(path):
    path.mkdir()
    (path / "manifest.json").write_text('{"kind": "ima')


def text_file(path):
    path.write_text("pt eta phi\n")


def no_events(path):
    with h5py.File(path, "w") as file:
        file.attrs["nothing"] = 1


def nothing(path):
    pass


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (foreign_folder, DataError, "not a detcnn artifact"),
        (half_written, DataError, "unfinished thing.part-0123456789ab"),
        (inside_half_written, DataError, "not a manifest"),
        (text_file, DataError, "HDF5"),
        (no_events, ConfigError, "no datasets"),
        (nothing, DataError, "no such file"),
    ],
)
def test_what_is_no_input_gets_one_clear_line(tmp_path, make, error, words):
    make(tmp_path / "thing")
    with pytest.raises(error, match=words) as caught:
        inspect.run(tmp_path / "thing")
    assert str(tmp_path / "thing") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_format_is_refused(trained, tmp_path):
    images = shutil.copytree(trained.path / "images", tmp_path / "images")
    manifest = json.loads((images / "manifest.json").read_bytes())
    manifest["format_version"] = 99
    (images / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="format 99.*make it again with 'detcnn preprocess'"):
        inspect.run(images)


def test_how_units_are_known_is_told(folder, toy_jets):
    path = folder.write(toy_jets(300))
    with h5py.File(path, "a") as file:
        file["jets/pt"].attrs["units"] = "MeV"
    columns = {(c["of"], c["part"]): c for c in inspect.run(path).columns}
    assert columns["event", "pt"]["unit_is"] == "stated: MeV"
    assert columns["constituent", "pt"]["unit_is"] == "assumed"
    assert columns["constituent", "eta"]["unit_is"] == ""


def test_what_is_worked_out_says_of_what(folder):
    rng = np.random.default_rng(0)
    vectors = {f"part_{name}": 1 + rng.random((20, 3)) for name in ("px", "py", "pz")}
    labels = {"label_a": np.arange(20) % 2, "label_b": 1 - np.arange(20) % 2}
    found = inspect.run(folder.write({**vectors, **labels}, "vectors.h5"))
    assert found.kind == "HDF5, constituents padded with zeros"
    assert found.facts["class_labels"] == {"a": 0, "b": 1}
    columns = {(c["of"], c["part"]): c for c in found.columns}
    pt = columns["constituent", "pt"]
    assert (pt["dataset"], pt["unit_is"]) == ("part_px, …", "assumed")
    assert columns["constituent", "phi"]["unit_is"] == ""
    assert columns["event", "label"]["dataset"] == "label_a + label_b"


def test_sources_as_a_study_has_them_read(folder, toy_jets):
    for i in range(2):
        folder.write(toy_jets(300, seed=i), f"part_{i}.h5")
    overrides = ["preprocess.sources.0.path=part_*.h5", "preprocess.sources.0.units.pt=MeV"]
    study = load_study(folder.study, overrides)
    found = inspect.run(folder.study, study=study, number=0)
    assert (found.facts["files"], found.facts["samples"]) == (2, {"jets": {"events": 600}})
    columns = {(c["of"], c["part"]): c for c in found.columns}
    assert columns["constituent", "pt"]["unit_is"] == "stated: MeV"


def test_files_of_a_pattern_or_a_list_are_described_together(folder, toy_jets):
    folder.write(toy_jets(20), "part_1.h5")
    folder.write(toy_jets(30, seed=1), "part_2.h5")
    (folder.path / "list.txt").write_text("part_*.h5\n")
    for path in (folder.path / "part_*.h5", f"@{folder.path / 'list.txt'}"):
        found = inspect.run(Path(path))
        assert found.facts["files"] == 2
        assert found.facts["samples"] == {"jets": {"events": 50}}
    with pytest.raises(ConfigError, match=r"parts_\*\.h5: no file is called like this"):
        inspect.run(folder.path / "parts_*.h5")


def test_labels_that_nearly_are_some_are_told(folder, toy_jets):
    jets = toy_jets(300)
    jets["jets/label"] = jets["jets/label"][1:]
    folder.write(jets)
    (warning,) = inspect.run(folder.path / "jets.h5").warnings
    assert "nothing tells the class of its events ('jets/label' has the shape (299,)" in warning
    assert "columns.label" in warning


def test_events_with_nothing_in_them_are_told(folder, toy_jets):
    jets = toy_jets(300)
    jets["constituents/pt"][: jets["jets/offsets"][7]] = 0
    folder.write(jets)
    warnings = inspect.run(folder.path / "jets.h5").warnings
    assert any("7 events without constituents, or with none that has pT" in w for w in warnings)
    values = np.ones((9, 5, 6, 1))
    values[2:4] = 0
    folder.write({"A": values, "B": values[:2]}, "pictures.h5")
    (warning,) = inspect.run(folder.path / "pictures.h5").warnings
    assert "2 images of which every pixel is zero" in warning
