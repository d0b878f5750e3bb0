"""Damaged HDF5 files of every layout: read or refused, with the file named, and no traceback."""

import pickle

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import EventTable
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source


def frame(file):
    rows = np.zeros(5, dtype=[("index", "<i8"), ("values_block_0", "<f4", (8,))])
    rows["values_block_0"] = np.random.default_rng(0).normal(size=(5, 8))
    file["table/table"] = rows
    names = [f"{part}_{i}" for i in range(2) for part in ("E", "PX", "PY", "PZ")]
    file["table/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(names, 0))


def lists(file):
    for name in ("pt", "eta", "phi"):
        dataset = file.create_dataset(f"part_{name}", 4, h5py.vlen_dtype("f4"))
        for i in range(4):
            dataset[i] = np.arange(1, i + 1)


def jetnet(file):
    file.create_dataset("particle_features", data=np.ones((4, 3, 4)), compression="gzip")
    file["jet_features"] = np.ones((4, 4))


def groups(file):
    for group in ("a", "b"):
        for name in ("pt", "eta", "phi"):
            file[f"{group}/part_{name}"] = np.ones((3, 2))


def links(file):
    layout = h5py.VirtualLayout((3, 2), "f8")
    layout[:] = h5py.VirtualSource(".", "own/values", (3, 2))
    file["own/values"] = np.ones((3, 2))
    for name in ("pt", "eta", "phi"):
        file.create_virtual_dataset(f"part_{name}", layout)


@pytest.mark.parametrize("make", [frame, lists, jetnet, groups, links])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_flipped_byte_is_read_or_refused(tmp_path, make, version):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w", libver=version) as file:
        make(file)
    assert open_source(path).samples
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.integers(0, len(content), 120):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        message = str(path)
        try:
            source = open_source(path, Layout(allow_links=True))
            for i, sample in enumerate(source.samples):
                table = source.read(i, 0, sample.n_events)
                assert isinstance(table, EventTable)
                assert table.n_events == sample.n_events
        except (ConfigError, DataError) as error:
            message = str(error)
        assert str(path) in message
        assert len(message.splitlines()) == 1
