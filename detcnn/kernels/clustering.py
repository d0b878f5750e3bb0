"""Sequential recombination of the constituents of one jet into subjets."""

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.angles import wrap, wrapped
from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]

_MAX_RAPIDITY = 100.0
"""Momenta along the beam are taken there, so that their squares stay finite."""


def subjets(
    pt: Floats,
    rapidity: Floats,
    phi: Floats,
    *,
    radius: float,
    power: float = 1.0,
    mass: Floats | None = None,
) -> NDArray[np.int64]:
    """Cluster constituents with an inclusive generalised-kT algorithm, adding four-vectors.

    The distances are d_ij = min(pT_i^2p, pT_j^2p) ΔR_ij² / R² and d_iB = pT_i^2p (Cacciari, Salam
    & Soyez, JHEP 04 (2008) 063, eqs. 1 and 2), ΔR in rapidity and azimuth. The time grows with
    the square of the number of constituents (nearest neighbours: Cacciari & Salam, Phys. Lett. B
    641 (2006) 57), which suits jets of up to a few hundred.

    Parameters
    ----------
    pt, rapidity, phi : numpy.ndarray
        Shape (N,): transverse momentum [GeV], at least 0; rapidity; azimuth [rad], any turn.
    radius : float
        R > 0.
    power : float
        p: 1 for kT, 0 for Cambridge/Aachen, −1 for anti-kT.
    mass : numpy.ndarray, optional
        Shape (N,), in GeV; 0 if not given.

    Returns
    -------
    numpy.ndarray
        int64, shape (N,): the subjet of each constituent, numbered by falling pT from 0.

    Raises
    ------
    ValueError
        If `radius` is not above 0.
    """
    if not radius > 0:
        raise ValueError(f"radius {radius}: expected a number above 0")
    return recombine(
        np.asarray(pt, dtype=np.float64),
        np.asarray(rapidity, dtype=np.float64),
        wrapped(phi),
        np.zeros(len(pt)) if mass is None else np.asarray(mass, dtype=np.float64),
        float(radius),
        float(power),
    )


@compiled
def recombine(
    pt: Floats, rapidity: Floats, phi: Floats, mass: Floats, radius: float, power: float
) -> NDArray[np.int64]:
    """Return what `subjets` returns, for `phi` in [−π, π]; to be called from kernels."""
    n = len(pt)
    px, py, pz, energy = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    y, azimuth, scale = rapidity.copy(), phi.copy(), np.empty(n)
    for i in range(n):
        transverse = np.hypot(pt[i], mass[i])
        px[i], py[i] = pt[i] * np.cos(phi[i]), pt[i] * np.sin(phi[i])
        bounded = min(max(y[i], -_MAX_RAPIDITY), _MAX_RAPIDITY)
        pz[i], energy[i] = transverse * np.sinh(bounded), transverse * np.cosh(bounded)
        scale[i] = _scale(pt[i] * pt[i], power)

    # Pseudojets that are still in play, each with its nearest neighbour closer than the radius;
    # itself stands for the beam.
    active = np.arange(n)
    n_active = n
    neighbour, distance = np.arange(n), np.full(n, radius * radius)
    for i in range(n):
        for j in range(i):
            apart = _apart(y, azimuth, i, j)
            if apart < distance[i]:
                distance[i], neighbour[i] = apart, j
            if apart < distance[j]:
                distance[j], neighbour[j] = apart, i

    home = np.arange(n)  # the pseudojet that each constituent belongs to
    subjet_pt = np.full(n, -1.0)
    while n_active > 0:
        closest, lowest = 0, np.inf
        for k in range(n_active):
            i = active[k]
            measure = distance[i] * min(scale[i], scale[neighbour[i]])
            if measure < lowest:
                closest, lowest = k, measure
        kept = active[closest]
        gone = neighbour[kept]
        if gone == kept:
            subjet_pt[kept] = np.hypot(px[kept], py[kept])
        else:
            for k in range(n_active):
                if active[k] == gone:
                    closest = k
            px[kept] += px[gone]
            py[kept] += py[gone]
            pz[kept] += pz[gone]
            energy[kept] += energy[gone]
            pt2 = px[kept] ** 2 + py[kept] ** 2
            scale[kept] = _scale(pt2, power)
            y[kept] = _rapidity(pt2, pz[kept], energy[kept], y[kept])
            azimuth[kept] = np.arctan2(py[kept], px[kept])
            for k in range(n):
                if home[k] == gone:
                    home[k] = kept
        n_active -= 1
        active[closest] = active[n_active]

        merged = gone != kept
        for k in range(n_active):
            i = active[k]
            if neighbour[i] == gone or neighbour[i] == kept or (merged and i == kept):
                distance[i], neighbour[i] = radius * radius, i
                for other in range(n_active):
                    j = active[other]
                    if j != i and _apart(y, azimuth, i, j) < distance[i]:
                        distance[i], neighbour[i] = _apart(y, azimuth, i, j), j
            elif merged and _apart(y, azimuth, i, kept) < distance[i]:
                distance[i], neighbour[i] = _apart(y, azimuth, i, kept), kept

    rank = np.zeros(n, dtype=np.int64)
    for i in range(n):
        for j in range(n):
            if subjet_pt[j] > subjet_pt[i] or (subjet_pt[j] == subjet_pt[i] and j < i):
                rank[i] += 1
    return rank[home]


@compiled
def _scale(pt2: float, power: float) -> float:
    if power == 0:
        return 1.0
    # Finite also for pT = 0, so that products with a distance of 0 stay numbers.
    return float(min(max(pt2, 1e-300) ** power, 1e300))


@compiled
def _apart(y: Floats, azimuth: Floats, i: int, j: int) -> float:
    rapidity = float(y[i] - y[j])
    phi = wrap(azimuth[i] - azimuth[j])
    return rapidity * rapidity + phi * phi


@compiled
def _rapidity(pt2: float, pz: float, energy: float, otherwise: float) -> float:
    """Return the rapidity of a four-vector, without cancellation; `otherwise` where it has none."""
    mass2 = max(0.0, (energy - pz) * (energy + pz) - pt2)
    if pt2 + mass2 == 0:
        return otherwise
    magnitude = float(np.log((energy + abs(pz)) / np.sqrt(pt2 + mass2)))
    return magnitude if pz > 0 else -magnitude
