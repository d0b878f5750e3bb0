"""Random policies that move what is in images.

Each draws an amount for every image and returns the `detcnn.imaging.transforms.Transform` of the
batch, so that masks and points can follow their images.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.imaging.transforms import (
    Affine,
    Elastic,
    Mirror,
    Transform,
    Values,
    WholeShift,
    Window,
    moved,
    smooth_fields,
)
from detcnn.kernels import warps
from detcnn.kernels.moves import Moves


class GeometricPolicy(ABC):
    """A random change of where things are in an image."""

    __slots__ = ()

    @abstractmethod
    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return what happens to a batch.

        Parameters
        ----------
        n_images : int
            Images in the batch.
        shape : tuple of int
            (rows, columns) of an image.
        rng : numpy.random.Generator
            All randomness comes from it.

        Returns
        -------
        Transform
        """

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images, each changed by its own amount."""
        n_images, _, n_rows, n_columns = values.shape
        return self.draw(n_images, (n_rows, n_columns), rng).images(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift(GeometricPolicy):
    """Move each image, zeros coming in from the side.

    Parameters
    ----------
    max_pixels : int
        Rows and columns each move by −max_pixels to +max_pixels, all equally likely; at least 0.
    subpixel : bool
        Move by any number of pixels in that range, with bilinear interpolation, and not by whole
        ones.

    Raises
    ------
    ConfigError
        If `max_pixels` is negative.
    """

    max_pixels: int = 1
    subpixel: bool = False

    def __post_init__(self) -> None:
        check_option("shift", "max_pixels", self.max_pixels, low=0)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return moves, each image having its own."""
        if self.subpixel:
            return moved(rng.uniform(-self.max_pixels, self.max_pixels, (n_images, 2)), shape)
        rows, columns = self._amounts(n_images, rng)
        return WholeShift(rows, columns, shape)

    def after(self, moves: Moves, rng: np.random.Generator) -> Moves:
        """Return `moves` and then those of whole pixels that `draw` would make."""
        return moves.then_shift(*self._amounts(moves.n_images, rng))

    def _amounts(self, n_images: int, rng: np.random.Generator) -> NDArray[np.int64]:
        reach = self.max_pixels
        return rng.integers(-reach, reach, size=(2, n_images), endpoint=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(GeometricPolicy):
    """Mirror each image along rows and along columns, independently.

    Parameters
    ----------
    rows, columns : bool
        Which of the two may be reversed: rows is η → −η for jets, columns φ → −φ.
    probability : float
        Of a reversal, for each axis on its own; 0 to 1.

    Raises
    ------
    ConfigError
        If the probability is out of range.
    """

    rows: bool = True
    columns: bool = True
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_option("flip", "probability", self.probability, low=0, high=1)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return reversals of some of the images."""
        rows, columns = self._choice(n_images, rng)
        return Mirror(rows, columns, shape)

    def after(self, moves: Moves, rng: np.random.Generator) -> Moves:
        """Return `moves` and then the reversals that `draw` would make."""
        return moves.then_flip(*self._choice(moves.n_images, rng))

    def _choice(self, n_images: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = rng.random((2, n_images)) < self.probability
        chosen &= np.array([[self.rows], [self.columns]])
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate(GeometricPolicy):
    """Turn each image about its centre, with bilinear interpolation.

    Parameters
    ----------
    max_degrees : float
        The angle is uniform from −max_degrees to +max_degrees; 0 to 180.
    aspect : float
        Width of a pixel from row to row over its width from column to column.

    Raises
    ------
    ConfigError
        If an option is out of range.
    """

    max_degrees: float = 180.0
    aspect: float = 1.0

    def __post_init__(self) -> None:
        check_option("rotate", "max_degrees", self.max_degrees, low=0, high=180)
        if not (np.isfinite(self.aspect) and self.aspect > 0):
            raise ConfigError(f"rotate: 'aspect' is {self.aspect}, expected a number above 0")

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return turns, each image having its own angle."""
        reach = np.deg2rad(self.max_degrees)
        angles = rng.uniform(-reach, reach, n_images)
        return Affine(warps.turns(angles), np.zeros((n_images, 2)), shape, self.aspect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom(GeometricPolicy):
    """Enlarge or shrink each image about its centre, with bilinear interpolation.

    Parameters
    ----------
    max_factor : float
        The logarithm of the factor is uniform, the factor from 1/max_factor to max_factor; at
        least 1.

    Raises
    ------
    ConfigError
        If the factor is below 1.
    """

    max_factor: float = 1.2

    def __post_init__(self) -> None:
        check_option("zoom", "max_factor", self.max_factor, low=1)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return zooms, each image having its own factor."""
        factors = np.exp(rng.uniform(-1, 1, n_images) * np.log(self.max_factor))
        return Affine(warps.zooms(factors), np.zeros((n_images, 2)), shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shear(GeometricPolicy):
    """Shear each image about its centre along both axes, with bilinear interpolation.

    Parameters
    ----------
    max_slope : float
        Pixels along one axis for each pixel along the other, uniform from −max_slope to
        +max_slope, for each axis on its own; 0 to 0.9, for at 1 both together may leave a line.

    Raises
    ------
    ConfigError
        If the slope is out of range.
    """

    max_slope: float = 0.2

    def __post_init__(self) -> None:
        check_option("shear", "max_slope", self.max_slope, low=0, high=0.9)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return shears, each image having its own."""
        slopes = rng.uniform(-self.max_slope, self.max_slope, (2, n_images))
        return Affine(warps.shears(*slopes), np.zeros((n_images, 2)), shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop(GeometricPolicy):
    """Keep a window at a random place of each image.

    Parameters
    ----------
    min_share : float
        The side of the window over that of the image is uniform from min_share to 1; above 0, at
        most 1.
    resize : bool
        Enlarge the window to the whole image, with bilinear interpolation. Otherwise it stays
        where it is, of whole pixels, and what is outside becomes 0.

    Raises
    ------
    ConfigError
        If the share is out of range.
    """

    min_share: float = 0.8
    resize: bool = True

    def __post_init__(self) -> None:
        check_option("crop", "min_share", self.min_share, low=0.01, high=1)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return windows, each image having its own."""
        share = rng.uniform(self.min_share, 1, (n_images, 1))
        place = rng.uniform(0, 1, (n_images, 2))
        if self.resize:
            # The window's middle can be this far from that of the image.
            spare = (1 - share) * np.array(shape)
            return Affine(warps.zooms(1 / share[:, 0]), (place - 0.5) * spare, shape)
        sides = np.maximum(1, np.rint(share * shape)).astype(np.int64)
        first = (place * (np.array(shape) - sides + 1)).astype(np.int64)
        return Window(first, first + sides)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticWarp(GeometricPolicy):
    """Deform each image as if it was drawn on rubber, with bilinear interpolation.

    Displacements are drawn at the nodes of a coarse grid and spread by cubic splines, as by
    Ronneberger et al. (arXiv:1505.04597, section 3.1), after Simard et al. (ICDAR 2003); uniform
    where they are normal there, so that no draw can fold an image.

    Parameters
    ----------
    max_pixels : float
        No pixel moves by more along either axis; at least 0. Less than a quarter of the side of a
        cell, for then the image cannot fold.
    cells : int
        Cells of the coarse grid along each axis; at least 1.

    Raises
    ------
    ConfigError
        If an option is out of range; for `max_pixels`, when the size of the images is known.
    """

    max_pixels: float = 1.0
    cells: int = 3

    def __post_init__(self) -> None:
        check_option("elastic", "max_pixels", self.max_pixels, low=0)
        check_option("elastic", "cells", self.cells, low=1)

    def draw(self, n_images: int, shape: tuple[int, int], rng: np.random.Generator) -> Transform:
        """Return deformations, each image having its own."""
        limit = (min(shape) - 1) / self.cells / 4
        if self.max_pixels >= max(limit, 1e-9):
            raise ConfigError(
                f"elastic: 'max_pixels' is {self.max_pixels:g}, expected less than {limit:g}, a "
                f"quarter of a cell, for {self.cells} cells across {shape[0]}x{shape[1]} pixels"
            )
        size = (n_images, 2, self.cells + 3, self.cells + 3)
        nodes = rng.uniform(-self.max_pixels, self.max_pixels, size)
        return Elastic(smooth_fields(nodes, shape))


def check_option(
    policy: str, option: str, value: float, *, low: float, high: float = float("inf")
) -> None:
    """Refuse a number that is not finite or out of its range.

    Raises
    ------
    ConfigError
        Naming policy, option and range.
    """
    if not (np.isfinite(value) and low <= value <= high):
        limit = f"{low} to {high}" if high < float("inf") else f"at least {low}"
        raise ConfigError(f"{policy}: {option!r} is {value}, expected {limit}")
