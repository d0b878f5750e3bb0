import resource
from pathlib import Path

import h5py
import pytest

from detcnn.errors import DataError, StorageError
from detcnn.simulation.jet_file import read_jets, write_jets
from detcnn.simulation.whole_file import read_attributes
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source


@pytest.fixture
def full_disk():
    """A limit on the size of files fails like a full disk, without needing one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_jets_come_back_as_they_were(tmp_path: Path, make_jets, assert_same_jets):
    jets = make_jets(100)
    write_jets(tmp_path / "jets.h5", [jets], {})
    assert_same_jets(read_jets(tmp_path / "jets.h5"), jets)


def test_blocks_follow_each_other(tmp_path: Path, make_jets):
    blocks = [make_jets(30, seed=1), make_jets(0), make_jets(20, seed=2, first_id=30)]
    write_jets(tmp_path / "jets.h5", blocks, {})
    found = read_jets(tmp_path / "jets.h5")
    assert found.columns["event_id"].tolist() == list(range(50))
    third = slice(found.offsets[30], None)
    assert found.constituents["pt"][third].tolist() == blocks[2].constituents["pt"].tolist()
    assert (found.offsets[30:] - found.offsets[30]).tolist() == blocks[2].offsets.tolist()


def test_equal_content_gives_equal_bytes(tmp_path: Path, make_jets):
    for name in ("a.h5", "b.h5"):
        write_jets(tmp_path / name, [make_jets(1000), make_jets(7)], {"seed": 3, "classes": ["a"]})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_attributes_are_plain_or_json(tmp_path: Path):
    attributes = {"seed": 3, "complete": False, "classes": ["a", "b"], "statistics": {"n": 1}}
    write_jets(tmp_path / "jets.h5", [], attributes)
    assert read_attributes(tmp_path / "jets.h5") == {
        "seed": 3,
        "complete": False,
        "classes": '["a", "b"]',
        "statistics": '{"n": 1}',
    }


def test_every_dataset_states_its_unit(tmp_path: Path, make_jets):
    write_jets(tmp_path / "jets.h5", [make_jets(1)], {})
    with h5py.File(tmp_path / "jets.h5") as file:
        units = {
            f"{group}/{name}": dataset.attrs["units"]
            for group in file
            for name, dataset in file[group].items()
        }
    assert units["jets/pt"] == units["constituents/pt"] == units["jets/mass"] == "GeV"
    assert units["jets/phi"] == units["constituents/phi"] == "rad"
    assert units["constituents/charge"] == "e"
    assert units["jets/offsets"] == "1"


def test_the_projects_own_reader_understands_the_file(tmp_path: Path, make_jets):
    jets = make_jets(10, label=1)
    write_jets(tmp_path / "jets.h5", [jets], {"classes": ["gluon", "quark"]})
    source = open_source(tmp_path / "jets.h5", Layout())
    assert source.label_names == {1: "quark"}
    table = source.read(0, 2, 5)
    assert table.columns["event_id"].tolist() == [2, 3, 4]
    assert table.columns["rapidity"].tolist() == jets.columns["y"][2:5].tolist()
    assert set(table.constituents) == {"pt", "eta", "rapidity", "phi", "pdgid", "charge"}


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, make_jets, assert_same_jets):
    path = tmp_path / "jets.h5"
    old = make_jets(2)
    write_jets(path, [old], {})
    with pytest.raises(StorageError, match=r"jets\.h5: cannot be written: File too large"):
        write_jets(path, [make_jets(3000, seed=i) for i in range(5)], {})
    assert_same_jets(read_jets(path), old)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_nothing(tmp_path: Path, make_jets):
    def blocks():
        yield make_jets(5)
        raise DataError("piece 2 is damaged")

    with pytest.raises(DataError, match="piece 2"):
        write_jets(tmp_path / "jets.h5", blocks(), {})
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StorageError, match=r"nowhere/jets\.h5.*No such file"):
        write_jets(tmp_path / "nowhere" / "jets.h5", [], {})


@pytest.mark.parametrize("read", [read_jets, read_attributes])
def test_a_truncated_file_is_refused(tmp_path: Path, make_jets, read):
    path = tmp_path / "jets.h5"
    write_jets(path, [make_jets(100)], {})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"jets\.h5.*damaged"):
        read(path)


def test_another_hdf5_file_is_refused(tmp_path: Path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match=r"other\.h5: is no file of jets"):
        read_jets(tmp_path / "other.h5")
