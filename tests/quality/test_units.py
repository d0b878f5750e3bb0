import numpy as np
import pytest

from detcnn.events.table import EventTable
from detcnn.quality.units import constituent_pt_sums, unit_findings


def changed(table, *, columns=None, **factors):
    constituents = {r: v * factors.get(r, 1) for r, v in table.constituents.items()}
    return EventTable(table.offsets, constituents, columns or {})


def checks(table, place):
    return [(finding.check, finding.severity) for finding in unit_findings(table, place)]


def with_sums(table, factor=1.0):
    return {"pt": constituent_pt_sums(table) * factor}


def test_the_sum_of_pt_by_hand():
    table = EventTable(np.array([0, 2, 2, 3]), {"pt": np.array([1.5, 2, np.nan])})
    np.testing.assert_array_equal(constituent_pt_sums(table), [3.5, 0, np.nan])


def test_gev_and_radians_are_fine(jets, place):
    table = jets()
    assert unit_findings(table, place) == ()
    assert unit_findings(changed(table, columns=with_sums(table)), place) == ()
    # φ in [0, 2π) is one of two customs.
    up = {**table.constituents, "phi": np.mod(table.constituents["phi"], 2 * np.pi)}
    assert unit_findings(EventTable(table.offsets, up), place) == ()
    assert unit_findings(EventTable(np.zeros(1, dtype=np.int64), {"pt": np.zeros(0)}), place) == ()


def test_momenta_in_mev(jets, place):
    table = changed(jets(), pt=1000, energy=1000)
    (finding,) = unit_findings(table, place)
    assert (finding.check, finding.severity) == ("momentum-units", "trouble")
    assert finding.message.startswith("constituents/pt: ")
    assert finding.message.endswith("MeV?")
    assert finding.count == np.count_nonzero(constituent_pt_sums(table) > 7000)


@pytest.mark.parametrize("factor", [1e-3, 1e-3 / 250])
def test_momenta_in_tev_or_as_fractions_are_a_warning(jets, place, factor):
    table = changed(jets(), pt=factor, energy=factor)
    assert checks(table, place) == [("momentum-units", "warning")]


@pytest.mark.parametrize("factor", [1000, 1e-3])
def test_events_and_constituents_in_different_units(jets, place, factor):
    table = jets()
    table = changed(table, columns=with_sums(table, factor))
    found = [f for f in unit_findings(table, place) if "times the sum" in f.message]
    assert [f.severity for f in found] == ["trouble"]
    assert found[0].count == table.n_events
    # Not of "pt", which is that of both.
    assert found[0].remedy.endswith("units: {constituents/pt: MeV}")


def test_jets_that_lack_some_constituents_are_fine(jets, place):
    table = jets()
    assert unit_findings(changed(table, columns=with_sums(table, 2.5)), place) == ()


@pytest.mark.parametrize("factor", [1000, 1e-3])
def test_energy_and_momentum_in_different_units(jets, place, factor):
    assert checks(changed(jets(), energy=factor), place) == [("momentum-units", "trouble")]


def test_angles_in_degrees(jets, place):
    table = changed(jets(), phi=180 / np.pi)
    (finding,) = unit_findings(table, place)
    assert (finding.check, finding.severity) == ("angle-units", "trouble")
    assert "degrees?" in finding.message
    beyond = np.abs(table.constituents["phi"]) > 2 * np.pi
    assert finding.count == np.count_nonzero(beyond)
    events = changed(jets(), columns={"phi": np.linspace(-180, 180, 200), "pt": np.full(200, 250)})
    assert checks(events, place) == [("angle-units", "trouble")]
    assert finding.where == "jets.h5: jets, the constituents' phi"


def test_a_single_angle_beyond_is_a_warning(jets, place):
    table = jets()
    table.constituents["phi"][17] = 7.0
    (finding,) = unit_findings(table, place)
    assert (finding.severity, finding.count) == ("warning", 1)
    assert "degrees" not in finding.message


def test_radians_that_were_stated_as_degrees(jets, place):
    assert checks(changed(jets(), phi=np.pi / 180), place) == [("angle-units", "warning")]
    assert checks(changed(jets(10), phi=np.pi / 180), place) == []


def test_numbers_that_are_none_do_not_matter(jets, place):
    table = jets()
    for role in ("pt", "phi", "energy"):
        table.constituents[role][::9] = np.nan
        table.constituents[role][3::9] = np.inf
    assert unit_findings(table, place) == ()
