"""Observables of the constituents on their way from the input into the image store."""

from typing import get_args

import h5py
import numpy as np
import pytest

from detcnn.config.preprocess import Observable
from detcnn.errors import ConfigError, DataError
from detcnn.events.observables import OBSERVABLES, jet_observables
from detcnn.events.table import EventTable
from detcnn.stages import preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import SPLITS, STORE

ALL_SIX = f"preprocess.observables={list(OBSERVABLES)}".replace("'", '"')


OWN = "preprocess.sources=[{path: own.h5, columns: {jet_mass: jets/own}}]"


def made(folder, load, *overrides, **options):
    study = load(folder, *overrides)
    result = preprocess.run(
        study.preprocess, base=folder.path, output=folder.path / "images", **options
    )
    return result.artifact.manifest.contents, open_store(result.artifact.path / STORE)


def test_names_in_a_study_are_those_that_can_be_worked_out():
    assert get_args(Observable) == OBSERVABLES


def test_every_jet_keeps_its_own(folder, load, toy_jets):
    contents, store = made(folder, load, "preprocess.image.longitudinal=eta")
    assert contents["observables"] == list(OBSERVABLES)
    assert contents["constituent_masses"] == "nothing"
    assert set(OBSERVABLES) <= set(contents["columns"])
    jets = toy_jets(300)
    constituents = {name: jets[f"constituents/{name}"] for name in ("pt", "eta", "phi")}
    table = EventTable(jets["jets/offsets"], constituents)
    expected = jet_observables(table, OBSERVABLES, longitudinal="eta", masses="nothing")
    for split in SPLITS:
        row = store.splits[split].column("row")
        for name in OBSERVABLES:
            np.testing.assert_allclose(
                store.splits[split].column(name), expected[name][row], rtol=1e-5, err_msg=name
            )


def test_only_those_asked_for_are_kept(folder, load):
    contents, store = made(folder, load, 'preprocess.observables=["jet_width"]')
    assert contents["observables"] == ["jet_width"]
    assert not (set(OBSERVABLES) - {"jet_width"}) & set(store.splits["train"].column_names)


def test_none_are_kept_on_request(folder, load):
    contents, store = made(folder, load, "preprocess.observables=[]")
    assert (contents["observables"], contents["constituent_masses"]) == ([], None)
    assert not set(OBSERVABLES) & set(store.splits["train"].column_names)


def test_an_observable_is_a_column_as_any_other(folder, load):
    _, store = made(
        folder,
        load,
        'preprocess.planing={"column": "jet_multiplicity", "low": 4, "high": 15}',
        'preprocess.select={"jet_multiplicity": [6, 12]}',
    )
    train = store.splits["train"]
    multiplicity = train.column("jet_multiplicity")
    assert (multiplicity.min(), multiplicity.max()) == (6, 11)
    of_gluons = (train.training_weight / train.weight)[train.label == 0]
    assert of_gluons.max() > 2 * of_gluons.min()


@pytest.fixture
def with_own_mass(folder, toy_jets):
    jets = toy_jets(300)
    jets["jets/own"] = np.arange(300, dtype=np.float32)
    return folder.write(jets, "own.h5").parent


def test_a_column_of_the_input_is_left_alone(folder, load, with_own_mass, Listener):
    listener = Listener()
    contents, store = made(folder, load, OWN, progress=listener)
    assert "jet_mass" not in contents["observables"]
    train = store.splits["train"]
    np.testing.assert_array_equal(train.column("jet_mass"), train.column("row"))
    assert "jet_mass: the input's own, not worked out of the constituents" in listener.said


def test_a_name_with_two_meanings_is_refused(folder, load, with_own_mass):
    with pytest.raises(ConfigError, match="its own column 'jet_mass'.*under columns"):
        made(folder, load, OWN, ALL_SIX)


def test_masses_that_one_source_lacks_are_not_used(folder, load, toy_jets):
    jets = toy_jets(300, seed=1)
    jets["constituents/mass"] = np.full(len(jets["constituents/pt"]), 0.5)
    folder.write(jets, "massive.h5")
    one, two = '{"path": "massive.h5"}', '{"path": "jets.h5"}'
    contents, _ = made(folder, load, f"preprocess.sources=[{one}]")
    assert contents["constituent_masses"] == "mass"
    contents, _ = made(folder, load, f"preprocess.sources=[{one}, {two}]", overwrite=True)
    assert contents["constituent_masses"] == "nothing"


def test_a_bad_mass_is_named_with_its_file(folder, load, toy_jets):
    jets = toy_jets(300)
    jets["constituents/mass"] = np.zeros(len(jets["constituents/pt"]))
    jets["constituents/mass"][jets["jets/offsets"][7]] = np.nan
    folder.write(jets)
    with pytest.raises(DataError, match=r"jets\.h5: event in row 7, constituent 0: mass is nan"):
        made(folder, load)


def test_ready_images_have_no_constituents(load, folder):
    rng = np.random.default_rng(0)
    with h5py.File(folder.path / "images.h5", "w") as file:
        for name in ("a", "b"):
            file[name] = rng.random((60, 5, 5)).astype(np.float32)
    ready = ("preprocess.sources=[{path: images.h5, layout: images}]", "preprocess.image=null")
    ready += ("preprocess.classes=[a, b]",)
    contents, _ = made(folder, load, *ready)
    assert contents["observables"] == []
    with pytest.raises(ConfigError, match="ready images have no constituents"):
        made(folder, load, *ready, ALL_SIX, overwrite=True)
