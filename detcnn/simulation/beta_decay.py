"""The spectrum of electrons from an allowed β decay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

Floats = NDArray[np.float64]

_ELECTRON = 510.99895
_FINE_STRUCTURE = 1 / 137.035999
_N_POINTS = 4001


@dataclass(frozen=True, slots=True)
class BetaDecay:
    """An allowed β⁻ decay.

    Parameters
    ----------
    endpoint : float
        Largest kinetic energy of the electron [keV].
    daughter : int
        Nuclear charge that the electron leaves behind.
    """

    endpoint: float
    daughter: int

    def density(self, energy: Floats) -> Floats:
        """Return the spectrum, not normalised: F(Z, E) p E_total (Q − E)².

        F is the Fermi function without screening and without the size of the nucleus,
        2πη / (1 − e^(−2πη)) with η = αZ/β: Krane, Introductory Nuclear Physics (1988), section 9.3.
        The neutrino has no mass.

        Parameters
        ----------
        energy : numpy.ndarray
            Kinetic energy [keV], any shape; outside 0 to the endpoint the density is 0.
        """
        inside = np.clip(energy, 1e-9, self.endpoint)
        total = inside + _ELECTRON
        momentum = np.sqrt(inside * (inside + 2 * _ELECTRON))
        attraction = 2 * np.pi * _FINE_STRUCTURE * self.daughter * total / momentum
        fermi = 1 / exprel(-attraction)
        found: Floats = fermi * momentum * total * (self.endpoint - inside) ** 2
        return np.where((energy >= 0) & (energy <= self.endpoint), found, 0.0)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return kinetic energies [keV], shape (n,), of independent decays.

        The distribution function is inverted on a grid of 4,000 steps, 5 eV for tritium.
        """
        grid = np.linspace(0.0, self.endpoint, _N_POINTS)
        density = self.density(grid)
        steps = 0.5 * (density[1:] + density[:-1])
        distribution = np.concatenate([[0.0], np.cumsum(steps)])
        found: Floats = np.interp(rng.random(n) * distribution[-1], distribution, grid)
        return found


TRITIUM = BetaDecay(endpoint=18.59, daughter=2)
"""³H → ³He, as cosmic rays make it in silicon."""
