import numpy as np
import pytest

from detcnn.events.images import DenseImages
from detcnn.events.table import EventTable
from detcnn.quality.findings import Place


def jets(n_jets=200, *, seed=0, mass=0.0, **changes):
    """Jets of five particles within 0.3 of an axis, with eta, y, energy and mass that agree."""
    generator = np.random.default_rng(seed)
    n = 5 * n_jets
    axis = np.repeat(generator.uniform(-2, 2, (n_jets, 2)), 5, axis=0)
    pt = generator.exponential(50.0, n) + 1
    eta = axis[:, 0] + generator.uniform(-0.3, 0.3, n)
    phi = np.remainder(axis[:, 1] + generator.uniform(-0.3, 0.3, n) + np.pi, 2 * np.pi) - np.pi
    momentum = pt * np.cosh(eta)
    constituents = {
        "pt": pt,
        "eta": eta,
        "rapidity": np.arcsinh(pt * np.sinh(eta) / np.hypot(pt, mass)),
        "phi": phi,
        "energy": np.hypot(momentum, mass),
        "mass": np.full(n, mass),
    }
    constituents |= changes
    return EventTable(
        offsets=np.arange(0, n + 1, 5),
        constituents={
            role: np.asarray(values, dtype=np.float32)
            for role, values in constituents.items()
            if values is not None
        },
    )


@pytest.fixture(scope="session", name="jets")
def jets_fixture():
    return jets


@pytest.fixture
def place():
    return Place("jets.h5: jets", 1000, {"pt": "constituents/pt"}, {"mass": "jets/m"})


@pytest.fixture(scope="session", name="pictures")
def pictures_fixture():
    """Random images that are brightest in their middle: (n, channels, rows, columns)."""

    def pictures(n_images=2000, *, shape=(1, 15, 15), peak=0.6, seed=0):
        generator = np.random.default_rng(seed)
        _, rows, columns = shape
        y, x = np.ogrid[:rows, :columns]
        distance = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
        rate = peak * np.exp(-distance / 2)
        values = generator.exponential(1.0, (n_images, *shape))
        values[generator.random(values.shape) > rate] = 0
        return DenseImages(values.astype(np.float32))

    return pictures
