"""A calorimeter: towers with a resolution, and no more detector than that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ELECTROMAGNETIC = (11, 22)
_MUON = 13
# Towers are massless, so those that are no photons are of no species: one would have a mass.
_PHOTON, _NO_SPECIES = 22, 0


@dataclass(frozen=True, slots=True)
class Calorimeter:
    """Cells and energy resolution, σ/E = a/√(E/GeV) ⊕ b.

    The numbers are the design goals of ATLAS in the barrel and end-caps (JINST 3 (2008) S08003,
    table 1); the cells are those of its hadronic part. What is missing: a magnetic field, tracks,
    showers that spread over cells, dead material, noise, pile-up.

    Parameters
    ----------
    cell : float
        Side of a cell in η and about in φ; a whole number of cells makes a turn.
    max_eta : float
        Where the calorimeter ends.
    electromagnetic, hadronic : tuple of float
        (a, b) for photons and electrons, and for the rest.
    threshold : float
        Towers with less energy [GeV] are dropped.
    """

    cell: float = 0.1
    max_eta: float = 4.9
    electromagnetic: tuple[float, float] = (0.10, 0.007)
    hadronic: tuple[float, float] = (0.50, 0.03)
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Deposits:
    """What an event leaves: towers, massless, and muons, unchanged.

    Parameters
    ----------
    energy : numpy.ndarray
        float64, shape (n,), in GeV.
    eta, phi : numpy.ndarray
        float64, shape (n,): the middle of the cell, φ in [−π, π).
    pdgid : numpy.ndarray
        int64, shape (n,): 22 for towers that are mostly electromagnetic, 0 for the others, which
        are of no species.
    muons : numpy.ndarray
        int64: which particles are muons inside the calorimeter's reach.
    """

    energy: Floats
    eta: Floats
    phi: Floats
    pdgid: NDArray[np.int64]
    muons: NDArray[np.int64]


def deposits(
    energy: Floats,
    eta: Floats,
    phi: Floats,
    pdgid: NDArray[np.int64],
    *,
    calorimeter: Calorimeter,
    rng: np.random.Generator,
) -> Deposits:
    """Smear the energy of every visible particle and add it up in cells.

    Parameters
    ----------
    energy : numpy.ndarray
        float64, shape (n,), in GeV.
    eta, phi : numpy.ndarray
        float64, shape (n,); φ in rad.
    pdgid : numpy.ndarray
        int64, shape (n,).
    calorimeter : Calorimeter
        Cells and resolution.
    rng : numpy.random.Generator
        Draws the smearing.

    Returns
    -------
    Deposits
        A smeared energy is at least 0; towers by cell, in the order of η and then φ.
    """
    identity = np.abs(pdgid)
    is_seen = np.abs(eta) < calorimeter.max_eta
    muons = np.flatnonzero(is_seen & (identity == _MUON))
    seen = np.flatnonzero(is_seen & (identity != _MUON))
    is_electromagnetic = np.isin(identity[seen], _ELECTROMAGNETIC)
    stochastic, constant = (
        np.where(is_electromagnetic, light, heavy)
        for light, heavy in zip(calorimeter.electromagnetic, calorimeter.hadronic, strict=True)
    )
    true = energy[seen]
    sigma = np.hypot(stochastic * np.sqrt(true), constant * true)
    measured = np.maximum(true + sigma * rng.standard_normal(len(seen)), 0.0)

    n_phi = round(2 * np.pi / calorimeter.cell)
    width = 2 * np.pi / n_phi
    row = np.floor((eta[seen] + calorimeter.max_eta) / calorimeter.cell).astype(np.int64)
    column = np.floor((phi[seen] + np.pi) / width).astype(np.int64) % n_phi
    cells, tower = np.unique(row * n_phi + column, return_inverse=True)
    total, light = np.zeros(len(cells)), np.zeros(len(cells))
    np.add.at(total, tower, measured)
    np.add.at(light, tower, measured * is_electromagnetic)
    kept = total >= calorimeter.threshold
    return Deposits(
        energy=total[kept],
        eta=(cells[kept] // n_phi + 0.5) * calorimeter.cell - calorimeter.max_eta,
        phi=(cells[kept] % n_phi + 0.5) * width - np.pi,
        pdgid=np.where(2 * light >= total, _PHOTON, _NO_SPECIES)[kept],
        muons=muons,
    )
