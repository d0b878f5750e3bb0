"""Neutrinos that meet nucleons at rest: which particles leave the vertex, with what energies.

Quasi-elastic scattering, one resonance and deep inelastic scattering, with the kinematics of two
bodies exact and the cross sections simple: dσ/dQ² of a dipole (axial mass 1 GeV) for the first two,
Δ(1232) with a Breit–Wigner shape, and for the third a flat inelasticity y with x as valence quarks
have it. The shares of the three follow the total cross sections of Formaggio and Zeller (Rev. Mod.
Phys. 84 (2012) 1307) by straight lines. The hadrons of a system of mass W fill phase space, about
ln W² of them. There is no nucleus: no Fermi motion, no binding, no rescattering; neutrons are not
followed, and neutrinos and antineutrinos are not told apart.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.transport import ELECTRON, MASSES, MUON, NEUTRAL_PION, PION, PROTON

Floats = NDArray[np.float64]

INTERACTIONS = ("nue_cc", "numu_cc", "nc")
"""ν_e and ν_μ by charged currents, and any neutrino by neutral currents."""

_LEPTONS = {"nue_cc": ELECTRON, "numu_cc": MUON}
_NUCLEON = 0.9389  # GeV
_PION = 0.1396
_NEUTRON = -1  # a kind that nothing follows


@dataclass(frozen=True, slots=True)
class Interaction:
    """What leaves the vertex.

    Parameters
    ----------
    primaries : numpy.ndarray
        float64, shape (n, 8), as `detcnn.kernels.transport.transport` takes it: all particles but
        neutrons and neutrinos; the charged lepton first.
    inelasticity : float
        y: the part of the neutrino's energy that does not go to the outgoing lepton.
    """

    primaries: Floats
    inelasticity: float


def interaction(
    rng: np.random.Generator, *, kind: str, energy: float, vertex: tuple[float, float, float]
) -> Interaction:
    """Let a neutrino that flies along z interact.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything.
    kind : {"nue_cc", "numu_cc", "nc"}
        Which current, and of which neutrino.
    energy : float
        Energy of the neutrino [GeV], above 0.4.
    vertex : tuple of float
        x, y, z [cm].

    Returns
    -------
    Interaction
    """
    lepton = _LEPTONS.get(kind)
    mass = 0.0 if lepton is None else float(MASSES[lepton]) / 1000.0
    hadronic_mass, q2 = _scattering(rng, energy, mass)
    transfer = (hadronic_mass**2 + q2 - _NUCLEON**2) / (2.0 * _NUCLEON)
    lepton_energy = energy - transfer
    momentum = math.sqrt(lepton_energy**2 - mass**2)
    cosine = (2.0 * energy * lepton_energy - mass**2 - q2) / (2.0 * energy * momentum)
    azimuth = 2.0 * math.pi * rng.random()
    sine = math.sqrt(max(0.0, 1.0 - cosine**2))
    outgoing = momentum * np.array(
        [sine * math.cos(azimuth), sine * math.sin(azimuth), cosine], dtype=np.float64
    )
    carried = np.array([0.0, 0.0, energy]) - outgoing
    kinds, momenta = _hadrons(rng, hadronic_mass, carried, charged_current=lepton is not None)
    if lepton is not None:
        kinds, momenta = [lepton, *kinds], np.vstack([outgoing, momenta])
    return Interaction(_primaries(kinds, momenta, vertex), transfer / energy)


def _scattering(rng: np.random.Generator, energy: float, mass: float) -> tuple[float, float]:
    """Draw the mass of the hadrons [GeV] and Q² [GeV²] that the energy allows."""
    weights = np.array([0.9, min(0.6, 0.4 * energy), max(0.0, 0.5 * (energy - 1.2))])
    mode = int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))
    while True:
        if mode < 2:
            q2 = rng.random() ** (-1.0 / 3.0) - 1.0
            w = _NUCLEON if mode == 0 else 1.232 + 0.0585 * math.tan(math.pi * (rng.random() - 0.5))
            if mode == 1 and w < _NUCLEON + _PION + 0.005:
                continue
        else:
            x, y = rng.beta(1.5, 4.0), rng.random()
            q2 = 2.0 * _NUCLEON * energy * x * y
            w = math.sqrt(_NUCLEON**2 + 2.0 * _NUCLEON * energy * y * (1.0 - x))
            if w < 1.4:
                continue
        lepton_energy = energy - (w**2 + q2 - _NUCLEON**2) / (2.0 * _NUCLEON)
        if lepton_energy <= mass + 0.01:
            continue
        momentum = math.sqrt(lepton_energy**2 - mass**2)
        cosine = (2.0 * energy * lepton_energy - mass**2 - q2) / (2.0 * energy * momentum)
        if -1.0 <= cosine <= 1.0:
            return w, q2


def _hadrons(
    rng: np.random.Generator, mass: float, carried: Floats, *, charged_current: bool
) -> tuple[list[int], Floats]:
    """Return kinds and momenta [GeV] of the hadrons of a system of this mass and momentum."""
    n_pions = 0
    if mass > 1.4:
        n_pions = 1 + int(rng.poisson(0.3 + math.log(mass**2 / 1.4**2)))
        n_pions = min(n_pions, int((mass - _NUCLEON) / (_PION + 0.05)))
    elif mass > _NUCLEON + _PION:
        n_pions = 1
    protons = 0.5 if n_pions or not charged_current else 1.0
    kinds = [PROTON if rng.random() < protons else _NEUTRON]
    kinds += [PION if rng.random() < 2.0 / 3.0 else NEUTRAL_PION for _ in range(n_pions)]
    if not n_pions:
        return kinds, carried[np.newaxis]
    masses = np.array([_NUCLEON] + n_pions * [_PION])
    momenta = rng.standard_normal((n_pions + 1, 3))
    momenta -= momenta.mean(axis=0)
    squares = (momenta**2).sum(axis=1)
    low, high = 0.0, mass / math.sqrt(squares.max())
    for _ in range(50):
        middle = 0.5 * (low + high)
        if np.sqrt(masses**2 + middle**2 * squares).sum() < mass:
            low = middle
        else:
            high = middle
    momenta *= low
    return kinds, _boosted(momenta, masses, carried, mass)


def _boosted(momenta: Floats, masses: Floats, carried: Floats, mass: float) -> Floats:
    """Return momenta where the system of this mass and momentum moves, and not where it rests."""
    total = math.sqrt(mass**2 + float(carried @ carried))
    energies = np.sqrt(masses**2 + (momenta**2).sum(axis=1))
    along = momenta @ carried
    factor = (along / (total + mass) + energies) / mass
    return np.asarray(momenta + factor[:, np.newaxis] * carried)


def _primaries(kinds: list[int], momenta: Floats, vertex: tuple[float, float, float]) -> Floats:
    followed = [i for i, kind in enumerate(kinds) if kind != _NEUTRON]
    primaries = np.empty((len(followed), 8))
    for row, i in zip(primaries, followed, strict=True):
        momentum = 1000.0 * math.sqrt(float(momenta[i] @ momenta[i]))
        mass = float(MASSES[kinds[i]])
        row[0] = kinds[i]
        row[1:4] = vertex
        row[4:7] = momenta[i] / (momentum / 1000.0)
        row[7] = math.sqrt(mass**2 + momentum**2) - mass
    return primaries
