"""Frames of pandas in HDF5, as PyTables lays them out, and what a pickle may say."""

import io
import os
import pickle
import pickletools

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.formats.hdf5 import HDF5
from detcnn.sources.formats.pandas_tables import pickled_names
from detcnn.sources.opening import open_source

N_MOST = 5
NAMES = [f"{part}_{i}" for i in range(N_MOST) for part in ("E", "PX", "PY", "PZ")]
TRUTH = ["truthE", "truthPX", "truthPY", "truthPZ"]


@given(st.lists(st.text()), st.integers(0, 5))
def test_names_of_any_protocol(names, protocol):
    assert pickled_names(pickle.dumps(names, protocol)) == tuple(names)
    assert pickled_names(pickletools.optimize(pickle.dumps(names, protocol))) == tuple(names)


def test_names_that_repeat():
    name = "E_0"
    for protocol in range(6):
        assert pickled_names(pickle.dumps([name, name, "x"], protocol)) == ("E_0", "E_0", "x")


def test_names_of_python_2():
    assert pickled_names(b"(lp0\nS'E_0'\np1\naS'PX_0'\np2\na.") == ("E_0", "PX_0")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize(
    "value",
    [
        Trap(),
        [Trap()],
        ["a", Trap()],
        ("a", "b"),
        {"a": "b"},
        "a",
        None,
        3,
        ["a", 1],
        ["a", None],
        [["a"]],
        [b"a"],
        np.array(["a"]),
        [1.5],
    ],
)
def test_anything_else_is_no_list_of_names(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(6):
        assert pickled_names(pickle.dumps(value, protocol)) == ()
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"(l",
        b"a.",
        b"(lp0\ng7\na.",
        b"(lp0\ng0\na.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(lVx\n",
        b"(l(l.",
        b"Ip\n.",
        b"\x80\x05]\x94(\x8c\x01a\x94",
        b"L" + b"9" * 10_000 + b"L\n.",
        b"U\xff.",
    ],
)
def test_what_is_no_pickle(data):
    assert pickled_names(data) == ()


def test_a_list_in_itself_ends():
    buffer = io.BytesIO()
    names: list = ["a"]
    names.append(names)
    pickle.Pickler(buffer, 2).dump(names)
    assert pickled_names(buffer.getvalue()) == ()


@settings(max_examples=300)
@given(
    st.binary(max_size=60)
    | st.integers(0, 5).flatmap(
        lambda protocol: st.lists(st.binary(min_size=1, max_size=1), max_size=4).map(
            lambda noise: b"".join(noise) + pickle.dumps(["E_0", "PX_0"], protocol)
        )
    )
)
def test_any_bytes_are_names_or_none(data):
    assert all(isinstance(name, str) for name in pickled_names(data))


@pytest.fixture
def top(tmp_path):
    """Four jets as in the top-tagging reference set, of 2, 1, 5 and 0 constituents."""
    rng = np.random.default_rng(3)
    momenta = rng.normal(size=(4, N_MOST, 3)) * 20
    momenta[np.arange(N_MOST) >= np.array([2, 1, 5, 0])[:, None]] = 0
    energy = np.sqrt((momenta**2).sum(axis=-1, keepdims=True))
    block = np.concatenate([energy, momenta], axis=-1).reshape(4, -1)
    dtype = [("index", "<i8"), ("values_block_0", "<f4", (4 * N_MOST + 4,))]
    rows = np.zeros(4, dtype=[*dtype, ("values_block_1", "<i8", (2,))])
    rows["index"] = [375, 377, 378, 379]
    rows["values_block_0"][:, : 4 * N_MOST] = block
    rows["values_block_0"][:, 4 * N_MOST :] = 7
    rows["values_block_1"] = [[0, 0], [0, 1], [1, 1], [2, 0]]

    def write(kinds=lambda names: np.bytes_(pickle.dumps(names, 0)), key="table"):
        path = tmp_path / "top.h5"
        with h5py.File(path, "w") as file:
            file[f"{key}/table"] = rows
            # What PyTables searches the table by.
            file[f"{key}/_i_table/index/indices"] = np.zeros((0, 131072), dtype="u4")
            file[f"{key}/_i_table/index/ranges"] = np.zeros((0, 2))
            table = file[f"{key}/table"]
            if kinds is not None:
                table.attrs["values_block_0_kind"] = kinds(NAMES + TRUTH)
                table.attrs["values_block_1_kind"] = kinds(["ttv", "is_signal_new"])
        return path

    return write, momenta, energy[..., 0]


def check_top(source, momenta):
    assert (source.layout.kind, source.samples[0].n_events) == ("padded", 4)
    assert source.label_names == {0: "0", 1: "1"}
    table = source.read(0, 0, 4)
    assert table.offsets.tolist() == [0, 2, 3, 8, 8]
    is_real = momenta.any(axis=-1)
    px, py, pz = momenta[is_real].T
    np.testing.assert_allclose(table.constituents["pt"], np.hypot(px, py), rtol=1e-5)
    np.testing.assert_allclose(table.constituents["phi"], np.arctan2(py, px), rtol=1e-5)
    eta = np.arctanh(pz / np.sqrt(px**2 + py**2 + pz**2))
    np.testing.assert_allclose(table.constituents["eta"], eta, rtol=1e-4, atol=1e-5)
    assert "px" not in table.constituents
    assert table.columns["label"].tolist() == [0, 1, 1, 0]
    assert table.columns["ttv"].tolist() == [0, 0, 1, 2]
    part = source.read(0, 1, 3)
    assert part.offsets.tolist() == [0, 1, 6]
    assert part.columns["ttv"].tolist() == [0, 1]


@pytest.mark.parametrize("key", ["table", "deep/frame"])
def test_the_top_tagging_reference_set(top, key):
    write, momenta, energy = top
    source = open_source(write(key=key))
    check_top(source, momenta)
    assert source.layout.constituents == {
        "energy": f"{key}/values_block_0[..., 0:17:4]",
        "px": f"{key}/values_block_0[..., 1:18:4]",
        "py": f"{key}/values_block_0[..., 2:19:4]",
        "pz": f"{key}/values_block_0[..., 3:20:4]",
    }
    assert source.layout.columns["label"] == f"{key}/values_block_1[..., 1]"
    table = source.read(0, 0, 4)
    np.testing.assert_allclose(table.constituents["energy"], energy[energy > 0], rtol=1e-6)
    assert set(table.columns) == {"index", "label", "ttv", *(name.lower() for name in TRUTH)}


@pytest.mark.parametrize(
    "kinds",
    [
        lambda names: np.bytes_(pickle.dumps(names, 2)),
        lambda names: np.void(pickle.dumps(names, 4)),
        lambda names: names,
        lambda names: np.array(names, dtype="S"),
    ],
    ids=["protocol 2", "bytes", "strings", "fixed strings"],
)
def test_names_however_they_are_kept(top, kinds):
    write, momenta, _ = top
    check_top(open_source(write(kinds)), momenta)


@pytest.mark.parametrize(
    "kinds",
    [None, lambda names: np.bytes_(pickle.dumps([Trap(), *names], 0)), lambda names: names[1:]],
    ids=["none", "a program", "too few"],
)
def test_without_names_a_study_tells_the_columns(top, kinds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, momenta, _ = top
    path = write(kinds)
    with pytest.raises(ConfigError, match=r"'table/values_block_0' has 24 columns without names"):
        open_source(path, Layout(kind="padded"))
    with pytest.raises(
        ConfigError, match="'table/values_block_0': the names of the col.* are lost"
    ):
        open_source(path)
    assert not (tmp_path / "trapped").exists()
    told = {
        role: f"table/values_block_0[..., {first}:20:4]"
        for first, role in enumerate(("energy", "px", "py", "pz"))
    }
    columns = {"ttv": "table/values_block_1[..., 0]", "label": "table/values_block_1[...,1]"}
    check_top(open_source(path, Layout(constituents=told, columns=columns)), momenta)


def test_columns_by_the_names_of_the_frame(top):
    write, momenta, _ = top
    told = {"energy": "table/E_*", "px": "table/PX_*", "py": "table/PY_*", "pz": "table/PZ_*"}
    source = open_source(write(), Layout(constituents=told, columns={"signal": "table/truthE"}))
    check_top(source, momenta)
    assert source.layout.columns["signal"] == "table/values_block_0[..., 20]"


def test_a_frame_as_the_tree(top):
    write, momenta, _ = top
    source = open_source(write(key="a/b"), Layout(tree="a/b/table"))
    check_top(source, momenta)
    assert source.layout.constituents["px"] == "values_block_0[..., 1:18:4]"


def test_frames_of_the_fixed_format(tmp_path):
    path = tmp_path / "fixed.h5"
    with h5py.File(path, "w") as file:
        file["df/axis0"] = np.array(["PT_0", "PT_1", "ETA_0"], dtype="S")
        names = ["PT_0", "ETA_0", "PHI_0", "PT_1", "ETA_1", "PHI_1", "mass"]
        file["df/block0_items"] = np.array(names, dtype="S")
        file["df/block0_values"] = [[5, 0.1, 1, 3, 0.2, 2, 80.0], [4, 0.3, 3, 0, 0, 0, 90]]
        file["df/block1_items"] = np.array(["label"], dtype="S")
        file["df/block1_values"] = [[1], [0]]
    source = open_source(path)
    table = source.read(0, 0, 2)
    assert table.offsets.tolist() == [0, 2, 3]
    assert table.constituents["pt"].tolist() == [5, 3, 4]
    assert table.columns["label"].tolist() == [1, 0]
    assert table.columns["mass"].tolist() == [80, 90]


def test_records_are_columns(tmp_path):
    path = tmp_path / "records.h5"
    kind = [("pt", ">f4"), ("inner", [("eta", "f8"), ("flag", "?")]), ("p", "f4", (3,))]
    rows = np.zeros(3, dtype=[*kind, ("name", "S3")])
    rows["pt"] = [1, 2, 3]
    rows["inner"]["eta"] = [4, 5, 6]
    rows["p"] = np.arange(9).reshape(3, 3)
    with h5py.File(path, "w") as file:
        file["jets"] = rows
    with HDF5.open(path, Layout()) as container:
        found = container.datasets()
        assert {name: (d.shape, d.dtype.kind) for name, d in found.items()} == {
            "jets/inner/eta": ((3,), "f"),
            "jets/inner/flag": ((3,), "b"),
            "jets/name": ((3,), "U"),
            "jets/p": ((3, 3), "f"),
            "jets/pt": ((3,), "f"),
        }
        assert container.read("jets/pt", 1, 3).tolist() == [2, 3]
        assert container.read("jets/inner/eta", 0, 1).tolist() == [4]
        assert container.read("jets/p", 2, 9).tolist() == [[6, 7, 8]]
