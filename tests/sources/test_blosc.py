import importlib
import sys

import h5py
import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.formats import blosc
from detcnn.sources.formats.hdf5 import HDF5

codec = importlib.import_module("numcodecs.blosc")


def write(path, values, chunks, *, name="pt", more_filters=(), change=lambda corner, data: data):
    """Write a dataset as PyTables with Blosc would: every chunk on its own, edges filled up."""
    with h5py.File(path, "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk(chunks)
        for code in (blosc.FILTER, *more_filters):
            creation.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (2, 2, 4, 0, 5, 1, 0))
        kind = h5py.h5t.py_create(values.dtype, logical=True)
        most = (h5py.h5s.UNLIMITED, *values.shape[1:])
        space = h5py.h5s.create_simple(values.shape, most)
        dataset = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, creation))
        for index in np.ndindex(*(-(-n // c) for n, c in zip(values.shape, chunks, strict=True))):
            corner = tuple(i * c for i, c in zip(index, chunks, strict=True))
            chunk = np.zeros(chunks, values.dtype)
            part = values[tuple(slice(a, a + c) for a, c in zip(corner, chunks, strict=True))]
            chunk[tuple(slice(0, n) for n in part.shape)] = part
            data = codec.compress(chunk.tobytes(), b"blosclz", 5, 1)
            data = change(corner, data)
            if data is not None:
                mask, data = data if isinstance(data, tuple) else (0, data)
                dataset.id.write_direct_chunk(corner, data, mask)
    return path


def read(path, start, stop, name="pt"):
    with HDF5.open(path, Layout()) as container:
        assert name in container.datasets()
        return container.read(name, start, stop)


@pytest.mark.skipif(h5py.h5z.filter_avail(blosc.FILTER), reason="HDF5 has a filter of its own")
def test_that_hdf5_alone_cannot_read_it(tmp_path):
    path = write(tmp_path / "in.h5", np.arange(9.0), (4,))
    with h5py.File(path) as file, pytest.raises(OSError, match="read"):
        file["pt"][:]


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((10,), (4,)), ((10,), (10,)), ((3,), (8,)), ((7, 5), (3, 2)), ((5, 2, 6), (2, 2, 4))],
)
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "f8"])
def test_any_rows_of_any_chunks(tmp_path, shape, chunks, dtype):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = write(tmp_path / "in.h5", values, chunks)
    for start in range(shape[0] + 1):
        for stop in range(start, shape[0] + 2):
            found = read(path, start, stop)
            np.testing.assert_array_equal(found, values[start:stop])
            assert found.dtype == values.dtype


def test_records(tmp_path):
    values = np.zeros(9, dtype=[("index", "<i8"), ("values_block_0", "<f4", (3,))])
    values["index"] = range(9)
    values["values_block_0"] = np.arange(27).reshape(9, 3)
    path = write(tmp_path / "in.h5", values, (4,))
    with HDF5.open(path, Layout()) as container:
        assert set(container.datasets()) == {"pt/index", "pt/values_block_0"}
        assert container.read("pt/index", 3, 6).tolist() == [3, 4, 5]
        assert container.read("pt/values_block_0", 3, 5).tolist() == [[9, 10, 11], [12, 13, 14]]


def test_a_chunk_that_was_never_written_is_the_fill_value(tmp_path):
    values = np.arange(1.0, 11)
    path = write(
        tmp_path / "in.h5", values, (4,), change=lambda at, data: None if at == (4,) else data
    )
    assert read(path, 2, 10).tolist() == [3, 4, 0, 0, 0, 0, 9, 10]


def test_a_chunk_that_would_not_shrink_is_kept_as_it_is(tmp_path):
    values = np.arange(10.0)
    raw = (1, values[4:8].tobytes())
    path = write(
        tmp_path / "in.h5", values, (4,), change=lambda at, data: raw if at == (4,) else data
    )
    np.testing.assert_array_equal(read(path, 0, 10), values)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[:10],
        lambda data: data + b"x",
        lambda data: codec.compress(np.zeros(5).tobytes(), b"lz4", 5, 1),
        lambda data: data[:4] + b"\xff\xff\xff\x7f" + data[8:],
        lambda data: (1, b"short"),
    ],
)
def test_a_damaged_chunk_names_file_dataset_and_rows(tmp_path, change):
    path = write(tmp_path / "in.h5", np.arange(10.0), (4,), change=lambda at, data: change(data))
    with pytest.raises(DataError, match=r"in\.h5: dataset 'pt', rows 0 to 3: cannot be .*\(the"):
        read(path, 0, 3)


def test_flipped_bits_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, 500).astype("f4")
    for _ in range(100):

        def damage(at, data):
            damaged = bytearray(data)
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
            return bytes(damaged)

        path = write(tmp_path / "in.h5", values, (500,), change=damage)
        message = "dataset 'pt', rows 0 to 500"
        try:
            assert len(read(path, 0, 500)) == 500
        except DataError as error:
            message = str(error)
        assert "dataset 'pt', rows 0 to 500" in message


def test_with_another_filter_it_is_refused(tmp_path):
    path = write(tmp_path / "in.h5", np.arange(10.0), (4,), more_filters=[32999])
    with pytest.raises(DataError, match=r"'pt' is compressed with filter 32001 .*h5repack"):
        read(path, 0, 3)


def test_without_the_library_it_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "in.h5", np.arange(10.0), (4,))
    monkeypatch.setitem(sys.modules, "numcodecs.blosc", None)
    with pytest.raises(DataError, match=r"filter 32001 .*which is not installed.*h5repack"):
        read(path, 0, 3)
