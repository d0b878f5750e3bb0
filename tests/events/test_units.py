from itertools import pairwise
from math import pi
from typing import get_args

import pytest

from detcnn.config.preprocess import UnitName
from detcnn.events.units import KNOWN_UNITS, conversion, plain_unit, units_like


@pytest.mark.parametrize(
    ("stored", "told", "expected"),
    [
        ("GeV", "MeV", 1000),
        ("keV", "TeV", 1e-9),
        ("cm", "mm", 10),
        ("m", "nm", 1e9),
        ("us", "ns", 1000),
        ("deg", "rad", pi / 180),
        ("pe", "pe", 1),
        ("GeV", "mm", None),
        ("pe", "MeV", None),
        ("GeV", "", None),
    ],
)
def test_conversion(stored, told, expected):
    assert conversion(stored, told) == expected


def test_units_of_one_quantity_turn_into_one_another_and_back():
    for unit in KNOWN_UNITS:
        like = units_like(unit)
        assert unit in like
        for other in like:
            there, back = conversion(unit, other), conversion(other, unit)
            assert there * back == pytest.approx(1, rel=1e-15)
        ratios = [conversion(small, "eV") for small in like if "eV" in like]
        assert all(small < large for small, large in pairwise(ratios))
    assert units_like("pe") == ("pe",)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, ""),
        ("", ""),
        ("1", ""),
        ("MeV", "MeV"),
        ("mev", "MeV"),
        ("TeV (true)", "TeV"),
        ("rad in [-pi, pi)", "rad"),
        ("DEG", "deg"),
        ("\N{MICRO SIGN}m", "um"),
        ("\N{GREEK SMALL LETTER MU}s", "us"),
        ("m per ns", "m per ns"),
        ("photons  / event", "photons / event"),
    ],
)
def test_plain_units(stated, expected):
    assert plain_unit(stated) == expected


def test_a_study_may_state_every_unit_that_is_known():
    assert set(get_args(UnitName)) == set(KNOWN_UNITS)
