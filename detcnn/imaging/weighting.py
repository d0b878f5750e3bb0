"""Training weights: equal classes, and one spectrum for all of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError


@dataclass(frozen=True, slots=True)
class Planing:
    """Weights that give every class the same spectrum of one column.

    Planing takes away what a classifier could learn from the spectrum alone (Chang, Cohen and
    Ostdiek, Phys. Rev. D 97, 056009). The common spectrum is the mean of the classes' normalised
    spectra; a bin that any class leaves empty gets weight zero for all, because there is nothing to
    compare there.

    Parameters
    ----------
    edges : numpy.ndarray
        float64, shape (n_bins + 1,), rising. Values outside get weight zero.
    factor : numpy.ndarray
        float64, shape (n_classes, n_bins).
    """

    edges: NDArray[np.float64]
    factor: NDArray[np.float64]

    def weights(
        self, values: NDArray[np.floating], labels: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the weight of each event, shape (n_events,)."""
        bins, is_inside = _bins(values, self.edges)
        return np.where(is_inside, self.factor[labels, bins], 0.0)


def spectrum(
    values: NDArray[np.floating],
    labels: NDArray[np.int64],
    weights: NDArray[np.floating],
    *,
    edges: NDArray[np.float64],
    n_classes: int,
) -> NDArray[np.float64]:
    """Return the weighted histogram of a column per class, shape (n_classes, n_bins)."""
    bins, is_inside = _bins(values, edges)
    n_bins = len(edges) - 1
    key = (labels * n_bins + bins)[is_inside]
    sums = np.bincount(key, weights=weights[is_inside], minlength=n_classes * n_bins)
    return np.asarray(sums, dtype=np.float64).reshape(n_classes, n_bins)


def planing(spectra: NDArray[np.float64], edges: NDArray[np.float64]) -> Planing:
    """Return the weights that make the classes' spectra equal.

    Parameters
    ----------
    spectra : numpy.ndarray
        float64, shape (n_classes, n_bins): from the training split alone.
    edges : numpy.ndarray
        float64, shape (n_bins + 1,).

    Returns
    -------
    Planing

    Raises
    ------
    DataError
        If no bin has events of every class.
    """
    is_shared = np.all(spectra > 0, axis=0)
    if not is_shared.any():
        raise DataError(
            f"planing: no bin between {edges[0]:g} and {edges[-1]:g} has events of every class: "
            "use fewer bins or another range"
        )
    shared = np.where(is_shared, spectra, 0.0)
    shape = shared / shared.sum(axis=1, keepdims=True)
    common = shape.mean(axis=0)
    factor = np.divide(common, shape, out=np.zeros_like(shape), where=shape > 0)
    return Planing(edges, factor)


def class_weights(
    totals: NDArray[np.floating],
    *,
    how: Literal["inverse", "sqrt_inverse", "effective"] = "inverse",
    beta: float = 0.9999,
) -> NDArray[np.float64]:
    """Return one factor per class against their unequal totals, which keeps the sum of all.

    Parameters
    ----------
    totals : numpy.ndarray
        Shape (n_classes,): sum of weights, or number of pixels, of each class; of the training
        split alone.
    how : {"inverse", "sqrt_inverse", "effective"}
        ``inverse`` makes the classes equal. ``sqrt_inverse`` goes half the way, for classes so rare
        that few events would bear all the weight. ``effective`` divides by
        (1 − β^n) / (1 − β), what n examples are worth that repeat each other (Cui et al.,
        arXiv:1901.05555, eq. 2): `inverse` far below 1 / (1 − β) examples, and equal weights far
        above.
    beta : float
        β, 0 to 1 exclusive.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_classes,): Σ factor · total = Σ total, so the mean factor over all events,
        or pixels, is 1.

    Raises
    ------
    DataError
        If a total is not positive.
    """
    totals = np.asarray(totals, dtype=np.float64)
    if np.any(totals <= 0):
        worst = int(np.argmin(totals))
        raise DataError(
            f"class {worst} has a total of {totals[worst]:g} in the training split, expected more "
            "than 0: add events that have it, or do without class weights"
        )
    match how:
        case "inverse":
            factor = 1 / totals
        case "sqrt_inverse":
            factor = 1 / np.sqrt(totals)
        case "effective":
            factor = (beta - 1) / np.expm1(totals * np.log(beta))
    return np.asarray(factor * totals.sum() / (factor * totals).sum())


def _bins(
    values: NDArray[np.floating], edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    bins = np.searchsorted(edges, values, side="right") - 1
    is_inside = (bins >= 0) & (bins < len(edges) - 1)
    return np.where(is_inside, bins, 0), is_inside
