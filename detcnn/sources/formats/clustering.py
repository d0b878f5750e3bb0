"""Jets of whole collisions, found by FastJet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import MissingExtraError
from detcnn.sources.base import Clustering

try:
    import awkward as ak
    import fastjet
    from fastjet._swig import ClusterSequence
except ImportError:
    raise MissingExtraError("fastjet", extra="hepmc", purpose="clustering HepMC events") from None

# FastJet shows a banner on stdout, which belongs to results; without a stream it shows none.
ClusterSequence.set_fastjet_banner_stream(None)

_ALGORITHMS = {
    "antikt": fastjet.antikt_algorithm,
    "cambridge": fastjet.cambridge_algorithm,
    "kt": fastjet.kt_algorithm,
}
_MOMENTUM = ("px", "py", "pz", "E")


@dataclass(frozen=True, slots=True)
class Jet:
    """A jet of a collision.

    Parameters
    ----------
    momentum : numpy.ndarray
        float64, shape (4,): px, py, pz, E [GeV], the sum over the particles (E-scheme).
    particles : numpy.ndarray
        int64: which particles of the collision are in it.
    """

    momentum: NDArray[np.float64]
    particles: NDArray[np.int64]


def find_jets(collisions: Sequence[NDArray[np.float64]], clustering: Clustering) -> list[list[Jet]]:
    """Return the jets of each collision that are wanted, by falling pT.

    Parameters
    ----------
    collisions : sequence of numpy.ndarray
        For each, shape (n_particles, 4): px, py, pz, E [GeV], finite, pT > 0; n may be 0.
    clustering : Clustering
        Generalised-kT recombination (Cacciari, Salam & Soyez, Eur. Phys. J. C 72 (2012) 1896), and
        which jets are kept.
    """
    found: list[list[Jet]] = [[] for _ in collisions]
    # An input without any particle is an error to FastJet.
    filled = [i for i, particles in enumerate(collisions) if len(particles)]
    if not filled:
        return found
    counts = [len(collisions[i]) for i in filled]
    together = np.concatenate([collisions[i] for i in filled])
    fields = {name: ak.unflatten(together[:, k], counts) for k, name in enumerate(_MOMENTUM)}
    sequence = fastjet.ClusterSequence(
        ak.zip(fields, with_name="Momentum4D"),
        fastjet.JetDefinition(_ALGORITHMS[clustering.algorithm], clustering.radius),
    )
    members: Any = sequence.constituent_index(min_pt=clustering.min_pt)
    for i, jets in zip(filled, members.to_list(), strict=True):
        particles = [np.array(jet, dtype=np.int64) for jet in jets]
        sums = [Jet(collisions[i][indices].sum(axis=0), indices) for indices in particles]
        wanted = [jet for jet in sums if _is_inside(jet, clustering)]
        found[i] = sorted(wanted, key=lambda jet: -_pt(jet))[: clustering.n_hardest]
    return found


def _pt(jet: Jet) -> float:
    return float(np.hypot(jet.momentum[0], jet.momentum[1]))


def _is_inside(jet: Jet, clustering: Clustering) -> bool:
    if clustering.max_eta is None:
        return True
    # |η| ≤ limit as pT · sinh(limit) ≥ |pz|, which has no division.
    return bool(_pt(jet) * np.sinh(clustering.max_eta) >= abs(jet.momentum[2]))
