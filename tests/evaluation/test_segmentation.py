import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.intervals import clopper_pearson
from detcnn.evaluation.segmentation import (
    confusion_of_pixels,
    evaluate_segmentation,
    event_accuracies,
    event_mean_iou,
)

CLASSES = ("empty", "track", "shower")
FAST = {"bootstrap": Bootstrap(n_replicas=40)}
# Two events of 2 × 3 pixels: by hand, truth and prediction.
TRUTH = np.array([[[0, 0, 1], [1, 1, 2]], [[0, 1, 1], [3, 2, 0]]])
PREDICTED = np.array([[[0, 1, 1], [1, 2, 2]], [[0, 1, 1], [0, 1, 0]]])
COUNTS = np.array([[[1, 1, 0], [0, 2, 1], [0, 0, 1]], [[2, 0, 0], [0, 2, 0], [0, 1, 0]]])


def test_pixels_by_hand():
    # The pixel of class 3 does not count.
    np.testing.assert_array_equal(confusion_of_pixels(TRUTH, PREDICTED, n_classes=3), COUNTS)
    as_stored = confusion_of_pixels(
        TRUTH.astype(np.float32), PREDICTED.astype(np.uint8), n_classes=3
    )
    np.testing.assert_array_equal(as_stored, COUNTS)
    valid = np.ones(TRUTH.shape, bool)
    valid[0, 0, :2] = False
    found = confusion_of_pixels(TRUTH, PREDICTED, n_classes=3, valid=valid)
    np.testing.assert_array_equal(found[0], [[0, 0, 0], [0, 2, 1], [0, 0, 1]])
    np.testing.assert_array_equal(found[1], COUNTS[1])


def test_blocks_of_pixels_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(-1, 4, (9, 4, 5)), rng.integers(0, 3, (9, 4, 5))
    whole = confusion_of_pixels(truth, predicted, n_classes=3)
    for event in range(9):
        judged = (truth[event] >= 0) & (truth[event] < 3)
        expected = metrics.confusion_matrix(
            truth[event][judged], predicted[event][judged], labels=range(3)
        )
        np.testing.assert_array_equal(whole[event], expected)
    monkeypatch.setattr("detcnn.evaluation.segmentation._LABELS_AT_ONCE", 45)
    np.testing.assert_array_equal(confusion_of_pixels(truth, predicted, n_classes=3), whole)


def test_by_hand():
    result = evaluate_segmentation(COUNTS, classes=CLASSES, **FAST)
    # In all: rows (3, 1, 0), (0, 4, 1), (0, 1, 1).
    np.testing.assert_allclose(result.iou.value, [3 / 4, 4 / 7, 1 / 3])
    np.testing.assert_allclose(result.purity.value, [1, 4 / 6, 1 / 2])
    np.testing.assert_allclose(result.efficiency.value, [3 / 4, 4 / 5, 1 / 2])
    np.testing.assert_allclose(result.misclassified.value, [1 / 4, 1 / 5, 1 / 2])
    np.testing.assert_allclose(result.dice.value, [6 / 7, 8 / 11, 2 / 4])
    assert result.accuracy.value == pytest.approx(8 / 11)
    assert result.mean_iou.value == pytest.approx((3 / 4 + 4 / 7 + 1 / 3) / 3)
    assert result.foreground_iou.value == pytest.approx((4 / 7 + 1 / 3) / 2)
    np.testing.assert_allclose(result.confusion.fraction.value[1], [0, 4 / 5, 1 / 5])
    assert result.confusion.macro_accuracy.value == pytest.approx((3 / 4 + 4 / 5 + 1 / 2) / 3)
    np.testing.assert_array_equal(result.confusion.n_events, COUNTS.sum(axis=0))
    assert [(c.n_pixels, c.n_events) for c in result.counts] == [(4, 2), (5, 2), (2, 2)]
    np.testing.assert_allclose([c.share for c in result.counts], np.array([4, 5, 2]) / 11)
    # By event: 4 of 6 and 4 of 5 pixels.
    np.testing.assert_allclose(event_accuracies(COUNTS), [4 / 6, 4 / 5])
    assert result.event_accuracy.mean.value == pytest.approx((4 / 6 + 4 / 5) / 2)
    every, empty, track, shower = result.event_misclassified
    assert every.mean.value == pytest.approx((2 / 6 + 1 / 5) / 2)
    assert empty.mean.value == pytest.approx((1 / 2 + 0) / 2)
    assert track.mean.value == pytest.approx((1 / 3 + 0) / 2)
    assert shower.mean.value == pytest.approx((0 + 1) / 2)
    np.testing.assert_allclose(
        event_mean_iou(COUNTS), [(1 / 2 + 2 / 4 + 1 / 2) / 3, (1 + 2 / 3 + 0) / 3]
    )


def test_weights_are_those_of_events():
    result = evaluate_segmentation(COUNTS, classes=CLASSES, weights=[1, 3], **FAST)
    assert result.accuracy.value == pytest.approx((4 + 3 * 4) / (6 + 3 * 5))
    assert result.event_accuracy.mean.value == pytest.approx((4 / 6 + 3 * 4 / 5) / 4)


def toy(n=60, *, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, (n, 5, 6), p=[0.6, 0.3, 0.1])
    predicted = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 3, truth.shape))
    return truth, predicted, confusion_of_pixels(truth, predicted, n_classes=3), rng


def test_equals_scikit_learn():
    truth, predicted, counts, rng = toy()
    weights = rng.uniform(0.5, 2, len(truth))
    result = evaluate_segmentation(counts, classes=CLASSES, weights=weights, **FAST)
    flat = {"sample_weight": np.repeat(weights, 30)}
    t, p = truth.ravel(), predicted.ravel()
    np.testing.assert_allclose(result.iou.value, metrics.jaccard_score(t, p, average=None, **flat))
    purity, efficiency, f1, _ = metrics.precision_recall_fscore_support(t, p, **flat)
    np.testing.assert_allclose(result.purity.value, purity)
    np.testing.assert_allclose(result.efficiency.value, efficiency)
    np.testing.assert_allclose(result.dice.value, f1)
    assert result.accuracy.value == pytest.approx(metrics.accuracy_score(t, p, **flat))


def test_an_absent_class_has_no_numbers_and_is_in_no_mean():
    counts = np.array([[[5, 0, 0], [1, 4, 0], [0, 0, 0]]])
    result = evaluate_segmentation(counts, classes=CLASSES, **FAST)
    assert np.isnan(result.iou.value[2])
    assert (result.iou.low[2], result.iou.high[2]) == (0, 1)
    assert result.mean_iou.value == pytest.approx((5 / 6 + 4 / 5) / 2)
    assert result.event_misclassified[3].n_events == 0
    # Predicted but not true: it counts, as wrong.
    result = evaluate_segmentation(counts + np.eye(3, k=2, dtype=int), classes=CLASSES, **FAST)
    assert result.iou.value[2] == 0
    assert np.isnan(result.efficiency.value[2])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_order_and_scale_of_weights_play_no_part(seed):
    _, _, counts, rng = toy(8, seed=seed)
    weights = rng.uniform(0.5, 2, 8)
    order = rng.permutation(8)
    first = evaluate_segmentation(
        counts, classes=CLASSES, weights=weights, bootstrap=Bootstrap(n_replicas=3)
    )
    moved = evaluate_segmentation(
        counts[order], classes=CLASSES, weights=weights[order], bootstrap=Bootstrap(n_replicas=3)
    )
    doubled = evaluate_segmentation(
        counts, classes=CLASSES, weights=2 * weights, bootstrap=Bootstrap(n_replicas=3)
    )
    for name in ("iou", "purity", "efficiency", "dice"):
        value = getattr(first, name).value
        np.testing.assert_allclose(getattr(moved, name).value, value, rtol=1e-12)
        np.testing.assert_allclose(getattr(doubled, name).value, value, rtol=1e-12)
        np.testing.assert_allclose(getattr(doubled, name).low, getattr(first, name).low, rtol=1e-12)
    assert moved.event_iou.mean.value == pytest.approx(first.event_iou.mean.value)


def test_profiles_are_results_of_the_events_in_each_bin():
    _, _, counts, rng = toy()
    energy = rng.uniform(0, 10, len(counts))
    result = evaluate_segmentation(
        counts, classes=CLASSES, columns={"energy": energy}, edges={"energy": [0, 4, 8]}, **FAST
    )
    assert [profile.quantity for profile in result.profiles] == ["iou", "efficiency", "purity"]
    for i, inside in enumerate((energy < 4, (energy >= 4) & (energy < 8))):
        alone = evaluate_segmentation(counts[inside], classes=CLASSES, **FAST)
        assert result.profiles[0].n_entries[0, i] == inside.sum()
        np.testing.assert_allclose(result.profiles[0].measure.value[:, i], alone.iou.value)
        np.testing.assert_allclose(result.profiles[1].measure.value[:, i], alone.efficiency.value)
        np.testing.assert_allclose(result.profiles[2].measure.value[:, i], alone.purity.value)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.zeros((2, 3, 3), int), "no pixel of 2 events is judged"),
        (COUNTS.astype(float), "type float64.*expected whole numbers"),
        (COUNTS[:, :2], r"shape \(2, 2, 3\)"),
        (-COUNTS, "event 0 has a negative number"),
    ],
)
def test_bad_counts(counts, message):
    with pytest.raises(DataError, match=message):
        evaluate_segmentation(counts, classes=CLASSES, **FAST)


def test_bad_pixels_and_edges():
    with pytest.raises(DataError, match="event 1 has a pixel of the predicted class 7"):
        confusion_of_pixels(TRUTH, np.array([[[0] * 3] * 2, [[7] * 3] * 2]), n_classes=3)
    with pytest.raises(DataError, match="expected the same"):
        confusion_of_pixels(TRUTH, PREDICTED[:1], n_classes=3)
    with pytest.raises(ConfigError, match="bin edges are given for 'mass'"):
        evaluate_segmentation(COUNTS, classes=CLASSES, edges={"mass": [0, 1]}, **FAST)


def test_where_all_pixels_are_right_few_events_still_leave_room():
    counts = np.tile(np.diag([90, 9, 1]), (5, 1, 1))
    result = evaluate_segmentation(counts, classes=CLASSES, **FAST)
    least = clopper_pearson(5, 5).item().low
    for share in (result.accuracy, result.purity.item(1), result.efficiency.item(2)):
        assert (share.low, share.value, share.high) == pytest.approx((least, 1, 1))
    taken = result.confusion.fraction.item(1, 0)
    assert (taken.low, taken.value, taken.high) == pytest.approx((0, 0, 1 - least))
    assert result.misclassified.item(1).high == pytest.approx(1 - least)
    assert result.mean_iou.text() == "1.000 [no spread]"
