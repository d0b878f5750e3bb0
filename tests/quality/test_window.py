import numpy as np
import pytest

from detcnn.events.windows import Window
from detcnn.quality.window import outlier_findings, robust_window, stated_window_findings


def event(row):
    return f"row {row}"


def test_a_stated_window_is_half_open(place):
    values = np.array([500, 499.9, np.nan, 549.9, 550, 600])
    (finding,) = stated_window_findings(values, Window("pt", 500, 550), place)
    assert (finding.check, finding.severity, finding.count) == ("window", "trouble", 3)
    assert finding.where == "jets.h5: jets, event 1001"
    assert "pt outside [500, 550)" in finding.message
    assert stated_window_findings(values[[0, 2, 3]], Window("pt", 500, 550), place) == ()
    assert stated_window_findings(values, Window("pt", 400, None), place) == ()


def test_a_robust_window_by_hand():
    # Logarithms at 0, 1, …, 100: quartiles 25 and 75, median 50.
    logarithms = np.arange(101) / 100
    low, high = robust_window(np.exp(logarithms))
    half_width = 15 * 0.5 / 1.349
    assert np.log([low, high]) == pytest.approx([0.5 - half_width, 0.5 + half_width])


@pytest.mark.parametrize("values", [np.full(1000, 3.0), np.arange(1, 100), np.zeros(500)])
def test_too_few_or_equal_values_give_no_window(values):
    assert robust_window(values.astype(np.float64)) is None
    (finding,) = outlier_findings(values.astype(np.float64), column="pt", event=event)
    assert finding.severity == "fine"


@pytest.mark.parametrize("seed", range(3))
def test_spectra_of_jets_have_no_outliers(seed):
    generator = np.random.default_rng(seed)
    for values in (
        generator.uniform(500, 550, 20_000),
        20 * (1 - generator.random(20_000)) ** (-1 / 4),
        np.exp(generator.normal(4, 1, 20_000)),
    ):
        (finding,) = outlier_findings(values, column="pt", event=event)
        assert finding.severity == "fine"
        assert "from the quartiles of the sample" in finding.message


@pytest.mark.parametrize("factor", [1000, 1e-3])
def test_an_event_in_another_unit_is_found(factor):
    values = np.random.default_rng(0).uniform(500, 550, 1000)
    values[123] *= factor
    values[7] = np.nan
    (finding,) = outlier_findings(values, column="pt", event=event)
    assert (finding.check, finding.severity, finding.count) == ("window", "warning", 1)
    assert finding.where == f"row 123: {values[123]:.6g}"
