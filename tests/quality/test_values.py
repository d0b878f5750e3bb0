import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.events.images import DenseImages, as_sparse
from detcnn.events.table import EventTable
from detcnn.quality.findings import Finding, Place
from detcnn.quality.values import (
    column_value_findings,
    constituent_value_findings,
    pixel_value_findings,
    selected_events,
    sound_events,
)

BAD = {"nan": np.nan, "infinity": -np.inf, "negative": -1e-6}


def test_healthy_numbers_give_no_finding(jets, place):
    table = jets()
    assert constituent_value_findings(table, place) == ()
    columns = {"pt": np.zeros(3), "mass": np.array([-0.1, 0, 1]), "label": np.array([-1, 0, 1])}
    assert column_value_findings(columns, place) == ()
    assert sound_events(table).all()


def test_a_finding_worked_by_hand(place):
    table = EventTable(
        offsets=np.array([0, 2, 2, 5]),
        constituents={
            "pt": np.array([1, 2, 3, -4, -5], dtype=np.float32),
            "eta": np.array([0, np.inf, 0, np.nan, -np.inf]),
            "charge": np.array([-1, 0, 1, 0, 0], dtype=np.int8),
        },
    )
    remedy = "mend or drop these events"
    assert constituent_value_findings(table, place) == (
        Finding(
            "negative",
            "trouble",
            2,
            "jets.h5: jets, event 1002, constituent 1",
            "values below zero in constituents/pt",
            remedy,
        ),
        Finding(
            "nan",
            "trouble",
            1,
            "jets.h5: jets, event 1002, constituent 1",
            "NaN in the constituents' eta",
            remedy,
        ),
        Finding(
            "infinity",
            "trouble",
            2,
            "jets.h5: jets, event 1000, constituent 1",
            "infinite values in the constituents' eta",
            remedy,
        ),
    )
    assert sound_events(table).tolist() == [False, True, False]
    kept = selected_events(table, sound_events(table))
    assert (kept.n_events, kept.n_constituents) == (1, 0)


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=30).filter(sum),
    fault=st.sampled_from(sorted(BAD)),
    role=st.sampled_from(["pt", "energy"]),
    start=st.integers(0, 10**6),
    data=st.data(),
)
def test_a_fault_planted_anywhere_is_named(lengths, fault, role, start, data):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    event = data.draw(st.sampled_from(np.flatnonzero(lengths).tolist()))
    constituent = data.draw(st.integers(0, lengths[event] - 1))
    constituents = {name: np.ones(offsets[-1]) for name in ("pt", "eta", "phi", "energy")}
    constituents[role][offsets[event] + constituent] = BAD[fault]
    table = EventTable(offsets, constituents)
    place = Place("f.h5: jets", start, {role: f"group/{role}"})
    (finding,) = constituent_value_findings(table, place)
    assert finding.check == fault
    assert finding.severity == "trouble"
    assert finding.count == 1
    assert finding.where == f"f.h5: jets, event {start + event}, constituent {constituent}"
    assert finding.message.endswith(f" in group/{role}")
    assert np.flatnonzero(~sound_events(table)).tolist() == [event]


@given(n_events=st.integers(1, 50), fault=st.sampled_from(["nan", "infinity"]), data=st.data())
def test_a_fault_planted_in_an_event_column_is_named(n_events, fault, data):
    event = data.draw(st.integers(0, n_events - 1))
    mass = np.zeros(n_events, dtype=np.float32)
    mass[event] = BAD[fault]
    place = Place("f.h5: jets", 7, {}, {"mass": "jets/m"})
    (finding,) = column_value_findings({"pt": np.ones(n_events), "mass": mass}, place)
    assert (finding.check, finding.count) == (fault, 1)
    assert finding.where == f"f.h5: jets, event {7 + event}"
    assert finding.message.endswith(" in jets/m")


@given(
    fault=st.sampled_from(sorted(BAD)),
    where=st.tuples(*(st.integers(0, n - 1) for n in (6, 2, 3, 4))),
    is_sparse=st.booleans(),
)
def test_a_fault_planted_in_a_pixel_is_named(fault, where, is_sparse):
    values = np.zeros((6, 2, 3, 4), dtype=np.float32)
    values[:, :, 1, 1] = 1
    values[where] = BAD[fault]
    images = DenseImages(values)
    event, channel, row, column = where
    (finding,) = pixel_value_findings(
        as_sparse(images) if is_sparse else images,
        Place("i.h5: A", 10),
        channels=("pt", "count"),
        is_signed=(False, False),
    )
    assert (finding.check, finding.severity, finding.count) == (fault, "trouble", 1)
    assert finding.where == f"i.h5: A, event {10 + event}, row {row}, column {column}"
    assert finding.message.endswith(f" in the pixels of {['pt', 'count'][channel]}")


def test_charges_may_be_negative_and_sums_of_pt_not(place):
    values = np.zeros((1, 2, 3, 3), dtype=np.float32)
    values[0, :, 1, 1] = -2
    options = {"channels": ("pt", "charge"), "is_signed": (False, True)}
    (finding,) = pixel_value_findings(DenseImages(values), place, **options)
    assert finding.message.endswith("pixels of pt")
    assert pixel_value_findings(DenseImages(np.abs(values)), place, **options) == ()


@pytest.mark.parametrize("name", ["eta", "rapidity", "phi"])
def test_an_event_without_an_axis_has_no_image(jets, name):
    table = jets(3)
    axis = np.array([0, np.nan, 1], dtype=np.float32)
    table = EventTable(table.offsets, table.constituents, {name: axis})
    assert sound_events(table).tolist() == [True, False, True]
    kept = selected_events(table, sound_events(table))
    assert kept.offsets.tolist() == [0, 5, 10]
    assert kept.columns[name].tolist() == [0, 1]
    chosen = np.r_[0:5, 10:15]
    assert kept.constituents["pt"].tolist() == table.constituents["pt"][chosen].tolist()
