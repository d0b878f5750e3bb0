import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.selections import SELECTIONS, charges, distinct, select

CHARGE_OF = {
    22: 0,
    11: -1,
    -11: 1,
    13: -1,
    -13: 1,
    211: 1,
    -211: -1,
    321: 1,
    -321: -1,
    130: 0,
    2212: 1,
    -2212: -1,
    2112: 0,
    -2112: 0,
}
"""The species that reach a detector."""

SPECIES = np.array(list(CHARGE_OF))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32])
def test_charges_of_the_stable_species(dtype):
    shuffled = np.random.default_rng(1).choice(SPECIES, 500)
    found = charges({"pdgid": shuffled.astype(dtype)})
    np.testing.assert_array_equal(found, [CHARGE_OF[number] for number in shuffled.tolist()])


def test_a_charge_column_goes_first():
    given = np.array([0, 1], dtype=np.int8)
    assert charges({"charge": given, "pdgid": np.array([211, 22])}) is given


@pytest.mark.parametrize("number", [0, 99999999, 211.5, np.nan, np.inf])
def test_an_unknown_id(number):
    with pytest.raises(DataError, match=f"'pdgid' holds {number}, which is no particle"):
        charges({"pdgid": np.array([22, number])})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_charge_that_is_none(value):
    with pytest.raises(DataError, match=f"'charge' holds {value}, expected charges"):
        select({"pt": np.ones(2), "charge": np.array([1, value])}, "charged")


def test_neither_charge_nor_id():
    with pytest.raises(DataError, match="neither a 'charge' nor a 'pdgid'"):
        charges({"pt": np.ones(2)})


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("all", set(CHARGE_OF)),
        ("charged", {number for number, charge in CHARGE_OF.items() if charge}),
        ("neutral", {22, 130, 2112, -2112}),
        ("photon", {22}),
        ("electron", {11, -11}),
        ("muon", {13, -13}),
        ((11,), {11}),
        ((211, -211, 22), {211, -211, 22}),
        ((), set()),
    ],
)
def test_select(selection, expected):
    chosen = select({"pt": np.ones(len(SPECIES)), "pdgid": SPECIES}, selection)
    assert chosen.dtype == bool
    assert set(SPECIES[chosen].tolist()) == expected


def test_every_named_selection_is_tested():
    (table,) = (mark for mark in test_select.pytestmark if mark.name == "parametrize")
    assert {case[0] for case in table.args[1] if isinstance(case[0], str)} == set(SELECTIONS)


def test_an_unknown_selection():
    with pytest.raises(ConfigError, match=r"unknown selection 'charge': expected one of all, "):
        select({"pt": np.ones(1)}, "charge")


def test_species_without_ids():
    with pytest.raises(DataError, match="no constituent column 'pdgid'"):
        select({"pt": np.ones(1), "charge": np.ones(1)}, "photon")


@pytest.mark.parametrize("species", ["photon", "electron", "muon"])
def test_species_by_flags(species):
    table = {"pt": np.ones(3), f"is_{species}": np.array([0.0, 1, 0])}
    assert select(table, species).tolist() == [False, True, False]
    # An id says more.
    table["pdgid"] = np.array([211, 211, {"photon": 22, "electron": -11, "muon": 13}[species]])
    assert select(table, species).tolist() == [False, False, True]
    other = {"photon": "muon", "electron": "photon", "muon": "electron"}[species]
    del table["pdgid"]
    with pytest.raises(DataError, match="no constituent column 'pdgid', and .* none of is_photon"):
        select(table, other)


def test_no_constituents():
    empty = {"pt": np.ones(0), "pdgid": np.ones(0, dtype=int)}
    for selection in SELECTIONS:
        assert len(select(empty, selection)) == 0


@given(
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-3334, 3334)),
    dtype=st.sampled_from([np.int16, np.int32, np.int64, np.float32]),
)
def test_distinct_numbers_are_those_of_numpy(numbers, dtype):
    column = np.array(numbers, dtype=np.int64).astype(dtype)
    species, inverse = distinct(column)
    expected_species, expected_inverse = np.unique(column, return_inverse=True)
    np.testing.assert_array_equal(species, expected_species)
    np.testing.assert_array_equal(inverse, expected_inverse)
