"""What detectors of particles are made of."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A uniform medium.

    Parameters
    ----------
    density : float
        g/cm³.
    z_over_a : float
        Mean number of electrons per nucleon [mol/g].
    excitation : float
        Mean excitation energy [eV].
    radiation_length, interaction_length : float
        cm; the latter of hadrons with nuclei.
    muon_capture : float
        Which part of muons at rest is captured before it decays: of negative ones, nearly all in
        argon, few in carbon.
    """

    density: float
    z_over_a: float
    excitation: float
    radiation_length: float
    interaction_length: float
    muon_capture: float

    def parameters(self) -> NDArray[np.float64]:
        """Return the array that `detcnn.kernels.transport` takes.

        The density effect has the parameters of Sternheimer and Peierls (Phys. Rev. B 3 (1971)
        3681) for liquids and solids, which are exact for liquid argon by convention.
        """
        plasma = 28.816 * math.sqrt(self.density * self.z_over_a)
        c_bar = 2.0 * math.log(self.excitation / plasma) + 1.0
        if self.excitation < 100.0:
            x_0, x_1 = (0.2 if c_bar < 3.681 else 0.326 * c_bar - 1.0), 2.0
        else:
            x_0, x_1 = (0.2 if c_bar < 5.215 else 0.326 * c_bar - 1.5), 3.0
        a_bar = (c_bar - 2.0 * math.log(10.0) * x_0) / (x_1 - x_0) ** 3
        return np.array(
            [
                self.density,
                self.z_over_a,
                self.excitation * 1e-6,
                self.radiation_length,
                self.interaction_length,
                self.muon_capture,
                c_bar,
                x_0,
                x_1,
                a_bar,
            ]
        )


LIQUID_ARGON = Medium(
    density=1.396,
    z_over_a=0.45059,
    excitation=188.0,
    radiation_length=14.0,
    interaction_length=85.7,
    muon_capture=0.4,
)
"""Liquid argon at its boiling point (Particle Data Group, atomic and nuclear properties)."""

SCINTILLATOR_CELLS = Medium(
    density=0.96,
    z_over_a=0.549,
    excitation=72.0,
    radiation_length=38.0,
    interaction_length=84.0,
    muon_capture=0.05,
)
"""Cells of PVC filled with scintillating mineral oil, mixed into one: after the NOvA design report
(FERMILAB-DESIGN-2007-01), a plane of 6.6 cm is 0.17 radiation lengths."""
