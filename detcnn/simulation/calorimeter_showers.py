"""Showers of electrons, photons and charged pions in a sampling calorimeter, cell by cell.

A shower is parametrised, not followed: electromagnetic ones as GFLASH does in homogeneous media
(Grindhammer & Peters, hep-ex/0001020) with sampling fluctuations, hadronic ones by an
electromagnetic share that fluctuates and a hadronic profile, see `detcnn.kernels.showers`. The
calorimeter is a tower of layers behind each other, electromagnetic and then hadronic, whose
particles come from the interaction point at right angles to the layers. What is not: dead material
in front and between, gaps, albedo, a magnetic field, time, pile-up, crosstalk, saturation, neutrons
that come late, non-uniform cells, and anything that would follow from the materials by transport.
Sizes and numbers are of the order of those of lead and liquid argon before steel and scintillator,
but no calorimeter's in particular.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.showers import Hadron, Stack, electromagnetic, hadronic, photon
from detcnn.seeding import generator
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.image_sample import ImageDefinition, ImageSample

Floats = NDArray[np.float64]

CLASSES = ("electron", "photon", "pion")
"""Of charged pions, as there are no others that reach a calorimeter."""

_ELECTRON, _PHOTON = 0, 1

_COLUMNS = {
    "label": ColumnType("|i1", "1", "index into the classes of the file"),
    "energy": ColumnType("<f4", "GeV", "energy of the particle"),
    "eta": ColumnType("<f4", "1", "where it enters, from the middle of the volume"),
    "phi": ColumnType("<f4", "rad", "where it enters, from the middle of the volume"),
    "leakage": ColumnType("<f4", "GeV", "what leaves the volume, on the electromagnetic scale"),
    "electromagnetic_share": ColumnType("<f4", "1", "of the energy, in a hadronic shower; else 1"),
    "start": ColumnType("<f4", "1", "depth of a pion's first interaction in interaction lengths"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """A calorimeter, and the particles that enter it.

    Parameters
    ----------
    radiation_lengths, interaction_lengths : tuple of float
        Depth of each layer.
    rows, columns : int
        Cells of a layer in η and in φ.
    cell : float
        Side of a cell in η and φ.
    moliere, interaction : float
        Molière radius and interaction length [cells].
    nuclear_charge, critical_energy : float
        Effective Z of the medium, and its critical energy [GeV].
    sampling : tuple of float
        a of σ/E = a/√(E/GeV) from sampling, in electromagnetic and in hadronic showers.
    noise, threshold : float
        Standard deviation of the electronic noise of a cell, and what it is set to 0 below [GeV].
    miscalibration : float
        Standard deviation of the gains of the cells, which do not change: the constant term.
    dead : float
        Share of the cells that are dead; they are the same in every event.
    seed : int
        Tells which cells are dead and which gain each has.
    e_over_h : float
        Ratio of the responses to electromagnetic and to hadronic energy.
    share_scale, share_exponent : float
        E₀ [GeV] and k of the mean electromagnetic share of a pion, 1 − (E/E₀)^(k−1): Gabriel et
        al., Nucl. Instrum. Meth. A 338 (1994) 336; values after Wigmans, Calorimetry (2000).
    share_concentration : float
        a + b of the beta distribution of this share; ours: 0.14 of standard deviation at 50 GeV.
    ionisation : float
        Loss of a pion before its first interaction [GeV] in an interaction length.
    energy : tuple of float
        Lowest and highest energy [GeV]; evenly spread in its logarithm.
    spread : float
        Particles enter evenly within so many cells of the middle, in η and in φ.
    """

    radiation_lengths: tuple[float, ...] = (1, 2, 3, 4, 4, 4, 4, 4, 14, 14, 19, 24)
    interaction_lengths: tuple[float, ...] = (
        *(0.058, 0.116, 0.174, 0.232, 0.232, 0.232, 0.232, 0.232),
        *(1.5, 1.5, 2.0, 2.5),
    )
    rows: int = 16
    columns: int = 16
    cell: float = 0.025
    moliere: float = 0.9
    interaction: float = 5.5
    nuclear_charge: float = 62.0
    critical_energy: float = 0.01
    sampling: tuple[float, float] = (0.10, 0.60)
    noise: float = 0.010
    threshold: float = 0.030
    miscalibration: float = 0.02
    dead: float = 0.005
    seed: int = 1
    e_over_h: float = 1.4
    share_scale: float = 1.0
    share_exponent: float = 0.82
    share_concentration: float = 12.0
    ionisation: float = 0.2
    energy: tuple[float, float] = (5.0, 100.0)
    spread: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, rows and columns."""
        return len(self.radiation_lengths), self.rows, self.columns

    def gains(self) -> Floats:
        """Return the response of each cell, shape (layers, rows, columns): 0 where it is dead."""
        rng = generator(self.seed, "cells of the calorimeter")
        gains = 1 + self.miscalibration * rng.standard_normal(self.shape)
        return np.where(rng.random(self.shape) < self.dead, 0.0, gains)


def simulate_showers(n_events: int, rng: np.random.Generator, *, tower: Tower) -> ImageSample:
    """Simulate showers of particles of all classes, evenly.

    Parameters
    ----------
    n_events : int
        How many.
    rng : numpy.random.Generator
        All randomness comes from it, except for what `Tower.gains` says.
    tower : Tower
        The calorimeter.

    Returns
    -------
    ImageSample
        Images of energy on the electromagnetic scale [GeV], at least 0.
    """
    label = rng.integers(0, len(CLASSES), n_events)
    low, high = np.log(tower.energy)
    energy = np.exp(rng.uniform(low, high, n_events))
    places = rng.uniform(-tower.spread, tower.spread, (n_events, 2))
    images = np.empty((n_events, 1, *tower.shape), dtype=np.float32)
    results = np.empty((n_events, 3))
    gains = tower.gains()
    for i in range(n_events):
        cells, results[i] = shower(int(label[i]), float(energy[i]), places[i], tower, rng)
        images[i, 0] = _read_out(cells * gains, gains > 0, tower, rng)
    leakage, share, start = results.T
    found = {
        "label": label,
        "energy": energy,
        "eta": places[:, 0] * tower.cell,
        "phi": places[:, 1] * tower.cell,
        "leakage": leakage,
        "electromagnetic_share": share,
        "start": start,
    }
    columns = {name: found[name].astype(kind.dtype) for name, kind in _COLUMNS.items()}
    return ImageSample(images=images, truth={}, columns=columns)


def shower(
    label: int,
    energy: float,
    place: Floats,
    tower: Tower,
    rng: np.random.Generator,
) -> tuple[Floats, tuple[float, float, float]]:
    """Return what one particle leaves in the cells before they are read.

    Parameters
    ----------
    label : int
        Its class.
    energy : float
        In GeV.
    place : numpy.ndarray
        float64, shape (2,): where it enters, in cells from the middle, in η and φ.
    tower : Tower
        The calorimeter.
    rng : numpy.random.Generator
        Draws the shower.

    Returns
    -------
    cells : numpy.ndarray
        float64, shape (layers, rows, columns), in GeV on the electromagnetic scale.
    leakage : float
        What left the calorimeter [GeV], on the same scale: cells and this together are what was
        seen of the particle in an endless calorimeter.
    share : float
        Electromagnetic share, 1 for electrons and photons.
    start : float
        Depth of the first interaction of a pion [λ], 0 for electrons and photons.
    """
    stack = Stack(
        edges=_edges(tower.interaction_lengths),
        radiation_edges=_edges(tower.radiation_lengths),
        moliere=tower.moliere,
        interaction=tower.interaction,
        nuclear_charge=tower.nuclear_charge,
        critical_energy=tower.critical_energy,
    )
    # Exponential spots in a Poisson number: the variance is twice their mean times the energy.
    spot, hadronic_spot = (0.5 * a**2 for a in tower.sampling)
    row, column = place + 0.5 * (np.array([tower.rows, tower.columns]) - 1)
    cells = np.zeros(tower.shape)
    if label == _ELECTRON:
        lost = electromagnetic(energy, 0.0, row, column, spot, stack, cells, rng)
        return cells, (lost, 1.0, 0.0)
    if label == _PHOTON:
        return cells, (photon(energy, 0.0, row, column, spot, stack, cells, rng), 1.0, 0.0)
    hadron = Hadron(
        response=1 / tower.e_over_h,
        scale=tower.share_scale,
        exponent=tower.share_exponent,
        concentration=tower.share_concentration,
        spot=hadronic_spot,
        ionisation=tower.ionisation,
    )
    return cells, hadronic(energy, row, column, spot, hadron, stack, cells, rng)


def describe_calorimeter(tower: Tower) -> ImageDefinition:
    """Return the simulation of a calorimeter as a sample with a name."""

    def generate(n_events: int, rng: np.random.Generator) -> ImageSample:
        return simulate_showers(n_events, rng, tower=tower)

    return ImageDefinition(
        name="calorimeter",
        classes=CLASSES,
        channels={"energy": "GeV"},
        axes=("layer", "eta", "phi"),
        truth={},
        columns=_COLUMNS,
        generate=generate,
        settings=asdict(tower),
    )


CALORIMETER = describe_calorimeter(Tower())
"""12 layers of 16 × 16 cells; electrons, photons and pions of 5 to 100 GeV."""


def _edges(lengths: tuple[float, ...]) -> Floats:
    return np.concatenate([[0.0], np.cumsum(lengths)])


def _read_out(
    cells: Floats, is_alive: NDArray[np.bool_], tower: Tower, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the cells with noise and without what is below the threshold."""
    read = cells + tower.noise * rng.standard_normal(cells.shape) * is_alive
    return np.where(read >= tower.threshold, read, 0.0).astype(np.float32)
