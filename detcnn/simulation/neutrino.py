"""Neutrinos of an accelerator in two detectors: two views of cells, three views of wires.

The first is after NOvA's far detector (cells 3.9 cm wide and 6.6 cm deep, planes that measure x and
y in turn; pixel maps of 100 planes by 80 cells as in arXiv:1604.01444), the second after the pixel
maps of DUNE's (three views at 0 and ±35.7°, arXiv:2006.15052), added up to 100 × 100 pixels.

What they are not: no Geant4 and no nucleus (`detcnn.simulation.interactions`), no walls between
cells but one medium, no electric field that varies, no cosmic rays, no second interaction. Numbers
from these images are no numbers of those experiments.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.readout import alternating_cells
from detcnn.kernels.transport import MUON_TRACK, transport
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.image_sample import ImageDefinition, ImageSample
from detcnn.simulation.interactions import INTERACTIONS, interaction
from detcnn.simulation.media import LIQUID_ARGON, SCINTILLATOR_CELLS
from detcnn.simulation.pixel_classes import pixel_classes
from detcnn.simulation.wires import WirePlanes

Floats = NDArray[np.float64]

TRUTH_CLASSES = ("background", "hadron", "muon", "shower")

_PLANES, _CELLS = 100, 80
_PITCH = (6.6, 3.9)
_BIRKS = 0.0125
_PHOTOELECTRONS = 6.0
_ATTENUATION = 700.0
_READOUT = (200.0, 1500.0)
_THRESHOLD = 1.5
_NOISE_HITS = 3.0
_NOISE_ENERGY = 1.5
_FEWEST_HITS = 12
_SPECTRUM = (5.0, 0.45)
_ENERGIES = (0.6, 6.0)

_WIRES = WirePlanes(
    angles=(-35.7, 35.7, 0.0),
    shape=(100, 100),
    pitch=(2.395, 2.395),
    drift=(20.0, 340.0),
    noise=4.0,
    threshold=16.0,
)
_WIRE_SPECTRUM = (4.0, 0.8)
_WIRE_ENERGIES = (0.6, 10.0)
_CHARGE_PER_COUNT = 8.0
_LARGEST_COUNT = 255.0

_COLUMNS = {
    "label": ColumnType("|i1", "1", "index into the classes of the file"),
    "energy": ColumnType("<f4", "GeV", "energy of the neutrino"),
    "visible_energy": ColumnType("<f4", "GeV", "energy that was deposited in the image's volume"),
    "inelasticity": ColumnType("<f4", "1", "part of the energy that is not the lepton's"),
    "vertex_x": ColumnType("<f4", "cm", "where the neutrino interacted, from the image's middle"),
    "vertex_y": ColumnType("<f4", "cm", "where the neutrino interacted, from the image's middle"),
    "vertex_z": ColumnType("<f4", "cm", "where the neutrino interacted, from the image's front"),
    "muon_length": ColumnType("<f4", "cm", "path of the muon inside the image's volume"),
    "n_hits": ColumnType("<i4", "1", "pixels above threshold in all views"),
    "length": ColumnType(
        "<f4", "1", "pixels along the beam that hold the middle 90 % of the image's sum"
    ),
    "width": ColumnType("<f4", "1", "pixels, root mean square distance of the image from its axis"),
}


def _pixel_box() -> Floats:
    half = 0.5 * _CELLS * _PITCH[1]
    return np.array([[-half, half], [-half, half], [0.0, 2 * _PLANES * _PITCH[0]]])


def _drawn_energy(
    rng: np.random.Generator, spectrum: tuple[float, float], limits: tuple[float, float]
) -> float:
    while True:
        energy = rng.gamma(*spectrum)
        if limits[0] <= energy < limits[1]:
            return energy


def _generate_cells(n_events: int, rng: np.random.Generator) -> ImageSample:
    medium, box = SCINTILLATOR_CELLS.parameters(), _pixel_box()

    def event(kind: str, row: dict[str, float]) -> tuple[Floats, Floats]:
        row["energy"] = _drawn_energy(rng, _SPECTRUM, _ENERGIES)
        vertex = (
            rng.uniform(-50.0, 50.0),
            rng.uniform(-50.0, 50.0),
            rng.uniform(6.0, 16.0) * _PITCH[0],
        )
        deposits = _deposits(rng, kind, row, vertex, medium, box, max_step=1.5)
        seen = alternating_cells(deposits, (_PLANES, _CELLS), _PITCH, _BIRKS)
        return seen, _photoelectrons(rng, seen.sum(axis=0))

    return _events(
        n_events, rng, event, n_views=2, shape=(_PLANES, _CELLS), least=0.15 * _THRESHOLD
    )


def _photoelectrons(rng: np.random.Generator, energy: Floats) -> Floats:
    """Return the energy [MeV] of each cell as its photoelectrons tell it, and noise beside it."""
    image = np.zeros_like(energy)
    for view, cells in enumerate(energy):
        light = _PHOTOELECTRONS * math.exp(-rng.uniform(*_READOUT) / _ATTENUATION)
        hit = cells > 0.0
        image[view][hit] = rng.poisson(light * cells[hit]) / light
        for _ in range(rng.poisson(_NOISE_HITS)):
            place = rng.integers(_PLANES), rng.integers(_CELLS)
            image[view][place] += _THRESHOLD + rng.exponential(_NOISE_ENERGY)
    image[image < _THRESHOLD] = 0.0
    return image


def _generate_wires(n_events: int, rng: np.random.Generator) -> ImageSample:
    medium = LIQUID_ARGON.parameters()
    half = 0.5 * _WIRES.shape[0] * _WIRES.pitch[0]
    # Higher than the image, so that the slanted views see all that reaches them.
    box = np.array([[-half, half], [-1.5 * half, 1.5 * half], [-half, half]])

    def event(kind: str, row: dict[str, float]) -> tuple[Floats, Floats]:
        row["energy"] = _drawn_energy(rng, _WIRE_SPECTRUM, _WIRE_ENERGIES)
        vertex = (
            rng.uniform(-40.0, 40.0),
            rng.uniform(-40.0, 40.0),
            rng.uniform(-0.9, -0.7) * half,
        )
        deposits = _deposits(rng, kind, row, vertex, medium, box, max_step=1.0)
        row["vertex_z"] += half
        seen = _WIRES.charge(rng, deposits)
        image = _WIRES.recorded(rng, seen.sum(axis=0))
        return seen, np.minimum(np.floor(image / _CHARGE_PER_COUNT), _LARGEST_COUNT)

    least = 0.25 * _WIRES.threshold
    return _events(n_events, rng, event, n_views=3, shape=_WIRES.shape, least=least)


def _deposits(
    rng: np.random.Generator,
    kind: str,
    row: dict[str, float],
    vertex: tuple[float, float, float],
    medium: Floats,
    box: Floats,
    *,
    max_step: float,
) -> Floats:
    """Let a neutrino interact, follow what comes out, and note what is true of it."""
    happened = interaction(rng, kind=kind, energy=row["energy"], vertex=vertex)
    deposits, _ = transport(rng, happened.primaries, medium, box, max_step)
    row["inelasticity"] = happened.inelasticity
    row["vertex_x"], row["vertex_y"], row["vertex_z"] = vertex
    row["visible_energy"] = deposits[:, 3].sum() / 1000.0
    row["muon_length"] = deposits[deposits[:, 5] == MUON_TRACK, 4].sum()
    return deposits


def _events(
    n_events: int,
    rng: np.random.Generator,
    event: Callable[[str, dict[str, float]], tuple[Floats, Floats]],
    *,
    n_views: int,
    shape: tuple[int, int],
    least: float,
) -> ImageSample:
    """Make events of all classes in equal numbers and random order.

    Events of fewer than 12 hits besides noise are made again: no selection would keep them.
    """
    labels = rng.permutation(np.arange(n_events, dtype=np.int8) % len(INTERACTIONS))
    images = np.zeros((n_events, n_views, *shape), dtype=np.float32)
    masks = np.zeros((n_events, n_views, *shape), dtype=np.uint8)
    columns = {
        name: np.zeros(n_events, dtype=kind.dtype)
        for name, kind in _COLUMNS.items()
        if name != "label"
    }
    for i, label in enumerate(labels):
        while np.count_nonzero(masks[i]) < _FEWEST_HITS:
            row: dict[str, float] = {}
            seen, image = event(INTERACTIONS[label], row)
            masks[i] = pixel_classes(seen, image, least=least)
        images[i] = image
        row["n_hits"] = int(np.count_nonzero(image))
        row["length"], row["width"] = _extent(image)
        for name, value in row.items():
            columns[name][i] = value
    return ImageSample(images, {"mask": masks}, {"label": labels, **columns})


def _extent(image: Floats) -> tuple[float, float]:
    """Return how long an image is along the beam, and how wide about its axis, in pixels."""
    profile = image.sum(axis=(0, 2))
    reached = np.cumsum(profile) / profile.sum()
    first, last = np.searchsorted(reached, [0.05, 0.95])
    square = total = 0.0
    for view in image:
        rows, columns = np.nonzero(view)
        weights = view[rows, columns]
        if len(rows) > 1:
            places = np.stack([rows, columns]).astype(np.float64)
            places -= np.average(places, axis=1, weights=weights)[:, np.newaxis]
            spread = (weights * places) @ places.T
            square += max(0.0, float(np.linalg.eigvalsh(spread)[0]))
            total += float(weights.sum())
    return float(last - first + 1), math.sqrt(square / max(total, 1e-9))


def _settings(**values: Any) -> dict[str, Any]:
    return {"classes_are_equally_frequent": True, "fewest_hits": _FEWEST_HITS, **values}


NEUTRINO = ImageDefinition(
    name="neutrino",
    classes=INTERACTIONS,
    channels={"x-z": "MeV", "y-z": "MeV"},
    axes=("plane", "cell"),
    truth={"mask": TRUTH_CLASSES},
    columns=_COLUMNS,
    generate=_generate_cells,
    settings=_settings(
        plane_pitch_cm=_PITCH[0],
        cell_width_cm=_PITCH[1],
        birks_cm_per_MeV=_BIRKS,
        photoelectrons_per_MeV=_PHOTOELECTRONS,
        attenuation_length_cm=_ATTENUATION,
        distance_to_readout_cm=list(_READOUT),
        threshold_MeV=_THRESHOLD,
        noise_hits_per_view=_NOISE_HITS,
        energy_gamma_shape_and_scale_GeV=list(_SPECTRUM),
        energy_limits_GeV=list(_ENERGIES),
    ),
)
"""ν_e CC, ν_μ CC and NC in two views of scintillating cells."""

NEUTRINO_3_VIEWS = ImageDefinition(
    name="neutrino-3-views",
    classes=INTERACTIONS,
    channels={"u": "count", "v": "count", "z": "count"},
    axes=("wire", "tick"),
    truth={"mask": TRUTH_CLASSES},
    columns=_COLUMNS,
    generate=_generate_wires,
    settings=_settings(
        **_WIRES.settings(),
        electrons_per_count=1000.0 * _CHARGE_PER_COUNT,
        largest_count=_LARGEST_COUNT,
        energy_gamma_shape_and_scale_GeV=list(_WIRE_SPECTRUM),
        energy_limits_GeV=list(_WIRE_ENERGIES),
    ),
)
"""The same interactions in three views of liquid argon, as whole counts of 0 to 255."""
