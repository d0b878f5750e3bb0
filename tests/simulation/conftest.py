import numpy as np
import pytest

from detcnn.events.table import EventTable
from detcnn.simulation.columns import CONSTITUENT_COLUMNS, JET_COLUMNS, as_columns


def make_jets(n_jets: int, *, seed: int = 0, label: int = 0, first_id: int = 0) -> EventTable:
    """Jets whose constituents all carry the id of their jet as their pdgid."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, n_jets)
    ids = first_id + np.arange(n_jets)
    jets = [(*rng.random(5), label, i, rng.random(), 21) for i in ids]
    constituents = [(*rng.random(4), i, -1) for i in np.repeat(ids, counts)]
    return EventTable(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        constituents=as_columns(constituents, CONSTITUENT_COLUMNS),
        columns=as_columns(jets, JET_COLUMNS),
    )


def assert_same_jets(found: EventTable, expected: EventTable) -> None:
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    assert found.columns.keys() == expected.columns.keys()
    assert found.constituents.keys() == expected.constituents.keys()
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], column, strict=True)
    for name, column in expected.constituents.items():
        np.testing.assert_array_equal(found.constituents[name], column, strict=True)


@pytest.fixture(name="make_jets", scope="session")
def make_jets_fixture():
    return make_jets


@pytest.fixture(name="assert_same_jets", scope="session")
def assert_same_jets_fixture():
    return assert_same_jets
