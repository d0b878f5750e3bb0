import numpy as np
import pytest
from sklearn import metrics

from detcnn.errors import DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.intervals import clopper_pearson
from detcnn.evaluation.multi_label import evaluate_multi_label

NAMES = ("electron", "muon")
FAST = {"bootstrap": Bootstrap(n_replicas=40)}
SCORES = np.array([[0.9, 0.2], [0.4, 0.6], [0.7, 0.8], [0.1, 0.5]])
LABELS = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])


def test_by_hand():
    result = evaluate_multi_label(SCORES, LABELS, names=NAMES, **FAST)
    electron, muon = result.labels
    # One of two is found, one of two found is true; all muons are, and one more.
    assert (electron.precision.value, electron.recall.value) == (0.5, 0.5)
    assert (muon.precision.value, muon.recall.value) == (pytest.approx(2 / 3), 1)
    assert electron.accuracy.value == 0.5
    assert muon.f1.value == pytest.approx(4 / 5)
    assert result.macro_f1.value == pytest.approx((0.5 + 0.8) / 2)
    assert result.micro_f1.value == pytest.approx(6 / 9)
    assert result.subset_accuracy.value == 1 / 4
    assert result.hamming_loss.value == 3 / 8
    assert electron.discrimination.auc.interval.value == 3 / 4
    assert muon.discrimination.auc.interval.value == 1
    assert result.macro_auc.value == 7 / 8
    assert electron.average_precision.value == pytest.approx((1 + 2 / 3) / 2)
    assert (electron.n_true, electron.prevalence) == (2, 0.5)


def toy(n=400):
    rng = np.random.default_rng(0)
    labels = rng.random((n, 3)) < [0.5, 0.2, 0.7]
    return np.round(rng.beta(1 + 2 * labels, 2), 2), labels, rng.uniform(0.5, 2, n)


def test_equals_scikit_learn():
    scores, labels, weights = toy()
    result = evaluate_multi_label(scores, labels, names="abc", weights=weights, **FAST)
    each, predicted = {"sample_weight": weights}, scores >= 0.5
    for average, name in (("macro", "macro_f1"), ("micro", "micro_f1")):
        expected = metrics.f1_score(labels, predicted, average=average, **each)
        assert getattr(result, name).value == pytest.approx(expected)
    assert result.macro_auc.value == pytest.approx(metrics.roc_auc_score(labels, scores, **each))
    assert result.macro_average_precision.value == pytest.approx(
        metrics.average_precision_score(labels, scores, **each)
    )
    assert result.hamming_loss.value == pytest.approx(
        metrics.hamming_loss(labels, predicted, **each)
    )
    assert result.subset_accuracy.value == pytest.approx(
        metrics.accuracy_score(labels, predicted, **each)
    )
    for i, label in enumerate(result.labels):
        expected = metrics.average_precision_score(labels[:, i], scores[:, i], **each)
        assert label.average_precision.value == pytest.approx(expected)


@pytest.mark.parametrize("n_bins", [20, 500])
def test_intervals_are_those_of_single_events_whatever_the_bins(n_bins, monkeypatch):
    monkeypatch.setattr("detcnn.evaluation.multi_label._N_BINS", n_bins)
    scores, labels, _ = toy()
    rng = np.random.default_rng(1)
    expected = []
    for _ in range(120):
        k = rng.poisson(1, len(scores))
        expected.append(metrics.average_precision_score(labels, scores, sample_weight=k))
    found = evaluate_multi_label(
        scores, labels, names="abc", bootstrap=Bootstrap(n_replicas=250)
    ).macro_average_precision
    assert (found.high - found.low) / 2 == pytest.approx(np.std(expected), rel=0.25)
    assert (found.high + found.low) / 2 == pytest.approx(found.value, abs=0.01)


def test_images_of_one_event_are_no_independent_events():
    scores, labels, _ = toy(100)
    once = evaluate_multi_label(scores, labels, names="abc", **FAST)
    four = evaluate_multi_label(
        np.repeat(scores, 4, axis=0),
        np.repeat(labels, 4, axis=0),
        names="abc",
        bootstrap=Bootstrap(n_replicas=40, unit=np.repeat(np.arange(100), 4)),
    )
    for name in ("macro_auc", "macro_average_precision", "micro_f1", "subset_accuracy"):
        same(getattr(four, name), getattr(once, name))
    for label, alone in zip(four.labels, once.labels, strict=True):
        same(label.discrimination.auc.interval, alone.discrimination.auc.interval)
        same(label.recall, alone.recall)


def same(found, expected):
    # A share is never surer than that of as many independent answers: four times as many here.
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), rel=0.02
    )


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (SCORES + 0.5, LABELS, "scores in row 0 are .*apply a sigmoid"),
        (SCORES, 2 * LABELS, r"labels in row 0 are \[2, 0\]: expected 0 or 1"),
        (SCORES, np.ones_like(LABELS), "label 'electron' is true of 4 of 4 events"),
        (SCORES[:, :1], LABELS, r"scores have shape \(4, 1\) and labels \(4, 2\)"),
    ],
)
def test_bad_input(scores, labels, message):
    with pytest.raises(DataError, match=message):
        evaluate_multi_label(scores, labels, names=NAMES, **FAST)


def test_where_all_answers_are_right_few_events_still_leave_room():
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    scores = 0.1 + 0.8 * labels
    result = evaluate_multi_label(scores, labels, names="ab", bootstrap=Bootstrap(n_replicas=40))
    least = clopper_pearson(4, 4).item().low
    for share in (result.subset_accuracy, result.labels[0].accuracy):
        assert (share.low, share.value, share.high) == pytest.approx((least, 1, 1))
    # Two events have the label.
    recall = result.labels[0].recall
    assert recall.low == pytest.approx(clopper_pearson(2, 2).item().low)
    assert result.hamming_loss.high == pytest.approx(1 - least)
