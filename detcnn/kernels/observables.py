"""Observables of jets, each a number made of the constituents."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.angles import wrap
from detcnn.kernels.compilation import compiled
from detcnn.kernels.subjettiness import subjettiness

Floats = NDArray[np.float64]

MAX_RAPIDITY = 100.0
"""Constituents further than this from the hardest of their jet are taken there."""

UNDEFINED = -1.0
"""The value of a ratio τ_N / τ_(N−1) whose denominator is 0; all others are at least 0."""

_ROUNDING = 1e-9
"""Mean distances below this [rad] are what rounding leaves of 0."""


class Constituents(NamedTuple):
    """Constituents of many jets, one after the other.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_jets + 1,), from 0 to n, never falling.
    pt, transverse_mass : numpy.ndarray
        float64, shape (n,): pT and √(pT² + m²) [GeV], at least 0. One without pT plays no part.
    rapidity, phi : numpy.ndarray
        float64, shape (n,): rapidity, and azimuth [rad] in [−π, π).
    """

    offsets: NDArray[np.int64]
    pt: Floats
    transverse_mass: Floats
    rapidity: Floats
    phi: Floats


class Observables(NamedTuple):
    """Observables of many jets, float64, each of shape (n_jets,).

    Parameters
    ----------
    multiplicity, mass, width, ptd
        As described in `detcnn.events.observables`.
    tau21, tau32
        The same; NaN if they were not asked for.
    """

    multiplicity: Floats
    mass: Floats
    width: Floats
    ptd: Floats
    tau21: Floats
    tau32: Floats


@compiled
def jet_observables(constituents: Constituents, with_taus: bool) -> Observables:
    """Return the observables of many jets; a jet without pT has 0, and `UNDEFINED` ratios.

    Parameters
    ----------
    constituents : Constituents
        The jets.
    with_taus : bool
        Whether to work out the N-subjettiness as well, which takes several times longer.
    """
    offsets = constituents.offsets
    n_jets = len(offsets) - 1
    multiplicity, mass, width = np.zeros(n_jets), np.zeros(n_jets), np.zeros(n_jets)
    ptd, tau21, tau32 = np.zeros(n_jets), np.full(n_jets, np.nan), np.full(n_jets, np.nan)
    longest = 0
    for i in range(n_jets):
        longest = max(longest, offsets[i + 1] - offsets[i])
    pt, transverse_mass = np.empty(longest), np.empty(longest)
    y, phi = np.empty(longest), np.empty(longest)
    for i in range(n_jets):
        n = hardest = 0
        for k in range(offsets[i], offsets[i + 1]):
            if constituents.pt[k] > 0:
                pt[n], transverse_mass[n] = constituents.pt[k], constituents.transverse_mass[k]
                y[n], phi[n] = constituents.rapidity[k], constituents.phi[k]
                if pt[n] > pt[hardest]:
                    hardest = n
                n += 1
        if n > 0:
            # About the hardest, so that nothing straddles ±π, and small angles and masses keep
            # their digits in forward jets.
            origin_y, origin_phi = y[hardest], phi[hardest]
            for k in range(n):
                y[k] = min(max(y[k] - origin_y, -MAX_RAPIDITY), MAX_RAPIDITY)
                phi[k] = wrap(phi[k] - origin_phi)
            multiplicity[i] = n
            mass[i], width[i], ptd[i] = _moments(pt[:n], transverse_mass[:n], y[:n], phi[:n])
        if with_taus:
            tau1, tau2, tau3 = subjettiness(pt[:n], transverse_mass[:n], y[:n], phi[:n])
            tau21[i], tau32[i] = _ratio(tau2, tau1), _ratio(tau3, tau2)
    return Observables(multiplicity, mass, width, ptd, tau21, tau32)


@compiled
def _moments(
    pt: Floats, transverse_mass: Floats, y: Floats, phi: Floats
) -> tuple[float, float, float]:
    """Return mass, width and pT^D of a jet."""
    # E ± pz are sums of positive terms, without cancellation.
    px = py = plus = minus = total = squares = 0.0
    for k in range(len(pt)):
        growth = np.exp(y[k])
        px += pt[k] * np.cos(phi[k])
        py += pt[k] * np.sin(phi[k])
        plus += transverse_mass[k] * growth
        minus += transverse_mass[k] / growth
        total += pt[k]
        squares += pt[k] * pt[k]
    mass2 = plus * minus - px * px - py * py
    axis_y = np.log(plus / minus) / 2
    axis_phi = np.arctan2(py, px)
    first_moment = 0.0
    for k in range(len(pt)):
        first_moment += pt[k] * np.hypot(y[k] - axis_y, wrap(phi[k] - axis_phi))
    return np.sqrt(max(mass2, 0.0)), first_moment / total, np.sqrt(squares) / total


@compiled
def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > _ROUNDING else UNDEFINED
