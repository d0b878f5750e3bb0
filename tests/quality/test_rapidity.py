import numpy as np
import pytest

from detcnn.events.table import EventTable
from detcnn.quality.rapidity import rapidity_findings


def named(table, name_of, columns=None):
    """The table with some constituent columns under other names, and others left out."""
    constituents = {name_of.get(r, r): v for r, v in table.constituents.items()}
    constituents.pop(None, None)
    return EventTable(table.offsets, constituents, columns or {})


def sums(table):
    """The jets' true η and y, and pT, from massive four-vectors."""
    c = {role: values.astype(np.float64) for role, values in table.constituents.items()}
    parts = np.array(
        [
            c["pt"] * np.cos(c["phi"]),
            c["pt"] * np.sin(c["phi"]),
            c["pt"] * np.sinh(c["eta"]),
            c["energy"],
        ]
    )
    px, py, pz, energy = np.add.reduceat(parts, table.offsets[:-1], axis=1)
    pt = np.hypot(px, py)
    return {"pt": pt, "eta": np.arcsinh(pz / pt), "rapidity": np.arctanh(pz / energy)}


LEFT_OUT = {
    "both": {},
    "eta alone": {"rapidity": None},
    "rapidity alone": {"eta": None},
    "massless": {"energy": None, "mass": None, "rapidity": None},
}


@pytest.mark.parametrize("mass", [0.0, 0.14, 0.5])
@pytest.mark.parametrize("left_out", LEFT_OUT.values(), ids=LEFT_OUT)
def test_right_names_are_fine(jets, place, mass, left_out):
    table = jets(mass=mass)
    assert rapidity_findings(named(table, left_out, sums(table)), place) == ()


def test_swapped_columns_of_constituents(jets, place):
    table = named(jets(mass=0.5), {"eta": "rapidity", "rapidity": "eta"})
    (finding,) = rapidity_findings(table, place)
    assert (finding.check, finding.severity) == ("eta-or-rapidity", "warning")
    assert "swapped" in finding.message


@pytest.mark.parametrize(
    ("name_of", "message"),
    [
        ({"rapidity": "eta", "eta": None}, "the constituents' eta looks like rapidity"),
        ({"eta": "rapidity", "rapidity": None}, "the constituents' rapidity looks like eta"),
    ],
)
def test_a_wrong_name_is_found_by_energy_and_mass(jets, place, name_of, message):
    table = jets(mass=5.0)
    table = EventTable(table.offsets, {name_of.get(r, r): v for r, v in table.constituents.items()})
    table.constituents.pop(None)
    (finding,) = rapidity_findings(table, place)
    assert finding.message == message
    assert finding.count > 600


@pytest.mark.parametrize("name", ["eta", "rapidity"])
def test_a_wrong_name_of_jets_is_found_by_their_constituents(jets, place, name):
    table = jets()
    jet = sums(table)
    other = {"eta": "rapidity", "rapidity": "eta"}[name]
    columns = {"pt": jet["pt"], name: jet[other]}
    (finding,) = rapidity_findings(named(table, LEFT_OUT["massless"], columns), place)
    assert finding.message.startswith(f"the events' {name} looks like {other}")
    # Without most of their constituents, jets cannot be judged.
    columns["pt"] = jet["pt"] * 2
    assert rapidity_findings(named(table, LEFT_OUT["massless"], columns), place) == ()


def test_massless_particles_and_few_of_them_tell_nothing(jets, place):
    swap = {"eta": "rapidity", "rapidity": "eta"}
    assert rapidity_findings(named(jets(), swap), place) == ()
    assert rapidity_findings(named(jets(3, mass=0.5), swap), place) == ()


def test_numbers_that_are_none_do_not_matter(jets, place):
    table = jets(mass=0.5)
    for k, role in enumerate(("pt", "eta", "rapidity", "energy", "mass", "phi")):
        table.constituents[role][k::31] = np.nan
        table.constituents[role][k + 7 :: 31] = np.inf
    assert rapidity_findings(named(table, {}, {"eta": np.full(200, np.nan)}), place) == ()
