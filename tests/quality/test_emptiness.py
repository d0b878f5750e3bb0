import numpy as np
import pytest

from detcnn.events.images import DenseImages, as_sparse
from detcnn.events.table import EventTable
from detcnn.quality.emptiness import empty_event_findings, empty_image_findings


@pytest.mark.parametrize("pt", [[1, 2, 3], [1, np.nan, 3], [0, 2, 3]])
def test_events_with_pt_are_not_empty(place, pt):
    table = EventTable(np.array([0, 2, 3]), {"pt": np.array(pt)})
    assert empty_event_findings(table, place) == ()


def test_events_without_constituents_and_without_pt_are_empty(place):
    table = EventTable(np.array([0, 2, 2, 4, 5]), {"pt": np.array([1, 0, 0, 0, 3])})
    (finding,) = empty_event_findings(table, place)
    assert (finding.check, finding.severity, finding.count) == ("empty-events", "trouble", 2)
    assert finding.where == "jets.h5: jets, event 1001"


@pytest.mark.parametrize("convert", [lambda images: images, as_sparse])
def test_images_of_zeros_are_empty(place, convert):
    values = np.zeros((4, 2, 3, 3), dtype=np.float32)
    values[[0, 2], 1, 2, 2] = 1
    (finding,) = empty_image_findings(convert(DenseImages(values)), place)
    assert (finding.check, finding.severity, finding.count) == ("empty-events", "trouble", 2)
    assert finding.where == "jets.h5: jets, event 1001"
    values[:] = -1
    assert empty_image_findings(convert(DenseImages(values)), place) == ()
