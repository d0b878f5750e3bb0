"""What the score has to do with the mass and the multiplicity of a jet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.inputs import ScoredEvents
from detcnn.evaluation.intervals import LEVEL
from detcnn.evaluation.profiles import ScoreProfile, central_edges, score_profile
from detcnn.evaluation.sculpting import Sculpting, sculpting
from detcnn.evaluation.working_points import WorkingPoint

MASS = ("jet_mass", "mass")
"""Names that a column of the mass goes by, the preferred one first."""

MULTIPLICITY = ("jet_multiplicity", "n_constituents")
"""Names that a column of the number of constituents goes by, the preferred one first."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """How far the score is the mass or the multiplicity in disguise.

    Parameters
    ----------
    profiles : tuple of ScoreProfile
        Mean score against the mass and the multiplicity, as far as there are such columns.
    sculpting : Sculpting or None
        Spectrum of the mass of the background before and after the cuts of the working points;
        None without a mass.
    """

    profiles: tuple[ScoreProfile, ...]
    sculpting: Sculpting | None


def evaluate_learned(
    events: ScoredEvents,
    discriminant: NDArray[np.float64],
    columns: Mapping[str, NDArray[Any]],
    *,
    background: Sequence[str],
    working_points: Sequence[WorkingPoint],
    level: float = LEVEL,
    n_replicas: int = 1000,
    seed: int = 0,
) -> Learned:
    """Hold the discriminant against mass and multiplicity.

    Parameters
    ----------
    events : ScoredEvents
        Labels, weights and classes.
    discriminant : numpy.ndarray
        Shape (n_events,).
    columns : mapping
        Name to array of shape (n_events,); those named in `MASS` and `MULTIPLICITY` are taken,
        unless all values are NaN or infinite.
    background : sequence of str
        The classes whose mass is looked at.
    working_points : sequence of WorkingPoint
        Cuts on the discriminant.
    level, n_replicas, seed
        As in `sculpting.sculpting`.
    """
    usable = {name for name, values in columns.items() if np.isfinite(values).any()}
    mass, multiplicity = (
        next((name for name in names if name in usable), None) for names in (MASS, MULTIPLICITY)
    )
    of_background = np.isin(events.labels, [events.classes.index(name) for name in background])
    return Learned(
        profiles=tuple(
            score_profile(
                name,
                columns[name],
                discriminant,
                events.labels,
                classes=events.classes,
                edges=central_edges(columns[name]),
                weights=events.weights,
            )
            for name in (mass, multiplicity)
            if name is not None
        ),
        sculpting=None
        if mass is None
        else sculpting(
            mass,
            columns[mass][of_background],
            discriminant[of_background],
            points=[(point.target, point.threshold) for point in working_points],
            edges=central_edges(columns[mass]),
            weights=events.weights[of_background],
            n_replicas=n_replicas,
            level=level,
            seed=seed,
        ),
    )
