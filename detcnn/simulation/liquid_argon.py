"""A liquid-argon time projection chamber: wire × tick images with the truth of every pixel.

After MicroBooNE's images (JINST 12 (2017) P03011; labels of tracks and showers as in
arXiv:1808.07269): three planes of wires 3 mm apart at ±60° and 0°, windows of 256 × 256 pixels.
A neutrino interacts among the muons of cosmic rays; all are followed step by step
(`detcnn.kernels.transport`), their charge recombines, drifts, spreads and is lost on the way, and
is read out with noise and a threshold (`detcnn.simulation.wires`).

What it is not: no Geant4 and no nucleus (`detcnn.simulation.interactions`); induction planes show
charge and not bipolar pulses; no light, no space charge, no dead wires; cosmic rays are single
muons of one spectrum. Numbers from these images are no numbers of that experiment.
"""

import math

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.transport import MUON, transport
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.image_sample import ImageDefinition, ImageSample
from detcnn.simulation.interactions import INTERACTIONS, interaction
from detcnn.simulation.media import LIQUID_ARGON
from detcnn.simulation.pixel_classes import pixel_classes
from detcnn.simulation.wires import WirePlanes

Floats = NDArray[np.float64]

CLASSES = ("cosmic", *INTERACTIONS)
TRUTH_CLASSES = ("background", "track", "shower")

_WIRES = WirePlanes(
    angles=(60.0, -60.0, 0.0),
    shape=(256, 256),
    pitch=(0.3, 0.3),
    drift=(40.0, 215.0),
    noise=0.8,
    threshold=2.6,
)
_LEAST = 0.8
_HALF = 0.5 * _WIRES.shape[0] * _WIRES.pitch[0]
# The slanted views see a part of what is above and below the window of the upright one.
_HEIGHT = 1.75 * _HALF
_BOX = np.array([[-_HALF, _HALF], [-_HEIGHT, _HEIGHT], [-_HALF, _HALF]])
_MAX_STEP = 0.3
_COSMICS = 2.0
_COSMIC_ENERGY = (2000.0, 2.7)
_SPECTRUM = (3.0, 0.3)
_ENERGIES = (0.4, 3.0)
_FEWEST_PIXELS = 30

_COLUMNS = {
    "label": ColumnType("|i1", "1", "index into the classes of the file"),
    "energy": ColumnType("<f4", "GeV", "energy of the neutrino; 0 where there is none"),
    "inelasticity": ColumnType("<f4", "1", "part of that energy that is not the lepton's"),
    "deposited_energy": ColumnType("<f4", "GeV", "deposited around the image by all particles"),
    "vertex_x": ColumnType("<f4", "cm", "where the neutrino interacted, along the drift"),
    "vertex_y": ColumnType("<f4", "cm", "where the neutrino interacted, upwards"),
    "vertex_z": ColumnType("<f4", "cm", "where the neutrino interacted, along the beam"),
    "n_cosmics": ColumnType("<i4", "1", "muons of cosmic rays that enter"),
    "n_track_pixels": ColumnType("<i4", "1", "pixels of tracks in all views"),
    "n_shower_pixels": ColumnType("<i4", "1", "pixels of showers in all views"),
}


def cosmic_muons(rng: np.random.Generator, n: int) -> Floats:
    """Return muons of cosmic rays that cross the volume.

    Zenith angles follow cos² θ, energies E^−2.7 above where a flat part ends (2 GeV), after the
    Particle Data Group's review "Cosmic rays".

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything.
    n : int
        How many.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, 8), as `detcnn.kernels.transport.transport` takes it.
    """
    muons = np.empty((n, 8))
    for muon in muons:
        # Through a point of the window, and back from there to where it came in.
        point = np.array(
            [
                rng.uniform(-_HALF, _HALF),
                rng.uniform(-_HALF, _HALF),
                rng.uniform(-_HALF, _HALF),
            ]
        )
        cosine = rng.random() ** (1.0 / 3.0)
        sine, azimuth = math.sqrt(1.0 - cosine**2), 2.0 * math.pi * rng.random()
        u = np.array([sine * math.cos(azimuth), -cosine, sine * math.sin(azimuth)])
        with np.errstate(divide="ignore"):
            backwards = np.where(u > 0.0, (_BOX[:, 0] - point) / u, (_BOX[:, 1] - point) / u)
        knee, power = _COSMIC_ENERGY
        muon[0] = MUON
        muon[1:4] = point + 0.9999 * float(np.abs(backwards).min()) * -u
        muon[4:7] = u
        flat = rng.random() < (power - 1.0) / power
        draw = 1.0 - rng.random()
        muon[7] = knee * (draw if flat else draw ** (-1.0 / (power - 1.0)))
    return muons


def _generate(n_events: int, rng: np.random.Generator) -> ImageSample:
    medium = LIQUID_ARGON.parameters()
    labels = rng.permutation(np.arange(n_events, dtype=np.int8) % len(CLASSES))
    shape = (n_events, len(_WIRES.angles), *_WIRES.shape)
    images = np.zeros(shape, dtype=np.float32)
    masks = np.zeros(shape, dtype=np.uint8)
    columns = {
        name: np.zeros(n_events, dtype=kind.dtype)
        for name, kind in _COLUMNS.items()
        if name != "label"
    }
    for i, label in enumerate(labels):
        while np.count_nonzero(masks[i]) < _FEWEST_PIXELS:
            row: dict[str, float] = {}
            n_cosmics = rng.poisson(_COSMICS) if label else 1 + rng.poisson(_COSMICS)
            primaries = cosmic_muons(rng, n_cosmics)
            if label:
                primaries = np.vstack([primaries, _neutrino(rng, CLASSES[label], row)])
            deposits, _ = transport(rng, primaries, medium, _BOX, _MAX_STEP)
            seen = _WIRES.charge(rng, deposits)
            image = _WIRES.recorded(rng, seen.sum(axis=0))
            tracks_and_showers = np.stack([seen[0] + seen[1], seen[2]])
            masks[i] = pixel_classes(tracks_and_showers, image, least=_LEAST)
        images[i] = image
        row["n_cosmics"] = n_cosmics
        row["deposited_energy"] = deposits[:, 3].sum() / 1000.0
        counts = np.bincount(masks[i].ravel(), minlength=len(TRUTH_CLASSES))
        row["n_track_pixels"], row["n_shower_pixels"] = counts[1:]
        for name, value in row.items():
            columns[name][i] = value
    return ImageSample(images, {"mask": masks}, {"label": labels, **columns})


def _neutrino(rng: np.random.Generator, kind: str, row: dict[str, float]) -> Floats:
    """Let a neutrino interact in the first half of the window, and note what is true of it."""
    row["energy"] = -1.0
    while not _ENERGIES[0] <= row["energy"] < _ENERGIES[1]:
        row["energy"] = rng.gamma(*_SPECTRUM)
    vertex = (
        rng.uniform(-0.6, 0.6) * _HALF,
        rng.uniform(-0.6, 0.6) * _HALF,
        rng.uniform(-0.85, -0.2) * _HALF,
    )
    row["vertex_x"], row["vertex_y"], row["vertex_z"] = vertex
    happened = interaction(rng, kind=kind, energy=row["energy"], vertex=vertex)
    row["inelasticity"] = happened.inelasticity
    return happened.primaries


LIQUID_ARGON_IMAGES = ImageDefinition(
    name="liquid-argon",
    classes=CLASSES,
    channels={"u": "ke", "v": "ke", "y": "ke"},
    axes=("wire", "tick"),
    truth={"mask": TRUTH_CLASSES},
    columns=_COLUMNS,
    generate=_generate,
    settings={
        **_WIRES.settings(),
        "classes_are_equally_frequent": True,
        "fewest_pixels": _FEWEST_PIXELS,
        "mean_cosmics": _COSMICS,
        "cosmic_knee_MeV_and_power": list(_COSMIC_ENERGY),
        "energy_gamma_shape_and_scale_GeV": list(_SPECTRUM),
        "energy_limits_GeV": list(_ENERGIES),
        "ke": "1000 electrons",
    },
)
"""Neutrinos among cosmic rays in three views of 256 × 256 pixels, tracks and showers labelled."""
