"""ROOT files that others wrote: CMS PFNano and Delphes."""

import functools
import itertools
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from detcnn.artifacts.opening import open_artifact
from detcnn.config.preprocess import PreprocessConfig
from detcnn.events.images import as_dense
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source
from detcnn.stages import inspect, preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NANO = "cms_nanoaod/pfnano.root"
DELPHES = "delphes/delphes_10ev.root"


def shared(name):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here")
    return DATA / name


@functools.cache
def column(name, tree, branch):
    """Return all numbers of a branch, as uproot reads it."""
    with uproot.open(shared(name)) as file:
        return ak.to_numpy(ak.flatten(file[tree][branch].array()))


def opened(name, collection=None, radius=None, columns=None):
    layout = Layout(collection=collection, radius=radius, columns=columns or {})
    return open_source(shared(name), layout)


def whole(source):
    return source.read(0, 0, source.samples[0].n_events)


def jet_sums(table):
    """Return pT and mass of the vector sum of each jet's constituents."""
    pt, eta, phi = (table.constituents[role].astype(float) for role in ("pt", "eta", "phi"))
    mass = table.constituents.get("mass", np.zeros(len(pt))).astype(float)
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    energy = np.sqrt((momenta**2).sum(axis=0) + mass * np.abs(mass))
    vectors = np.concatenate([momenta, energy[None]])
    sums = np.array([vectors[:, a:b].sum(axis=1) for a, b in itertools.pairwise(table.offsets)])
    mass2 = sums[:, 3] ** 2 - (sums[:, :3] ** 2).sum(axis=1)
    return np.hypot(sums[:, 0], sums[:, 1]), np.sqrt(np.maximum(mass2, 0))


@pytest.mark.parametrize(
    ("collection", "n_jets", "n_constituents"), [("Jet", 64, 1801), ("FatJet", 24, 1076)]
)
def test_jets_of_cms(collection, n_jets, n_constituents):
    """The vector sum of the linked candidates is the jet before its correction."""
    table = whole(opened(NANO, collection, columns={"raw": f"{collection}_rawFactor"}))
    assert (table.n_events, table.n_constituents) == (n_jets, n_constituents)
    pt, mass = jet_sums(table)
    uncorrected = 1 - table.columns["raw"]
    # AK8 jets weigh their candidates by PUPPI, which takes away little of jets this hard.
    tolerance = 5e-3 if collection == "Jet" else 0.02
    np.testing.assert_allclose(pt, table.columns["pt"] * uncorrected, rtol=tolerance)
    if collection == "Jet":
        is_hard = table.columns["pt"] > 50
        expected = (table.columns["mass"] * uncorrected)[is_hard]
        np.testing.assert_allclose(mass[is_hard], expected, rtol=0.02)
    assert len(np.unique(table.columns["event_id"])) == 10
    flavour = column(NANO, "Events", f"{collection}_hadronFlavour")
    np.testing.assert_array_equal(table.columns["hadronFlavour"], flavour)


def test_jets_of_delphes_refer_to_their_constituents():
    columns = {"charged": "Jet.NCharged", "neutral": "Jet.NNeutrals", "label": "Jet.Flavor"}
    source = opened(DELPHES, "Jet", columns=columns)
    assert list(source.label_names) == [0, 1, 2, 3, 4, 5, 21]
    table = whole(source)
    assert table.n_events == 60
    n_expected = table.columns["charged"] + table.columns["neutral"]
    np.testing.assert_array_equal(np.diff(table.offsets), n_expected)
    n_charged = np.add.reduceat(np.abs(table.constituents["charge"]), table.offsets[:-1])
    np.testing.assert_array_equal(n_charged, table.columns["charged"])
    # The jets are scaled up, by less the harder they are.
    ratio = jet_sums(table)[0] / table.columns["pt"]
    assert np.all((ratio > 0.85) & (ratio < 1))
    assert len(np.unique(table.columns["event_id"])) == 10


def test_jets_of_delphes_by_radius_are_nearly_those():
    linked, near = (whole(opened(DELPHES, "Jet", radius)) for radius in (None, 0.5))
    ratio = jet_sums(near)[0] / jet_sums(linked)[0]
    assert np.mean(np.abs(ratio - 1) < 0.02) > 0.75


def test_generated_jets_of_delphes():
    """Their pT and mass are exactly those of the particles they refer to."""
    table = whole(opened(DELPHES, "GenJet"))
    pt, mass = jet_sums(table)
    np.testing.assert_allclose(pt, table.columns["pt"], rtol=1e-4)
    np.testing.assert_allclose(mass, table.columns["mass"], rtol=1e-3)


def test_events_of_delphes():
    table = whole(opened(DELPHES))
    names = ("EFlowTrack.PT", "EFlowPhoton.ET", "EFlowNeutralHadron.ET")
    found = np.concatenate([column(DELPHES, "Delphes", name) for name in names])
    assert np.count_nonzero(found == 0) == 374
    np.testing.assert_array_equal(np.sort(table.constituents["pt"]), np.sort(found[found != 0]))
    assert np.all(np.abs(table.constituents["eta"]) < 5)


@pytest.mark.parametrize("name", [NANO, DELPHES])
def test_inspect(name):
    found = inspect.run(shared(name))
    assert found.kind == "ROOT, lists of constituents"
    assert next(iter(found.facts["samples"].values())) == {"events": 10}
    by_part = {column["part"]: column for column in found.columns if column["of"] == "constituent"}
    assert {"pt", "eta", "phi", "charge", "pdgid"} <= set(by_part)
    assert -np.pi <= by_part["phi"]["min"] < by_part["phi"]["max"] < np.pi
    assert not any(column["not_finite"] for column in found.columns)
    assert by_part.get("mass", {"min": -1e-3})["min"] < 0


@pytest.mark.parametrize(
    ("name", "tree", "collection", "label", "classes"),
    [
        (NANO, "Events", "Jet", "Jet_partonFlavour", {"q": (1, 2, 3, -1, -2, -3), "g": (21,)}),
        (NANO, "Events", "FatJet", "FatJet_nCHadrons", {"light": (0,), "charm": (1, 2, 3)}),
        (DELPHES, "Delphes", "Jet", "Jet.Flavor", {"light": (1, 2, 3, 21), "heavy": (4, 5)}),
    ],
)
def test_preprocess(tmp_path, name, tree, collection, label, classes):
    source = {"path": str(shared(name)), "collection": collection, "columns": {"label": label}}
    expected = {
        of: int(np.isin(column(name, tree, label), values).sum()) for of, values in classes.items()
    }
    assert all(expected.values())
    config = PreprocessConfig.model_validate(
        {
            "sources": [source],
            "classes": classes,
            "image": {
                "grid": {"pixels": 16, "width": 1.6},
                "channels": [{"name": "pt"}],
                "align": [{"step": "centre"}, {"step": "normalise"}],
            },
            "split": {"train": 1, "validation": 0, "test": 0},
        },
        strict=False,
    )
    preprocess.run(config, base=tmp_path, output=tmp_path / "images")
    artifact = open_artifact(tmp_path / "images")
    assert artifact.manifest.contents["n_events"]["train"] == expected
    assert artifact.manifest.contents["n_empty_images"] == 0
    split = open_store(artifact.path / STORE).splits["train"]
    images = as_dense(split.images(0, sum(expected.values()))).values
    assert np.all(images >= 0)
    # The grid is wider than the jets, of which the harder half lies near the middle.
    sums = images.sum(axis=(1, 2, 3))
    assert np.all((sums > 0.9) & (sums < 1.0001))
    assert images[..., 5:11, 5:11].sum() > 0.7 * sums.sum()
