"""Wire planes of a liquid-argon time projection chamber: charge, electronics noise, threshold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.readout import drifted_charge

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WirePlanes:
    """Planes of wires that collect drifting charge.

    What is missing: the bipolar signals of induction planes (pixels hold charge, as after an ideal
    deconvolution), space charge, dead wires, an electron lifetime that changes.

    Parameters
    ----------
    angles : tuple of float
        Of the wires of each plane [degrees].
    shape : tuple of int
        Wires and steps of the drift of an image.
    pitch : tuple of float
        Of the wires, and of the steps along the drift [cm].
    drift : tuple of float
        The middle of an image is that far from the wires [cm], at random between the two.
    noise : float
        Standard deviation of each pixel, in thousands of electrons.
    threshold : float
        Pixels below are 0, in thousands of electrons.
    field : float
        Electric field [kV/cm].
    velocity : float
        Of the drift [cm/µs].
    diffusion : tuple of float
        Along and across the drift [cm²/s].
    lifetime : float
        Of electrons in the argon [µs].
    shaping : float
        Standard deviation [µs] of the electronics' response.
    """

    angles: tuple[float, ...]
    shape: tuple[int, int]
    pitch: tuple[float, float]
    drift: tuple[float, float]
    noise: float
    threshold: float
    field: float = 0.273
    velocity: float = 0.1098
    diffusion: tuple[float, float] = (3.74, 5.85)
    lifetime: float = 18_000.0
    shaping: float = 1.0

    def charge(self, rng: np.random.Generator, deposits: Floats) -> Floats:
        """Return the charge that deposits bring to each pixel, without noise.

        Recombination is that of the modified box model, with the constants that ArgoNeuT found
        (JINST 8 (2013) P08005: α = 0.93, β′ = 0.212 (kV/cm)(g/cm²)/MeV); an electron is freed per
        23.6 eV; clouds grow as √(2Dt).

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws the distance from the wires.
        deposits : numpy.ndarray
            float64, shape (n, 6), of `detcnn.kernels.transport.transport`.

        Returns
        -------
        numpy.ndarray
            float64, shape (3, views, wires, steps), thousands of electrons of hadrons, muons and
            showers.
        """
        along, across = (2.0 * d / (self.velocity * 1e6) for d in self.diffusion)
        constants = np.array(
            [
                0.93,
                0.212 / (1.38 * self.field),
                1e6 / 23.6 / 1000.0,
                self.lifetime * self.velocity,
                along,
                across,
                self.shaping * self.velocity,
            ]
        )
        angles = np.radians(np.array(self.angles))
        distance = float(rng.uniform(*self.drift))
        return drifted_charge(deposits, angles, self.shape, self.pitch, distance, constants)

    def recorded(self, rng: np.random.Generator, charge: Floats) -> Floats:
        """Return an image: charge and noise where both together pass the threshold, else 0."""
        image = charge + self.noise * rng.standard_normal(charge.shape)
        image[image < self.threshold] = 0.0
        return image

    def settings(self) -> dict[str, Any]:
        """Return the numbers with their units in their names."""
        return {
            "wire_angles_deg": list(self.angles),
            "wire_pitch_cm": self.pitch[0],
            "drift_step_cm": self.pitch[1],
            "drift_cm": list(self.drift),
            "noise_electrons": 1000.0 * self.noise,
            "threshold_electrons": 1000.0 * self.threshold,
            "field_kV_per_cm": self.field,
            "drift_velocity_cm_per_us": self.velocity,
            "diffusion_cm2_per_s": list(self.diffusion),
            "lifetime_us": self.lifetime,
            "shaping_us": self.shaping,
        }
