"""Particles on their way through one medium: where they leave how much energy.

Charged particles lose energy by the Bethe formula, with every knock-on electron above a cut drawn
on its own, so that the fluctuations are those of Landau and Vavilov without being put in; they
scatter as in the Gaussian of Highland; electrons radiate; photons convert and scatter off
electrons. Showers come out of that, particle by particle. Hadrons meet nuclei, of which a
caricature has to do. Equations are those of the Particle Data Group's reviews "Passage of particles
through matter" and "Kinematics" (Prog. Theor. Exp. Phys. 2022, 083C01, sections 34 and 49).

Energies are kinetic, in MeV; lengths in cm.
"""

import math

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled
from detcnn.kernels.directions import deflected, normalise

Floats = NDArray[np.float64]

PHOTON, ELECTRON, POSITRON, MUON, PION, PROTON, NEUTRAL_PION = range(7)
"""Kinds of particles: charged pions and muons of either charge are one kind each."""

MASSES = np.array([0.0, 0.51099895, 0.51099895, 105.6583755, 139.57039, 938.2720881, 134.9768])
"""Masses [MeV] of the kinds."""

HADRON, MUON_TRACK, SHOWER = 1, 2, 3
"""What a deposit is part of. Knock-on electrons belong to the track that they come from."""

_CLASSES = np.array([SHOWER, SHOWER, SHOWER, MUON_TRACK, HADRON, HADRON, SHOWER])

DENSITY, Z_OVER_A, EXCITATION, X0, INTERACTION_LENGTH, MUON_CAPTURE, C_BAR, X_0, X_1, A_BAR = range(
    10
)
"""Places in the array that describes a medium: g/cm³, mol/g, MeV, cm, cm, a probability, and the
parameters of the density effect."""

_K = 0.307075  # MeV cm²/mol, 4πN_A r_e² m_e c²
_M_E = 0.51099895
_RE2_NA = 0.0478197  # r_e² N_A [cm²/mol]
_PHOTON_CUT = 0.1  # below, a photon is absorbed where it is
_ELECTRON_CUT = 0.15  # below, an electron stops where it is
_BREMSSTRAHLUNG_CUT = 0.3  # below, radiation is part of the continuous loss
_KNOCK_ON_CUT = 1.0  # above, a knock-on electron goes its own way
_SCREENING = 4.4  # ln(183 Z^(−1/3)), of Z = 6 to 18 within 4 %
_MIN_STEP = 0.01
_STACK = 8192
_SPARE = 64  # no particle makes so many others at once
_WIDTH = 9


@compiled
def mean_loss(kind: int, energy: float, medium: Floats) -> float:
    """Return the mean loss of energy by ionisation.

    Equation 34.5 for heavy particles and 34.24 for electrons, with the density effect of
    Sternheimer, equation 34.7.

    Parameters
    ----------
    kind : int
        ELECTRON, POSITRON (taken for an electron), MUON, PION or PROTON.
    energy : float
        Kinetic energy [MeV], above 0.
    medium : numpy.ndarray
        As described above.

    Returns
    -------
    float
        MeV/cm.
    """
    mass = MASSES[kind]
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / (gamma * gamma)
    beta_gamma2 = gamma * gamma * beta2
    excitation = medium[EXCITATION]
    x = 0.5 * math.log10(beta_gamma2)
    delta = 0.0
    if x >= medium[X_0]:
        delta = 2.0 * math.log(10.0) * x - medium[C_BAR]
        if x < medium[X_1]:
            delta += medium[A_BAR] * (medium[X_1] - x) ** 3
    if kind in (ELECTRON, POSITRON):
        bracket = math.log(_M_E * beta_gamma2 * _M_E * (gamma - 1.0) / (2.0 * excitation**2))
        bracket += 1.0 - beta2 - (2.0 * gamma - 1.0) / gamma**2 * math.log(2.0)
        bracket += 0.125 * ((gamma - 1.0) / gamma) ** 2 - delta
        bracket *= 0.5
    else:
        largest = _largest_transfer(kind, energy)
        bracket = 0.5 * math.log(2.0 * _M_E * beta_gamma2 * largest / excitation**2)
        bracket += -beta2 - 0.5 * delta
    # Of slow protons the formula would say that they gain energy.
    bracket = max(bracket, 0.3)
    return float(medium[DENSITY] * _K * medium[Z_OVER_A] / beta2 * bracket)


@compiled
def _largest_transfer(kind: int, energy: float) -> float:
    """Return the largest energy that an atomic electron can take in one collision, 34.4."""
    if kind in (ELECTRON, POSITRON):
        return 0.5 * energy
    mass = MASSES[kind]
    gamma = 1.0 + energy / mass
    ratio = _M_E / mass
    return float(2.0 * _M_E * (gamma * gamma - 1.0) / (1.0 + 2.0 * gamma * ratio + ratio * ratio))


@compiled
def knock_on_cosine(mass: float, energy: float, given: float) -> float:
    """Return the cosine of the angle between a particle and the electron that it knocks on.

    Energy and momentum are conserved with an electron at rest: cos θ = T (E + m_e) / (P p), for
    the kinetic energy T and the momentum p of the electron.

    Parameters
    ----------
    mass : float
        Of the particle [MeV].
    energy : float
        Kinetic energy of the particle [MeV], above 0.
    given : float
        T [MeV], above 0 and up to what the particle can give.

    Returns
    -------
    float
        From 0 to 1.
    """
    momentum = math.sqrt(energy * (energy + 2.0 * mass))
    knocked = math.sqrt(given * (given + 2.0 * _M_E))
    return min(1.0, given * (energy + mass + _M_E) / (momentum * knocked))


@compiled
def _move(at: Floats, u: Floats, distance: float) -> None:
    for axis in range(3):
        at[axis] += distance * u[axis]


@compiled
def _push(
    stack: Floats, n: int, kind: int, at: Floats, u: Floats, energy: float, part: float
) -> int:
    """Put a particle on the stack and return how many there are."""
    stack[n, 0] = kind
    for axis in range(3):
        stack[n, 1 + axis] = at[axis]
        stack[n, 4 + axis] = u[axis]
    stack[n, 7] = energy
    stack[n, 8] = part
    return n + 1


@compiled
def _deposit(out: Floats, n: int, at: Floats, energy: float, length: float, part: float) -> int:
    out[n, 0], out[n, 1], out[n, 2] = at[0], at[1], at[2]
    out[n, 3], out[n, 4], out[n, 5] = energy, length, part
    return n + 1


@compiled
def _is_inside(at: Floats, box: Floats) -> bool:
    x, y, z = at[0], at[1], at[2]
    in_x = box[0, 0] <= x < box[0, 1]
    return bool(in_x and box[1, 0] <= y < box[1, 1] and box[2, 0] <= z < box[2, 1])


@compiled
def _compton(energy: float) -> float:
    """Return the total cross section of Klein and Nishina in units of 2π r_e²."""
    k = energy / _M_E
    a = 1.0 + 2.0 * k
    log = math.log(a)
    return (
        (1.0 + k) / k**2 * (2.0 * (1.0 + k) / a - log / k)
        + log / (2.0 * k)
        - (1.0 + 3.0 * k) / a**2
    )


@compiled
def _pairs(energy: float) -> float:
    """Return how much of its cross section at high energies pair production has.

    An interpolation of ours between the threshold and 1.
    """
    above = energy - 2.0 * _M_E
    return 0.0 if above <= 0.0 else above / (above + 13.0)


@compiled
def _follow_photon(
    rng: np.random.Generator,
    particle: Floats,
    stack: Floats,
    n: int,
    out: Floats,
    n_out: int,
    ledger: Floats,
    medium: Floats,
    box: Floats,
) -> tuple[int, int]:
    at, u = particle[1:4], particle[4:7]
    energy, part = particle[7], particle[8]
    if energy <= _PHOTON_CUT:
        ledger[0] += energy
        return n, _deposit(out, n_out, at, energy, 0.0, part)
    pairs = 7.0 / 9.0 / medium[X0] * _pairs(energy)
    electrons = medium[DENSITY] * medium[Z_OVER_A] * _RE2_NA * 2.0 * math.pi
    compton = electrons * _compton(energy)
    _move(at, u, rng.standard_exponential() / (pairs + compton))
    if not _is_inside(at, box):
        ledger[1] += energy
        return n, n_out
    if rng.random() * (pairs + compton) < pairs:
        # Equation 34.31.
        share = rng.random()
        while rng.random() > 1.0 - 4.0 / 3.0 * share * (1.0 - share):
            share = rng.random()
        available = energy - 2.0 * _M_E
        for kind in (ELECTRON, POSITRON):
            given = available * (share if kind == ELECTRON else 1.0 - share)
            angle = _M_E / (given + _M_E) * rng.standard_exponential()
            side = deflected(u, math.cos(min(angle, 1.5)), 2.0 * math.pi * rng.random())
            n = _push(stack, n, kind, at, side, given, part)
        ledger[2] += 2.0 * _M_E
        return n, n_out
    # Compton scattering, drawn as by Butcher and Messel.
    k = energy / _M_E
    least = 1.0 / (1.0 + 2.0 * k)
    first, second = -math.log(least), 0.5 * (1.0 - least * least)
    while True:
        if rng.random() * (first + second) < first:
            share = math.exp(-first * rng.random())
        else:
            share = math.sqrt(least * least + (1.0 - least * least) * rng.random())
        t = (1.0 - share) / (k * share)
        if rng.random() < 1.0 - share * t * (2.0 - t) / (1.0 + share * share):
            break
    side = deflected(u, 1.0 - t, 2.0 * math.pi * rng.random())
    recoil = np.empty(3)
    for axis in range(3):
        recoil[axis] = u[axis] - share * side[axis]
    normalise(recoil)
    n = _push(stack, n, PHOTON, at, side, share * energy, part)
    n = _push(stack, n, ELECTRON, at, recoil, (1.0 - share) * energy, part)
    return n, n_out


@compiled
def _isotropic(rng: np.random.Generator) -> Floats:
    z = 2.0 * rng.random() - 1.0
    across = math.sqrt(1.0 - z * z)
    azimuth = 2.0 * math.pi * rng.random()
    u = np.empty(3)
    u[0], u[1], u[2] = across * math.cos(azimuth), across * math.sin(azimuth), z
    return u


@compiled
def _meet_nucleus(
    rng: np.random.Generator,
    kind: int,
    at: Floats,
    u: Floats,
    energy: float,
    stack: Floats,
    n: int,
    ledger: Floats,
) -> int:
    """Let a hadron interact: a caricature of what a nucleus does.

    A pion is absorbed by nucleons (a quarter), turns into a neutral one (a fifth), or goes on with
    a part of its energy, as a proton always does; what it leaves behind goes in equal parts to
    protons that are knocked out, and to neutrons and binding, which are lost to sight.
    """
    verdict = rng.random()
    if kind == PION and verdict < 0.2:
        gained = MASSES[PION] - MASSES[NEUTRAL_PION]
        ledger[2] -= gained
        return _push(stack, n, NEUTRAL_PION, at, u, energy + gained, SHOWER)
    left = energy
    gained = 0.0
    if kind == PION and verdict < 0.45:
        gained = MASSES[PION]
        left += gained
    else:
        share = 0.25 + 0.6 * rng.random()
        angle = 0.35 * rng.standard_exponential()
        side = deflected(u, math.cos(angle), 2.0 * math.pi * rng.random())
        n = _push(stack, n, kind, at, side, share * energy, HADRON)
        left -= share * energy
    visible = left * (0.3 + 0.4 * rng.random())
    ledger[2] += left - visible - gained
    n_protons = 1 + int(visible > 60.0) + int(visible > 300.0)
    for number in range(n_protons):
        given = visible if number == n_protons - 1 else visible * rng.random()
        visible -= given
        cosine = max(-1.0, 1.0 - rng.standard_exponential())
        side = deflected(u, cosine, 2.0 * math.pi * rng.random())
        n = _push(stack, n, PROTON, at, side, given, HADRON)
    return n


@compiled
def _come_to_rest(
    rng: np.random.Generator,
    kind: int,
    at: Floats,
    stack: Floats,
    n: int,
    ledger: Floats,
    medium: Floats,
) -> int:
    """Let a particle at rest do what it does: annihilate, decay, or be captured."""
    if kind == POSITRON:
        u = _isotropic(rng)
        n = _push(stack, n, PHOTON, at, u, _M_E, SHOWER)
        for axis in range(3):
            u[axis] = -u[axis]
        n = _push(stack, n, PHOTON, at, u, _M_E, SHOWER)
        ledger[2] -= 2.0 * _M_E
    elif kind in (MUON, PION):
        captured = medium[MUON_CAPTURE] if kind == MUON else 0.5
        if rng.random() >= captured:
            # The spectrum of Michel: x² (3 − 2x), x up to 1 at 52.8 MeV.
            x = rng.random()
            while rng.random() > x * x * (3.0 - 2.0 * x):
                x = rng.random()
            given = max(52.83 * x - _M_E, 0.0)
            ledger[2] -= given
            n = _push(stack, n, ELECTRON, at, _isotropic(rng), given, SHOWER)
        elif kind == PION:
            for _ in range(2):
                given = 35.0 * rng.random()
                ledger[2] -= given
                n = _push(stack, n, PROTON, at, _isotropic(rng), given, HADRON)
    return n


@compiled
def _follow_charged(
    rng: np.random.Generator,
    particle: Floats,
    stack: Floats,
    n: int,
    out: Floats,
    n_out: int,
    ledger: Floats,
    medium: Floats,
    box: Floats,
    max_step: float,
) -> tuple[int, int]:
    kind = int(particle[0])
    at, u = particle[1:4].copy(), particle[4:7].copy()
    energy, part = particle[7], particle[8]
    mass = MASSES[kind]
    is_electron = kind in (ELECTRON, POSITRON)
    cut = _ELECTRON_CUT if is_electron else 0.3
    to_nucleus = np.inf
    if kind in (PION, PROTON):
        to_nucleus = medium[INTERACTION_LENGTH] * rng.standard_exponential()
    while True:
        if n_out == len(out):
            # No room for a step: it is put back, and goes on when there is.
            return _push(stack, n, kind, at, u, energy, part), n_out
        if energy <= cut:
            ledger[0] += energy
            n_out = _deposit(out, n_out, at, energy, 0.0, part)
            return _come_to_rest(rng, kind, at, stack, n, ledger, medium), n_out
        gamma = 1.0 + energy / mass
        beta2 = 1.0 - 1.0 / (gamma * gamma)
        momentum = math.sqrt(energy * (energy + 2.0 * mass))
        loss_rate = mean_loss(kind, energy, medium)
        step = min(max_step, max(_MIN_STEP, 0.15 * energy / loss_rate))
        if not is_electron:
            # In the middle of the step: near the end of a track the loss rises fast.
            halfway = max(energy - 0.5 * step * loss_rate, 0.5 * energy)
            loss_rate = mean_loss(kind, halfway, medium)
        meets, radiates = False, False
        least = _BREMSSTRAHLUNG_CUT / energy
        if is_electron and least < 1.0:
            # Equation 34.29, integrated above the cut, and below it times the energy; of slow
            # electrons atoms do not screen the nucleus, which takes them a part of it.
            photons = 4.0 / 3.0 * (-math.log(least) - 1.0 + least) + 0.5 * (1.0 - least * least)
            unscreened = min(1.0, (math.log(2.0 * gamma) - 1.0 / 3.0) / _SCREENING)
            loss_rate += unscreened * 4.0 / 3.0 * _BREMSSTRAHLUNG_CUT / medium[X0]
            distance = rng.standard_exponential() * medium[X0] / (unscreened * photons)
            if distance < step:
                step, radiates = distance, True
        elif to_nucleus < step and energy > 40.0:
            step, meets = to_nucleus, True
        to_nucleus -= step
        _move(at, u, 0.5 * step)
        if not _is_inside(at, box):
            ledger[1] += energy
            return n, n_out
        # Knock-on electrons above a third of ξ one by one, the rest as a Gaussian.
        xi = 0.5 * _K * medium[Z_OVER_A] * medium[DENSITY] * step / beta2
        largest = _largest_transfer(kind, energy)
        knock_cut = max(xi / 3.0, 1e-4)
        soft = loss_rate * step
        lost = 0.0
        if knock_cut < largest:
            soft -= xi * (math.log(largest / knock_cut) - beta2 * (1.0 - knock_cut / largest))
            spread = xi * knock_cut * (1.0 - 0.5 * beta2 * knock_cut / largest)
            for _ in range(rng.poisson(xi * (1.0 / knock_cut - 1.0 / largest))):
                draw = rng.random()
                given = 1.0 / ((1.0 - draw) / knock_cut + draw / largest)
                if rng.random() < 1.0 - beta2 * given / largest and lost + given < energy:
                    if given > _KNOCK_ON_CUT and n < _STACK - _SPARE:
                        cosine = knock_on_cosine(mass, energy, given)
                        side = deflected(u, cosine, 2.0 * math.pi * rng.random())
                        n = _push(stack, n, ELECTRON, at, side, given, part)
                        energy -= given
                    else:
                        lost += given
        else:
            spread = xi * largest * (1.0 - 0.5 * beta2)
        lost += max(0.0, soft + math.sqrt(spread) * rng.standard_normal())
        lost = min(lost, energy)
        energy -= lost
        ledger[0] += lost
        n_out = _deposit(out, n_out, at, lost, step, part)
        _move(at, u, 0.5 * step)
        # Equation 34.16 without its logarithm, which would not add up over steps.
        width = 13.6 / (math.sqrt(beta2) * momentum) * math.sqrt(step / medium[X0])
        a, b = width * rng.standard_normal(), width * rng.standard_normal()
        u = deflected(u, math.cos(min(math.hypot(a, b), math.pi)), math.atan2(b, a))
        if radiates and energy > _BREMSSTRAHLUNG_CUT:
            least = _BREMSSTRAHLUNG_CUT / energy
            share = least ** rng.random()
            while rng.random() > 1.0 - share + 0.75 * share * share:
                share = least ** rng.random()
            n = _push(stack, n, PHOTON, at, u, share * energy, SHOWER)
            energy -= share * energy
        elif meets and energy > cut:
            return _meet_nucleus(rng, kind, at, u, energy, stack, n, ledger), n_out


@compiled
def _decay_neutral_pion(rng: np.random.Generator, particle: Floats, stack: Floats, n: int) -> int:
    """Let a neutral pion decay into two photons where it is made."""
    mass = MASSES[NEUTRAL_PION]
    gamma = 1.0 + particle[7] / mass
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    cosine, azimuth = 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
    at, u = particle[1:4], particle[4:7]
    for sign in (1.0, -1.0):
        c = sign * cosine
        side = deflected(u, (c + beta) / (1.0 + beta * c), azimuth + (0.0 if sign > 0 else math.pi))
        energy = 0.5 * gamma * mass * (1.0 + beta * c)
        n = _push(stack, n, PHOTON, at, side, energy, SHOWER)
    return n


@compiled
def transport(
    rng: np.random.Generator, primaries: Floats, medium: Floats, box: Floats, max_step: float
) -> tuple[Floats, Floats]:
    """Follow particles and all that they make until they stop or leave.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything.
    primaries : numpy.ndarray
        float64, shape (n, 8): kind, x, y, z [cm], direction (a unit vector), kinetic energy [MeV].
    medium : numpy.ndarray
        float64, shape (10,), as described above.
    box : numpy.ndarray
        float64, shape (3, 2): where the medium begins and ends along x, y and z [cm]. What leaves
        does not come back.
    max_step : float
        Longest step of a charged particle [cm].

    Returns
    -------
    deposits : numpy.ndarray
        float64, shape (n, 6): x, y, z [cm] of the middle of a step, energy [MeV], length [cm]
        (0 where something stopped), and what it is part of (HADRON, MUON_TRACK, SHOWER).
    ledger : numpy.ndarray
        float64, shape (3,): energy [MeV] that was deposited, that left the box, and that went to
        neutrons, neutrinos, binding and rest masses less what came from rest masses. Their sum is
        the energy of the primaries.
    """
    stack = np.empty((_STACK, _WIDTH))
    out = np.empty((4096, 6))
    ledger = np.zeros(3)
    particle = np.empty(_WIDTH)
    n = n_out = 0
    for i in range(len(primaries) - 1, -1, -1):
        for item in range(_WIDTH - 1):
            stack[n, item] = primaries[i, item]
        stack[n, _WIDTH - 1] = _CLASSES[int(primaries[i, 0])]
        n += 1
    while n > 0:
        n -= 1
        for item in range(_WIDTH):
            particle[item] = stack[n, item]
        if n_out == len(out):
            longer = np.empty((2 * len(out), 6))
            longer[:n_out] = out
            out = longer
        if n > _STACK - _SPARE:
            ledger[0] += particle[7]
            n_out = _deposit(out, n_out, particle[1:4], particle[7], 0.0, particle[8])
        elif particle[0] == PHOTON:
            n, n_out = _follow_photon(rng, particle, stack, n, out, n_out, ledger, medium, box)
        elif particle[0] == NEUTRAL_PION:
            ledger[2] -= MASSES[NEUTRAL_PION]
            n = _decay_neutral_pion(rng, particle, stack, n)
        else:
            n, n_out = _follow_charged(
                rng, particle, stack, n, out, n_out, ledger, medium, box, max_step
            )
    return out[:n_out].copy(), ledger
