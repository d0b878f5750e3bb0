"""N-subjettiness about the axes of exclusive kT subjets."""

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.angles import TWO_PI
from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]

MOST_AXES = 3


@compiled
def subjettiness(
    pt: Floats, transverse_mass: Floats, rapidity: Floats, phi: Floats
) -> tuple[float, float, float]:
    """Return τ1, τ2 and τ3 of one jet, as pT-weighted mean distances [rad].

    τ_N = Σ pT min(ΔR_1, …, ΔR_N) / Σ pT (Thaler & Van Tilburg, JHEP 03 (2011) 015, eq. 1 with
    R0 = 1), with the directions of the N subjets that exclusive kT clustering leaves as axes: the
    pair of smallest min(pT_i², pT_j²) ΔR_ij² is added, as four-vectors, until N are left.

    Parameters
    ----------
    pt, transverse_mass : numpy.ndarray
        Shape (n,): pT and √(pT² + m²) [GeV], above 0.
    rapidity, phi : numpy.ndarray
        Shape (n,): rapidity about a point of the jet, so that it is small; azimuth [rad] in
        [−π, π].

    Returns
    -------
    tuple of float
        0 where there are no more constituents than axes, for each is an axis then.
    """
    n = len(pt)
    tau = np.zeros(MOST_AXES + 1)
    # The hardest first: what is merged is soft then, and near the end of the list.
    order = np.argsort(-pt)
    y, azimuth, pt2 = rapidity[order], phi[order], pt[order] ** 2
    # E ± pz are sums of positive terms, without cancellation.
    px, py, plus, minus = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        px[i], py[i] = pt[i] * np.cos(phi[i]), pt[i] * np.sin(phi[i])
        growth = np.exp(rapidity[i])
        plus[i], minus[i] = transverse_mass[i] * growth, transverse_mass[i] / growth
    # Each pair belongs to the later of the two, which remembers the closest of its pairs.
    partner, closest = np.zeros(n, dtype=np.int64), np.full(n, np.inf)
    for k in range(1, n):
        partner[k], closest[k] = _closest_before(k, y, azimuth, pt2)

    for n_left in range(n - 1, 0, -1):
        gone, lowest = 1, closest[1]
        for k in range(2, n_left + 1):
            if closest[k] < lowest:
                gone, lowest = k, closest[k]
        kept = partner[gone]
        i, j = order[kept], order[gone]
        px[i] += px[j]
        py[i] += py[j]
        plus[i] += plus[j]
        minus[i] += minus[j]
        pt2[kept] = px[i] * px[i] + py[i] * py[i]
        y[kept] = np.log(plus[i] / minus[i]) / 2
        azimuth[kept] = np.arctan2(py[i], px[i])
        for k in range(gone, n_left):
            y[k], azimuth[k], pt2[k] = y[k + 1], azimuth[k + 1], pt2[k + 1]
            order[k], partner[k], closest[k] = order[k + 1], partner[k + 1], closest[k + 1]
            if partner[k] == gone:
                partner[k] = kept  # whatever was closest to either is looked for again
            elif partner[k] > gone:
                partner[k] -= 1
        if kept > 0:
            partner[kept], closest[kept] = _closest_before(kept, y, azimuth, pt2)
        for k in range(kept + 1, n_left):
            if partner[k] == kept:
                partner[k], closest[k] = _closest_before(k, y, azimuth, pt2)
            else:
                measure = _measure(k, kept, y, azimuth, pt2)
                if measure < closest[k]:
                    partner[k], closest[k] = kept, measure
        if n_left <= MOST_AXES:
            tau[n_left] = _mean_distance(pt, rapidity, phi, y[:n_left], azimuth[:n_left])
    return tau[1], tau[2], tau[3]


@compiled
def _measure(i: int, j: int, y: Floats, azimuth: Floats, pt2: Floats) -> float:
    dy, dphi = y[i] - y[j], abs(azimuth[i] - azimuth[j])
    dphi = min(dphi, TWO_PI - dphi)
    return float(min(pt2[i], pt2[j]) * (dy * dy + dphi * dphi))


@compiled
def _closest_before(i: int, y: Floats, azimuth: Floats, pt2: Floats) -> tuple[int, float]:
    partner, lowest = 0, np.inf
    for j in range(i):
        measure = _measure(i, j, y, azimuth, pt2)
        if measure < lowest:
            partner, lowest = j, measure
    return partner, lowest


@compiled
def _mean_distance(
    pt: Floats, rapidity: Floats, phi: Floats, axes_y: Floats, axes_phi: Floats
) -> float:
    total = moment = 0.0
    for k in range(len(pt)):
        nearest = np.inf
        for axis in range(len(axes_y)):
            dy, dphi = rapidity[k] - axes_y[axis], abs(phi[k] - axes_phi[axis])
            dphi = min(dphi, TWO_PI - dphi)
            nearest = min(nearest, dy * dy + dphi * dphi)
        total += pt[k]
        moment += pt[k] * np.sqrt(nearest)
    return moment / total
