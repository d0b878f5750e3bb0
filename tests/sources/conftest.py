import h5py
import numpy as np
import pytest

from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source


@pytest.fixture
def write(tmp_path):
    """Write an HDF5 file of datasets by name: ``write({"jets/pt": [1, 2]}, classes='["a"]')``."""

    def write(datasets, **attributes):
        path = tmp_path / "in.h5"
        with h5py.File(path, "w") as file:
            for name, values in datasets.items():
                file[name] = values
            for name, value in attributes.items():
                holder, _, key = name.rpartition("__")
                file[holder.replace("_", "/") or "/"].attrs[key] = value
        return path

    return write


@pytest.fixture
def opened(write):
    """Open a file of these datasets: ``opened(datasets, kind="jagged", ...)``."""
    return lambda datasets, **layout: open_source(write(datasets), Layout(**layout))


@pytest.fixture
def jagged():
    """Three jets of two, no and three constituents."""
    return {
        "jets/offsets": np.array([0, 2, 2, 5]),
        "jets/label": np.array([1, 0, 1], dtype=np.int8),
        "jets/pt": np.array([30, 20, 10], dtype=np.float32),
        "constituents/pt": np.array([9, 8, 7, 6, 5], dtype=np.float32),
        "constituents/eta": np.array([0.1, 0.2, 0.3, 0.4, 0.5]),
        "constituents/phi": np.array([-3, -1, 0, 1, 3], dtype=np.float32),
        "constituents/pdgid": np.array([211, 22, 130, -211, 22], dtype=">i4"),
    }


@pytest.fixture
def padded():
    """Three jets of two, no and three constituents, with room for four."""
    return {
        "part_pt": np.array([[9, 0, 8, 0], [0, 0, 0, 0], [7, 6, 5, 0]], dtype=np.float32),
        "part_eta": np.array([[0.1, 0, 0.2, 0], [0, 0, 0, 0], [0.3, 0.4, 0.5, 0]]),
        "part_phi": np.array([[-3, 0, -1, 0], [0, 0, 0, 0], [0, 1, 3, 0]], dtype=np.float32),
        "label": np.array([1.0, 0.0, 1.0]),
        "jet_pt": np.array([30, 20, 10]),
    }


@pytest.fixture
def images():
    """Four pictures of three channels, and their labels."""
    values = np.arange(4 * 3 * 5 * 6, dtype=np.float64).reshape(4, 3, 5, 6)
    return {"images": values, "label": np.array([0, 1, 1, 0])}
