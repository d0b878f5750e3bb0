"""Charged particles in silicon, step by step, and the charge they free, collected in pixels.

A track is an array of steps, shape (n_steps, 4): place (x, y, z) [µm] and energy left there [keV].
z is the depth below the face that collects.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled
from detcnn.kernels.directions import deflected

Floats = NDArray[np.float64]

RUTHERFORD = 0.017826
"""0.1535 MeV cm²/mol × Z/A × density of silicon [keV/µm]: ξ of a micron at β = 1."""

PLASMON = 0.03105
"""Plasma energy of silicon [keV] (Particle Data Group)."""

HARD_ABOVE = 0.1
"""Collisions of more than this [keV] are drawn from the Rutherford spectrum."""

COLLISIONS = 3.8
"""Of a particle at β = 1 in a micron (Bichsel, Rev. Mod. Phys. 60 (1988) 663)."""

_ELECTRON = 510.999
_EXCITATION = 0.173
_RADIATION_LENGTH = 93_700.0
_STOPPED = 5.0
_MOST_STEPS = 20_000


@compiled
def stopping_power(energy: float) -> float:
    """Return the mean loss of an electron to ionisation in silicon, in keV/µm.

    The formula of Berger and Seltzer (ICRU Report 37, eq. 2.8) without density effect, which is
    below 2 % here.

    Parameters
    ----------
    energy : float
        Kinetic energy [keV], from a few keV to a few MeV.
    """
    tau = energy / _ELECTRON
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    shape = 1 - beta2 + (tau**2 / 8 - (2 * tau + 1) * np.log(2.0)) / (tau + 1) ** 2
    excitation = _EXCITATION / _ELECTRON
    logarithm = np.log(tau**2 * (tau + 2) / (2 * excitation**2))
    return float(RUTHERFORD / beta2 * (logarithm + shape))


@compiled
def scattering_angle(energy: float, length: float) -> float:
    """Return the width of the projected angle of an electron after a step, in rad.

    The formula of Highland as the Particle Data Group gives it.

    Parameters
    ----------
    energy : float
        Kinetic energy [keV].
    length : float
        Of the step [µm].
    """
    velocity_times_momentum = energy * (energy + 2 * _ELECTRON) / (energy + _ELECTRON)
    thickness = length / _RADIATION_LENGTH
    # It is an expansion for thick layers, and would turn negative in very thin ones.
    logarithm = max(0.3, 1 + 0.038 * np.log(thickness))
    return float(13_600.0 / velocity_times_momentum * np.sqrt(thickness) * logarithm)


@compiled
def electron_steps(
    place: Floats, direction: Floats, energy: float, thickness: float, rng: Any
) -> Floats:
    """Return the steps of an electron until it stops or leaves the silicon.

    It loses what `stopping_power` says at every step, without straggling, and is scattered by a
    Gaussian angle of `scattering_angle`. Its last 5 keV, less than a micron, stay in one place.

    Parameters
    ----------
    place, direction : numpy.ndarray
        float64, shape (3,): x, y, z [µm], and a unit vector.
    energy : float
        Kinetic energy [keV].
    thickness : float
        Of the silicon [µm], which is unbounded in x and y.
    rng : numpy.random.Generator
        Draws the angles.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_steps, 4).
    """
    steps = np.empty((_MOST_STEPS, 4))
    at, along = place.copy(), direction.copy()
    n = 0
    while energy > _STOPPED and n < _MOST_STEPS - 1:
        loss = stopping_power(energy)
        length = min(max(0.05 * energy / loss, 0.2), 5.0)
        lost = min(loss * length, energy)
        at += 0.5 * length * along
        if at[2] < 0 or at[2] > thickness:
            return steps[:n].copy()
        steps[n, :3] = at
        steps[n, 3] = lost
        n += 1
        at += 0.5 * length * along
        width = scattering_angle(energy, length)
        angle = width * np.sqrt(2 * rng.standard_exponential())
        along = deflected(along, np.cos(angle), 2 * np.pi * rng.random())
        energy -= lost
    if 0 <= at[2] <= thickness:
        steps[n, :3] = at
        steps[n, 3] = energy
        n += 1
    return steps[:n].copy()


@compiled
def muon_steps(
    place: Floats,
    direction: Floats,
    thickness: float,
    length: float,
    tracked_above: float,
    hardest: float,
    rng: Any,
) -> Floats:
    """Return the steps of a muon through the silicon, with those of its delta electrons.

    The muon goes straight at β = 1 on the Fermi plateau. Collisions of more than 0.1 keV come
    with the Rutherford spectrum, ξ/E² of them in each micron; softer ones in a Poisson number, all
    alike, such that there are 3.8 in a micron and that the mean loss is the restricted one of Bethe
    with full density effect, ξ ln(2 m c² · 0.1 keV / (ħω_p)²).

    Parameters
    ----------
    place, direction : numpy.ndarray
        float64, shape (3,): a place on the muon's line [µm], and a unit vector that is not level.
    thickness : float
        Of the silicon [µm].
    length : float
        Of a step [µm].
    tracked_above : float
        Delta electrons of more than this [keV] leave the track as electrons of their own.
    hardest : float
        None has more than this [keV].
    rng : numpy.random.Generator
        Draws the losses.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_steps, 4).
    """
    soft_loss = RUTHERFORD * np.log(2 * _ELECTRON * HARD_ABOVE / PLASMON**2)
    hard_rate = RUTHERFORD * (1 / HARD_ABOVE - 1 / hardest)
    soft_rate = COLLISIONS - hard_rate
    whole = thickness / abs(direction[2])
    n_steps = int(np.ceil(whole / length))
    step = whole / n_steps
    face = 0.0 if direction[2] > 0 else thickness
    start = place + direction * ((face - place[2]) / direction[2])
    parts = np.empty((n_steps, 4))
    pieces = [parts]
    for i in range(n_steps):
        at = start + direction * (i + 0.5) * step
        lost = soft_loss / soft_rate * rng.poisson(soft_rate * step)
        for _ in range(rng.poisson(hard_rate * step)):
            energy = HARD_ABOVE / (1 - rng.random() * (1 - HARD_ABOVE / hardest))
            if energy > tracked_above:
                # Two-body kinematics with a projectile far heavier than the electron.
                cosine = np.sqrt(energy / (energy + 2 * _ELECTRON))
                along = deflected(direction, cosine, 2 * np.pi * rng.random())
                pieces.append(electron_steps(at, along, energy, thickness, rng))
            else:
                lost += energy
        parts[i, :3] = at
        parts[i, 3] = lost
    n = 0
    for piece in pieces:
        n += len(piece)
    steps = np.empty((n, 4))
    n = 0
    for piece in pieces:
        steps[n : n + len(piece)] = piece
        n += len(piece)
    return steps


@compiled
def collect(
    row: Floats,
    column: Floats,
    width: Floats,
    n_electrons: NDArray[np.int64],
    collected: NDArray[np.int32],
    rng: Any,
) -> None:
    """Let clouds of electrons diffuse, each electron for itself, and add them up in pixels.

    Parameters
    ----------
    row, column : numpy.ndarray
        float64, shape (n,): where each cloud is, in pixels, with the centre of the first at 0.
    width : numpy.ndarray
        float64, shape (n,): standard deviation of the Gaussian in rows and in columns [pixels].
    n_electrons : numpy.ndarray
        int64, shape (n,).
    collected : numpy.ndarray
        int32, shape (rows, columns); added to. What falls outside is lost.
    rng : numpy.random.Generator
        Draws where each electron goes.
    """
    n_rows, n_columns = collected.shape
    for i in range(len(row)):
        reach = 6 * width[i] + 1
        if not (-reach < row[i] < n_rows + reach and -reach < column[i] < n_columns + reach):
            continue
        for _ in range(n_electrons[i]):
            r = int(np.floor(row[i] + 0.5 + width[i] * rng.standard_normal()))
            c = int(np.floor(column[i] + 0.5 + width[i] * rng.standard_normal()))
            if 0 <= r < n_rows and 0 <= c < n_columns:
                collected[r, c] += 1
