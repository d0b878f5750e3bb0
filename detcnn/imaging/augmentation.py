"""Random changes of images that leave their class alone.

A policy says what may happen and how much of it; it draws an amount for each image and hands it to
the deterministic operation of the same name, in `detcnn.kernels.warps` or here. Images are batches
of shape (B, channels, rows, columns), float32, and are never changed in place.

`Shift` and `Flip` only say where pixels go: where they come first, pixel lists are moved on their
way to dense images, to the same bits as dense images would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.kernels import warps
from detcnn.kernels.moves import Moves

Values = NDArray[np.float32]


class Policy(Protocol):
    """A random change of a batch of images."""

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the changed images; `values` stays as it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Move each image by whole pixels, zeros coming in from the side.

    Parameters
    ----------
    max_pixels : int
        Rows and columns each move by −max_pixels to +max_pixels, all equally likely; at least 0.

    Raises
    ------
    ConfigError
        If `max_pixels` is negative.
    """

    max_pixels: int = 1

    def __post_init__(self) -> None:
        _check("shift", "max_pixels", self.max_pixels, low=0)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images, each moved by its own amount."""
        return warps.shift(values, *self._amounts(len(values), rng))

    def after(self, moves: Moves, rng: np.random.Generator) -> Moves:
        """Return `moves` and then those that a call would make with the same generator."""
        return moves.then_shift(*self._amounts(moves.n_images, rng))

    def _amounts(self, n_images: int, rng: np.random.Generator) -> NDArray[np.int64]:
        reach = self.max_pixels
        return rng.integers(-reach, reach, size=(2, n_images), endpoint=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
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
        _check("flip", "probability", self.probability, low=0, high=1)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images, some of them mirrored."""
        return warps.flip(values, *self._choice(len(values), rng))

    def after(self, moves: Moves, rng: np.random.Generator) -> Moves:
        """Return `moves` and then those that a call would make with the same generator."""
        return moves.then_flip(*self._choice(moves.n_images, rng))

    def _choice(self, n_images: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = rng.random((2, n_images)) < self.probability
        chosen &= np.array([[self.rows], [self.columns]])
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
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
        _check("rotate", "max_degrees", self.max_degrees, low=0, high=180)
        if not (np.isfinite(self.aspect) and self.aspect > 0):
            raise ConfigError(f"rotate: 'aspect' is {self.aspect}, expected a number above 0")

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images, each turned by its own angle."""
        reach = np.deg2rad(self.max_degrees)
        return warps.rotate(values, rng.uniform(-reach, reach, len(values)), aspect=self.aspect)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPixels:
    """Empty filled pixels at random, in all channels at once, as if their constituents were lost.

    Parameters
    ----------
    probability : float
        Of losing a pixel, 0 to 1.

    Raises
    ------
    ConfigError
        If the probability is out of range.
    """

    probability: float = 0.05

    def __post_init__(self) -> None:
        _check("drop_pixels", "probability", self.probability, low=0, high=1)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images with some of their pixels emptied."""
        keys = rng.integers(0, 2**64, size=len(values), dtype=np.uint64)
        return warps.drop(values, keys, self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Add Gaussian noise to pixels.

    Parameters
    ----------
    sigma : float
        Standard deviation, at least 0: in the units of the pixels, or with `relative` as a fraction
        of the pixel's own value (a resolution).
    relative : bool
        Scale the noise with each pixel's value.
    filled_only : bool
        Leave empty pixels empty. This is the default because images of particles are mostly empty,
        and standardisation may divide a pixel that no training image filled by next to nothing.
        Switch it off for read-outs where every pixel has noise.

    Raises
    ------
    ConfigError
        If `sigma` is negative.
    """

    sigma: float = 0.05
    relative: bool = True
    filled_only: bool = True

    def __post_init__(self) -> None:
        _check("noise", "sigma", self.sigma, low=0)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images with noise added."""
        if self.filled_only or self.relative:
            filled = np.flatnonzero(values)
            noise = np.zeros(values.shape, dtype=np.float32)
            noise.reshape(-1)[filled] = rng.standard_normal(len(filled), dtype=np.float32)
        else:
            noise = rng.standard_normal(values.shape, dtype=np.float32)
        return add_noise(values, noise, sigma=self.sigma, relative=self.relative)


def add_noise(values: Values, noise: Values, *, sigma: float, relative: bool) -> Values:
    """Add given noise to images.

    Parameters
    ----------
    values, noise : numpy.ndarray
        float32, of equal shape; the noise in units of its standard deviation.
    sigma : float
        Standard deviation, see `Noise`.
    relative : bool
        Whether `sigma` is a fraction of the pixel's value.

    Returns
    -------
    numpy.ndarray
        float32; with `relative`, empty pixels stay empty.
    """
    scale = np.float32(sigma)
    return values + scale * noise * values if relative else values + scale * noise


def augment(values: Values, policies: Sequence[Policy], rng: np.random.Generator) -> Values:
    """Apply policies to a batch of images, in the order given.

    Parameters
    ----------
    values : numpy.ndarray
        float32, shape (B, channels, rows, columns); left as it is.
    policies : sequence of Policy
        May be empty.
    rng : numpy.random.Generator
        All randomness comes from it.

    Returns
    -------
    numpy.ndarray
        float32, shape (B, channels, rows, columns); `values` itself if there is no policy.
    """
    for policy in policies:
        values = policy(values, rng)
    return values


def leading_moves(policies: Sequence[Policy]) -> tuple[Shift | Flip, ...]:
    """Return the policies that come before the first one that does more than move pixels."""
    return tuple(takewhile(lambda policy: isinstance(policy, Shift | Flip), policies))  # type: ignore[arg-type]


def _check(
    policy: str, option: str, value: float, *, low: float, high: float = float("inf")
) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        limit = f"{low} to {high}" if high < float("inf") else f"at least {low}"
        raise ConfigError(f"{policy}: {option!r} is {value}, expected {limit}")
