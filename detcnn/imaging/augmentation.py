"""Random changes of images that leave their class alone.

A policy says what may happen and how much of it; it draws an amount for each image and hands it to
a deterministic operation, in `detcnn.imaging.transforms` if it moves things, or else here. Images
are batches of shape (B, channels, rows, columns), float32, and are never changed in place.

`Flip`, and `Shift` by whole pixels, only say where pixels go: where they come first, pixel lists
are moved on their way to dense images, to the same bits as dense images would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from detcnn.imaging.geometric_policies import Flip, GeometricPolicy, Shift, check_option
from detcnn.imaging.transforms import Masks, Points, Values
from detcnn.kernels import warps


class Policy(Protocol):
    """A random change of a batch of images."""

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the changed images; `values` stays as it is."""
        ...


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
        check_option("drop_pixels", "probability", self.probability, low=0, high=1)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images with some of their pixels emptied."""
        keys = rng.integers(0, 2**64, size=len(values), dtype=np.uint64)
        return warps.drop(values, keys, self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """Multiply the channels of each image by factors of their own, as a wrong calibration would.

    Parameters
    ----------
    max_factor : float
        The logarithm of a factor is uniform, the factor from 1/max_factor to max_factor; at least
        1.
    together : bool
        One factor for all channels of an image: another brightness, but the same colour.

    Raises
    ------
    ConfigError
        If the factor is below 1.
    """

    max_factor: float = 1.1
    together: bool = False

    def __post_init__(self) -> None:
        check_option("colour", "max_factor", self.max_factor, low=1)

    def __call__(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the images with their channels scaled."""
        n_images, n_channels = values.shape[:2]
        size = (n_images, 1 if self.together else n_channels)
        return scale_channels(values, np.exp(rng.uniform(-1, 1, size) * np.log(self.max_factor)))


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
        check_option("noise", "sigma", self.sigma, low=0)

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


def scale_channels(values: Values, factors: NDArray[np.float64]) -> Values:
    """Multiply channels by given factors.

    Parameters
    ----------
    values : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    factors : numpy.ndarray
        Shape (B, channels), or (B, 1) for all channels together.

    Returns
    -------
    numpy.ndarray
        float32, of the shape of `values`.
    """
    return values * factors.astype(np.float32)[:, :, np.newaxis, np.newaxis]


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


@dataclass(frozen=True, slots=True)
class Augmented:
    """Images with what is marked in them, changed together.

    Parameters
    ----------
    values : numpy.ndarray
        float32, shape (B, channels, rows, columns).
    masks : numpy.ndarray, optional
        Shape (B, planes, rows, columns): the label of each pixel, or another number of it alone.
    points : numpy.ndarray, optional
        float64, shape (B, n, 2): (row, column) in pixels, NaN for a point that is not there.
    """

    values: Values
    masks: Masks | None = None
    points: Points | None = None


def augment_together(
    marked: Augmented, policies: Sequence[Policy], rng: np.random.Generator
) -> Augmented:
    """Apply policies to images, and to masks and points what moves their images.

    Parameters
    ----------
    marked : Augmented
        Left as it is.
    policies : sequence of Policy
        May be empty.
    rng : numpy.random.Generator
        All randomness comes from it; the images are those that `augment` would give.

    Returns
    -------
    Augmented
    """
    values, masks, points = marked.values, marked.masks, marked.points
    for policy in policies:
        if not isinstance(policy, GeometricPolicy):
            values = policy(values, rng)
            continue
        n_images, _, n_rows, n_columns = values.shape
        transform = policy.draw(n_images, (n_rows, n_columns), rng)
        values = transform.images(values)
        masks = None if masks is None else transform.masks(masks)
        points = None if points is None else transform.points(points)
    return Augmented(values, masks, points)


def leading_moves(policies: Sequence[Policy]) -> tuple[Shift | Flip, ...]:
    """Return the policies that come before the first one that does more than move pixels."""
    moves: list[Shift | Flip] = []
    for policy in policies:
        if not _only_moves(policy):
            break
        moves.append(policy)
    return tuple(moves)


def _only_moves(policy: Policy) -> TypeGuard[Shift | Flip]:
    return isinstance(policy, Flip) or (isinstance(policy, Shift) and not policy.subpixel)
