import numpy as np
import pytest
from sklearn import metrics

from detcnn.errors import DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.pixel_regression import (
    PixelSums,
    evaluate_pixel_regression,
    event_errors,
    sums_of_pixels,
)

FAST = {"name": "charge", "bootstrap": Bootstrap(n_replicas=40)}
TRUTH = np.array([[[1.0, 2.0], [3.0, 0.0]], [[4.0, 0.0], [0.0, 0.0]]], np.float32)
FOUND = np.array([[[1.0, 3.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 2.0]]], np.float32)


def test_by_hand():
    # Errors 0, 1, −2, 0 and −2, 0, 0, 2.
    result = evaluate_pixel_regression(sums_of_pixels(TRUTH, FOUND), peak=10, **FAST)
    assert (result.n_events, result.n_pixels) == (2, 8)
    assert result.bias.value == pytest.approx(-1 / 8)
    assert result.mean_absolute.value == pytest.approx(7 / 8)
    assert result.rmse.value == pytest.approx(np.sqrt(13 / 8))
    assert result.conservation.value == pytest.approx(9 / 10)
    # Σt² = 30, (Σt)² / n = 100 / 8.
    assert result.r_squared.value == pytest.approx(1 - 13 / (30 - 12.5))
    assert result.psnr.value == pytest.approx(10 * np.log10(100 / (13 / 8)))
    np.testing.assert_allclose(
        event_errors(sums_of_pixels(TRUTH, FOUND)), [np.sqrt(5 / 4), np.sqrt(8 / 4)]
    )
    assert result.event_conservation.mean.value == pytest.approx((5 / 6 + 4 / 4) / 2)


def test_pixels_that_do_not_count_and_blocks():
    valid = TRUTH > 0
    sums = sums_of_pixels(TRUTH, FOUND, valid=valid)
    np.testing.assert_array_equal(sums.n_pixels, [3, 1])
    np.testing.assert_array_equal(sums.squared, [5, 4])
    blocks = [sums_of_pixels(TRUTH[[i]], FOUND[[i]], valid=valid[[i]]) for i in (0, 1)]
    joined = PixelSums.joined(blocks)
    np.testing.assert_array_equal(joined.prediction, sums.prediction)
    result = evaluate_pixel_regression(joined, weights=[1, 2], **FAST)
    assert result.rmse.value == pytest.approx(np.sqrt((5 + 2 * 4) / (3 + 2)))
    assert result.psnr is None


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1.0, 2.0, (20, 4, 5))
    found = truth + rng.normal(0.1, 1, truth.shape)
    weights = rng.uniform(0.5, 2, 20)
    depth = np.arange(20.0)
    result = evaluate_pixel_regression(
        sums_of_pixels(truth, found),
        weights=weights,
        columns={"depth": depth},
        edges={"depth": [0, 5, 20]},
        **FAST,
    )
    t, p, each = truth.ravel(), found.ravel(), {"sample_weight": np.repeat(weights, 20)}
    assert result.rmse.value == pytest.approx(metrics.root_mean_squared_error(t, p, **each))
    assert result.mean_absolute.value == pytest.approx(metrics.mean_absolute_error(t, p, **each))
    assert result.r_squared.value == pytest.approx(metrics.r2_score(t, p, **each))
    rmse, _, conservation = result.profiles
    first = {"sample_weight": np.repeat(weights[:5], 20)}
    assert rmse.measure.value[0, 0] == pytest.approx(
        metrics.root_mean_squared_error(t[:100], p[:100], **first)
    )
    assert conservation.measure.value[0, 0] == pytest.approx(
        np.average(p[:100], weights=first["sample_weight"])
        / np.average(t[:100], weights=first["sample_weight"])
    )


def test_bad_input():
    with pytest.raises(DataError, match="event 1 has a true or predicted pixel that is NaN"):
        sums_of_pixels(TRUTH, np.where(TRUTH == 4, np.nan, FOUND))
    with pytest.raises(DataError, match="expected the same"):
        sums_of_pixels(TRUTH, FOUND[:1])
    nothing = sums_of_pixels(TRUTH, FOUND, valid=TRUTH < 0)
    with pytest.raises(DataError, match="no pixel of 2 events is judged"):
        evaluate_pixel_regression(nothing, **FAST)
