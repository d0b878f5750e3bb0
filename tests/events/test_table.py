import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.events.images import DenseImages
from detcnn.events.table import EventTable, ImageTable


def test_counts():
    table = EventTable(np.array([0, 2, 2, 3]), {"pt": np.ones(3)}, {"label": np.arange(3)})
    assert (table.n_events, table.n_constituents) == (3, 3)


def test_no_events():
    assert EventTable(np.array([0]), {"pt": np.ones(0)}).n_events == 0


def test_a_constituent_column_of_another_length():
    with pytest.raises(DataError, match="'pt' has 2 rows, but the offsets end at 3"):
        EventTable(np.array([0, 3]), {"pt": np.ones(2)})


@pytest.mark.parametrize(
    "make",
    [
        lambda columns: EventTable(np.array([0, 1, 1]), {"pt": np.ones(1)}, columns),
        lambda columns: ImageTable(DenseImages(np.zeros((2, 1, 3, 3))), columns),
    ],
)
def test_an_event_column_of_another_length(make):
    assert make({"mass": np.ones(2)}).n_events == 2
    with pytest.raises(DataError, match="event column 'mass' has 3 rows for 2 events"):
        make({"mass": np.ones(3)})
