import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.classification import evaluate_classification
from detcnn.evaluation.export import plain, table_rows
from detcnn.evaluation.roc import auc, roc_curve


def sample(n, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    logits = rng.normal(0, 1, (n, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return scores.astype(np.float32), labels, {"pt": rng.uniform(500, 550, n)}


def evaluated(n=400, n_classes=2, signal=("b",), **kwargs):
    scores, labels, columns = sample(n, n_classes)
    return evaluate_classification(
        scores,
        labels,
        classes=list("abcd")[:n_classes],
        signal=signal,
        columns=columns,
        n_replicas=50,
        **kwargs,
    )


def test_two_classes():
    result = evaluated()
    assert [c.n_events for c in result.counts] == [200, 200]
    assert result.headline.signal == ("b",)
    assert result.headline.background == ("a",)
    assert result.discriminations == (result.headline,)
    assert [p.target for p in result.headline.working_points] == [0.3, 0.5, 0.7]
    assert [c.class_name for c in result.calibrations] == ["b"]
    assert 0.5 < result.headline.auc.interval.value < 1


def test_efficiencies_are_those_of_the_working_points():
    result = evaluated(edges={"pt": [500, 525, 550]})
    for curve, point in zip(result.efficiencies, result.headline.working_points, strict=True):
        for binned, whole in (
            (curve.signal, point.signal_efficiency),
            (curve.background, point.background_efficiency),
        ):
            mean = np.average(binned.efficiency.value, weights=binned.n_events)
            assert mean == pytest.approx(whole.value)
            assert (binned.n_underflow, binned.n_overflow) == (0, 0)


def test_images_of_one_event_are_no_independent_events():
    scores, labels, _ = sample(300, 3)
    options = {"classes": "abc", "signal": "c", "n_replicas": 300}
    once = evaluate_classification(scores, labels, **options)
    four = [np.repeat(of, 4, axis=0) for of in (scores, labels)]
    unit = np.repeat(np.random.default_rng(0).permutation(300), 4)
    together = evaluate_classification(*four, unit=unit, **options)
    for one, of_four in zip(once.discriminations, together.discriminations, strict=True):
        a, b = one.auc.interval, of_four.auc.interval
        assert a.value == pytest.approx(b.value)
        # As by another bootstrap of as many events; of rows, it would be half as wide.
        assert b.high - b.low == pytest.approx(a.high - a.low, rel=0.25)
    # Where each event has one row, it is the same bootstrap.
    alone = evaluate_classification(scores, labels, unit=np.arange(300), **options)
    assert alone.headline.auc == once.headline.auc


def test_many_classes():
    result = evaluated(n_classes=3, signal=["c", "b"])
    assert result.headline.signal == ("b", "c")
    assert [d.signal for d in result.one_versus_rest] == [("a",), ("b",), ("c",)]
    pairs = [d.signal + d.background for d in result.one_versus_one]
    assert pairs == [("b", "a"), ("c", "a"), ("b", "c")]
    assert len(result.calibrations) == 3


def test_a_pair_knows_nothing_of_other_classes():
    scores, labels, _ = sample(300, 3)
    taken = labels != 2
    ratio = scores[taken, 0] / scores[taken][:, :2].sum(axis=1, dtype=float)
    pair = evaluated(300, n_classes=3, signal=["a"]).one_versus_one[0]
    assert pair.auc.interval.value == pytest.approx(auc(roc_curve(ratio, labels[taken] == 0)))


def test_json_has_no_nan_and_the_table_has_one_shape():
    result = evaluated(n=12, edges={"pt": [0, 1, 550]})
    text = json.dumps(plain(result), allow_nan=False)
    exported = json.loads(text)
    assert exported["headline"]["roc"]["threshold"][0] is None
    assert exported["efficiencies"][0]["signal"]["efficiency"]["value"][0] is None

    rows = table_rows(result)
    assert len({tuple(row) for row in rows}) == 1
    assert [row["quantity"] for row in rows[:3]] == ["accuracy", "macro_accuracy", "auc"]
    assert len(rows) == 3 + 3 * 4
    json.dumps(rows, allow_nan=False)


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (json.dumps(plain(evaluated(seed=seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": ["quark"]}, "'quark' is unknown: expected one of a, b"),
        ({"signal": ["a", "b"]}, "at least one other as background"),
        ({"signal": []}, r"signal classes are \(none\)"),
        ({"edges": {"mass": [0, 1]}}, "given for 'mass': expected one of the columns pt"),
        ({"targets": [1.5]}, "target"),
        ({"level": 2}, "confidence level"),
    ],
)
def test_impossible_requests_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        evaluated(**change)


def test_a_short_column_is_refused():
    scores, labels, _ = sample(10, 2)
    with pytest.raises(DataError, match=r"column 'pt' has shape \(3,\) for 10 events"):
        evaluate_classification(
            scores, labels, classes=["a", "b"], signal=["a"], columns={"pt": np.zeros(3)}
        )


@st.composite
def weighted_events(draw):
    n = draw(st.integers(2, 60))
    labels = draw(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < n)
    )
    # Few values, so that many events tie.
    score = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))) / 9
    weight = draw(st.lists(st.floats(0.01, 10), min_size=n, max_size=n))
    return np.stack([1 - score, score], axis=1), np.array(labels), np.array(weight)


@settings(deadline=None, max_examples=30)
@given(weighted_events())
def test_a_whole_evaluation_equals_scikit_learn(sample):
    scores, labels, weight = sample
    found = evaluate_classification(
        scores, labels, classes=["bkg", "sig"], signal=["sig"], weights=weight, n_replicas=2
    )
    headline, value = found.headline, scores[:, 1] / scores.sum(axis=1)
    expected = metrics.roc_auc_score(labels, value, sample_weight=weight)
    assert headline.auc.interval.value == pytest.approx(expected, abs=1e-12)
    false_positive, true_positive, threshold = metrics.roc_curve(
        labels, value, sample_weight=weight, drop_intermediate=False
    )
    np.testing.assert_array_equal(headline.roc.threshold, threshold)
    np.testing.assert_allclose(headline.roc.signal_efficiency, true_positive, atol=1e-12)
    np.testing.assert_allclose(headline.roc.background_efficiency, false_positive, atol=1e-12)
    for point in headline.working_points:
        at = np.searchsorted(true_positive, point.target * (1 - 1e-12))
        assert point.threshold == threshold[at]
        assert point.signal_efficiency.value == pytest.approx(true_positive[at])
        assert point.background_efficiency.value == pytest.approx(false_positive[at])
    np.testing.assert_allclose(
        found.confusion.fraction.value,
        metrics.confusion_matrix(
            labels, scores[:, 1] > 0.5, sample_weight=weight, normalize="true", labels=[0, 1]
        ),
        atol=1e-12,
    )
    accuracy = metrics.accuracy_score(labels, scores[:, 1] > 0.5, sample_weight=weight)
    assert found.confusion.accuracy.value == pytest.approx(accuracy)
    brier = metrics.brier_score_loss(labels, scores[:, 1], sample_weight=weight)
    assert found.calibrations[0].brier_score == pytest.approx(brier)
