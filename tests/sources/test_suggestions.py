"""What is listed of a file, and how a study would say which column plays which part."""

import json

import h5py
import numpy as np
import pytest
import yaml

from detcnn.config.preprocess import PreprocessConfig
from detcnn.sources.chain import open_sources
from detcnn.sources.contents import list_contents
from detcnn.sources.suggestions import suggested_source
from detcnn.stages.preprocessing.inputs import layout_of

N_EVENTS = 6


def write(path, datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def pictures():
    rng = np.random.default_rng(3)
    points = np.full((N_EVENTS, 2, 2), np.nan)
    points[:, 0] = 1
    return {
        "adc": rng.random((N_EVENTS, 2, 5, 6)),
        "what is it": rng.integers(0, 3, (N_EVENTS, 5, 6)),
        "deposit": rng.random((N_EVENTS, 5, 6)),
        "vtx": points,
        "flavour": [b"nue", b"numu"] * (N_EVENTS // 2),
        "E": np.arange(N_EVENTS) + 0.5,
    }


def suggested(path):
    """Return the source that the suggested study opens."""
    text = "\n".join(suggested_source(path.name, list_contents(path)))
    config = PreprocessConfig.model_validate_json(json.dumps(yaml.safe_load(text)["preprocess"]))
    (entry,) = config.sources
    return open_sources([path.parent / entry.path], layout_of(entry)), entry


def test_everything_is_listed(tmp_path):
    datasets = pictures()
    datasets["E"][2] = np.nan
    path = write(tmp_path / "own.h5", {**datasets, "version": 3})
    contents = {one.dataset.name: one for one in list_contents(path)}
    assert contents.keys() == {*datasets, "version"}
    assert (contents["adc"].low, contents["adc"].high) == (
        datasets["adc"].min(),
        datasets["adc"].max(),
    )
    assert contents["flavour"].words == ("nue", "numu")
    assert (contents["E"].low, contents["E"].high, contents["E"].n_not_finite) == (0.5, 5.5, 1)
    assert contents["vtx"].n_not_finite == 2 * N_EVENTS
    assert [name for name, one in contents.items() if one.is_whole] == ["what is it"]
    assert contents["version"].low is None
    assert {o.dataset.name for o in list_contents(path, without=("E", "adc"))} == {
        *datasets, "version",
    } - {"E", "adc"}  # fmt: skip


def test_images_with_their_truth(tmp_path):
    source, entry = suggested(write(tmp_path / "own.h5", pictures()))
    assert source.image_shape == (2, 5, 6)
    assert entry.images == {"adc": ""}
    assert set(source.label_names.values()) == {"nue", "numu"}
    assert source.layout.pixels["mask"].classes == ("class_0", "class_1", "class_2")
    assert source.layout.pixels["deposit"].classes == ()
    table = source.read(0, 0, N_EVENTS)
    assert set(table.truth.points) == {"vtx"}
    np.testing.assert_array_equal(table.columns["e"], np.arange(N_EVENTS) + 0.5)


def test_images_of_one_class(tmp_path):
    datasets = pictures()
    del datasets["flavour"], datasets["vtx"]
    source, _ = suggested(write(tmp_path / "it's.h5", datasets))
    assert [sample.class_name for sample in source.samples] == ["events"]


def test_waveforms_of_several_columns(tmp_path):
    datasets = {"charge": np.ones((N_EVENTS, 90)), "time": np.ones((N_EVENTS, 90))}
    source, entry = suggested(write(tmp_path / "camera.h5", datasets))
    assert source.image_shape == (2, 90)
    assert (entry.axes, entry.channels) == (("pixel",), {"charge": "charge", "time": "time"})


def test_tables_of_hits_and_events(tmp_path):
    hits = np.column_stack([np.repeat(np.arange(N_EVENTS), 3), np.ones((3 * N_EVENTS, 2))])
    events = np.column_stack([np.arange(N_EVENTS), np.full(N_EVENTS, 7.0)])
    path = write(tmp_path / "hits.h5", {"truth table": events, "hits": hits})
    source, entry = suggested(path)
    assert entry.layout == "hits"
    table = source.read(0, 0, N_EVENTS)
    np.testing.assert_array_equal(np.diff(table.offsets), np.full(N_EVENTS, 3))
    np.testing.assert_array_equal(table.columns["event_1"], np.full(N_EVENTS, 7.0))


@pytest.mark.parametrize("datasets", [{"E": np.arange(3.0)}, {"note": [b"a", b"b"]}])
def test_what_looks_like_nothing_suggests_nothing(tmp_path, datasets):
    path = write(tmp_path / "columns.h5", datasets)
    assert suggested_source(path.name, list_contents(path)) == ()
