import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.evaluation.common_events import Result
from detcnn.evaluation.comparison import compare
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.learning_curve import learning_curves


def compared(*labels, **options):
    truth = np.arange(60) % 2
    results = []
    for i, label in enumerate(labels):
        score = 1 / (1 + np.exp(-np.random.default_rng(i).normal(truth, 1)))
        events = scored_events(np.column_stack([1 - score, score]), truth, classes=["a", "b"])
        results.append(Result(f"{label}{i}", events, np.arange(60), {}))
    return compare(results, labels=labels, signal=["b"], n_replicas=20, **options)


def test_entries_become_points_by_rising_number():
    labels = ("new@1e3", "old@30", "new@30", "new@30", "x@y@0.5")
    comparison = compared(*labels, ensemble=True)
    entries = {entry.label: entry for entry in comparison.entries}
    curves = learning_curves(comparison)
    assert list(curves) == ["new", "old", "x@y"]
    assert [point.number for point in curves["new"]] == [30, 1000]
    first, second = curves["new"]
    assert first.auc == entries["new@30"].auc
    assert first.trainings == entries["new@30"].auc_trainings
    assert len(first.trainings) == 2
    assert second.auc == entries["new@1e3"].auc
    assert curves["x@y"][0].number == 0.5


@pytest.mark.parametrize("label", ["new", "new@", "@3", "new@many", "new@3 jets"])
def test_a_label_needs_a_name_and_a_number(label):
    with pytest.raises(ConfigError, match="expected NAME@NUMBER"):
        learning_curves(compared(label))
