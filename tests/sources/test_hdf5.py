import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout
from detcnn.sources.formats.hdf5 import HDF5
from detcnn.sources.opening import open_source, read_provenance


def listed(path, **layout):
    with HDF5.open(path, Layout(**layout)) as container:
        return dict(container.datasets())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.h5"


def test_datasets_by_full_name(write):
    path = write({"b/pt": np.ones(3, "f4"), "a": 1, "b/c/d": np.ones((2, 5))}, b_pt__units="GeV")
    datasets = listed(path)
    assert list(datasets) == ["a", "b/c/d", "b/pt"]
    assert [d.shape for d in datasets.values()] == [(), (2, 5), (3,)]
    assert datasets["b/pt"].unit == "GeV"
    assert datasets["b/pt"].base_name == "pt"


@pytest.mark.parametrize("unit", ["MeV", np.bytes_(b"MeV"), np.array([b"MeV"]), ["MeV"]])
def test_a_unit_in_any_string_type(write, unit):
    assert listed(write({"pt": [1.0]}, pt__unit=unit))["pt"].unit == "MeV"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", ["text"]),
        (np.bytes_(b"caf\xe9"), ["caf�"]),
        (["a", "b"], ["a", "b"]),
        (np.array([b"a", b"b"]), ["a", "b"]),
        (3, ["3"]),
        (h5py.Empty("S1"), []),
    ],
)
def test_words(write, value, words):
    with HDF5.open(write({}, __names=value), Layout()) as container:
        assert container.words("names") == words
        assert container.words("absent") == []


def test_an_attribute_that_numpy_has_no_word_for(write):
    path = write({"pt": [1.0]})
    with h5py.File(path, "a") as file:
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file["pt"].id, b"units", h5py.h5t.UNIX_D32LE, space)
    assert listed(path)["pt"].unit is None


@pytest.mark.parametrize(
    "values",
    [
        np.array([b"a", b"b"]),
        np.array([b"x", b"y"], dtype="V1"),
        np.ones(2, dtype=complex),
    ],
)
def test_what_holds_no_numbers_is_listed(write, values):
    assert not listed(write({"odd": values}))["odd"].is_numeric


def test_references_and_exotic_types_are_listed(path):
    with h5py.File(path, "w") as file:
        file["pt"] = np.ones(3)
        file.create_dataset("reference", data=[file["pt"].ref], dtype=h5py.ref_dtype)
        file.create_dataset("ragged", shape=2, dtype=h5py.vlen_dtype(np.float32))
        file["empty"] = h5py.Empty("f4")
        space = h5py.h5s.create_simple((2,))
        h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, space)
        file["type"] = np.dtype("f4")
    datasets = listed(path)
    assert set(datasets) == {"pt", "reference", "ragged", "empty", "time"}
    assert [name for name, d in datasets.items() if d.is_numeric and d.shape] == ["pt", "ragged"]
    assert [name for name, d in datasets.items() if d.is_ragged] == ["ragged"]
    assert "as cell arrays of MATLAB do" in datasets["reference"].problem


def test_hard_links_in_a_circle_end(path):
    with h5py.File(path, "w") as file:
        file["a/b/pt"] = np.ones(3)
        file["a/b/up"] = file["a"]
        file["again"] = file["a/b"]
    assert [name for name in listed(path) if name.endswith("pt")] == ["again/pt"]


def test_many_levels(path):
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(1500):
            group = group.create_group("g")
        group["pt"] = [1.0]
    assert len(listed(path)) == 1


def test_soft_links_are_passed_over(path):
    with h5py.File(path, "w") as file:
        file["pt"] = np.ones(3)
        file["alias"] = h5py.SoftLink("/pt")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["circle"] = h5py.SoftLink("/circle")
    assert list(listed(path)) == ["pt"]


def test_an_external_link_is_refused(path):
    with h5py.File(path, "w") as file:
        file["deep/pt"] = h5py.ExternalLink("/etc/other.h5", "/pt")
    with pytest.raises(DataError, match=r"in\.h5: 'deep/pt' is a link to another file \(/etc/oth"):
        listed(path)


def test_external_storage_is_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("pt", (4,), "u1", external=[("/etc/hostname", 0, 4)])
    with pytest.raises(DataError, match="'pt' keeps its data in other files"):
        listed(path)


def test_a_virtual_dataset_is_refused(path):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("missing.h5", "pt", shape=(3,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("pt", layout)
    with pytest.raises(DataError, match="'pt' keeps its data in other files"):
        listed(path)


def test_a_filter_that_is_not_installed_is_refused(path):
    with h5py.File(path, "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((2,))
        creation.set_filter(32999, h5py.h5z.FLAG_OPTIONAL)
        h5py.h5d.create(
            file.id, b"pt", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), creation
        )
    with pytest.raises(DataError, match=r"'pt' is compressed with filter 32999.*h5repack"):
        listed(path)


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_filters_that_are_installed(path, compression):
    with h5py.File(path, "w") as file:
        file.create_dataset("pt", data=np.ones(9), compression=compression, shuffle=True)
    assert listed(path)["pt"].shape == (9,)


def test_a_damaged_chunk_names_file_dataset_and_rows(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a/pt", data=np.arange(100.0), chunks=(50,), fletcher32=True)
        place = file["a/pt"].id.get_chunk_info(1).byte_offset
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"damage")
    with HDF5.open(path, Layout()) as container:
        assert len(container.read("a/pt", 0, 50)) == 50
        with pytest.raises(DataError, match=r"in\.h5: dataset 'a/pt', rows 40 to 60: cannot be r"):
            container.read("a/pt", 40, 60)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "a folder"),
        (lambda p: p.write_bytes(b""), "not a format that detcnn reads"),
        (lambda p: p.write_text("pt,eta,phi"), "not a format that detcnn reads"),
        (
            lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n"),
            "not a format|damaged or cut short .* copy or make",
        ),
    ],
)
def test_no_hdf5_file(path, make, message):
    make(path)
    with pytest.raises(DataError, match=message):
        open_source(path)


def test_a_truncated_file(write, jagged):
    path = write(jagged)
    content = path.read_bytes()
    for size in (len(content) - 1, len(content) // 2, 600, 100):
        path.write_bytes(content[:size])
        with pytest.raises(
            DataError, match=r"in\.h5: cannot be read as HDF5, damaged.*truncated.*copy"
        ):
            open_source(path)


def test_what_a_file_says_of_its_origin(tmp_path):
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"generator": "Pythia", "seed": 7, "complete": False, "x": 0.5})
        file.attrs["bytes"] = np.bytes_("b")
        file.attrs["list"] = [1, 2]
    assert read_provenance(path) == {
        "generator": "Pythia",
        "seed": 7,
        "complete": False,
        "x": 0.5,
        "bytes": "b",
    }


def test_references_are_named_with_the_remedy(path, jagged):
    with h5py.File(path, "w") as file:
        for name, values in jagged.items():
            if name != "constituents/pt":
                file[name] = values
        refs = [file["jets/pt"].ref] * 5
        file.create_dataset("constituents/pt", data=refs, dtype=h5py.ref_dtype)
    for layout in ({}, {"constituents": {"pt": "constituents/pt"}}):
        with pytest.raises(ConfigError, match=r"'constituents/pt'.*as cell arrays of MATLAB do"):
            open_source(path, Layout(**layout))
