"""What an image cannot hold of its event: shared pixels, and pT outside the grid."""

from dataclasses import dataclass

import numpy as np

from detcnn.events.images import SparseImages
from detcnn.quality.findings import Finding, Severity

SHARED = 0.5
"""Share of the constituents in shared pixels beyond which finer pixels may be worth their cost."""

OUTSIDE = 0.05
"""Share of all pT outside the grid that is worth knowing."""

LOST = 0.5
"""Share of all pT outside the grid beyond which the grid is not that of these events."""


@dataclass(frozen=True, slots=True)
class CollisionTally:
    """Constituents of some images, and those that share a pixel of one channel.

    Parameters
    ----------
    n_constituents : int
        Constituents in pixels, once a channel that takes them.
    n_shared : int
        Those in a pixel with others.
    """

    n_constituents: int = 0
    n_shared: int = 0

    def __add__(self, other: "CollisionTally") -> "CollisionTally":
        return CollisionTally(
            self.n_constituents + other.n_constituents, self.n_shared + other.n_shared
        )


def tally_collisions(counts: SparseImages) -> CollisionTally:
    """Count from images whose pixels are numbers of constituents."""
    shared = counts.value[counts.value > 1]
    return CollisionTally(
        int(counts.value.sum(dtype=np.float64)), int(shared.sum(dtype=np.float64))
    )


def collision_findings(tally: CollisionTally) -> tuple[Finding, ...]:
    """Tell which share of the constituents shares a pixel: a warning beyond `SHARED`."""
    share = tally.n_shared / max(tally.n_constituents, 1)
    message = f"{share:.1%} of the constituents share a pixel of a channel"
    if share <= SHARED:
        return (Finding("pixel-collisions", "fine", tally.n_shared, "", message),)
    remedy = "smaller pixels, or a channel that counts, would tell them apart"
    return (Finding("pixel-collisions", "warning", tally.n_shared, "", message, remedy),)


def outside_findings(
    n_outside: int, share: float, *, image: str, is_stated: bool = True
) -> tuple[Finding, ...]:
    """Tell which share of all pT is outside the grid.

    A warning beyond `OUTSIDE`; trouble beyond `LOST` if somebody has stated the grid.

    Parameters
    ----------
    n_outside : int
        Constituents outside.
    share : float
        Their share of all pT, 0 to 1.
    image : str
        What they are outside of.
    is_stated : bool
        Whether the grid is the one that images are made with, and not a guess.
    """
    message = f"{share:.2%} of all pT is outside {image}"
    if share <= OUTSIDE:
        return (Finding("outside-grid", "fine", n_outside, "", message),)
    severity: Severity = "trouble" if share > LOST and is_stated else "warning"
    remedy = "widen the grid: preprocess.image.grid.width"
    if not is_stated:
        remedy = "nothing to do if the study's image is larger: audit the study, or give --preset"
    return (Finding("outside-grid", severity, n_outside, "", message, remedy),)
