from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.errors import ConfigError
from detcnn.sources.layouts.momenta import as_pt_eta_phi, check_coordinates, has_coordinates

COMPONENT = st.floats(-1e4, 1e4, width=32)


@pytest.mark.parametrize(
    ("roles", "missing"),
    [
        (("pt", "eta", "phi"), None),
        (("pt", "rapidity", "phi"), None),
        (("px", "py", "pz"), None),
        (("pt_rel", "eta_rel", "phi_rel"), None),
        (("pt", "phi"), "eta"),
        (("px", "py"), "pt and phi and eta"),
        ((), "pt and phi and eta"),
        (("eta", "phi", "energy"), "pt"),
    ],
)
def test_what_can_be_put_on_a_plane(roles, missing):
    assert has_coordinates(roles) == (missing is None)
    if missing is None:
        check_coordinates(Path("x.h5"), roles)
        return
    with pytest.raises(ConfigError, match=rf"x\.h5: no column found for {missing} of the con"):
        check_coordinates(Path("x.h5"), roles)


@given(COMPONENT, COMPONENT, COMPONENT, st.floats(0, 1e3, width=32))
def test_against_the_definitions(px, py, pz, mass):
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    columns = {"px": px, "py": py, "pz": pz, "energy": energy}
    found = as_pt_eta_phi({role: np.array([value]) for role, value in columns.items()})
    assert "px" not in found
    pt = np.sqrt(px**2 + py**2)
    np.testing.assert_allclose(found["pt"], pt, rtol=1e-6, atol=1e-30)
    if pt > 1e-3:
        np.testing.assert_allclose(found["phi"], np.arctan2(py, px), rtol=1e-6, atol=1e-30)
        theta = np.arctan2(pt, pz)
        # -ln tan(θ/2) loses everything close to the beam.
        if 1e-3 < theta < np.pi - 1e-3:
            eta = -np.log(np.tan(theta / 2))
            np.testing.assert_allclose(found["eta"], eta, rtol=1e-4, atol=1e-4)
    if energy - abs(pz) > 1e-3 * energy > 0:
        rapidity = 0.5 * np.log((energy + pz) / (energy - pz))
        np.testing.assert_allclose(found["rapidity"], rapidity, rtol=1e-4, atol=1e-4)


def test_what_the_input_has_itself_is_kept():
    given = {role: np.array([1.0]) for role in ("px", "py", "pz")} | {"pt": np.array([7.0])}
    found = as_pt_eta_phi({**given, "charge": np.array([1])})
    assert found["pt"].tolist() == [7]
    assert set(found) == {"pt", "eta", "phi", "charge"}


def test_along_the_beam():
    zeros = np.zeros(3)
    found = as_pt_eta_phi({"px": zeros, "py": zeros, "pz": np.array([0.0, 5, -5])})
    assert found["eta"].tolist() == [0, np.inf, -np.inf]
    assert found["pt"].tolist() == [0, 0, 0]
