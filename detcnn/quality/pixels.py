"""Dead and hot pixels, from how often each is filled and how much is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri

from detcnn.events.images import Images, SparseImages
from detcnn.quality.findings import Finding

FALSE_ALARMS = 1e-3
"""Probability that a healthy set of images has any dead (any hot) pixel, over all pixels."""

HOT = 5.0
"""A pixel may be filled so many times as often as those around it, or hold so many times as much,
before it is asked whether that is chance. Towers two pixels wide give 5 in a corner."""

REACH = 2
"""Pixels to every side that are compared with."""

_CENTRE = 1.5
_FEWEST_FILLED = 30
_FEWEST_AROUND = 8
_ROUNDING = 1e-9
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class PixelTally:
    """What pixels held, over some images of one class.

    Parameters
    ----------
    n_images : int
        Number of images.
    n_filled, total, squares : numpy.ndarray
        Shape (channels, rows, columns): images in which the pixel is not zero, the sum of its
        absolute values, and of their squares. Values that are not finite count as zero.
    """

    n_images: int
    n_filled: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def __add__(self, other: "PixelTally") -> "PixelTally":
        return PixelTally(
            self.n_images + other.n_images,
            self.n_filled + other.n_filled,
            self.total + other.total,
            self.squares + other.squares,
        )


def tally_pixels(images: Images) -> PixelTally:
    """Return what the pixels of some images held."""
    if isinstance(images, SparseImages):
        n_pixels = int(np.prod(images.shape))
        sizes = _sizes(images.value)
        n_filled, total, squares = (
            np.bincount(images.pixel, weights=part, minlength=n_pixels).reshape(images.shape)
            for part in (sizes != 0, sizes, sizes**2)
        )
    else:
        sizes = _sizes(images.values)
        n_filled, total, squares = (
            np.asarray(part.sum(axis=0, dtype=np.float64)) for part in (sizes != 0, sizes, sizes**2)
        )
    return PixelTally(
        images.n_images,
        n_filled.astype(np.int64),
        total.astype(np.float64),
        squares.astype(np.float64),
    )


def dead_pixels(n_filled: NDArray[np.int64], *, n_tests: int) -> NDArray[np.bool_]:
    """Tell which pixels of a channel are never filled though they should be.

    The (lower) median of the pixels within `REACH` rows and columns, of which the opposite one is
    in the image, too, says how often a pixel should be filled; a median over such surroundings is
    right wherever the image only rises or falls, however steeply. A pixel that should be filled
    half as often in n images is empty in all of them with a probability below exp(−median / 2); it
    is dead if that is below `FALSE_ALARMS` / `n_tests` (Bonferroni). So neither the edge of what
    the detector sees nor the gaps of towers wider than a pixel are dead. The outermost rows and
    columns of the image are not judged.

    Parameters
    ----------
    n_filled : numpy.ndarray
        int, shape (rows, columns): images in which each pixel is filled.
    n_tests : int
        Pixels that are looked at in all.

    Returns
    -------
    numpy.ndarray
        bool, shape (rows, columns).
    """
    around = _around(n_filled)
    # Opposite pixels come at opposite ends.
    around[np.isnan(around[::-1])] = np.nan
    n_around = np.count_nonzero(np.isfinite(around), axis=0)
    # Those that are not there sort to the end. NumPy's own nanquantile goes pixel by pixel.
    middle = np.maximum(n_around - 1, 0) // 2
    median = np.take_along_axis(np.sort(around, axis=0), middle[np.newaxis], axis=0)[0]
    is_judged = n_around >= _FEWEST_AROUND
    return np.asarray(is_judged & (n_filled == 0) & (median / 2 > np.log(n_tests / FALSE_ALARMS)))


def hot_pixels(tally: PixelTally, channel: int, *, n_tests: int) -> NDArray[np.bool_]:
    """Tell which pixels of a channel are filled far too often, or hold far too much.

    A pixel is compared with the mean of those within `REACH` rows and columns. It is hot if one of
    two numbers is more than `HOT` times theirs beyond chance, each with a probability below
    `FALSE_ALARMS` / (2 `n_tests`) (Bonferroni):

    - the number of images that fill it, by the exact binomial test of it against theirs;
    - the sum of its absolute values, by its standard error and theirs, once 30 images fill it.

    The pixels within 1.5 of the image's middle are left out: alignment puts the hardest
    constituent there.

    Parameters
    ----------
    tally : PixelTally
        Of some images.
    channel : int
        Which one.
    n_tests : int
        Pixels that are looked at in all.

    Returns
    -------
    numpy.ndarray
        bool, shape (rows, columns).
    """
    level = FALSE_ALARMS / (2 * n_tests)
    n_filled = tally.n_filled[channel]
    around = _with_zeros_for_none(_around(n_filled))
    n_around = np.count_nonzero(np.isfinite(around), axis=0)
    chance = betainc(np.maximum(n_filled, 1), np.nansum(around, axis=0) + 1, HOT / (n_around + HOT))
    is_often = (n_filled > 0) & (chance < level)

    total, squares = tally.total[channel], tally.squares[channel]
    variance = np.maximum(squares - total**2 / max(tally.n_images, 1), 0)
    expected = HOT * np.nanmean(_with_zeros_for_none(_around(total)), axis=0)
    error = np.sqrt(variance + HOT**2 * np.nansum(_around(variance), axis=0) / n_around**2)
    is_much = (n_filled >= _FEWEST_FILLED) & (
        total > expected * (1 + _ROUNDING) - ndtri(level) * error
    )

    rows, columns = np.ogrid[: n_filled.shape[0], : n_filled.shape[1]]
    middle = [(n - 1) / 2 for n in n_filled.shape]
    is_central = (np.abs(rows - middle[0]) <= _CENTRE) & (np.abs(columns - middle[1]) <= _CENTRE)
    return np.asarray((is_often | is_much) & ~is_central)


def pixel_findings(
    tallies: Sequence[PixelTally],
    *,
    classes: Sequence[str],
    channels: Sequence[str],
) -> tuple[Finding, ...]:
    """Find dead and hot pixels, in each channel of each class.

    Both are trouble: what the detector does to a pixel is not to be learned, least of all where it
    did so to one class alone. In healthy images, either is found with a probability of
    `FALSE_ALARMS`, whatever the number of pixels, channels and classes.

    Parameters
    ----------
    tallies : sequence of PixelTally
        One a class.
    classes, channels : sequence of str
        Their names.

    Returns
    -------
    tuple of Finding
        At most one for dead and one for hot pixels; `count` is the number of pixels, once a class,
        and `where` names the first three.
    """
    n_tests = sum(tally.n_filled.size for tally in tallies)
    named: dict[str, list[str]] = {"dead": [], "hot": []}
    for tally, of_class in zip(tallies, classes, strict=True):
        for i, channel in enumerate(channels):
            marked = {
                "dead": dead_pixels(tally.n_filled[i], n_tests=n_tests),
                "hot": hot_pixels(tally, i, n_tests=n_tests),
            }
            for kind, is_bad in marked.items():
                named[kind] += [
                    f"{of_class}, channel {channel}, row {row}, column {column}"
                    for row, column in np.argwhere(is_bad).tolist()
                ]
    return tuple(
        Finding(
            f"{kind}-pixels", "trouble", len(places), "; ".join(places[:_MOST_NAMED]), *_TOLD[kind]
        )
        for kind, places in named.items()
        if places
    )


_REMEDY = "mask these pixels in all classes alike, before training"
_TOLD = {
    "dead": ("empty in every image, amid pixels that are not", _REMEDY),
    "hot": (f"more than {HOT:g} times as often filled, or as full, as those around", _REMEDY),
}


def _sizes(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.abs(np.where(np.isfinite(values), values, 0)).astype(np.float64)


def _around(values: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pixels around each, shape (n_neighbours, rows, columns), NaN beyond the edge."""
    rows, columns = values.shape
    width = 2 * REACH + 1
    padded = np.pad(values.astype(np.float64), REACH, constant_values=np.nan)
    return np.stack(
        [
            padded[i : i + rows, j : j + columns]
            for i in range(width)
            for j in range(width)
            if (i, j) != (REACH, REACH)
        ]
    )


def _with_zeros_for_none(around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return zeros around pixels that have nothing around them."""
    return np.where(np.isnan(around).all(axis=0), 0, around)
