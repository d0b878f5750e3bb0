"""HDF5 files that refer to other files: refused, or read with all of it there, never as zeros."""

import h5py
import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.formats.hdf5 import HDF5
from detcnn.sources.opening import files_read


def listed(path, *, allow_links=True):
    with HDF5.open(path, Layout(allow_links=allow_links)) as container:
        return dict(container.datasets())


def read(path, name="pt"):
    with HDF5.open(path, Layout(allow_links=True)) as container:
        assert name in container.datasets()
        return container.read(name, 0, 100)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.h5"


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["pt"] = np.arange(1.0, 7)
        file["deep/eta"] = [1.0, 2, 3]
    return path


# External links


def link(path, target="/pt", name="pt"):
    with h5py.File(path, "a") as file:
        file[name] = h5py.ExternalLink("other.h5", target)


def test_a_link_is_followed_when_asked_for(path, other):
    link(path)
    link(path, "/deep", "group")
    with pytest.raises(DataError, match=r"other\.h5\): set allow_links: true in the study"):
        listed(path, allow_links=False)
    assert set(listed(path)) == {"pt", "group/eta"}
    assert read(path).tolist() == [1, 2, 3, 4, 5, 6]
    assert read(path, "group/eta").tolist() == [1, 2, 3]
    assert files_read(path, Layout(allow_links=True)) == (path, other)
    assert files_read(path, Layout()) == (path,)


@pytest.mark.parametrize("target", ["/pt", "/nowhere"])
def test_a_link_to_nothing(path, other, target):
    link(path, target)
    if target == "/pt":
        other.unlink()
    with pytest.raises(DataError, match=rf"'pt' is a link to {target} in other\.h5, which is mis"):
        listed(path)


def test_links_in_a_circle_end(path, other):
    link(path, "/", "there")
    with h5py.File(other, "a") as file:
        file["back"] = h5py.ExternalLink("in.h5", "/")
    assert set(listed(path)) == {"there/pt", "there/deep/eta"}


def test_a_tree_is_no_way_around(path, other):
    link(path, "/deep", "away")
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/away")
        file["own/values"] = [1.0]
    for tree in ("away", "soft"):
        with (
            pytest.raises(
                DataError, match=rf"'{tree}' is in another file \(.*other\.h5\): set all"
            ),
            HDF5.open(path, Layout(tree=tree)),
        ):
            pass
    virtual(
        path, (slice(0, 3), h5py.VirtualSource(".", "soft/eta", (3,))), shape=(3,), name="own/v"
    )
    with (
        pytest.raises(DataError, match=r"dataset 'soft/eta' is in another file"),
        HDF5.open(path, Layout(tree="own")) as container,
    ):
        container.datasets()


# Virtual datasets


def virtual(path, *sources, shape=(6,), name="all"):
    layout = h5py.VirtualLayout(shape, "f8")
    for place, source in sources:
        layout[place] = source
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(name, layout, fillvalue=0)
    return path


def test_a_virtual_dataset_is_read_when_asked_for(path, other):
    virtual(path, (slice(0, 6), h5py.VirtualSource("other.h5", "pt", (6,))))
    with pytest.raises(DataError, match=r"'all' keeps its data in other files \(other\.h5\): set"):
        listed(path, allow_links=False)
    assert read(path, "all").tolist() == [1, 2, 3, 4, 5, 6]


def test_a_virtual_dataset_of_its_own_file_needs_no_leave(path):
    with h5py.File(path, "w") as file:
        file["a"] = [1.0, 2]
    virtual(path, (slice(0, 2), h5py.VirtualSource(".", "a", (2,))), shape=(2,))
    assert set(listed(path, allow_links=False)) == {"a", "all"}
    assert read(path, "all").tolist() == [1, 2]


@pytest.mark.parametrize("damage", ["missing", "no hdf5", "no dataset", "shorter", "group", "flat"])
def test_what_a_virtual_dataset_lacks_is_never_zeros(path, other, damage):
    virtual(path, (slice(0, 6), h5py.VirtualSource("other.h5", "pt", (6,))))
    if damage == "missing":
        other.unlink()
    elif damage == "no hdf5":
        other.write_bytes(b"text")
    else:
        with h5py.File(other, "a") as file:
            del file["pt"]
            if damage == "shorter":
                file["pt"] = [1.0, 2]
            elif damage == "flat":
                file["pt"] = np.zeros((1, 5))
            elif damage == "group":
                file.create_group("pt")
    with pytest.raises(DataError, match=r"in\.h5: dataset 'all' takes its data from .*other\.h5"):
        listed(path)


@pytest.mark.parametrize("n", [2, 4])
def test_a_part_of_a_dataset(path, other, n):
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "pt", (6,))[2:4]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("pt", layout)
    assert read(path).tolist() == [3, 4]
    with h5py.File(other, "a") as file:
        del file["pt"]
        file["pt"] = np.arange(n)
    if n == 4:
        assert read(path).tolist() == [2, 3]
        return
    with pytest.raises(DataError, match=r"which has the shape \(2,\) and so not all of it"):
        read(path)


def test_a_missing_dataset_of_its_own_file(path):
    virtual(path, (slice(0, 2), h5py.VirtualSource(".", "a", (2,))), shape=(2,))
    with pytest.raises(DataError, match="'all' takes its data from .*'a', which is not there"):
        listed(path, allow_links=False)


def test_a_part_that_comes_from_nowhere(path, other):
    virtual(path, (slice(0, 6), h5py.VirtualSource("other.h5", "pt", (6,))), shape=(8,))
    with pytest.raises(DataError, match="of which 2 of 8 numbers come from nowhere"):
        listed(path)


def test_a_virtual_dataset_of_a_virtual_dataset(path, other, tmp_path):
    middle = tmp_path / "middle.h5"
    virtual(middle, (slice(0, 6), h5py.VirtualSource("other.h5", "pt", (6,))), name="pt")
    virtual(path, (slice(0, 6), h5py.VirtualSource("middle.h5", "pt", (6,))))
    assert read(path, "all").tolist() == [1, 2, 3, 4, 5, 6]
    assert files_read(path, Layout(allow_links=True)) == (path, middle, other)
    other.unlink()
    with pytest.raises(DataError, match=r"middle\.h5: dataset 'pt' takes its data from .*other"):
        listed(path)


def test_a_virtual_dataset_of_itself_ends(path):
    virtual(path, (slice(0, 2), h5py.VirtualSource(".", "all", (2,))), shape=(2,))
    with pytest.raises(DataError, match="without an end"):
        listed(path)


def test_any_number_of_files(path, other):
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((6,), (h5py.h5s.UNLIMITED,))
        space.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), block=(6,), stride=(6,))
        source = h5py.h5s.create_simple((6,))
        layout.set_virtual(space, b"part%b.h5", b"pt", source)
        h5py.h5d.create(file.id, b"all", h5py.h5t.NATIVE_DOUBLE, space, layout)
    with pytest.raises(DataError, match=r"virtual dataset of any number of files \(part%b\.h5\)"):
        listed(path)


# External storage


@pytest.fixture
def stored(path, tmp_path):
    raw = tmp_path / "raw.bin"
    np.arange(1.0, 7).tofile(raw)
    with h5py.File(path, "w") as file:
        file.create_dataset("pt", (6,), "f8", external=[(str(raw), 0, 48)])
    return raw


def test_external_storage_is_read_when_asked_for(path, stored):
    with pytest.raises(DataError, match=r"'pt' keeps its data in other files \(.*raw\.bin\): set"):
        listed(path, allow_links=False)
    assert read(path).tolist() == [1, 2, 3, 4, 5, 6]
    assert files_read(path, Layout(allow_links=True)) == (path, stored)


@pytest.mark.parametrize("size", [None, 0, 47])
def test_what_external_storage_lacks_is_never_zeros(path, stored, size):
    if size is None:
        stored.unlink()
    else:
        stored.write_bytes(stored.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"48 bytes of its data in .*which has {size or 0} of t"):
        listed(path)


def test_external_storage_that_was_never_set_aside(path, tmp_path):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(48))
    with h5py.File(path, "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_external(str(raw).encode(), 0, 48)
        h5py.h5d.create(
            file.id, b"pt", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((6,)), creation
        )
    assert read(path).tolist() == [0] * 6
