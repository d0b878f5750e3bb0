import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model, metrics

from detcnn.errors import DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.regression import evaluate_regression

FAST = {"bootstrap": Bootstrap(n_replicas=60)}


def test_by_hand():
    truth, prediction = [1.0, 2.0, 4.0, 5.0], [1.5, 2.0, 3.0, 5.0]
    result = evaluate_regression(truth, prediction, name="energy", unit="GeV", **FAST)
    absolute, relative = result.absolute, result.relative
    # Residuals 0.5, 0, −1, 0, and relative to the truth 0.5, 0, −0.25, 0.
    assert absolute.mean.value == pytest.approx(-0.125)
    assert absolute.median.value == 0
    assert absolute.mean_absolute.value == pytest.approx(1.5 / 4)
    assert absolute.rms.value == pytest.approx(np.sqrt(1.25 / 4 - 0.125**2))
    # The lowest 15.9 % reach to the first of four, the lowest 84.1 % to the last.
    assert absolute.half_width.value == pytest.approx((0.5 + 1) / 2)
    assert relative.mean.value == pytest.approx(0.25 / 4)
    assert relative.half_width.value == pytest.approx((0.5 + 0.25) / 2)
    assert (absolute.unit, relative.unit) == ("GeV", "1")
    # Truth has mean 3 and Σ(t − 3)² = 10.
    assert result.r_squared.value == pytest.approx(1 - 1.25 / 10)
    # Σ(t − 3)p = −3 − 2 + 3 + 10.
    assert result.slope.value == pytest.approx(8 / 10)
    assert result.offset.value == pytest.approx(11.5 / 4 - 0.8 * 3)


def test_weights_repeat_events():
    truth, prediction = np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.5, 2.0, 3.0, 5.0])
    repeats = np.array([1, 3, 2, 1])
    options = {"name": "energy", "truth_edges": [0, 3, 6], **FAST}
    weighted = evaluate_regression(truth, prediction, weights=repeats, **options)
    repeated = evaluate_regression(
        np.repeat(truth, repeats), np.repeat(prediction, repeats), **options
    )
    for name in ("mean", "median", "rms", "half_width", "mean_absolute"):
        assert getattr(weighted.relative, name).value == pytest.approx(
            getattr(repeated.relative, name).value
        )
    assert weighted.slope.value == pytest.approx(repeated.slope.value)
    for one, other in zip(weighted.profiles, repeated.profiles, strict=True):
        np.testing.assert_allclose(one.measure.value, other.measure.value)


def toy(n=4000, *, seed=0, a=0.2, b=0.03):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(5, 100, n)
    sigma = truth * np.hypot(a / np.sqrt(truth), b)
    return truth, rng.normal(1.02 * truth, sigma), sigma, rng


def test_equals_scikit_learn():
    truth, prediction, _, rng = toy(500)
    weights = rng.uniform(0.5, 2, 500)
    result = evaluate_regression(truth, prediction, name="energy", weights=weights, **FAST)
    options = {"sample_weight": weights}
    assert result.r_squared.value == pytest.approx(metrics.r2_score(truth, prediction, **options))
    assert result.absolute.mean_absolute.value == pytest.approx(
        metrics.mean_absolute_error(truth, prediction, **options)
    )
    line = linear_model.LinearRegression().fit(truth[:, np.newaxis], prediction, **options)
    assert result.slope.value == pytest.approx(line.coef_[0])
    assert result.offset.value == pytest.approx(line.intercept_)


def test_what_was_put_in_comes_out():
    truth, prediction, sigma, rng = toy()
    energy = rng.uniform(0, 1, len(truth))
    result = evaluate_regression(
        truth,
        prediction,
        name="energy",
        unit="GeV",
        sigma=sigma,
        columns={"depth": energy},
        edges={"depth": [0, 0.5, 1]},
        bootstrap=Bootstrap(n_replicas=200),
    )
    fit = result.resolution_fit
    assert result.unfitted == ""
    stochastic, constant = fit.coefficients
    assert stochastic.value == pytest.approx(0.2, abs=0.02)
    assert constant.value == pytest.approx(0.03, abs=0.006)
    assert fit.p_value > 1e-3
    bias, median, resolution, rms = result.profiles[:4]
    assert [p.quantity for p in result.profiles[:4]] == [
        "relative_bias", "relative_median", "relative_resolution", "relative_rms",
    ]  # fmt: skip
    pulls = (bias.measure.value - 0.02) / ((bias.measure.high - bias.measure.low) / 2)
    assert np.sum(pulls**2) < 30
    np.testing.assert_allclose(median.measure.value, 0.02, atol=0.02)
    np.testing.assert_allclose(resolution.measure.value, rms.measure.value, rtol=0.2)
    assert [p.column for p in result.profiles] == ["energy"] * 4 + ["depth"] * 4
    assert result.slope.value == pytest.approx(1.02, abs=0.01)
    predicted, true = result.linearity.measure.value
    np.testing.assert_allclose(predicted / true, 1.02, atol=0.02)
    # Bias 2 % of the energy, in units of σ, beside a width of one.
    pull = result.pull
    assert pull.width.value == pytest.approx(1, abs=0.05)
    assert pull.distribution.mean.value == pytest.approx(np.mean(0.02 * truth / sigma), abs=0.05)
    assert pull.chi_squared.value == pytest.approx(
        pull.width.value**2 + pull.distribution.mean.value**2
    )
    observed, predicted = pull.calibration.measure.value
    np.testing.assert_allclose(observed / predicted, np.sqrt(pull.chi_squared.value), rtol=0.12)


def test_coverage_by_hand():
    result = evaluate_regression(
        np.zeros(5), [0.5, -1.0, 1.5, 3.0, -0.1], name="x", sigma=[1, 1, 1, 1, 0.05], **FAST
    )
    np.testing.assert_allclose(result.pull.coverage.value, [2 / 5, 3 / 5])
    np.testing.assert_allclose(result.pull.expected, [0.6827, 0.95], atol=1e-4)
    assert result.relative is None
    assert result.profiles[0].quantity == "bias"
    assert result.unfitted == "not every true x is positive and well away from zero"
    # Truths that are all alike have no line.
    assert np.isnan(result.slope.value)
    assert np.isnan(result.r_squared.value)


def test_the_core_does_not_see_the_tails():
    rng = np.random.default_rng(1)
    off = np.r_[rng.normal(0.1, 0.5, 20_000), rng.uniform(3, 20, 1000)]
    result = evaluate_regression(
        np.zeros(len(off)), off, name="x", fit=(), bootstrap=Bootstrap(n_replicas=5)
    )
    assert result.absolute.core_mean == pytest.approx(0.1, abs=0.02)
    assert result.absolute.core_width == pytest.approx(0.5, abs=0.02)
    assert result.absolute.rms.value > 2
    assert result.unfitted == "not asked for"


def test_intervals_cover_as_often_as_they_say():
    covered = np.zeros(3)
    for trial in range(100):
        rng = np.random.default_rng(trial)
        off = rng.normal(0.3, 2.0, 200)
        found = evaluate_regression(
            np.zeros(200), off, name="x", fit=(), bootstrap=Bootstrap(n_replicas=60, seed=trial)
        ).absolute
        for i, (interval, true) in enumerate(
            ((found.mean, 0.3), (found.rms, 2.0), (found.half_width, 2.0))
        ):
            covered[i] += interval.low <= true <= interval.high
    # 0.683 within three binomial standard deviations.
    np.testing.assert_allclose(covered / 100, 0.683, atol=0.14)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_order_and_scale_of_weights_play_no_part(seed):
    truth, prediction, _, rng = toy(30, seed=seed)
    weights = rng.uniform(0.5, 2, 30)
    order = rng.permutation(30)
    options = {
        "name": "energy",
        "truth_edges": [0, 50, 100],
        "fit": (),
        "bootstrap": Bootstrap(n_replicas=2),
    }
    first = evaluate_regression(truth, prediction, weights=weights, **options)
    for other in (
        evaluate_regression(truth[order], prediction[order], weights=weights[order], **options),
        evaluate_regression(truth, prediction, weights=2 * weights, **options),
    ):
        for name in ("mean", "median", "rms", "half_width"):
            assert getattr(other.relative, name).value == pytest.approx(
                getattr(first.relative, name).value
            )
        assert other.r_squared.value == pytest.approx(first.r_squared.value)


def test_pulling_predictions_together_does_not_better_the_corrected_resolution():
    truth, prediction, _, _ = toy(2000)
    options = {"name": "energy", **FAST}
    first = evaluate_regression(truth, prediction, **options)
    pulled = evaluate_regression(truth, 30 + 0.4 * prediction, **options)
    np.testing.assert_allclose(pulled.response.measure.value, 0.4 * first.response.measure.value)
    for part in ("value", "low", "high"):
        np.testing.assert_allclose(
            getattr(pulled.corrected_resolution.measure, part),
            getattr(first.corrected_resolution.measure, part),
        )
    for one, other in zip(
        pulled.resolution_fit.coefficients, first.resolution_fit.coefficients, strict=True
    ):
        assert one.value == pytest.approx(other.value, rel=1e-4)
    # The plain one is smaller, in spite of what the bias changes over a bin.
    plain = [result.profiles[2].measure.value[0, -1] for result in (pulled, first)]
    assert plain[0] < 0.7 * plain[1]
    # The response is 1.02 everywhere: corrected for it, what was put in.
    expected = np.hypot(0.2 / np.sqrt(first.linearity.measure.value[1]), 0.03) / 1.02
    pulls = first.corrected_resolution.measure
    error = (pulls.high - pulls.low)[0] / 2
    assert np.sum(((pulls.value[0] - expected) / error) ** 2) < 25


def test_response_by_hand():
    # Means of truth 1, 3, 8 and of prediction 2, 3, 13; the third of four bins has no event.
    truth = np.repeat([0.5, 1.5, 2.5, 3.5, 7.0, 9.0], 3)
    prediction = np.repeat([1.5, 2.5, 4.0, 2.0, 12.5, 13.5], 3)
    result = evaluate_regression(
        truth, prediction, name="energy", truth_edges=[0, 2, 4, 6, 10], fit=(), **FAST
    )
    response, corrected = result.response, result.corrected_resolution
    # Of the first bin to the second; of the second from the first; of the last none beside it.
    np.testing.assert_allclose(response.measure.value[0], [1 / 2, 1 / 2, np.nan, np.nan])
    assert response.measure.method == "bootstrap over events"
    # On the lines through the means: 1.75 and 2.25 below 3, off by −0.25 and 0.25, over truth.
    spread = (0.25 / 1.5 + 0.25 / 0.5) / 2
    assert corrected.measure.value[0, 0] == pytest.approx(spread / (1 / 2))
    assert corrected.quantity == "relative_corrected_resolution"
    assert np.isnan(corrected.measure.value[0, 2:]).all()
    # A network that says the same of all tells nothing apart.
    flat = evaluate_regression(truth, np.ones(18), name="energy", truth_edges=[0, 2, 10], **FAST)
    assert np.isnan(flat.corrected_resolution.measure.value).all()


def test_few_bins_are_not_fitted():
    truth, prediction, _, _ = toy(300)
    result = evaluate_regression(truth, prediction, name="energy", truth_edges=[0, 50, 100], **FAST)
    assert result.resolution_fit is None
    assert "2 bins with a resolution: a fit of 2 terms needs 4 or more" in result.unfitted


@pytest.mark.parametrize(
    ("arguments", "sigma", "message"),
    [
        (([1.0], [1.0]), None, "1 events with a sum of weights of 1"),
        (([1.0, 2.0], [1.0]), None, r"predicted energy has shape \(1,\) for 2 events"),
        (([1.0, np.nan], [1.0, 2.0]), None, "true energy has 1 values that are NaN"),
        (([1.0, 2.0], [1.0, 2.0]), [1.0, 0.0], "σ of event 1 is 0: expected above 0"),
    ],
)
def test_bad_input(arguments, sigma, message):
    with pytest.raises(DataError, match=message):
        evaluate_regression(*arguments, name="energy", sigma=sigma, **FAST)


def test_bins_of_few_events_say_nothing_of_the_resolution():
    rng = np.random.default_rng(3)
    truth = np.array([1.0] * 4 + [3.0] * 5 + [5.0] * 9)
    result = evaluate_regression(
        truth,
        truth + rng.normal(0, 0.1, len(truth)),
        name="x",
        truth_edges=[0, 2, 4, 6],
        bootstrap=Bootstrap(n_replicas=20),
    )
    for profile in (*result.profiles, result.linearity, result.response):
        assert profile.n_entries[0].tolist() == [4, 5, 9]
        assert np.isnan(profile.measure.value[:, 0]).all()
        assert np.isnan(profile.measure.low[:, 0]).all()
        assert np.isfinite(profile.measure.value[:, 1:]).all()
    # Eight events have one bin, and no event is its own.
    few = evaluate_regression(
        truth[-8:] + np.arange(8), truth[-8:], name="x", bootstrap=Bootstrap(n_replicas=20)
    )
    assert few.profiles[0].n_entries.tolist() == [[8]]
    assert few.profiles[2].measure.value[0, 0] > 0


def test_histograms_of_few_events_hold_all_of_them():
    truth = np.arange(1.0, 9.0)
    found = truth + np.array([-40.0, 0.1, 0.2, 0, -0.1, 0.3, 0, 70])
    result = evaluate_regression(
        truth, found, name="x", sigma=np.ones(8), bootstrap=Bootstrap(n_replicas=20)
    )
    for of_events in (result.absolute.distribution, result.pull.distribution):
        assert of_events.share.sum() == pytest.approx(1)
    assert result.pull.distribution.edges[[0, -1]].tolist() == [-70, 70]


@pytest.mark.parametrize(
    ("truth", "is_relative"),
    [
        (np.linspace(5, 100, 50), True),
        (np.geomspace(1, 1000, 200), True),
        (np.linspace(0.001, 100, 50), False),
        (np.r_[np.full(10, 0.01), np.linspace(5, 100, 90)], False),
        (np.r_[0.0, np.full(400, 7.0)], False),
    ],
)
def test_residuals_are_relative_where_the_truth_is_well_away_from_zero(truth, is_relative):
    result = evaluate_regression(
        truth, truth + 1, name="x", bootstrap=Bootstrap(n_replicas=3), fit=()
    )
    assert (result.relative is not None) == is_relative
    assert result.residuals.is_relative == is_relative
    assert result.absolute.mean.value == pytest.approx(1)
