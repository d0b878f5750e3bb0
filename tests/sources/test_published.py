"""JetNet, whose files do not say what their columns are."""

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.sources.opening import open_source


@pytest.fixture
def jetnet():
    """Three jets of two, one and no particles; a soft particle counts, what is masked does not."""
    particles = np.zeros((3, 4, 4), dtype=np.float32)
    particles[0, 0] = [0.1, -0.2, 0.5, 1]
    particles[0, 1] = [0.0, 0.3, 0.0, 1]
    particles[0, 2] = [0.4, 0.4, 0.4, 0]
    particles[1, 3] = [-0.1, 0.1, 0.25, 1]
    jets = np.array([[1000, 1.5, 80, 2], [800, -0.5, 90, 1], [900, 0, 85, 0]], dtype=np.float32)
    return {"particle_features": particles, "jet_features": jets}


@pytest.mark.parametrize("has_type", [False, True])
def test_relative_coordinates_become_absolute(opened, jetnet, has_type):
    if has_type:
        jets = jetnet["jet_features"]
        jetnet["jet_features"] = np.concatenate([np.full((3, 1), 2.0), jets], axis=1)
    source = opened(jetnet, class_name="gluon")
    assert (source.layout.kind, source.samples[0].class_name) == ("padded", "gluon")
    table = source.read(0, 0, 3)
    assert table.offsets.tolist() == [0, 2, 3, 3]
    assert set(table.constituents) == {"pt", "eta", "phi"}
    np.testing.assert_allclose(table.constituents["pt"], [500, 0, 200])
    np.testing.assert_allclose(table.constituents["eta"], [1.6, 1.5, -0.6], rtol=1e-6)
    np.testing.assert_allclose(table.constituents["phi"], [-0.2, 0.3, 0.1], rtol=1e-6)
    expected = {"pt", "eta", "mass", "num_particles"} | ({"type"} if has_type else set())
    assert set(table.columns) == expected
    assert table.columns["mass"].tolist() == [80, 90, 85]
    assert source.read(0, 1, 2).constituents["pt"].tolist() == [200]


def test_without_a_mask_nothing_but_zeros_is_padding(opened, jetnet):
    jetnet["particle_features"] = jetnet["particle_features"][..., :3]
    assert opened(jetnet).read(0, 0, 3).offsets.tolist() == [0, 2, 3, 3]


def test_units_count_for_the_jet(opened, jetnet):
    table = opened(jetnet, units={"pt": "MeV", "mass": "MeV"}).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [0.5, 0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(table.columns["pt"], [1, 0.8, 0.9], rtol=1e-6)


def test_the_axis_of_the_jet_counts_where_it_is_there(opened, jetnet):
    jetnet["jet_phi"] = np.array([1.0, 3.1, 0])
    table = opened(jetnet).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["phi"], [0.8, 1.3, 3.2], rtol=1e-6)


@pytest.mark.parametrize(("column", "part"), [(0, "pt"), (1, "eta")])
def test_without_the_jets_nothing_can_be_said(opened, jetnet, column, part):
    names = ["pt", "eta", "mass", "n"]
    names[column] = "other"
    columns = {f"jets_{name}": jetnet["jet_features"][:, i] for i, name in enumerate(names)}
    datasets = {"particle_features": jetnet["particle_features"], **columns}
    told = {
        role: f"particle_features[..., {i}]"
        for i, role in enumerate(("eta_rel", "phi_rel", "pt_rel", "mask"))
    }
    with pytest.raises(ConfigError, match=rf"relative to the {part} of the jet.*columns\.{part}"):
        opened(datasets, constituents=told)


def test_names_that_the_file_states_count(write, jetnet):
    jetnet["particle_features"] = jetnet["particle_features"][..., [2, 0, 1, 3]]
    path = write(jetnet)
    with h5py.File(path, "a") as file:
        file["particle_features"].attrs["names"] = ["pt_rel", "eta_rel", "phi_rel", "mask"]
    np.testing.assert_allclose(open_source(path).read(0, 0, 3).constituents["pt"], [500, 0, 200])


def test_jets_and_particles_that_do_not_go_together(opened, jetnet):
    jetnet["particle_features"] = jetnet["particle_features"][:2]
    told = r"pt of the jet, .* \('jet_features\[\.\.\., 0\]' has the shape \(3,\), expected \(2,"
    with pytest.raises(ConfigError, match=told):
        opened(jetnet)


def test_another_number_of_features(opened, jetnet):
    jetnet["particle_features"] = np.ones((3, 4, 5))
    with pytest.raises(ConfigError, match="JetNet has 3 or 4 features here, and this has 5: name"):
        opened(jetnet)
