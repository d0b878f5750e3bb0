"""How the discriminant is distributed in each class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.inputs import ScoredEvents
from detcnn.kernels.binning import bin_sums, unit_bins


@dataclass(frozen=True, slots=True, eq=False)
class ScoreDistributions:
    """Histogram of a discriminant for each class, each normalised to unit area.

    Parameters
    ----------
    classes : tuple of str
        Names, in the order of the rows.
    edges : numpy.ndarray
        Shape (n_bins + 1,): equal bins over [0, 1]; the last one includes 1.
    density, error : numpy.ndarray
        Shape (n_classes, n_bins): the density and its Poisson error, √Σw².
    """

    classes: tuple[str, ...]
    edges: NDArray[np.float64]
    density: NDArray[np.float64]
    error: NDArray[np.float64]


def score_distributions(
    events: ScoredEvents, discriminant: NDArray[np.float64], *, n_bins: int = 40
) -> ScoreDistributions:
    """Return the distributions of a discriminant in [0, 1], shape (n_events,), for each class."""
    n_classes = len(events.classes)
    cell = events.labels * n_bins
    cell += unit_bins(discriminant, n_bins)
    sums = bin_sums(cell, events.weights, n_classes * n_bins)
    weight, squares = (of.reshape(n_classes, n_bins) for of in (sums.total, sums.squares))
    scale = n_bins / weight.sum(axis=1, keepdims=True)
    return ScoreDistributions(
        classes=events.classes,
        edges=np.linspace(0, 1, n_bins + 1),
        density=weight * scale,
        error=np.sqrt(squares) * scale,
    )
