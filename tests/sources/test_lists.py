"""A list of constituents in each row, here of HDF5; other formats have tests of their own."""

import pickle

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source


@pytest.fixture
def lists():
    """Three jets of two, no and three constituents."""
    return {
        "part_pt": [[9, 8], [], [7, 6, 5]],
        "part_eta": [[0.1, 0.2], [], [0.3, 0.4, 0.5]],
        "part_phi": [[-3, -1], [], [0, 1, 3]],
        "part_pid": [[211, 22], [], [130, -211, 22]],
        "label": np.array([1, 0, 1]),
    }


@pytest.fixture
def write(tmp_path):
    def write(datasets):
        path = tmp_path / "in.h5"
        with h5py.File(path, "w") as file:
            for name, values in datasets.items():
                if isinstance(values, np.ndarray):
                    file[name] = values
                    continue
                dataset = file.create_dataset(name, len(values), h5py.vlen_dtype("f4"))
                for i, row in enumerate(values):
                    dataset[i] = row
        return path

    return write


def check(source):
    assert source.layout.kind == "lists"
    table = source.read(0, 0, 3)
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    np.testing.assert_allclose(table.constituents["eta"], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)
    assert table.columns["label"].tolist() == [1, 0, 1]
    part = source.read(0, 1, 3)
    assert part.offsets.tolist() == [0, 0, 3]
    assert part.constituents["pdgid"].tolist() == [130, -211, 22]
    assert source.read(0, 1, 1).n_events == 0


def test_lists(write, lists):
    source = open_source(write(lists))
    check(source)
    assert source.layout.constituents == {
        role: f"part_{name}"
        for role, name in (("pt", "pt"), ("eta", "eta"), ("phi", "phi"), ("pdgid", "pid"))
    }
    check(pickle.loads(pickle.dumps(source)))


def test_the_lists_that_are_called_after_constituents_are_meant(write, lists):
    jets = {name.replace("part", "jet"): [[50], [40], [30]] for name in lists if "part" in name}
    check(open_source(write({**jets, **lists})))
    source = open_source(write({**jets, **lists}), Layout(constituents={"pt": "jet_pt"}))
    assert source.layout.constituents["eta"] == "jet_eta"
    assert source.read(0, 0, 3).constituents["pt"].tolist() == [50, 40, 30]


def test_lists_that_could_both_be_meant(write, lists):
    more = {name.replace("part", "cand"): values for name, values in lists.items() if "_" in name}
    path = write({**more, **lists})
    with pytest.raises(ConfigError, match=r"several columns.*: cand_…, part_…: .*ts\.pt: cand_pt"):
        open_source(path)
    told = {role: f"part_{role}" for role in ("pt", "eta", "phi")}
    check(open_source(path, Layout(constituents=told)))


def test_four_vectors(write):
    lists = {
        "part_px": [[3.0], [0.0, -2.0]],
        "part_py": [[4.0], [1.0, 0.0]],
        "part_pz": [[0.0], [1.0, 0.0]],
        "part_energy": [[5.0], [2.0, 2.0]],
    }
    table = open_source(write(lists)).read(0, 0, 2)
    np.testing.assert_allclose(table.constituents["pt"], [5, 1, 2])
    np.testing.assert_allclose(table.constituents["phi"], [np.arctan2(4, 3), np.pi / 2, np.pi])
    np.testing.assert_allclose(table.constituents["eta"], [0, np.arcsinh(1), 0], rtol=1e-6)
    np.testing.assert_allclose(
        table.constituents["rapidity"], [0, 0.5 * np.log(3 / 1), 0], rtol=1e-6
    )


def test_lists_of_other_lengths(write, lists):
    lists["part_phi"] = [[-3, -1], [1], [0, 1, 3]]
    source = open_source(write(lists))
    assert source.read(0, 0, 1).n_constituents == 2
    for start in (0, 1):
        message = r"event 1: 'part_phi' has 1 entries, but 'part_\w+' has 0"
        with pytest.raises(DataError, match=message):
            source.read(0, start, 3)


@pytest.mark.parametrize(
    ("change", "layout", "error", "message"),
    [
        ({"part_phi": [[1]]}, {}, DataError, "'part_phi' has 1 rows, but 'part_eta' has 3"),
        (
            {},
            {"kind": "lists", "constituents": {"pt": "label"}},
            ConfigError,
            r"'label', named as constituents\.pt, holds one number in each row",
        ),
        ({"part_phi": np.ones(3)}, {"kind": "lists"}, ConfigError, "no column found for phi"),
        ({"label": np.ones(5)}, {"columns": {"label": "label"}}, DataError, r"shape \(5,\), exp"),
    ],
)
def test_faulty_files_of_lists(write, lists, change, layout, error, message):
    with pytest.raises(error, match=message):
        open_source(write({**lists, **change}), Layout(**layout))


def test_without_lists(write):
    path = write({"x": np.ones(3)})
    with pytest.raises(ConfigError, match="no columns of lists found; there are: x"):
        open_source(path, Layout(kind="lists"))
