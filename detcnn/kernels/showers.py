"""Showers of particles in a calorimeter, spot by spot: the parametrisation of GFLASH and beyond.

A shower is made of spots of energy, each at a depth and at a distance from its axis. Depths of
electromagnetic showers are in radiation lengths, distances in Molière radii; those of hadrons are
in interaction lengths.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]

_LOWEST_Y = 8.0
"""Below this ratio of energy to critical energy the parametrisation is used as if at it."""

_ALPHA_ABOVE = 1.05


class Stack(NamedTuple):
    """The calorimeter, as the kernels see it.

    Parameters
    ----------
    edges : numpy.ndarray
        float64, shape (n_layers + 1,): where each layer begins [interaction lengths].
    radiation_edges : numpy.ndarray
        float64, shape (n_layers + 1,): the same in radiation lengths.
    moliere, interaction : float
        Molière radius and interaction length [cells].
    nuclear_charge : float
        Z of the medium.
    critical_energy : float
        In GeV.
    """

    edges: Floats
    radiation_edges: Floats
    moliere: float
    interaction: float
    nuclear_charge: float
    critical_energy: float


class Hadron(NamedTuple):
    """What becomes of a hadron.

    Parameters
    ----------
    response : float
        h/e: the share of non-electromagnetic energy that is seen.
    scale, exponent : float
        E₀ [GeV] and k of the mean electromagnetic share, 1 − (E/E₀)^(k−1).
    concentration : float
        a + b of the beta distribution of that share.
    spot : float
        Mean energy of a spot [GeV].
    ionisation : float
        Loss before the first interaction [GeV] in an interaction length.
    """

    response: float
    scale: float
    exponent: float
    concentration: float
    spot: float
    ionisation: float


@compiled
def longitudinal(y: float, nuclear_charge: float, rng: Any) -> tuple[float, float]:
    """Draw T, the depth of the maximum [X₀], and α of an electromagnetic shower.

    Its profile is dE/dt ∝ (βt)^(α−1) e^(−βt) with β = (α − 1)/T. Logarithms of T and α are Gaussian
    and correlated: Grindhammer & Peters, hep-ex/0001020, appendix A.1.2.

    Parameters
    ----------
    y : float
        Energy over critical energy; below 8 as at 8, where the formulae end.
    nuclear_charge : float
        Z of the medium.
    rng : numpy.random.Generator
        Draws the fluctuations.
    """
    log_y = np.log(max(y, _LOWEST_Y))
    mean_t = np.log(log_y - 0.812)
    mean_alpha = np.log(0.81 + (0.458 + 2.26 / nuclear_charge) * log_y)
    sigma_t = 1 / (-1.4 + 1.26 * log_y)
    sigma_alpha = 1 / (-0.58 + 0.86 * log_y)
    rho = 0.705 - 0.023 * log_y
    one, two = rng.standard_normal(), rng.standard_normal()
    same, opposite = np.sqrt((1 + rho) / 2) * one, np.sqrt((1 - rho) / 2) * two
    # Lognormal tails of soft showers would be absurdly long.
    t = np.exp(mean_t + sigma_t * min(max(same + opposite, -3.0), 3.0))
    alpha = np.exp(mean_alpha + sigma_alpha * min(max(same - opposite, -3.0), 3.0))
    return t, max(alpha, _ALPHA_ABOVE)


@compiled
def radial(tau: float, energy: float, nuclear_charge: float) -> tuple[float, float, float]:
    """Return R of the core, R of the tail [Molière radii], and the share of the core.

    Each part is 2rR²/(r² + R²)²: Grindhammer & Peters, hep-ex/0001020, eq. 22 to 24 and appendix
    A.1.3.

    Parameters
    ----------
    tau : float
        Depth in units of that of the maximum.
    energy : float
        Of the shower [GeV].
    nuclear_charge : float
        Z of the medium.
    """
    log_energy = np.log(energy)
    core = 0.0251 + 0.00319 * log_energy + (0.1162 - 0.000381 * nuclear_charge) * tau
    k4 = 0.3585 + 0.0421 * log_energy
    tail = (0.659 - 0.00309 * nuclear_charge) * (
        np.exp(-2.59 * (tau - 0.645)) + np.exp(k4 * (tau - 0.645))
    )
    p3 = 1.313 - 0.0686 * log_energy
    argument = (0.401 + 0.00187 * nuclear_charge - tau) / p3
    share = (2.632 - 0.00094 * nuclear_charge) * np.exp(argument - np.exp(argument))
    return max(core, 0.005), max(tail, 0.005), min(max(share, 0.0), 1.0)


@compiled
def _add(
    depth: float, edges: Floats, row: float, column: float, energy: float, cells: Floats
) -> float:
    """Add a spot to its cell; return what is not in any."""
    n_layers, n_rows, n_columns = cells.shape
    r, c = np.floor(row + 0.5), np.floor(column + 0.5)
    if not (0 <= r < n_rows and 0 <= c < n_columns and edges[0] <= depth < edges[n_layers]):
        return energy
    layer = 0
    while depth >= edges[layer + 1]:
        layer += 1
    cells[layer, int(r), int(c)] += energy
    return 0.0


@compiled
def electromagnetic(
    energy: float,
    start: float,
    row: float,
    column: float,
    spot: float,
    stack: Stack,
    cells: Floats,
    rng: Any,
) -> float:
    """Add the shower of an electron; return what of it leaves the calorimeter [GeV].

    The number of spots is Poisson's and their energies are exponential, so that the variance of
    their sum is 2 × spot × energy: the sampling fluctuations.

    Parameters
    ----------
    energy : float
        In GeV, above 0.
    start : float
        Depth at which it begins [X₀].
    row, column : float
        Its axis [cells], the centre of the first at 0.
    spot : float
        Mean energy of a spot [GeV].
    stack : Stack
        The calorimeter.
    cells : numpy.ndarray
        float64, shape (n_layers, rows, columns), in GeV; added to.
    rng : numpy.random.Generator
        Draws the spots.
    """
    t_max, alpha = longitudinal(energy / stack.critical_energy, stack.nuclear_charge, rng)
    beta = (alpha - 1) / t_max
    radial_energy = max(energy, 1.0)
    lost = 0.0
    for _ in range(rng.poisson(energy / spot)):
        t = rng.standard_gamma(alpha) / beta
        core, tail, share = radial(t / t_max, radial_energy, stack.nuclear_charge)
        radius = core if rng.random() < share else tail
        u = rng.random()
        r = stack.moliere * radius * np.sqrt(u / (1 - u))
        azimuth = 2 * np.pi * rng.random()
        lost += _add(
            start + t,
            stack.radiation_edges,
            row + r * np.cos(azimuth),
            column + r * np.sin(azimuth),
            spot * rng.standard_exponential(),
            cells,
        )
    return lost


@compiled
def photon(
    energy: float,
    start: float,
    row: float,
    column: float,
    spot: float,
    stack: Stack,
    cells: Floats,
    rng: Any,
) -> float:
    """Add the shower of a photon; return what of it leaves the calorimeter [GeV].

    It converts after 9/7 X₀ in the mean, and electron and positron share its energy evenly:
    the spectrum of Bethe and Heitler made flat. Otherwise as `electromagnetic`.
    """
    start += 9 / 7 * rng.standard_exponential()
    share = rng.random()
    lost = electromagnetic(share * energy, start, row, column, spot, stack, cells, rng)
    return lost + electromagnetic((1 - share) * energy, start, row, column, spot, stack, cells, rng)


@compiled
def hadronic(
    energy: float,
    row: float,
    column: float,
    spot: float,
    hadron: Hadron,
    stack: Stack,
    cells: Floats,
    rng: Any,
) -> tuple[float, float, float]:
    """Add the shower of a charged pion.

    It ionises up to its first interaction, an exponential distance away. There its energy is shared
    between electromagnetic and hadronic parts. The former is carried by π⁰s, on the first
    interaction and on later ones, each decaying to two photons; the latter has the hadronic
    profile of Bock et al., Nucl. Instrum. Meth. 186 (1981) 533, and a lateral one
    2rR²/(r² + R²)² whose R grows with depth.

    Parameters
    ----------
    energy : float
        In GeV.
    row, column : float
        Its axis [cells], the centre of the first at 0.
    spot : float
        Mean energy of a spot of electromagnetic showers [GeV].
    hadron : Hadron
        What becomes of it.
    stack : Stack
        The calorimeter.
    cells : numpy.ndarray
        float64, shape (n_layers, rows, columns), in GeV; added to.
    rng : numpy.random.Generator
        Draws everything.

    Returns
    -------
    lost : float
        What leaves the calorimeter [GeV], as it would have been seen.
    share : float
        The electromagnetic share.
    start : float
        Depth of the first interaction [λ].
    """
    n_layers = len(stack.edges) - 1
    start = rng.standard_exponential()
    path = min(start, stack.edges[n_layers])
    ionised = min(hadron.ionisation * path, 0.5 * energy)
    lost = 0.0
    for _ in range(rng.poisson(ionised / spot)):
        depth = path * rng.random()
        lost += _add(depth, stack.edges, row, column, spot * rng.standard_exponential(), cells)
    left = energy - ionised
    if start >= stack.edges[n_layers]:
        return lost + left, 0.0, start
    mean = 1 - (max(energy, 1.5 * hadron.scale) / hadron.scale) ** (hadron.exponent - 1)
    share = rng.beta(mean * hadron.concentration, (1 - mean) * hadron.concentration)

    log_energy = np.log(max(energy, 1.0))
    shape = 0.6165 + 0.3183 * log_energy
    rate = 0.9099 - 0.0237 * log_energy
    n_pions = 1 + rng.poisson(0.5 * log_energy)
    parts = np.empty(n_pions)
    for i in range(n_pions):
        parts[i] = rng.standard_exponential()
    parts *= left * share / parts.sum()
    for part in parts:
        # Half of the energy is radiated in the first interaction.
        depth = start if rng.random() < 0.5 else start + rng.standard_gamma(shape) / rate
        reach = 0.05 + 0.05 * (depth - start)
        r = stack.interaction * reach * np.sqrt(-2 * np.log(1 - rng.random()))
        azimuth = 2 * np.pi * rng.random()
        at_row, at_column = row + r * np.cos(azimuth), column + r * np.sin(azimuth)
        if depth >= stack.edges[n_layers]:
            lost += part
            continue
        begin = np.interp(depth, stack.edges, stack.radiation_edges)
        fraction = rng.random()
        for energy_of_one in (fraction * part, (1 - fraction) * part):
            lost += photon(energy_of_one, begin, at_row, at_column, spot, stack, cells, rng)

    seen = left * (1 - share) * hadron.response
    for _ in range(rng.poisson(seen / hadron.spot)):
        along = rng.standard_gamma(shape) / rate
        radius = 0.08 + 0.06 * along
        u = rng.random()
        r = stack.interaction * radius * np.sqrt(u / (1 - u))
        azimuth = 2 * np.pi * rng.random()
        lost += _add(
            start + along,
            stack.edges,
            row + r * np.cos(azimuth),
            column + r * np.sin(azimuth),
            hadron.spot * rng.standard_exponential(),
            cells,
        )
    return lost, share, start
