import numpy as np
import pytest

from detcnn.events.images import SparseImages
from detcnn.quality.collisions import (
    CollisionTally,
    collision_findings,
    outside_findings,
    tally_collisions,
)


def test_collisions_by_hand():
    counts = SparseImages(
        offsets=np.array([0, 2, 5]),
        pixel=np.array([1, 4, 0, 1, 8], dtype=np.uint16),
        value=np.array([1, 3, 1, 2, 1], dtype=np.float32),
        shape=(1, 3, 3),
    )
    tally = tally_collisions(counts)
    assert tally == CollisionTally(n_constituents=8, n_shared=5)
    assert tally + tally == CollisionTally(16, 10)
    (finding,) = collision_findings(tally)
    assert (finding.severity, finding.count) == ("warning", 5)
    assert finding.message.startswith("62.5%")


@pytest.mark.parametrize("tally", [CollisionTally(100, 50), CollisionTally(3, 0), CollisionTally()])
def test_few_collisions_are_fine_and_told(tally):
    (finding,) = collision_findings(tally)
    assert finding.severity == "fine"
    assert "share a pixel" in finding.message


@pytest.mark.parametrize(
    ("share", "is_stated", "severity"),
    [
        (0.0, True, "fine"),
        (0.05, True, "fine"),
        (0.051, True, "warning"),
        (0.5, True, "warning"),
        (0.51, True, "trouble"),
        (0.51, False, "warning"),
    ],
)
def test_pt_outside_is_judged_by_its_share(share, is_stated, severity):
    (finding,) = outside_findings(7, share, image="the image", is_stated=is_stated)
    assert (finding.check, finding.severity, finding.count) == ("outside-grid", severity, 7)
    assert finding.message == f"{share:.2%} of all pT is outside the image"
