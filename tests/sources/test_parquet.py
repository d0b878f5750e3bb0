"""Parquet files as pyarrow and others write them: flat, nested, in row groups, with gaps."""

import io
import pickle

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError, DetcnnError
from detcnn.sources.base import Layout
from detcnn.sources.formats import parquet_columns
from detcnn.sources.formats.parquet import PARQUET
from detcnn.sources.layouts import event_columns
from detcnn.sources.opening import find_misfits, open_source


@pytest.fixture
def write(tmp_path):
    """Write columns: ``write({"pt": [...]}, row_group_size=2)``."""

    def write(columns, *, metadata=None, **options):
        path = tmp_path / "in.parquet"
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table.replace_schema_metadata(metadata), path, **options)
        return path

    return write


@pytest.fixture
def jets():
    """Three jets of two, no and three constituents."""
    return {
        "part_pt": pa.array([[9, 8], [], [7, 6, 5]], pa.list_(pa.float32())),
        "part_eta": pa.array([[0.1, 0.2], [], [0.3, 0.4, 0.5]]),
        "part_phi": pa.array([[-3, -1], [], [0, 1, 3]], pa.large_list(pa.float32())),
        "jet_pt": np.array([30, 20, 10], dtype=np.float32),
        "label": ["top", "QCD", "top"],
    }


def test_lists_of_constituents(write, jets):
    source = pickle.loads(pickle.dumps(open_source(write(jets, row_group_size=2))))
    assert source.label_names == {0: "QCD", 1: "top"}
    table = source.read(0, 0, 3)
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    assert table.columns["label"].tolist() == [1, 0, 1]
    assert table.columns["pt"].tolist() == [30, 20, 10]
    table = source.read(0, 1, 3)
    assert table.offsets.tolist() == [0, 0, 3]
    assert table.constituents["phi"].tolist() == [0, 1, 3]


def test_records_as_awkward_writes_them(tmp_path):
    particles = [[{"pt": 9.0, "eta": 0.1, "phi": -3.0}], [], [{"pt": 7.0, "eta": 0.3, "phi": 1.0}]]
    events = ak.Array({"particles": particles, "jet": {"mass": [1.0, 2, 3]}, "label": [1, 0, 1]})
    path = tmp_path / "in.parquet"
    ak.to_parquet(events, path)
    source = open_source(path)
    assert source.layout.constituents == {
        role: f"particles/{role}" for role in ("pt", "eta", "phi")
    }
    table = source.read(0, 1, 3)
    assert table.constituents["pt"].tolist() == [7]
    assert table.columns["mass"].tolist() == [2, 3]


def test_lists_of_fixed_length_are_padded_constituents(write):
    def rows(values):
        return pa.array(values, pa.list_(pa.float32(), 3))

    path = write(
        {
            "pt": rows([[9, 8, 0], [0, 0, 0]]),
            "eta": rows([[0.1, 0.2, 0], [0, 0, 0]]),
            "phi": rows([[1, 2, 0], [0, 0, 0]]),
            "label": [1, 0],
        }
    )
    source = open_source(path)
    assert source.layout.kind == "padded"
    assert source.read(0, 0, 2).offsets.tolist() == [0, 2, 2]


def test_nested_lists_of_fixed_length_are_images(write):
    values = np.arange(3 * 20 * 20, dtype=np.float32).reshape(3, 20, 20)
    kind = pa.list_(pa.list_(pa.float32(), 20), 20)
    path = write({"image": pa.array(values.tolist(), kind), "label": [0, 1, 1]}, row_group_size=2)
    source = open_source(path)
    assert source.image_shape == (1, 20, 20)
    np.testing.assert_array_equal(source.read(0, 1, 3).images.values[:, 0], values[1:])


def test_numbered_columns(write):
    columns = {
        f"{part}_{i}": np.array([i + 3.0, i + 5.0]) for part in ("PX", "PY", "PZ") for i in (0, 1)
    }
    source = open_source(write({**columns, "is_signal_new": [0, 1]}))
    table = source.read(0, 1, 2)
    np.testing.assert_allclose(table.constituents["pt"], np.sqrt(2) * np.array([5, 6]), rtol=1e-6)
    assert table.columns["label"].tolist() == [1]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lists=st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=12),
    group=st.integers(1, 13),
    batch=st.integers(1, 13),
    rows=st.tuples(st.integers(0, 13), st.integers(0, 13)).map(sorted),
)
def test_rows_are_those_that_were_written(write, monkeypatch, lists, group, batch, rows):
    monkeypatch.setattr(parquet_columns, "_ROWS_AT_ONCE", batch)
    flat = np.arange(len(lists))
    table = pa.table({"lists": pa.array(lists, pa.list_(pa.int16())), "flat": flat})
    with PARQUET.open(write(table, row_group_size=group), Layout()) as container:
        offsets, content = container.read_ragged("lists", *rows)
        assert container.read("flat", *rows).tolist() == flat[slice(*rows)].tolist()
    expected = lists[slice(*rows)]
    assert np.diff(offsets).tolist() == [len(entry) for entry in expected]
    assert content.tolist() == [number for entry in expected for number in entry]
    assert content.dtype == np.int16


def test_types(write):
    path = write(
        {
            "half": np.array([1, 2], dtype=np.float16),
            "flag": [True, False],
            "coded": pa.array([5, 5]).dictionary_encode(),
            "text": ["a", "b"],
            "deep": [[[1.0]], [[]]],
            "time": np.array([1, 2], dtype="datetime64[s]"),
            "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
            "last": [7, 8],
        }
    )
    with PARQUET.open(path, Layout()) as container:
        datasets = container.datasets()
        numeric = {name: d.dtype.str[1:] for name, d in datasets.items() if d.is_numeric}
        assert numeric == {"half": "f2", "flag": "b1", "coded": "i8", "last": "i8"}
        for name, expected in {"half": [1, 2], "flag": [1, 0], "coded": [5, 5]}.items():
            assert container.read(name, 0, 2).tolist() == expected
        assert container.read("last", 0, 2).tolist() == [7, 8]
        assert "double is neither a number nor in one list" in datasets["deep"].problem


def test_units_of_a_column_and_classes_of_the_file(write, jets):
    kind = pa.field("part_pt", jets["part_pt"].type, metadata={"unit": "MeV"})
    jets["label"] = [1, 0, 1]
    names = list(jets)
    schema = pa.schema([kind, *pa.table(jets).schema][:1] + list(pa.table(jets).schema)[1:])
    table = pa.table([jets[name] for name in names], schema=schema)
    source = open_source(write(table, metadata={"classes": '["QCD", "top"]'}))
    assert source.label_names == {0: "QCD", 1: "top"}
    np.testing.assert_allclose(source.read(0, 0, 1).constituents["pt"], [0.009, 0.008])


class TestClasses:
    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), "coded"])
    def test_texts(self, write, jets, kind):
        label = pa.array(jets["label"])
        jets["label"] = label.dictionary_encode() if kind == "coded" else label.cast(kind)
        source = open_source(write(jets, row_group_size=1))
        assert source.label_names == {0: "QCD", 1: "top"}
        assert source.read(0, 1, 3).columns["label"].tolist() == [0, 1]

    def test_of_a_column_that_the_study_names(self, write, jets):
        jets["process"] = jets.pop("label")
        source = open_source(write(jets), Layout(columns={"label": "process"}))
        assert source.label_names == {0: "QCD", 1: "top"}

    def test_texts_do_not_count_where_the_class_is_given(self, write, jets):
        assert open_source(write(jets), Layout(class_name="top")).label_names == {}

    def test_too_many(self, write, jets, monkeypatch):
        monkeypatch.setattr(event_columns, "_MOST_CLASSES", 1)
        with pytest.raises(ConfigError, match="'label' has more than 1 different values, too man"):
            open_source(write(jets))


class TestGaps:
    def test_numbers_that_are_missing_are_not_a_number(self, write, jets):
        jets["tau21"] = pa.array([0.5, None, 0.7])
        table = open_source(write(jets)).read(0, 0, 3)
        assert np.isnan(table.columns["tau21"]).tolist() == [False, True, False]

    @pytest.mark.parametrize(
        ("column", "values", "message"),
        [
            ("label", [1, None, 0], "column 'label', event 1: nothing is stored there"),
            ("jet_n", [1, 2, None], "column 'jet_n', event 2: nothing is stored there"),
            ("is_b", [True, None, True], "column 'is_b', event 1: nothing is stored there"),
            ("label", ["a", None, "b"], r"column 'label', event 1: nothing is stored there \(null"),
            ("part_eta", [[1.0, 2], None, [1.0, 2, 3]], "column 'part_eta', event 1: nothing is"),
            ("part_charge", [[1, None], [], [1, 0, 1]], "column 'part_charge': nothing is stored"),
        ],
    )
    def test_nothing_else_may_be_missing(self, write, jets, column, values, message):
        jets[column] = pa.array(values)
        with pytest.raises(DataError, match=message):
            open_source(write(jets)).read(0, 0, 3)


def test_lists_of_different_lengths(write, jets):
    jets["part_eta"] = pa.array([[0.1, 0.2], [], [0.3]])
    with pytest.raises(DataError, match="event 2: 'part_eta' has 1 entries, but 'part_pt' has 3"):
        open_source(write(jets)).read(0, 0, 3)


def test_two_columns_of_one_name(write):
    path = write(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
    with pytest.raises(DataError, match="column 'a' is there twice"):
        open_source(path)


def test_nothing_to_make_images_of(write):
    with pytest.raises(ConfigError, match="nor images found; there are: a; say in the study"):
        open_source(write({"a": [1, 2]}))


def test_a_truncated_file(write, jets):
    path = write(jets)
    content = path.read_bytes()
    for size in (len(content) - 1, len(content) // 2, 10, 4):
        path.write_bytes(content[:size])
        with pytest.raises(
            DataError, match=r"in\.parquet: cannot be read as Parquet, damaged.*: copy"
        ):
            open_source(path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_is_named_or_does_no_harm(data, tmp_path_factory):
    stream = io.BytesIO()
    columns = {
        "part_pt": [[9.0, 8], [], [7.0, 6, 5]],
        "part_eta": [[0.1, 0.2], [], [0.3, 0.4, 0.5]],
        "part_phi": [[0.1, 0.2], [], [0.3, 0.4, 0.5]],
        "label": ["a", "b", "a"],
        "jet_n": [1, 2, 3],
    }
    compression = data.draw(st.sampled_from(["none", "snappy", "zstd"]))
    pq.write_table(pa.table(columns), stream, compression=compression, row_group_size=2)
    content = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "in.parquet"
    path.write_bytes(content)
    message = f"{path}: one line"
    try:
        source = open_source(path)
        for sample, entry in enumerate(source.samples):
            source.read(sample, 0, entry.n_events)
    except DetcnnError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message


def test_a_row_for_every_constituent_is_named_with_the_remedy(write, tmp_path):
    columns = {"event_id": [7, 7, 9], "label": ["top", "top", "QCD"]}
    columns |= {name: [1.0, 2.0, 3.0] for name in ("pt", "eta", "phi")}
    path = write(columns)
    told = (
        r"every row is one constituent of the event that 'event_id' tells, .*table\.(groupby\(.*\))"
    )
    with pytest.raises(ConfigError, match=told) as caught:
        open_source(path)
    assert "'event_id'" in str(caught.value)


@pytest.mark.parametrize("absent", ["event_id", "phi"])
def test_other_flat_tables_are_not_taken_for_rows_of_constituents(write, absent):
    columns = {name: [1.0, 2.0] for name in ("event_id", "pt", "eta", "phi") if name != absent}
    with pytest.raises(ConfigError, match="which dataset plays which part$"):
        open_source(write(columns))


def test_a_list_of_labels_is_told(write, jets):
    jets["label"] = [[0, 1]] * len(jets["label"])
    source = open_source(write(jets))
    assert source.label_names == {}
    assert "'label' is a list in each row" in find_misfits(source.path, source.layout, n_events=3)


def test_one_hot_labels_in_lists_of_a_fixed_length(write, jets):
    flags = pa.FixedSizeListArray.from_arrays(pa.array([0, 1, 1, 0, 0, 1]), 2)
    jets["label"] = flags
    table = open_source(write(jets)).read(0, 0, 3)
    assert table.columns["label"].tolist() == [1, 0, 1]
