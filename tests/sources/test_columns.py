import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.sources.layouts.columns import (
    CONSTITUENT_ROLES,
    EVENT_ROLES,
    find_role,
    house_unit,
    in_house_units,
    plain_name,
    unit_factor,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pt", "pt"),
        ("part_pt", "pt"),
        ("Particle_PT", "pt"),
        ("constituents_eta", "eta"),
        ("pfcand_eta", None),
        ("y", "rapidity"),
        ("PID", "pdgid"),
        ("q", "charge"),
        ("ptx", None),
        ("match_dr", None),
    ],
)
def test_constituent_roles(name, expected):
    assert find_role(name, CONSTITUENT_ROLES) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("labels", "label"), ("EventNumber", "event_id"), ("weights", "weight"), ("mass", None)],
)
def test_event_roles(name, expected):
    assert find_role(name, EVENT_ROLES) == expected


def test_plain_name():
    assert plain_name("fatjet_Mass_trim") == "mass_trim"


@pytest.mark.parametrize(
    ("role", "unit", "expected"),
    [
        ("pt", None, None),
        ("pt", "", None),
        ("pt", "GeV", None),
        ("pt", "gev", None),
        ("pt", "MeV", 1e-3),
        ("mass", "TeV (true)", 1e3),
        ("phi", "rad in [-pi, pi)", None),
        ("phi", "deg", np.pi / 180),
        ("eta", "1", None),
        ("mass_trim", "MeV", 1e-3),
        ("time", "ns", None),
    ],
)
def test_unit_factor(role, unit, expected):
    assert unit_factor(role, unit) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (None, ""),
        ("gev", "GeV"),
        ("MeV", "GeV"),
        ("TeV (true)", "GeV"),
        ("DEG", "rad"),
        ("keV", "keV"),
        ("ns", "ns"),
        ("pe", "pe"),
    ],
)
def test_the_unit_of_a_column_is_that_of_its_values(unit, expected):
    assert house_unit(unit) == expected
    # Whatever is turned is called after what it was turned into.
    assert (unit_factor("e", unit) is None) or expected in ("GeV", "rad")


@pytest.mark.parametrize(("role", "unit"), [("pt", "deg"), ("pt", "1"), ("phi", "MeV")])
def test_a_unit_of_another_quantity(role, unit):
    with pytest.raises(ConfigError, match=f"column '{role}': unit '{unit}', expected one of"):
        unit_factor(role, unit)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "f16"])
def test_floats_become_float32(dtype):
    column = in_house_units(np.array([1.5, 2], dtype=dtype), None)
    assert column.dtype == np.float32
    assert column.tolist() == [1.5, 2]


def test_integers_stay_unless_they_change():
    whole = np.array([1, 2], dtype=np.int16)
    assert in_house_units(whole, None) is whole
    scaled = in_house_units(whole, 1e-3)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [1e-3, 2e-3])


def test_what_is_too_large_becomes_infinite():
    assert np.isinf(in_house_units(np.array([1e300]), None)).all()
    assert np.isinf(in_house_units(np.array([1e300]), 1e3)).all()
