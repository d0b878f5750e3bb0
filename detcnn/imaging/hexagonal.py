"""Cameras of hexagonal pixels, resampled to a grid of squares that conserves their charge.

A hexagonal pixel gives each square the share of its content that is its overlap with the square
over its own area. The squares cover the camera, so that the shares of a pixel add up to 1 and an
image has the charge that it had, to rounding. What is a mean of the charge in a pixel, such as the
time of arrival, is averaged with the charge that each pixel gives; a class is that of the pixel
that covers most of the square.

Nothing but the centres of the pixels need be known: their distance and directions from each other
tell the size and the orientation of the hexagons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, Images, as_dense

# SciPy takes a fifth of a second to import: only images of hexagons wait for it.
if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

NOT_COVERED = -1
"""The owner of a square that no pixel touches."""

_NEIGHBOUR = 1.3
"""Distance over pitch up to which two pixels are neighbours; the next ones are at √3."""

_LEAST_ORDER = 0.9
"""Of the directions of neighbours, 1 if all are multiples of 60° from each other: positions that
are given to 1 % of the pitch come to 0.99, other lattices to 0."""

_LEAST_SHARE = 1e-9
"""Overlaps that are but rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class HexagonalCamera:
    """How the pixels of a camera are shared out over a grid.

    Parameters
    ----------
    grid : Grid
        Of squares: rows along x, columns along y, as the grids of jets along η and φ.
    shares : scipy.sparse.csr_array
        float64, shape (n_squares, n_pixels): the share of each pixel that each square has. Every
        column adds up to 1. Squares count through (row, column), the column running fastest.
    owner : numpy.ndarray
        int64, shape (n_squares,): the pixel that covers most of each square, of equal ones the
        first; `NOT_COVERED` where there is none.
    """

    grid: Grid
    shares: "csr_array"
    owner: NDArray[np.int64]

    @property
    def n_pixels(self) -> int:
        """Pixels of the camera."""
        return int(self.shares.shape[1])

    def shared_out(self, images: Images) -> DenseImages:
        """Return images with the charge of each pixel shared out.

        Parameters
        ----------
        images : SparseImages or DenseImages
            Shape (channels, n_pixels).

        Returns
        -------
        DenseImages
            Shape (channels, rows, columns), of equal sums to the rounding of float32.
        """
        return self._pictures(self._sums(as_dense(images).values.astype(np.float64)))

    def averaged(self, images: Images, means: Mapping[int, int]) -> DenseImages:
        """Return images with some channels averaged and the others shared out.

        Parameters
        ----------
        images : SparseImages or DenseImages
            Shape (channels, n_pixels).
        means : mapping
            Channel that is a mean to the channel of the charge, of one sign, that it is a mean of.

        Returns
        -------
        DenseImages
            Shape (channels, rows, columns). A mean is 0 where there is no charge.
        """
        values = as_dense(images).values.astype(np.float64)
        weighted = values.copy()
        for mean, charge in means.items():
            weighted[:, mean] *= values[:, charge]
        sums = self._sums(weighted)
        averages = {
            mean: np.divide(
                sums[:, mean],
                sums[:, charge],
                out=np.zeros_like(sums[:, mean]),
                where=sums[:, charge] != 0,
            )
            for mean, charge in means.items()
        }
        for mean, average in averages.items():
            sums[:, mean] = average
        return self._pictures(sums)

    def owned(self, classes: Images, *, beside: int) -> DenseImages:
        """Return the class of each square: that of its owner.

        Parameters
        ----------
        classes : SparseImages or DenseImages
            Shape (planes, n_pixels).
        beside : int
            The class of squares that have no owner.

        Returns
        -------
        DenseImages
            Shape (planes, rows, columns).
        """
        values = as_dense(classes).values[:, :, self.owner]
        return self._pictures(np.where(self.owner == NOT_COVERED, beside, values))

    def _sums(self, values: Floats) -> Floats:
        flat = values.reshape(-1, self.n_pixels)
        return np.asarray((self.shares @ flat.T).T).reshape(*values.shape[:-1], -1)

    def _pictures(self, flat: NDArray[np.generic]) -> DenseImages:
        pictures = flat.reshape(*flat.shape[:-1], *self.grid.shape)
        return DenseImages(np.ascontiguousarray(pictures, dtype=np.float32))


def hexagonal_camera(
    centres: Floats, *, pixels: tuple[int, int], unit: str = "1", names: Sequence[str] = ("x", "y")
) -> HexagonalCamera:
    """Return how a camera is resampled to squares that just cover it.

    Parameters
    ----------
    centres : numpy.ndarray
        float64, shape (n_pixels, 2): x and y of the centre of each pixel.
    pixels : tuple of int
        Squares along x and along y. Its squares are the smallest that cover all pixels, and it
        has the camera in its middle.
    unit : str
        Of the centres.
    names : sequence of str
        What x and y are called.

    Raises
    ------
    DataError
        If the centres are not those of hexagons side by side.
    """
    from scipy.sparse import csr_array

    pitch, angle = lattice(centres)
    # Corners lie between the directions of neighbours, at the distance pitch / √3.
    directions = angle + np.pi / 6 + np.arange(6) * np.pi / 3
    corner = pitch / np.sqrt(3) * np.stack([np.cos(directions), np.sin(directions)], axis=-1)
    corners = centres[:, np.newaxis] + corner
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    n_squares = np.array(pixels)
    side = float(np.max((high - low) / n_squares))
    first = (low + high - side * n_squares) / 2
    axes = [
        Axis(name, int(n), float(start), float(start + n * side), unit=unit)
        for name, n, start in zip(names, n_squares, first, strict=True)
    ]
    reach = int(np.ceil((corner.max() - corner.min()) / side)) + 1
    nearest = np.floor((corners.min(axis=1) - first) / side).astype(np.int64)
    window = np.stack(np.meshgrid(np.arange(reach), np.arange(reach)), axis=-1).reshape(-1, 2)
    squares = nearest[:, np.newaxis] + window
    start = first + squares * side
    area = overlaps(corners, start, start + side)
    area[((squares < 0) | (squares >= n_squares)).any(axis=-1)] = 0
    area[area < _LEAST_SHARE * pitch**2] = 0
    shares = area / area.sum(axis=1, keepdims=True)
    pixel, which = np.nonzero(shares)
    row, column = squares[pixel, which].T
    square = row * n_squares[1] + column
    size = int(n_squares.prod())
    return HexagonalCamera(
        grid=Grid(*axes),
        shares=csr_array((shares[pixel, which], (square, pixel)), shape=(size, len(centres))),
        owner=_owners(square, pixel, shares[pixel, which], n_squares=size),
    )


def lattice(centres: Floats) -> tuple[float, float]:
    """Return the pitch of hexagonal pixels, and the direction from one to a neighbour [rad].

    Parameters
    ----------
    centres : numpy.ndarray
        float64, shape (n_pixels, 2).

    Returns
    -------
    pitch : float
        Mean distance of neighbours: of two sides of a hexagon that face each other.
    angle : float
        Within π/6 of 0; the other five neighbours are at multiples of π/3 from it.

    Raises
    ------
    DataError
        If the centres are not those of hexagons side by side.
    """
    if len(centres) < 2 or not np.isfinite(centres).all():
        raise DataError("expected the x and y of two or more pixels, all of them numbers")
    from scipy.spatial import KDTree

    tree = KDTree(centres)
    distance, neighbour = tree.query(centres, k=2)
    typical = float(np.median(distance[:, 1]))
    nearest = int(np.argmin(distance[:, 1]))
    if distance[nearest, 1] < typical / 2 or typical == 0:
        raise DataError(
            f"pixels {min(neighbour[nearest])} and {max(neighbour[nearest])} are at the same place"
        )
    pairs = tree.query_pairs(_NEIGHBOUR * typical, output_type="ndarray")
    step = centres[pairs[:, 1]] - centres[pairs[:, 0]]
    # Directions that are 60° apart agree in six times their angle.
    order = np.exp(6j * np.arctan2(step[:, 1], step[:, 0])).mean()
    if abs(order) < _LEAST_ORDER:
        raise DataError(
            "the neighbours of a pixel are not 60° from each other: expected the centres of "
            "hexagonal pixels"
        )
    return float(np.hypot(*step.T).mean()), float(np.angle(order) / 6)


def overlaps(corners: Floats, low: Floats, high: Floats) -> Floats:
    """Return the areas that convex polygons share with rectangles.

    An outline whose points are moved into the rectangle, each coordinate by itself, encloses what
    the polygon shares with the rectangle, and nothing else: what was outside has become lines. Its
    edges bend where they cross the four sides.

    Parameters
    ----------
    corners : numpy.ndarray
        float64, shape (n, n_corners, 2): counter-clockwise.
    low, high : numpy.ndarray
        float64, shape (n, m, 2): two opposite corners of m rectangles for each polygon.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, m).
    """
    # Seen from the rectangle, so that nothing large cancels.
    start = corners[:, np.newaxis] - low[:, :, np.newaxis]
    size = (high - low)[:, :, np.newaxis]
    step = np.roll(start, -1, axis=2) - start
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.concatenate([-start / step, (size - start) / step], axis=-1)
    # An edge along a side crosses nowhere.
    crossings = np.clip(np.where(np.isfinite(crossings), crossings, 0), 0, 1)
    bends = np.sort(np.concatenate([crossings, np.zeros_like(crossings[..., :1])], axis=-1))
    points = start[..., np.newaxis, :] + bends[..., np.newaxis] * step[..., np.newaxis, :]
    points = np.clip(points, 0, size[..., np.newaxis, :])
    outline = points.reshape(*low.shape[:2], -1, 2)
    onward = np.roll(outline, -1, axis=2)
    twice = outline[..., 0] * onward[..., 1] - outline[..., 1] * onward[..., 0]
    return np.asarray(np.maximum(twice.sum(axis=-1) / 2, 0))


def check_means(means: Mapping[str, str], channels: Sequence[str]) -> dict[int, int]:
    """Return the channels that are means, and those that they are means of, by their numbers.

    Raises
    ------
    ConfigError
        If a channel is not there, or a mean is one of a mean.
    """
    for name in (*means, *means.values()):
        if name not in channels:
            raise ConfigError(
                f"no channel {name!r} in the images; there are: {', '.join(channels)}"
            )
    for mean, charge in means.items():
        if charge in means:
            raise ConfigError(f"{mean!r} is a mean of {charge!r}, which is a mean itself")
    return {channels.index(mean): channels.index(charge) for mean, charge in means.items()}


def _owners(
    square: NDArray[np.int64], pixel: NDArray[np.int64], share: Floats, *, n_squares: int
) -> NDArray[np.int64]:
    owner = np.full(n_squares, NOT_COVERED)
    # Shares that differ by rounding alone are equal. The last one that is written stays.
    order = np.lexsort([-pixel, np.round(share / _LEAST_SHARE)])
    owner[square[order]] = pixel[order]
    return owner
