"""Images that show what is rare, drawn more often than they are there."""

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images, SparseImages


@dataclass(frozen=True, slots=True)
class Favour:
    """Which images are drawn more often than they are there, and how often.

    Parameters
    ----------
    classes : tuple of int
        Images that have a pixel of one of them, see `foreground_rows`.
    share : float
        The part of an epoch that they make up at least, 0 to 1.
    planes : int
        Planes of the truth that hold classes.
    """

    classes: tuple[int, ...]
    share: float
    planes: int

    def order(
        self, order: NDArray[np.int64], truth: Images, *, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the order of the images of `truth` that `favoured_order` makes of another."""
        rows = foreground_rows(truth, self.classes, planes=self.planes)
        return favoured_order(order, rows, share=self.share, rng=rng)


def foreground_rows(
    truth: Images, classes: Collection[int], *, planes: int | None = None
) -> NDArray[np.bool_]:
    """Return which images have a pixel of one of the classes.

    Parameters
    ----------
    truth : SparseImages or DenseImages
        A pixel truth: the number of a class in each pixel, of shape (planes, *axes).
    classes : collection of int
        At least 1 each: pixel lists do not hold the background, class 0.
    planes : int, optional
        Look at the first so many: those behind them may say which pixels count. All by default.

    Returns
    -------
    numpy.ndarray
        bool, shape (n_images,).

    Raises
    ------
    ValueError
        If a class is below 1.
    """
    wanted = np.array(sorted(classes), dtype=np.float32)
    if np.any(wanted < 1):
        raise ValueError(f"classes {sorted(classes)}: expected numbers from 1, the foreground")
    if planes is None:
        planes = truth.shape[0]
    if isinstance(truth, SparseImages):
        is_wanted = np.isin(truth.value, wanted) & (truth.pixel < planes * prod(truth.shape[1:]))
        n_found = np.concatenate([[0], np.cumsum(is_wanted)])
        return np.asarray(np.diff(n_found[truth.offsets]) > 0)
    is_wanted = np.isin(truth.values[:, :planes], wanted)
    return np.asarray(is_wanted.any(axis=tuple(range(1, is_wanted.ndim))))


def favoured_order(
    order: NDArray[np.int64],
    is_foreground: NDArray[np.bool_],
    *,
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return an order in which a share of the images has foreground.

    Images without it give up their places, chosen at random, to further copies of those with it;
    each of these comes as often as any other, or once more. Nobody gives up anything where the
    share is there already, or where no image has foreground.

    Parameters
    ----------
    order : numpy.ndarray
        int64, shape (n_images,): images in the order of an epoch, or of the part of it that is in
        memory together.
    is_foreground : numpy.ndarray
        bool: of image ``i`` at ``i``.
    share : float
        0 to 1: rounded to whole images.
    rng : numpy.random.Generator
        All randomness comes from it.

    Returns
    -------
    numpy.ndarray
        int64, as long as `order`. An epoch of rare foreground leaves out other background than the
        next one, if each has its own `rng`.
    """
    is_there = is_foreground[order]
    foreground = order[is_there]
    n_missing = round(share * len(order)) - len(foreground)
    if n_missing <= 0 or not len(foreground):
        return order
    places = rng.choice(np.flatnonzero(~is_there), n_missing, replace=False)
    n_whole, n_rest = divmod(n_missing, len(foreground))
    copies = [np.tile(foreground, n_whole), rng.choice(foreground, n_rest, replace=False)]
    favoured = order.copy()
    favoured[places] = rng.permutation(np.concatenate(copies))
    return favoured
