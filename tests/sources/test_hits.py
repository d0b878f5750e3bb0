from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.identity import content_ids
from detcnn.sources.base import Layout
from detcnn.sources.layouts import hits as module
from detcnn.sources.opening import open_source

REAL = Path(__file__).parents[2].parent / "shared/data/liquido_hits/liquido_electrons_dev.h5"
NAMED = {
    "hits": {"x": "HitData[..., 1]", "t": "HitData[..., 2]"},
    "hit_event": "HitData[..., 0]",
    "event_number": "TruthData[..., 0]",
    "columns": {"depth": "TruthData[..., 1]"},
    "class_name": "electron",
}


def table(rows):
    return np.array(rows, dtype=np.float32).reshape(len(rows), 3)


@pytest.fixture
def data():
    """Hits of events 7, 2 and 5, in that order; event 4 has none."""
    return {
        "HitData": table([[7, 1, 10], [7, 2, 20], [2, 3, 30], [5, 4, 40], [5, 5, 50], [5, 6, 60]]),
        "TruthData": np.array([[2, 20], [4, 40], [5, 50], [7, 70]], dtype=np.float32),
    }


def as_lists(events):
    return [
        events.constituents["x"][first:last].tolist()
        for first, last in zip(events.offsets[:-1], events.offsets[1:], strict=True)
    ]


def test_hits_find_their_event_by_its_number(opened, data):
    source = opened(data, **NAMED)
    assert source.layout.kind == "hits"
    assert [(sample.n_events, sample.class_name) for sample in source.samples] == [(4, "electron")]
    events = source.read(0, 0, 4)
    assert as_lists(events) == [[3], [], [4, 5, 6], [1, 2]]
    assert events.columns["event_id"].tolist() == [2, 4, 5, 7]
    assert events.columns["depth"].tolist() == [20, 40, 50, 70]
    assert as_lists(source.read(0, 1, 2)) == [[]]
    assert as_lists(source.read(0, 2, 2)) == []
    assert not events.has_momenta


def test_without_a_table_of_events_they_are_those_with_hits(opened, data):
    named = {"hits": NAMED["hits"], "hit_event": NAMED["hit_event"]}
    events = opened(data, **named).read(0, 0, 3)
    assert as_lists(events) == [[1, 2], [3], [4, 5, 6]]
    assert events.columns["event_id"].tolist() == [7, 2, 5]


def test_hits_may_be_flat_with_offsets(opened):
    source = opened(
        {"hit/x": np.arange(5.0), "hit/offsets": np.array([0, 2, 2, 5]), "depth": np.arange(3.0)},
        hits={"x": "hit/x"},
        offsets="hit/offsets",
    )
    events = source.read(0, 1, 3)
    assert as_lists(events) == [[], [2, 3, 4]]
    assert events.columns["depth"].tolist() == [1, 2]


def test_hits_may_be_lists(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "in.parquet"
    columns = {"hx": [[1.0, 2.0], [], [3.0]], "hq": [[4.0, 5.0], [], [6.0]], "depth": [1.0, 2, 3]}
    parquet.write_table(pyarrow.table(columns), path)
    events = open_source(path, Layout(hits={"x": "hx", "q": "hq"})).read(0, 0, 3)
    assert as_lists(events) == [[1, 2], [], [3]]
    assert events.constituents["q"].tolist() == [4, 5, 6]
    assert events.columns["depth"].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="named as d, is numbers .* expected lists"):
        open_source(path, Layout(hits={"x": "hx", "d": "depth"}))


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    at_once=st.integers(1, 7),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_table_agrees_with_a_search_for_each_event(write, monkeypatch, lengths, seed, at_once):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    numbers = rng.choice(10_000, len(lengths), replace=False)
    of_hits = np.repeat(numbers, lengths)
    hits = np.column_stack([of_hits, rng.normal(size=(len(of_hits), 2))]).astype(np.float32)
    order = rng.permutation(len(numbers))
    truth = np.column_stack([numbers, numbers * 2])[order].astype(np.float32)
    source = open_source(write({"HitData": hits, "TruthData": truth}), Layout(**NAMED))
    start, stop = sorted(rng.integers(0, len(numbers) + 1, 2).tolist())
    events = source.read(0, start, stop)
    expected = [hits[hits[:, 0] == number, 1].tolist() for number in truth[start:stop, 0]]
    assert as_lists(events) == expected
    assert events.columns["depth"].tolist() == truth[start:stop, 1].tolist()


def test_content_tells_events_of_hits_apart(opened, data):
    ids = content_ids(opened(data, **NAMED).read(0, 0, 4))
    data["HitData"][2, 2] += 1
    changed = content_ids(opened(data, **NAMED).read(0, 0, 4))
    assert (ids == changed).tolist() == [False, True, True, True]
    data["HitData"][[3, 5]] = data["HitData"][[5, 3]]
    assert np.array_equal(content_ids(opened(data, **NAMED).read(0, 0, 4)), changed)


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (2, 7.5, r"'HitData\[..., 0\]', row 2: 7.5 is no event number, expected a whole number"),
        (2, np.nan, "row 2: nan is no event number"),
        (2, 2.0**24, "row 2: 16777216.0 is no event number, .* below 16777216"),
        (4, 3, "the hits of event 5 lie apart, from row 3 and again from row 5: sort the table"),
        (2, 3, "1 hits of 1 events, the first of them 3, belong to no event"),
        (2, 9, "1 hits of 1 events, the first of them 9, belong to no event"),
    ],
)
def test_hits_of_no_plain_event_are_refused(opened, data, row, value, message):
    data["HitData"][row, 0] = value
    with pytest.raises(DataError, match=message):
        opened(data, **NAMED)


def test_two_events_of_one_number_are_refused(opened, data):
    data["TruthData"][3, 0] = 4
    with pytest.raises(DataError, match="the events in rows 1 and 3 both have the number 4"):
        opened(data, **NAMED)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hit_event": None}, ConfigError, "nothing tells which event a hit belongs to"),
        ({"hits": {}, "kind": "hits"}, ConfigError, "hits are named by the study alone"),
        ({"hits": {"x": "HitData[..., 3]"}}, ConfigError, "outside of the dataset's shape"),
        ({"hits": {"x": "Hits[..., 3]"}}, ConfigError, "no dataset 'Hits'"),
        ({"hit_event": "TruthData[..., 0]"}, DataError, r"named as hit_event, .*\(4,\)"),
        ({"event_number": "TruthData"}, ConfigError, r"one feature, as 'TruthData\[..., 0\]'"),
        ({"columns": {"q": "HitData[..., 1]"}}, DataError, "one value per event"),
    ],
)
def test_columns_that_do_not_go_together_are_refused(opened, data, changes, error, message):
    with pytest.raises(error, match=message):
        opened(data, **{**NAMED, **changes})


def test_offsets_of_other_hits_are_refused(opened):
    with pytest.raises(DataError, match="end at 4, but there are 5 hits"):
        opened({"x": np.arange(5.0), "o": np.array([0, 4])}, hits={"x": "x"}, offsets="o")


def test_a_real_file():
    if not REAL.exists():
        pytest.skip("liquido_hits is not here")
    roles = ("x", "y", "z", "t")
    layout = Layout(
        hits={role: f"HitData[..., {i}]" for i, role in enumerate(roles, 2)},
        hit_event="HitData[..., 0]",
        event_number="TruthData[..., 0]",
        columns={
            "energy": "TruthData[..., 7]",
            "vertex_y": "TruthData[..., 2]",
            "vertex_z": "TruthData[..., 3]",
        },
        units={"energy": "MeV"},
        class_name="electron",
    )
    events = open_source(REAL, layout).read(0, 0, 70)
    assert (events.n_events, events.n_constituents) == (70, 85_773)
    assert 0.0002 < events.columns["energy"].min() < events.columns["energy"].max() < 0.005
    # The axes are permuted: the mean x of the hits goes with the true z, and y with y.
    owner = np.repeat(np.arange(70), np.diff(events.offsets))
    for hit, truth in (("x", "vertex_z"), ("y", "vertex_y")):
        mean = np.bincount(owner, events.constituents[hit]) / np.diff(events.offsets)
        assert np.corrcoef(mean, events.columns[truth])[0, 1] > 0.9
