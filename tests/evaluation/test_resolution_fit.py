import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.resolution_fit import fit_resolution

ENERGY = np.array([5.0, 10, 20, 40, 80, 160, 320])
ALL = ("stochastic", "constant", "noise")


def resolution(a, b, c, energy=ENERGY):
    return np.sqrt(a**2 / energy + b**2 + c**2 / energy**2)


def test_finds_what_was_put_in():
    y = resolution(0.1, 0.007, 0.2)
    found = fit_resolution(ENERGY, y, 0.01 * y, terms=ALL)
    np.testing.assert_allclose([c.value for c in found.coefficients], [0.1, 0.007, 0.2], rtol=1e-5)
    assert found.chi_squared == pytest.approx(0, abs=1e-6)
    assert (found.n_degrees, found.p_value) == (4, pytest.approx(1))
    np.testing.assert_allclose(found.at([5.0, 320.0]), y[[0, -1]], rtol=1e-6)


def test_one_term_by_hand():
    # A constant is the weighted mean, its error 1/√Σσ⁻².
    y, s = np.array([0.1, 0.2, 0.1, 0.2]), np.array([0.01, 0.02, 0.01, 0.02])
    found = fit_resolution([1, 2, 3, 4], y, s, terms=["constant"], level=0.682689)
    (constant,) = found.coefficients
    w = 1 / s**2
    assert constant.value == pytest.approx(np.average(y, weights=w))
    assert constant.high - constant.value == pytest.approx(w.sum() ** -0.5, rel=1e-4)
    assert found.chi_squared == pytest.approx(np.sum(w * (y - constant.value) ** 2))


def test_errors_are_those_of_repeated_experiments():
    rng = np.random.default_rng(0)
    y = resolution(0.1, 0.01, 0)
    s = 0.03 * y
    fits = [fit_resolution(ENERGY, rng.normal(y, s), s) for _ in range(300)]
    values = np.array([[c.value for c in fit.coefficients] for fit in fits])
    np.testing.assert_allclose(values.mean(axis=0), [0.1, 0.01], rtol=0.01)
    expected = np.sqrt(np.diag(fit_resolution(ENERGY, y, s).covariance))
    np.testing.assert_allclose(values.std(axis=0), expected, rtol=0.12)
    assert np.mean([fit.chi_squared for fit in fits]) == pytest.approx(5, abs=0.7)


def test_a_term_that_is_not_there_is_zero_with_an_upper_end():
    found = fit_resolution(ENERGY, resolution(0.1, 0, 0), 0.02 * resolution(0.1, 0, 0), terms=ALL)
    stochastic, constant, noise = found.coefficients
    assert stochastic.value == pytest.approx(0.1)
    assert constant.value == constant.low == 0
    assert 0 < constant.high < 0.01
    assert noise.low == 0
    assert 0 < noise.high < 0.3


def test_a_term_that_only_the_squares_leave_above_zero_has_an_end():
    # Of photons in a calorimeter: the fit of the squares wants a constant term, that of the roots
    # none.
    energy = [6.3, 8.9, 12.7, 17.9, 25.8, 37.7, 53.5, 80.9]
    y = np.array([0.0552, 0.0561, 0.0324, 0.0318, 0.0341, 0.0257, 0.0184, 0.0155])
    s = np.array([0.0059, 0.0054, 0.0036, 0.0045, 0.0028, 0.0024, 0.0019, 0.0011])
    found = fit_resolution(energy, y, s, terms=ALL)
    assert found.coefficients[0].value == pytest.approx(0.14, abs=0.02)
    for coefficient in found.coefficients:
        assert coefficient.low <= coefficient.value <= coefficient.high < 1
    nearby = [fit_resolution(energy, y, s, terms=terms) for terms in (ALL[:1], ALL[:2])]
    assert found.chi_squared <= min(fit.chi_squared for fit in nearby) + 1e-6


@pytest.mark.parametrize(
    ("arguments", "terms", "error", "message"),
    [
        ((ENERGY[:3],) * 3, ("constant",), DataError, "3 bins.*needs 4 or more"),
        ((ENERGY,) * 3, ("sampling",), ConfigError, "terms of the resolution are sampling"),
        ((ENERGY,) * 3, (), ConfigError, r"\(none\)"),
        ((ENERGY,) * 3, ("noise", "noise"), ConfigError, "at most once"),
        ((ENERGY, ENERGY - 5, ENERGY), ("constant",), DataError, "the resolution of a bin is not"),
    ],
)
def test_bad_input(arguments, terms, error, message):
    with pytest.raises(error, match=message):
        fit_resolution(*arguments, terms=terms)
