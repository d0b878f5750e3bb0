"""What a detector sees of deposits: cells that scintillate, wires that collect drifting charge."""

import math

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]

_STOPPED = 0.05
"""Length [cm] that is put in for deposits of what has stopped, which have none."""


@compiled
def alternating_cells(
    deposits: Floats, shape: tuple[int, int], pitch: tuple[float, float], birks: float
) -> Floats:
    """Add deposits up in cells of planes that measure x and y in turn.

    Plane 0, 2, … have their cells side by side along x, plane 1, 3, … along y; plane 0 begins at
    z = 0, and the middle of each plane is at x = y = 0. The light of a deposit saturates by the law
    of Birks.

    Parameters
    ----------
    deposits : numpy.ndarray
        float64, shape (n, 6), of `detcnn.kernels.transport.transport`.
    shape : tuple of int
        Planes of each view, and cells of a plane.
    pitch : tuple of float
        Thickness of a plane and width of a cell [cm].
    birks : float
        Constant of Birks [cm/MeV].

    Returns
    -------
    numpy.ndarray
        float64, shape (3, 2, planes, cells): energy [MeV] as light shows it, of HADRON, MUON_TRACK
        and SHOWER in the views of x and of y.
    """
    n_planes, n_cells = shape
    seen = np.zeros((3, 2, n_planes, n_cells))
    for i in range(len(deposits)):
        plane = math.floor(deposits[i, 2] / pitch[0])
        view = plane % 2
        cell = math.floor(deposits[i, view] / pitch[1] + 0.5 * n_cells)
        if 0 <= plane < 2 * n_planes and 0 <= cell < n_cells:
            energy = deposits[i, 3]
            rate = energy / max(deposits[i, 4], _STOPPED)
            part = int(deposits[i, 5]) - 1
            seen[part, view, plane // 2, cell] += energy / (1.0 + birks * rate)
    return seen


@compiled
def drifted_charge(
    deposits: Floats,
    angles: Floats,
    shape: tuple[int, int],
    pitch: tuple[float, float],
    drift: float,
    charge: Floats,
) -> Floats:
    """Collect the ionisation of deposits on planes of wires.

    Electrons drift along −x to wires in planes of constant x. A wire plane at an angle α has its
    wires at w = z cos α + y sin α; the middle of an image is at x = y = z = 0. Clouds of charge
    spread as Gaussians whose integrals over pixels are exact; what falls outside is lost.

    Parameters
    ----------
    deposits : numpy.ndarray
        float64, shape (n, 6), of `detcnn.kernels.transport.transport`.
    angles : numpy.ndarray
        float64, shape (views,): α [rad].
    shape : tuple of int
        Wires, and steps of the drift, of an image.
    pitch : tuple of float
        Of the wires, and of the steps along the drift [cm].
    drift : float
        Distance of x = 0 from the wires [cm].
    charge : numpy.ndarray
        float64, shape (7,): recombination by the modified box model, α and β [cm/MeV]; electrons
        (in thousands) per MeV without it; length over which electrons are lost, by 1/e [cm]; growth
        of the variance [cm²/cm] along and across the drift; width [cm] that the electronics gives
        along the drift.

    Returns
    -------
    numpy.ndarray
        float64, shape (3, views, wires, steps): thousands of electrons of HADRON, MUON_TRACK and
        SHOWER.
    """
    n_wires, n_steps = shape
    n_views = len(angles)
    seen = np.zeros((3, n_views, n_wires, n_steps))
    along = np.empty(n_steps + 1)
    for i in range(len(deposits)):
        energy = deposits[i, 3]
        rate = energy / max(deposits[i, 4], _STOPPED)
        recombined = charge[1] * rate
        if recombined <= 0.0:
            continue
        escaping = max(0.0, math.log(charge[0] + recombined) / recombined)
        distance = max(drift + deposits[i, 0], 0.0)
        cloud = energy * min(1.0, escaping) * charge[2] * math.exp(-distance / charge[3])
        part = int(deposits[i, 5]) - 1
        spread = math.sqrt(charge[4] * distance + charge[6] * charge[6])
        t = deposits[i, 0] / pitch[1] + 0.5 * n_steps
        reach = 3.5 * spread / pitch[1]
        first, last = max(0, math.floor(t - reach)), min(n_steps - 1, math.floor(t + reach))
        if first > last:
            continue
        scale = pitch[1] / (spread * math.sqrt(2.0))
        for step in range(first, last + 2):
            along[step] = 0.5 * math.erf((step - t) * scale)
        spread = math.sqrt(charge[5] * distance)
        scale = pitch[0] / (max(spread, 1e-6) * math.sqrt(2.0))
        reach = 3.5 * spread / pitch[0]
        for view in range(n_views):
            w = deposits[i, 2] * math.cos(angles[view]) + deposits[i, 1] * math.sin(angles[view])
            w = w / pitch[0] + 0.5 * n_wires
            lowest, highest = max(0, math.floor(w - reach)), min(n_wires - 1, math.floor(w + reach))
            below = 0.5 * math.erf((lowest - w) * scale)
            for wire in range(lowest, highest + 1):
                above = 0.5 * math.erf((wire + 1 - w) * scale)
                on_wire = cloud * (above - below)
                below = above
                for step in range(first, last + 1):
                    seen[part, view, wire, step] += on_wire * (along[step + 1] - along[step])
    return seen
