import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.imaging.weighting import class_weights, planing, spectrum

EDGES = np.array([0.0, 10.0, 20.0, 30.0])


def test_spectrum_by_hand():
    values = np.array([-0.1, 0, 9.9, 10, 29.9, 30, np.nan, np.inf, 5], dtype=np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    weights = np.array([9, 1, 2, 4, 8, 9, 9, 9, -1.0])
    np.testing.assert_array_equal(
        spectrum(values, labels, weights, edges=EDGES, n_classes=3),
        [[3, 4, 0], [-1, 0, 8], [0, 0, 0]],
    )


def test_spectra_of_blocks_add_up():
    rng = np.random.default_rng(1)
    values, labels, weights = rng.uniform(-5, 35, 100), rng.integers(0, 2, 100), rng.random(100)
    parts = [
        spectrum(values[s], labels[s], weights[s], edges=EDGES, n_classes=2)
        for s in (slice(0, 30), slice(30, None))
    ]
    np.testing.assert_allclose(
        sum(parts), spectrum(values, labels, weights, edges=EDGES, n_classes=2)
    )


def test_planing_by_hand():
    # Shapes 1/4, 3/4 and 1/2, 1/2 have the mean 3/8, 5/8; the last bin lacks a class.
    planed = planing(np.array([[1.0, 3.0, 0.0], [2.0, 2.0, 4.0]]), EDGES)
    np.testing.assert_allclose(planed.factor, [[3 / 2, 5 / 6, 0], [3 / 4, 5 / 4, 0]])
    weights = planed.weights(np.array([5, 10, 25, 30, -1, np.nan]), np.array([0, 1, 1, 0, 0, 1]))
    np.testing.assert_allclose(weights, [3 / 2, 5 / 4, 0, 0, 0, 0])


def test_spectra_are_equal_after_planing():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 3000)
    values = rng.exponential(5 + 5 * labels)
    weights = rng.uniform(0.5, 1.5, 3000)
    before = spectrum(values, labels, weights, edges=EDGES, n_classes=3)
    planed = planing(before, EDGES).weights(values, labels)
    after = spectrum(values, labels, weights * planed, edges=EDGES, n_classes=3)
    shapes = after / after.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shapes, np.broadcast_to(shapes[0], shapes.shape))
    # A class keeps its sum of weights, of the events that are inside.
    np.testing.assert_allclose(after.sum(axis=1), before.sum(axis=1))


def test_equal_spectra_stay():
    planed = planing(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), EDGES)
    np.testing.assert_allclose(planed.factor, 1)


@pytest.mark.parametrize("spectra", [[[1, 0, 0], [0, 1, 1]], [[0, 0, 0], [1, 1, 1]]])
def test_nothing_in_common(spectra):
    with pytest.raises(DataError, match="no bin between 0 and 30 has events of every class"):
        planing(np.array(spectra, dtype=float), EDGES)


def test_negative_bins_are_left_out():
    planed = planing(np.array([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]), EDGES)
    np.testing.assert_allclose(planed.factor, [[0, 1, 1], [0, 1, 1]])


def test_class_weights_by_hand():
    np.testing.assert_allclose(class_weights(np.array([1.0, 3.0])), [2, 2 / 3])


def test_class_weights_balance_and_keep_the_sum():
    totals = np.array([5.0, 0.1, 300.0])
    balanced = class_weights(totals) * totals
    np.testing.assert_allclose(balanced, totals.sum() / 3)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("inverse", [50 / 90, 50 / 10]),
        ("sqrt_inverse", [100 / (90 + 30), 3 * 100 / (90 + 30)]),
        # At β = 1/2 ninety examples are worth two, and ten nearly so.
        ("effective", [1.0, 1 / (1 - 2.0**-10)]),
    ],
)
def test_ways_to_weight_classes_by_hand(how, expected):
    counts = np.array([90, 10])
    weights = class_weights(counts, how=how, beta=0.5)
    np.testing.assert_allclose(weights / weights[0], np.divide(expected, expected[0]))
    assert (weights * counts).sum() == pytest.approx(100)


def test_effective_numbers_lie_between_inverse_and_equal_weights():
    few, many = np.array([3, 1]), np.array([3e9, 1e9])
    np.testing.assert_allclose(
        class_weights(few, how="effective", beta=1 - 1e-9), class_weights(few), rtol=1e-6
    )
    np.testing.assert_allclose(class_weights(many, how="effective"), [1, 1])


def test_a_class_without_pixels_has_no_weight():
    with pytest.raises(DataError, match="class 1 has a total of 0"):
        class_weights(np.array([4, 0, 2]))
