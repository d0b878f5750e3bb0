"""Electrons that photons knock on: the spectrum of Compton scattering."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ELECTRON = 510.99895
_N_POINTS = 2001


def compton_edge(photon: float) -> float:
    """Return the largest energy [keV] that a photon of so many keV gives to an electron at rest."""
    return photon * 2 * photon / (_ELECTRON + 2 * photon)


def compton_density(energy: Floats, photon: float) -> Floats:
    """Return the spectrum of the electrons, not normalised, for free electrons at rest.

    The cross-section of Klein and Nishina (Z. Phys. 52 (1929) 853) as a function of the electron's
    energy: 2 + s²/(α²(1 − s)²) + s/(1 − s) (s − 2/α) with s the share of the energy that the
    electron takes and α the photon's energy over the electron's mass.

    Parameters
    ----------
    energy : numpy.ndarray
        Kinetic energy [keV], any shape; 0 beyond the edge.
    photon : float
        Energy of the photon [keV].
    """
    alpha = photon / _ELECTRON
    share = np.clip(energy / photon, 0.0, compton_edge(photon) / photon)
    left = 1 - share
    found = 2 + (share / (alpha * left)) ** 2 + share / left * (share - 2 / alpha)
    return np.where((energy >= 0) & (energy <= compton_edge(photon)), found, 0.0)


def draw_compton(n: int, photon: float, rng: np.random.Generator) -> Floats:
    """Return kinetic energies [keV], shape (n,), of independent electrons."""
    grid = np.linspace(0.0, compton_edge(photon), _N_POINTS)
    density = compton_density(grid, photon)
    distribution = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    found: Floats = np.interp(rng.random(n) * distribution[-1], distribution, grid)
    return found
