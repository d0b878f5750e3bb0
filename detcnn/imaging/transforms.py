"""Geometric changes that images, masks and points of one event undergo together.

A transform is what a random policy has drawn for a batch, or what an image step has found in it:
the amounts, one for each image. Masks are label images, one number for each pixel; points are
places in pixels, (row, column), with the centre of the first pixel at (0, 0). A transform moves the
three alike: images are interpolated, masks take the label of the nearest pixel, points move by the
exact map.

A point that has left the image is lost, as what was at its place is: both its numbers are NaN, and
stay so. Events of fewer points than others are filled up with NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels import splines, warps

Values = NDArray[np.float32]
Masks = NDArray[Any]
Points = NDArray[np.float64]

_MOST_ITERATIONS = 200


class Transform(Protocol):
    """A geometric change of a batch."""

    def images(self, values: Values) -> Values:
        """Return the changed images, shape (B, channels, rows, columns)."""
        ...

    def masks(self, masks: Masks) -> Masks:
        """Return the changed label images, shape (B, planes, rows, columns).

        What comes in from outside is 0.
        """
        ...

    def points(self, points: Points) -> Points:
        """Return where points (row, column) have gone, shape (B, n, 2), in pixels."""
        ...


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine change about the centre of each image, see `detcnn.kernels.warps.affine`.

    Parameters
    ----------
    matrices : numpy.ndarray
        float64, shape (B, 2, 2), from places of the result to places of the image.
    offsets : numpy.ndarray
        float64, shape (B, 2), in pixels.
    shape : tuple of int
        (rows, columns) of an image.
    aspect : float
        Width of a pixel from row to row over its width from column to column.
    """

    matrices: NDArray[np.float64]
    offsets: NDArray[np.float64]
    shape: tuple[int, int]
    aspect: float = 1.0

    def images(self, values: Values) -> Values:
        """Return the changed images, by bilinear interpolation."""
        return warps.affine(values, self.matrices, offsets=self.offsets, aspect=self.aspect)

    def masks(self, masks: Masks) -> Masks:
        """Return the changed label images."""
        return _each_plane(
            masks,
            lambda plane: warps.affine_labels(
                plane, self.matrices, offsets=self.offsets, aspect=self.aspect
            ),
        )

    def points(self, points: Points) -> Points:
        """Return where points have gone."""
        middle = (np.array(self.shape) - 1) / 2
        scale = np.array([self.aspect, 1.0])
        centred = (points - middle - self.offsets[:, np.newaxis]) * scale
        moved = np.einsum("bij,bnj->bni", np.linalg.inv(self.matrices), centred)
        return _lost_outside(moved / scale + middle, self.shape)


@dataclass(frozen=True, slots=True)
class SplineTurn:
    """Turns about the centre of each image, by cubic splines, see `detcnn.kernels.splines.rotate`.

    Parameters
    ----------
    angles : numpy.ndarray
        float64, shape (B,), in rad; an image of angle 0 stays as it is, bit by bit.
    shape : tuple of int
        (rows, columns) of an image.
    aspect : float
        Width of a pixel from row to row over its width from column to column.
    """

    angles: NDArray[np.float64]
    shape: tuple[int, int]
    aspect: float = 1.0

    def images(self, values: Values) -> Values:
        """Return the turned images, which swing below 0 beside bright pixels."""
        return splines.rotate(values, self.angles, aspect=self.aspect)

    def masks(self, masks: Masks) -> Masks:
        """Return the turned label images."""
        return self._affine.masks(masks)

    def points(self, points: Points) -> Points:
        """Return where points have gone."""
        return self._affine.points(points)

    @property
    def _affine(self) -> Affine:
        nowhere = np.zeros((len(self.angles), 2))
        return Affine(warps.turns(self.angles), nowhere, self.shape, self.aspect)


@dataclass(frozen=True, slots=True)
class WholeShift:
    """Moves by whole pixels, see `detcnn.kernels.warps.shift`.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        int64, shape (B,): pixels towards higher row and column numbers.
    shape : tuple of int
        (rows, columns) of an image.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    shape: tuple[int, int]

    def images(self, values: Values) -> Values:
        """Return the moved images, pixel by pixel."""
        return warps.shift(values, self.rows, self.columns)

    def masks(self, masks: Masks) -> Masks:
        """Return the moved label images."""
        return self._affine.masks(masks)

    def points(self, points: Points) -> Points:
        """Return where points have gone."""
        return self._affine.points(points)

    @property
    def _affine(self) -> Affine:
        return moved(-np.stack([self.rows, self.columns], axis=1).astype(np.float64), self.shape)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Reversals of rows and columns, see `detcnn.kernels.warps.flip`.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        bool, shape (B,): what is reversed of each image.
    shape : tuple of int
        (rows, columns) of an image.
    """

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]
    shape: tuple[int, int]

    def images(self, values: Values) -> Values:
        """Return the mirrored images, pixel by pixel."""
        return warps.flip(values, self.rows, self.columns)

    def masks(self, masks: Masks) -> Masks:
        """Return the mirrored label images."""
        return self._affine.masks(masks)

    def points(self, points: Points) -> Points:
        """Return where points have gone."""
        return self._affine.points(points)

    @property
    def _affine(self) -> Affine:
        matrices = np.zeros((len(self.rows), 2, 2))
        matrices[:, 0, 0] = np.where(self.rows, -1, 1)
        matrices[:, 1, 1] = np.where(self.columns, -1, 1)
        return Affine(matrices, np.zeros((len(self.rows), 2)), self.shape)


@dataclass(frozen=True, slots=True)
class Window:
    """Nothing moves, but what lies outside a window of its image is emptied.

    Parameters
    ----------
    first, last : numpy.ndarray
        int64, shape (B, 2): the first (row, column) inside, and the first one beyond.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def images(self, values: Values) -> Values:
        """Return the images with zeros outside their windows."""
        return np.where(self._inside(values.shape[2:])[:, np.newaxis], values, np.float32(0))

    def masks(self, masks: Masks) -> Masks:
        """Return the label images with zeros outside their windows."""
        inside = self._inside(masks.shape[2:])[:, np.newaxis]
        return np.where(inside, masks, 0).astype(masks.dtype)

    def points(self, points: Points) -> Points:
        """Return the points, without those outside."""
        first, last = (edge[:, np.newaxis] - 0.5 for edge in (self.first, self.last))
        inside = ((points >= first) & (points < last)).all(axis=2, keepdims=True)
        return np.where(inside, points, np.nan)

    def _inside(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        first, last = (edge.T[..., np.newaxis] for edge in (self.first, self.last))
        rows, columns = (
            (np.arange(n) >= first[axis]) & (np.arange(n) < last[axis])
            for axis, n in enumerate(shape)
        )
        inside: NDArray[np.bool_] = rows[:, :, np.newaxis] & columns[:, np.newaxis]
        return inside


@dataclass(frozen=True, slots=True)
class Cut:
    """One window is cut out of all images, and is all that is left of them.

    Parameters
    ----------
    first : tuple of int
        The first (row, column) inside.
    shape : tuple of int
        (rows, columns) that are left.
    """

    first: tuple[int, int]
    shape: tuple[int, int]

    def images(self, values: Values) -> Values:
        """Return what is inside of the window, pixel by pixel."""
        (row, column), (n_rows, n_columns) = self.first, self.shape
        return values[:, :, row : row + n_rows, column : column + n_columns].copy()

    def masks(self, masks: Masks) -> Masks:
        """Return the labels inside of the window."""
        return self.images(masks)

    def points(self, points: Points) -> Points:
        """Return the points as seen from the window, without those outside."""
        return _lost_outside(points - np.array(self.first), self.shape)


@dataclass(frozen=True, slots=True)
class Elastic:
    """A smooth deformation, see `detcnn.kernels.warps.elastic`.

    Parameters
    ----------
    displacements : numpy.ndarray
        float64, shape (B, 2, rows, columns), in pixels, that of neighbours differing by less than
        one pixel: then no two places have one image, and points can be followed.
    """

    displacements: NDArray[np.float64] = field(repr=False)

    def images(self, values: Values) -> Values:
        """Return the deformed images, by bilinear interpolation."""
        return warps.elastic(values, self.displacements)

    def masks(self, masks: Masks) -> Masks:
        """Return the deformed label images."""
        return _each_plane(masks, lambda plane: warps.elastic_labels(plane, self.displacements))

    def points(self, points: Points) -> Points:
        """Return where points have gone: q with q + d(q) = p, the field d being interpolated."""
        shape = self.displacements.shape[2:]
        found = points.copy()
        for _ in range(_MOST_ITERATIONS):
            # Each step shrinks the error by the steepness of the field.
            better = points - self._at(found)
            # NaN differs from itself.
            if np.nanmax(np.abs(better - found), initial=0.0) < 1e-9:
                break
            found = better
        return _lost_outside(found, (shape[0], shape[1]))

    def _at(self, points: Points) -> Points:
        """Return the displacement at places, that of the border beyond it."""
        *_, n_rows, n_columns = self.displacements.shape
        places = np.clip(np.nan_to_num(points), 0, (n_rows - 1, n_columns - 1))
        low = np.minimum(places.astype(np.int64), np.maximum((n_rows - 2, n_columns - 2), 0))
        high = np.minimum(low + 1, (n_rows - 1, n_columns - 1))
        below, beside = (places - low)[..., 0], (places - low)[..., 1]
        image = np.arange(len(points))[:, np.newaxis]
        corners = [
            (low[..., 0], low[..., 1], (1 - below) * (1 - beside)),
            (low[..., 0], high[..., 1], (1 - below) * beside),
            (high[..., 0], low[..., 1], below * (1 - beside)),
            (high[..., 0], high[..., 1], below * beside),
        ]
        return sum(
            (
                share[..., np.newaxis] * self.displacements[image, :, row, column]
                for row, column, share in corners
            ),
            start=np.zeros(points.shape),
        )


def moved(offsets: NDArray[np.float64], shape: tuple[int, int]) -> Affine:
    """Return the transform that reads every pixel `offsets` further on, shape (B, 2), in pixels."""
    unit = np.broadcast_to(np.eye(2), (len(offsets), 2, 2))
    return Affine(unit, offsets, shape)


def smooth_fields(nodes: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Spread values at a few nodes over all pixels by uniform cubic B-splines.

    The field is twice continuously differentiable and nowhere beyond the values of its nodes.

    Parameters
    ----------
    nodes : numpy.ndarray
        Shape (..., m, n), each at least 4: m − 3 by n − 3 cells cover the image.
    shape : tuple of int
        (rows, columns).

    Returns
    -------
    numpy.ndarray
        Shape (..., rows, columns).
    """
    rows, columns = (
        _spline_basis(n_pixels, n_nodes)
        for n_pixels, n_nodes in zip(shape, nodes.shape[-2:], strict=True)
    )
    fields: NDArray[np.float64] = rows @ nodes @ columns.T
    return fields


def _spline_basis(n_pixels: int, n_nodes: int) -> NDArray[np.float64]:
    n_cells = n_nodes - 3
    place = np.linspace(0, n_cells, n_pixels) if n_pixels > 1 else np.full(1, n_cells / 2)
    cell = np.minimum(place.astype(np.int64), n_cells - 1)
    t = place - cell
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    basis = np.zeros((n_pixels, n_nodes))
    for number, piece in enumerate(pieces):
        basis[np.arange(n_pixels), cell + number] = piece / 6
    return basis


def _each_plane(masks: Masks, change: Callable[[Masks], Masks]) -> Masks:
    """Change label images plane by plane, which all go alike."""
    planes = [change(masks[:, plane]) for plane in range(masks.shape[1])]
    return np.stack(planes, axis=1)


def _lost_outside(points: Points, shape: tuple[int, int]) -> Points:
    inside = ((points >= -0.5) & (points < np.array(shape) - 0.5)).all(axis=-1, keepdims=True)
    return np.where(inside, points, np.nan)
