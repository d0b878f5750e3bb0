"""How the relative resolution of an energy falls with it: a/√E ⊕ b ⊕ c/E."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.intervals import LEVEL, Interval, tail

Floats = NDArray[np.float64]

POWERS = {"stochastic": -0.5, "constant": 0.0, "noise": -1.0}
"""Terms of the resolution, with the power of the energy that each goes with."""

LEAST_BINS = 4
"""A fit of fewer says nothing about its shape."""


@dataclass(frozen=True, slots=True, eq=False)
class ResolutionFit:
    """A fit of σ/E = a/√E ⊕ b ⊕ c/E, where ⊕ adds in quadrature.

    Parameters
    ----------
    terms : tuple of str
        Which terms were fitted, of `POWERS`.
    coefficients : tuple of Interval
        The coefficient of each, never negative; the unit of a stochastic one is the root of that of
        the energy, of a noise term that of the energy. One that the fit puts to zero has the
        interval from 0 to the root of the error of its square.
    covariance : numpy.ndarray
        Shape (n_terms, n_terms); zero in rows and columns of terms at zero.
    chi_squared, p_value : float
        Of the fit, and the probability of a larger χ² with `n_degrees` degrees of freedom.
    n_degrees : int
        Bins minus terms.
    energy, resolution, error : numpy.ndarray
        Shape (n_bins,): what was fitted.
    """

    terms: tuple[str, ...]
    coefficients: tuple[Interval, ...]
    covariance: Floats
    chi_squared: float
    p_value: float
    n_degrees: int
    energy: Floats
    resolution: Floats
    error: Floats

    def at(self, energy: ArrayLike) -> Floats:
        """Return the fitted σ/E at energies of any shape."""
        e = np.asarray(energy, np.float64)
        squares = [
            (coefficient.value * e ** POWERS[term]) ** 2
            for term, coefficient in zip(self.terms, self.coefficients, strict=True)
        ]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)))


def fit_resolution(
    energy: ArrayLike,
    resolution: ArrayLike,
    error: ArrayLike,
    *,
    terms: Sequence[str] = ("stochastic", "constant"),
    level: float = LEVEL,
) -> ResolutionFit:
    """Fit the relative resolution by least squares.

    Parameters
    ----------
    energy, resolution, error : array_like
        Shape (n_bins,), all positive: mean energy of a bin, σ/E there, and its standard error.
    terms : sequence of str
        Which of ``stochastic`` (a/√E), ``constant`` (b) and ``noise`` (c/E).
    level : float
        Level of the intervals, from the curvature of χ².

    Raises
    ------
    ConfigError
        If a term is unknown or given twice, or none is given.
    DataError
        If there are fewer bins than `LEAST_BINS`, no more than terms, or a number is not positive.

    Notes
    -----
    C. W. Fabjan and F. Gianotti, Rev. Mod. Phys. 75 (2003) 1243, equation (8).
    """
    unknown = [term for term in terms if term not in POWERS]
    if unknown or not terms or len(set(terms)) < len(terms):
        raise ConfigError(
            f"terms of the resolution are {', '.join(terms) or '(none)'}: "
            f"expected each at most once, of {', '.join(POWERS)}"
        )
    e, y, s = (np.asarray(of, np.float64) for of in (energy, resolution, error))
    if len(e) < max(LEAST_BINS, len(terms) + 1):
        raise DataError(
            f"{len(e)} bins with a resolution: a fit of {len(terms)} terms needs "
            f"{max(LEAST_BINS, len(terms) + 1)} or more; give more bins or more events"
        )
    for name, values in (("energy", e), ("resolution", y), ("error of the resolution", s)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise DataError(f"the {name} of a bin is not positive: expected positive numbers only")
    # The squares of the coefficients enter linearly, which needs no starting point.
    basis = np.stack([e ** (2 * POWERS[term]) for term in terms], axis=1)
    weight = 1 / (2 * y * s)
    squares, _ = optimize.nnls(basis * weight[:, np.newaxis], y**2 * weight)
    curvature = (basis * weight[:, np.newaxis]).T @ (basis * weight[:, np.newaxis])
    errors_of_squares = np.sqrt(np.diag(np.linalg.inv(curvature)))

    def deviations(of: Floats) -> Floats:
        return np.asarray((np.sqrt(basis @ of) - y) / s)

    # The least deviation of squares may lie at zero for a term where that of roots does not, and
    # the other way round.
    squares = optimize.least_squares(
        deviations, squares, bounds=(0, np.inf), x_scale=errors_of_squares, xtol=1e-12
    ).x
    # One that is nothing beside its error has no curvature of its own at zero.
    is_free = squares > 1e-3 * errors_of_squares
    if not is_free.any():
        is_free[np.argmax(squares)] = True
    value, covariance = np.zeros(len(terms)), np.zeros((len(terms), len(terms)))

    def model(x: Floats, *coefficients: float) -> Floats:
        powers = compress((POWERS[term] for term in terms), is_free)
        parts = [(c * x**power) ** 2 for c, power in zip(coefficients, powers, strict=True)]
        return np.asarray(np.sqrt(np.sum(parts, axis=0)))

    fitted, curved = optimize.curve_fit(
        model, e, y, p0=np.sqrt(squares[is_free]), sigma=s, absolute_sigma=True
    )
    value[is_free] = np.abs(fitted)
    covariance[np.ix_(is_free, is_free)] = curved * np.outer(np.sign(fitted), np.sign(fitted))
    chi_squared = float(np.sum(((y - model(e, *value[is_free])) / s) ** 2))
    n_degrees = len(e) - len(terms)
    n_sigma = float(stats.norm.isf(tail(level)))
    reach = n_sigma * np.sqrt(np.diag(covariance))
    beyond = np.sqrt(n_sigma * errors_of_squares)
    return ResolutionFit(
        terms=tuple(terms),
        coefficients=tuple(
            Interval(
                value=float(value[i]),
                low=max(0.0, float(value[i] - reach[i])),
                high=float(value[i] + reach[i]) if is_free[i] else float(beyond[i]),
                level=level,
                method="least squares",
            )
            for i in range(len(terms))
        ),
        covariance=covariance,
        chi_squared=chi_squared,
        p_value=float(stats.chi2.sf(chi_squared, n_degrees)),
        n_degrees=n_degrees,
        energy=e,
        resolution=y,
        error=s,
    )
