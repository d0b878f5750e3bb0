"""Frames of a thick silicon CCD: tritium decays among muons, X-rays and electrons.

What is simulated is the exposure of a fully depleted CCD of the kind that DAMIC and SENSEI use,
on the surface and with far more tritium than clean silicon has, so that a frame shows some of
everything. Charge is created by each particle, drifts to the pixels and diffuses on the way; the
readout adds noise. What is not: inefficient transfer of charge, partial collection near the back,
saturation and blooming, serial-register events, crosstalk, defects that stay from frame to frame,
correlated noise, and any particle that is not named here. Electrons lose energy without straggling
and knock on none; atoms de-excite where they are. The numbers of events in a frame are ours, and
measure no detector's background.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.kernels.silicon import collect, electron_steps, muon_steps
from detcnn.simulation.beta_decay import TRITIUM
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.compton import draw_compton
from detcnn.simulation.image_sample import ImageDefinition, ImageSample

Floats = NDArray[np.float64]

CLASSES = ("background", "decay", "muon", "xray", "electron")
"""Classes of pixels: what left most of their charge, the background where nothing left enough."""

_DECAY, _MUON, _XRAY, _ELECTRON = 1, 2, 3, 4

_COLUMNS = {
    "label": ColumnType("|i1", "1", "index into the classes of the file: always 0"),
    "n_decays": ColumnType("<i2", "1", "number of decays in the frame"),
    "n_muons": ColumnType("<i2", "1", "number of muons that cross the frame or pass close by"),
    "n_xrays": ColumnType("<i2", "1", "number of X-rays absorbed in the frame"),
    "n_electrons": ColumnType("<i2", "1", "number of Compton electrons in the frame"),
    "n_hot_columns": ColumnType("<i2", "1", "number of hot columns"),
    "decay_energy_sum": ColumnType("<f4", "keV", "sum of the energies of the decays"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """An X-ray line and how often it comes.

    Parameters
    ----------
    energy : float
        In keV (Bearden, Rev. Mod. Phys. 39 (1967) 78).
    attenuation : float
        Mean depth of absorption in silicon [µm], from NIST's XCOM.
    share : float
        Of all X-rays.
    """

    energy: float
    attenuation: float
    share: float


LINES = (Line(8.046, 67.0, 0.55), Line(8.905, 90.0, 0.10), Line(1.740, 12.0, 0.35))
"""Kα and Kβ of copper, which CCDs are housed in, and Kα of silicon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ccd:
    """A CCD, what falls on it, and how it is read.

    Parameters
    ----------
    rows, columns : int
        Size of a frame [pixels].
    pixel_um, thickness_um : float
        Side of a pixel and depth of the silicon [µm]: as in DAMIC, arXiv:1607.07410.
    diffusion_um2, diffusion_per_um : float
        A [µm²] and b [1/µm] of the variance σ² = −A ln|1 − bz| of a charge cloud from depth z, from
        the same.
    pair_ev, fano : float
        Mean energy of an electron–hole pair [eV] and Fano factor: Rodrigues et al.,
        arXiv:2004.11499.
    noise_electrons : float
        Standard deviation of the readout noise.
    dark_electrons : float
        Mean dark current of a pixel in an exposure.
    decays, muons, xrays, electrons : float
        Mean numbers in a frame. Muons are those whose line meets the middle of the silicon less
        than `margin` pixels outside the frame.
    most_decays : int
        A frame has no more.
    margin : int
        See above.
    lines : tuple of Line
        The X-rays.
    photon_kev : float
        Energy of the photons that knock on electrons: of ⁴⁰K.
    delta_kev : tuple of float
        Delta electrons above the first [keV] are followed; none is above the second.
    hot_columns, hot_pixels : float
        Mean numbers in a frame.
    hot_electrons : float
        Mean excess of a hot column in a pixel, and of a hot pixel tenfold; each has its own, which
        is exponential.
    threshold_electrons : int
        A pixel is of a class if at least as many electrons come from events.

    Raises
    ------
    ConfigError
        If the silicon reaches to where the variance has no meaning, at a depth of 1 / b.
    """

    rows: int = 256
    columns: int = 256
    pixel_um: float = 15.0
    thickness_um: float = 675.0
    diffusion_um2: float = 215.0
    diffusion_per_um: float = 1.3e-3
    pair_ev: float = 3.749
    fano: float = 0.119
    noise_electrons: float = 2.0
    dark_electrons: float = 0.05
    decays: float = 12.0
    muons: float = 3.0
    xrays: float = 8.0
    electrons: float = 1.5
    most_decays: int = 48
    margin: int = 32
    lines: tuple[Line, ...] = LINES
    photon_kev: float = 1460.8
    delta_kev: tuple[float, float] = (30.0, 2000.0)
    hot_columns: float = 1.0
    hot_pixels: float = 12.0
    hot_electrons: float = 6.0
    threshold_electrons: int = 5

    def __post_init__(self) -> None:
        deepest = 1 / self.diffusion_per_um
        if not 0 < self.thickness_um < deepest:
            raise ConfigError(
                f"thickness_um: {self.thickness_um:g}, expected more than 0 and less than "
                f"{deepest:.4g}, the depth that no charge comes from at diffusion_per_um "
                f"{self.diffusion_per_um:g}"
            )

    def spread(self, depth: Floats) -> Floats:
        """Return the standard deviation [pixels] of charge from a depth [µm] below the pixels."""
        variance = -self.diffusion_um2 * np.log(np.abs(1 - self.diffusion_per_um * depth))
        found: Floats = np.sqrt(variance) / self.pixel_um
        return found

    def ionised(self, energy: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return how many electrons so much energy [keV] frees, with Fano's fluctuations."""
        mean = 1000 * energy / self.pair_ev
        drawn = mean + np.sqrt(self.fano * mean) * rng.standard_normal(mean.shape)
        return np.maximum(np.rint(drawn), 0).astype(np.int64)


@dataclass(slots=True)
class _Frame:
    """A frame while it is exposed: the electrons that each class of events left in each pixel."""

    ccd: Ccd
    rng: np.random.Generator
    collected: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(CLASSES), self.ccd.rows, self.ccd.columns)
        self.collected = np.zeros(shape, dtype=np.int32)

    def expose(self, kind: int, steps: Floats) -> None:
        """Add the charge of steps (x, y, z, energy), with x and y [µm] from the frame's corner."""
        x, y, z, energy = steps.T
        collect(
            y / self.ccd.pixel_um - 0.5,
            x / self.ccd.pixel_um - 0.5,
            self.ccd.spread(z),
            self.ccd.ionised(energy, self.rng),
            self.collected[kind],
            self.rng,
        )

    def anywhere(self, n: int, *, margin: float = 0.0) -> Floats:
        """Return places (x, y) [µm], shape (n, 2), all over the frame and `margin` around it."""
        size = np.array([self.ccd.columns, self.ccd.rows]) * self.ccd.pixel_um
        return -margin + self.rng.random((n, 2)) * (size + 2 * margin)


def simulate_frames(n_frames: int, rng: np.random.Generator, *, ccd: Ccd) -> ImageSample:
    """Simulate exposures.

    Parameters
    ----------
    n_frames : int
        How many.
    rng : numpy.random.Generator
        All randomness comes from it.
    ccd : Ccd
        The detector.

    Returns
    -------
    ImageSample
        Images [keV], electrons times the mean energy of a pair, with the mean dark current taken
        away. ``mask`` tells the class of each pixel, ``decay_energy`` what decays left in it [keV].
        The points ``decays`` are the places of the decays, with their energies [keV] as point
        values ``decay_energy``. A decay's electron comes to rest within 3 µm, in a pixel of 15 µm.
    """
    shape = (n_frames, 1, ccd.rows, ccd.columns)
    images = np.empty(shape, dtype=np.float32)
    mask = np.zeros(shape, dtype=np.uint8)
    deposited = np.empty(shape, dtype=np.float32)
    places = np.full((n_frames, ccd.most_decays, 2), np.nan, dtype=np.float32)
    energies = np.full((n_frames, ccd.most_decays), np.nan, dtype=np.float32)
    columns = {
        name: np.zeros(n_frames, dtype=np.dtype(kind.dtype)) for name, kind in _COLUMNS.items()
    }
    for i in range(n_frames):
        frame = _Frame(ccd, rng)
        decays = _decays(frame)
        n_decays = len(decays)
        places[i, :n_decays] = decays[:, 1::-1] / ccd.pixel_um - 0.5
        energies[i, :n_decays] = decays[:, 3]
        columns["n_decays"][i] = n_decays
        columns["decay_energy_sum"][i] = decays[:, 3].sum()
        columns["n_xrays"][i] = _xrays(frame)
        columns["n_muons"][i] = _muons(frame)
        columns["n_electrons"][i] = _electrons(frame)
        mask[i, 0], deposited[i, 0] = _truth(frame)
        charge = frame.collected.sum(axis=0).astype(np.float64)
        columns["n_hot_columns"][i] = _add_defects(charge, ccd, rng)
        images[i, 0] = _read_out(charge, ccd, rng)
    return ImageSample(
        images=images,
        truth={"mask": mask, "decay_energy": deposited},
        columns=columns,
        points={"decays": places},
        point_values={"decay_energy": energies},
    )


def describe_ccd(ccd: Ccd) -> ImageDefinition:
    """Return the simulation of a CCD as a sample with a name."""

    def generate(n_frames: int, rng: np.random.Generator) -> ImageSample:
        return simulate_frames(n_frames, rng, ccd=ccd)

    return ImageDefinition(
        name="ccd",
        classes=("exposure",),
        channels={"energy": "keV"},
        axes=("row", "column"),
        truth={"mask": CLASSES, "decay_energy": ()},
        columns=_COLUMNS,
        generate=generate,
        settings=asdict(ccd),
    )


CCD = describe_ccd(Ccd())
"""256 × 256 pixels of 15 µm, 675 µm thick, 2 electrons of noise."""


def _decays(frame: _Frame) -> Floats:
    """Expose decays all over the silicon; return their (x, y, z, energy)."""
    ccd, rng = frame.ccd, frame.rng
    n = min(int(rng.poisson(ccd.decays)), ccd.most_decays)
    depth = ccd.thickness_um * rng.random(n)
    decays = np.column_stack([frame.anywhere(n), depth, TRITIUM.draw(n, rng)])
    frame.expose(_DECAY, decays)
    return decays


def _xrays(frame: _Frame) -> int:
    """Expose X-rays that come through either face, evenly and at right angles."""
    ccd, rng = frame.ccd, frame.rng
    n = int(rng.poisson(ccd.xrays))
    found = draw_xrays(n, ccd, rng)
    frame.expose(_XRAY, np.column_stack([frame.anywhere(len(found)), found]))
    return len(found)


def draw_xrays(n: int, ccd: Ccd, rng: np.random.Generator) -> Floats:
    """Return depth [µm] and energy [keV] of the X-rays out of `n` that are absorbed."""
    shares = np.array([line.share for line in ccd.lines])
    chosen = rng.choice(len(ccd.lines), size=n, p=shares / shares.sum())
    path = np.array([line.attenuation for line in ccd.lines])[chosen] * rng.standard_exponential(n)
    depth = np.where(rng.random(n) < 0.5, path, ccd.thickness_um - path)
    energy = np.array([line.energy for line in ccd.lines])[chosen]
    return np.column_stack([depth, energy])[path < ccd.thickness_um]


def _muons(frame: _Frame) -> int:
    """Expose muons whose rate through a level surface goes with cos³θ sin θ (cos²θ from above)."""
    ccd, rng = frame.ccd, frame.rng
    margin = ccd.margin * ccd.pixel_um
    area = (1 + 2 * ccd.margin / ccd.rows) * (1 + 2 * ccd.margin / ccd.columns)
    n = int(rng.poisson(ccd.muons * area))
    for x, y in frame.anywhere(n, margin=margin):
        # Nearly level ones are rare, and would cross the whole frame and more.
        cosine = max(rng.random() ** 0.25, 0.05)
        azimuth = 2 * np.pi * rng.random()
        sine = np.sqrt(1 - cosine**2)
        direction = np.array([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
        place = np.array([x, y, 0.5 * ccd.thickness_um])
        frame.expose(
            _MUON, muon_steps(place, direction, ccd.thickness_um, 2.0, *ccd.delta_kev, rng)
        )
    return n


def _electrons(frame: _Frame) -> int:
    """Expose electrons that photons knock on anywhere, in all directions."""
    ccd, rng = frame.ccd, frame.rng
    n = int(rng.poisson(ccd.electrons))
    energies = draw_compton(n, ccd.photon_kev, rng)
    for (x, y), energy in zip(frame.anywhere(n), energies, strict=True):
        place = np.array([x, y, ccd.thickness_um * rng.random()])
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        frame.expose(_ELECTRON, electron_steps(place, direction, energy, ccd.thickness_um, rng))
    return n


def _truth(frame: _Frame) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return the class of each pixel, and the energy [keV] that decays left in it."""
    ccd, collected = frame.ccd, frame.collected
    is_lit = collected.sum(axis=0) >= ccd.threshold_electrons
    mask = np.where(is_lit, collected.argmax(axis=0), 0).astype(np.uint8)
    return mask, (collected[_DECAY] * (ccd.pair_ev / 1000)).astype(np.float32)


def _add_defects(charge: Floats, ccd: Ccd, rng: np.random.Generator) -> int:
    """Add dark current and what hot columns and pixels leak; return the number of such columns.

    A defect leaks into what is transferred through it: its column from its row onwards.
    """
    n_dark = rng.poisson(ccd.dark_electrons * charge.size)
    dark = rng.integers(0, charge.size, n_dark)
    charge += np.bincount(dark, minlength=charge.size).reshape(charge.shape)
    n_columns = int(rng.poisson(ccd.hot_columns))
    for _ in range(n_columns):
        column, first = rng.integers(0, ccd.columns), rng.integers(0, ccd.rows // 2)
        mean = 1 + ccd.hot_electrons * rng.standard_exponential()
        charge[first:, column] += rng.poisson(mean, ccd.rows - first)
    n_pixels = int(rng.poisson(ccd.hot_pixels))
    rows, columns = rng.integers(0, [[ccd.rows], [ccd.columns]], (2, n_pixels))
    means = 10 * ccd.hot_electrons * rng.standard_exponential(n_pixels)
    np.add.at(charge, (rows, columns), rng.poisson(means))
    return n_columns


def _read_out(charge: Floats, ccd: Ccd, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the frame as it is read [keV]."""
    noise = rng.standard_normal(charge.shape, dtype=np.float32)
    electrons = charge - ccd.dark_electrons + ccd.noise_electrons * noise
    return (electrons * (ccd.pair_ev / 1000)).astype(np.float32)
