"""ROOT files: trees and ntuples as uproot writes them, their names, and damage to them."""

import pickle

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError, DetcnnError, MissingExtraError
from detcnn.events.selections import select
from detcnn.sources.base import Layout
from detcnn.sources.formats.root import ROOT
from detcnn.sources.opening import open_source

WRITERS = ("mktree", "mkrntuple")
LISTS = [[9.0, 8.0], [], [7.0, 6.0, 5.0]]


@pytest.fixture
def write(tmp_path):
    """Write a tree: ``write(columns, writer="mkrntuple")``."""

    def write(columns, *, writer="mktree", name="tree", compression=None):
        path = tmp_path / "in.root"
        with uproot.recreate(path, compression=compression) as file:
            getattr(file, writer)(name, columns)
        return path

    return write


def ragged(lists, dtype=np.float32):
    return ak.values_astype(ak.Array(lists), dtype)


def jets():
    """Three jets of two, no and three constituents."""
    return {
        "constituents_pt": ragged(LISTS),
        "constituents_eta": ragged([[0.1, 0.2], [], [0.3, 0.4, 0.5]], np.float64),
        "constituents_phi": ragged([[-3, -1], [], [0, 1, 3]]),
        "constituents_charge": ragged([[1, 0], [], [-1, 0, 1]], np.int32),
        "jet_pt": np.array([30, 20, 10], dtype=np.float32),
        "label": np.array([1, 0, 1], dtype=np.int8),
    }


@pytest.mark.parametrize("writer", WRITERS)
def test_columns_and_rows(write, writer):
    columns = {
        "flat": np.array([1, 2, 3], dtype=np.int16),
        "flag": np.array([True, False, True]),
        "fixed": np.arange(6, dtype=np.float64).reshape(3, 2),
        "lists": ragged(LISTS),
    }
    with ROOT.open(write(columns, writer=writer), Layout()) as container:
        datasets = container.datasets()
        described = {
            n: (d.shape, d.dtype, d.is_ragged) for n, d in datasets.items() if n in columns
        }
        assert described == {
            "flat": ((3,), np.int16, False),
            "flag": ((3,), np.bool_, False),
            "fixed": ((3, 2), np.float64, False),
            "lists": ((3,), np.float32, True),
        }
        for name in ("flat", "flag", "fixed"):
            for start, stop in ((0, 3), (1, 2), (2, 2), (1, 99)):
                found = container.read(name, start, stop)
                assert found.dtype == datasets[name].dtype
                np.testing.assert_array_equal(found, columns[name][start:stop])
        for start, stop in ((0, 3), (1, 3), (2, 2), (1, 99)):
            offsets, content = container.read_ragged("lists", start, stop)
            assert offsets.dtype == np.int64
            assert np.diff(offsets).tolist() == [len(row) for row in LISTS[start:stop]]
            assert content.tolist() == [x for row in LISTS[start:stop] for x in row]
            assert offsets[0] == 0
        assert container.words("classes") == []


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_of_jets(write, writer):
    source = open_source(write(jets(), writer=writer))
    assert (source.format_name, source.layout.kind) == ("ROOT", "lists")
    assert source.label_names == {0: "0", 1: "1"}
    source = pickle.loads(pickle.dumps(source))
    table = source.read(0, 0, 3)
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    assert table.constituents["eta"].dtype == np.float32
    assert table.constituents["charge"].tolist() == [1, 0, -1, 0, 1]
    assert table.columns["pt"].tolist() == [30, 20, 10]
    last = source.read(0, 1, 3)
    assert last.offsets.tolist() == [0, 0, 3]
    assert last.constituents["pt"].tolist() == [7, 6, 5]
    assert last.columns["label"].tolist() == [0, 1]


@pytest.mark.parametrize("writer", WRITERS)
def test_constituents_as_a_list_of_records(write, writer):
    records = {name[13:]: column for name, column in jets().items() if name.startswith("const")}
    source = open_source(write({"part": ak.zip(records), "label": [0, 1, 0]}, writer=writer))
    table = source.read(0, 0, 3)
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["phi"].tolist() == [-3, -1, 0, 1, 3]


@pytest.mark.parametrize("writer", WRITERS)
def test_jet_class(write, writer):
    """Cartesian momenta, offsets to the axis that are not coordinates, one-hot labels."""
    column = ragged([[3.0, 0.0], [], [1.0]])
    path = write(
        {
            "part_px": column,
            "part_py": ragged([[4.0, 2.0], [], [0.0]]),
            "part_pz": ragged([[0.0, 0.0], [], [np.sinh(1.5)]]),
            "part_energy": ragged([[5.0, 2.0], [], [np.cosh(1.5)]]),
            "part_deta": ragged([[9.0, 9.0], [], [9.0]]),
            "part_dphi": ragged([[9.0, 9.0], [], [9.0]]),
            "part_charge": ragged([[1.0, 0.0], [], [-1.0]]),
            "part_isElectron": ragged([[1, 0], [], [0]], np.int32),
            "part_isPhoton": ragged([[0, 1], [], [0]], np.float32),
            "jet_pt": np.array([500, 600, 700], dtype=np.float32),
            "jet_eta": np.array([0.1, 0.2, 0.3], dtype=np.float32),
            "label_QCD": np.array([1, 0, 0], dtype=np.float32),
            "label_Hbb": np.array([False, True, True]),
        },
        writer=writer,
    )
    source = open_source(path)
    # An RNTuple of uproot keeps its fields in alphabetical order.
    names = ["QCD", "Hbb"] if writer == "mktree" else ["Hbb", "QCD"]
    assert source.label_names == dict(enumerate(names))
    table = source.read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [5, 2, 1], rtol=1e-6)
    np.testing.assert_allclose(table.constituents["eta"], [0, 0, 1.5], rtol=1e-6)
    np.testing.assert_allclose(
        table.constituents["phi"], [np.arctan2(4, 3), np.pi / 2, 0], rtol=1e-6
    )
    assert [names[i] for i in table.columns["label"]] == ["QCD", "Hbb", "Hbb"]
    assert select(table.constituents, "electron").tolist() == [True, False, False]
    assert select(table.constituents, "photon").tolist() == [False, True, False]
    assert table.columns["eta"].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_many_baskets_are_read_by_row_range(tmp_path):
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 5, 100)
    values = rng.random(counts.sum()).astype(np.float32)
    path = tmp_path / "in.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"x": "var * float32", "i": "int64"})
        for rows in np.split(np.arange(100), [7, 50, 51, 93]):
            lists = ak.unflatten(values, counts)[rows[0] : rows[-1] + 1]
            tree.extend({"x": lists, "i": rows})
    ends = np.concatenate([[0], np.cumsum(counts)])
    with ROOT.open(path, Layout()) as container:
        for start, stop in ((0, 100), (6, 8), (7, 50), (49, 94), (99, 100), (50, 50)):
            offsets, content = container.read_ragged("x", start, stop)
            np.testing.assert_array_equal(offsets, ends[start : stop + 1] - ends[start])
            np.testing.assert_array_equal(content, values[ends[start] : ends[stop]])
            assert container.read("i", start, stop).tolist() == list(range(start, stop))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["ZLIB", "LZMA", "LZ4", "ZSTD"])
def test_every_compression(write, name, writer):
    columns = {"x": np.repeat(np.arange(50.0), 20)}
    path = write(columns, writer=writer, compression=getattr(uproot, name)(4))
    with ROOT.open(path, Layout()) as container:
        np.testing.assert_array_equal(container.read("x", 0, 1000), columns["x"])


# Which tree


def write_trees(path, names):
    with uproot.recreate(path) as file:
        for number, name in enumerate(names):
            file.mktree(name, {"x": np.array([number])})
        file["note"] = "no tree"
    return path


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        pytest.param(["a"], None, 0, id="the only one"),
        pytest.param(["Runs", "Events", "MetaData"], None, 1, id="the obvious one"),
        pytest.param(["a", "b"], "b", 1, id="named"),
        pytest.param(["a", "b"], "b;1", 1, id="named with its cycle"),
        pytest.param(["a", "dir/b"], "dir/b", 1, id="in a directory"),
        pytest.param(["a", "Events"], "a", 0, id="named beside the obvious one"),
    ],
)
def test_the_tree(tmp_path, names, wanted, expected):
    path = write_trees(tmp_path / "in.root", names)
    with ROOT.open(path, Layout(tree=wanted)) as container:
        assert container.read("x", 0, 1).tolist() == [expected]


@pytest.mark.parametrize(
    ("names", "wanted", "error", "message"),
    [
        (["a", "b"], None, ConfigError, "holds 2 trees: name one as tree: a, b"),
        (["a", "b"], "c", ConfigError, "no tree 'c'; there are: a, b"),
        (["a"], "note", ConfigError, "no tree 'note'; there are: a"),
        ([], None, DataError, r"holds no TTree or RNTuple; there is: note;1 \(TObjString\)"),
    ],
)
def test_no_such_tree(tmp_path, names, wanted, error, message):
    path = write_trees(tmp_path / "in.root", names)
    with pytest.raises(error, match=message), ROOT.open(path, Layout(tree=wanted)):
        pass


def test_of_two_cycles_the_last_is_read(tmp_path):
    path = write_trees(tmp_path / "in.root", ["t", "t"])
    with ROOT.open(path, Layout()) as container:
        assert container.tree == "t;2"
        assert container.read("x", 0, 1).tolist() == [1]


# What is no column


@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_read_is_named_with_the_remedy(write, writer):
    columns = jets()
    if writer == "mkrntuple":
        columns["words"] = ak.Array(["a", "b", "c"])
        columns["nested"] = ragged([[[1.0]], [], [[2.0], []]])
        nested, problem = "nested", "a list of lists; give collection"
    else:
        columns["constituents_pair"] = ragged([[[1, 2], [3, 4]], [], [[5, 6]] * 3])
        columns["constituents_pair"] = ak.to_regular(columns["constituents_pair"], axis=2)
        nested, problem = "constituents_pair", r"it holds float\[\]\[2\]"
    path = write(columns, writer=writer)
    assert open_source(path).read(0, 0, 3).n_constituents == 5
    with pytest.raises(ConfigError, match=f"'{nested}' is object, expected numbers: {problem}"):
        open_source(path, Layout(columns={"width": nested}))


def test_without_uproot(write, monkeypatch):
    path = write(jets())
    monkeypatch.setitem(__import__("sys").modules, "uproot", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'detcnn\[root\]'"):
        open_source(path)


# Damage


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Files of every compression as bytes, with a path to write a damaged one to."""
    folder = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 6, 40)
    column = ak.unflatten(rng.random(counts.sum()).astype(np.float32), counts)
    columns = {f"part_{role}": column for role in ("pt", "eta", "phi")}
    columns |= {"label": rng.integers(0, 2, 40)}
    files = []
    for writer in WRITERS:
        for name in ("ZLIB", "LZMA", "LZ4", "ZSTD"):
            path = folder / "intact.root"
            with uproot.recreate(path, compression=getattr(uproot, name)(4)) as file:
                getattr(file, writer)("t", columns)
            files.append(path.read_bytes())
    return files, folder / "damaged.root"


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_one_clear_error_or_no_harm(intact, data):
    files, path = intact
    content = bytearray(data.draw(st.sampled_from(files)))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(4, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(4, len(content) - 1))
            content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    message = f"{path}: one line"
    try:
        source = open_source(path)
        source.read(0, 0, min(source.samples[0].n_events, 100))
    except DetcnnError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@pytest.mark.parametrize("n_kept", [5, 300, 2000])
def test_truncated(write, n_kept):
    path = write(jets() | {"filler": np.arange(3)})
    path.write_bytes(path.read_bytes()[:n_kept])
    with pytest.raises(
        DataError, match=r"cannot be read, damaged or cut short \(expected C.*\d\): copy or make"
    ):
        open_source(path)


def test_a_colon_in_the_path_names_no_tree(write, tmp_path):
    path = tmp_path / "a:b.root"
    write(jets()).rename(path)
    assert open_source(path).samples[0].n_events == 3
