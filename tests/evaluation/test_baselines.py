import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.baselines import TrainingEvents, evaluate_baselines
from detcnn.evaluation.classification import evaluate_classification
from detcnn.evaluation.export import baseline_rows, plain, table_rows
from detcnn.evaluation.inputs import scored_events


class Toy:
    """Classes b, s (and t): `up` is larger for s, `down` smaller, `both` only helps with others."""

    def __init__(self, n, *, seed=0, classes=("b", "s")):
        rng = np.random.default_rng(seed)
        self.classes = classes
        self.labels = rng.integers(0, len(classes), n)
        is_signal = self.labels == 1
        shared = rng.normal(0, 1, n)
        self.columns = {
            "up": is_signal + shared,
            "down": -0.5 * is_signal + rng.normal(0, 1, n),
            "both": shared + rng.normal(0, 0.3, n),
        }
        logit = 2 * is_signal - 1 + rng.normal(0, 1, n)
        signal_score = 1 / (1 + np.exp(-logit))
        self.scores = np.empty((n, len(classes)))
        self.scores[:] = ((1 - signal_score) / (len(classes) - 1))[:, np.newaxis]
        self.scores[:, 1] = signal_score
        self.weights = np.ones(n)

    def training(self):
        return TrainingEvents(self.labels, self.weights, self.columns)


def evaluated(toy, training, *, names=("up", "down", "both"), n_replicas=200, seed=0):
    settings = {"n_replicas": n_replicas, "seed": seed}
    evaluation = evaluate_classification(
        toy.scores,
        toy.labels,
        classes=toy.classes,
        signal=["s"],
        weights=toy.weights,
        targets=[0.5],
        **settings,
    )
    return evaluation, evaluate_baselines(
        evaluation,
        scored_events(toy.scores, toy.labels, classes=toy.classes, weights=toy.weights),
        {name: toy.columns[name] for name in names},
        training=training,
        event_id=np.arange(len(toy.labels))[::-1],
        **settings,
    )


def area(baseline):
    return baseline.discrimination.auc.interval.value


@pytest.fixture(scope="module")
def toys():
    return Toy(2000), Toy(4000, seed=1)


@pytest.fixture(scope="module")
def found(toys):
    test, training = toys
    return evaluated(test, training.training())


def test_each_column_stands_with_its_sign(found, toys):
    toy, _ = toys
    by_name = {b.name: b for b in found[1].baselines}
    for name, sign in (("up", 1), ("down", -1)):
        expected = roc_auc_score(toy.labels, sign * toy.columns[name])
        assert by_name[name].sign == sign
        assert area(by_name[name]) == pytest.approx(expected, abs=1e-12)
    assert by_name["down"].label == "small down"
    assert [p.target for p in by_name["up"].discrimination.working_points] == [0.5]


def test_trees_learn_what_columns_say_together(found):
    _, baselines = found
    assert baselines.best.name == "BDT of 3 observables"
    assert baselines.best.columns == ("up", "down", "both")
    assert area(baselines.best) > max(area(b) for b in baselines.baselines[1:]) + 0.1
    areas = [area(b) for b in baselines.baselines]
    assert areas == sorted(areas, reverse=True)


def test_training_events_alone_tell_the_sign(toys):
    test, training = toys
    misleading = TrainingEvents(1 - training.labels, training.weights, training.columns)
    _, baselines = evaluated(test, misleading, names=["up"])
    (baseline,) = baselines.baselines
    assert baseline.sign == -1
    assert area(baseline) < 0.5


def test_training_weights_count_and_those_of_no_use_are_left_out(toys, found):
    test, training = toys
    n = 3000
    poison = Toy(n, seed=5)
    joined = {
        name: np.concatenate([values, 9 * poison.columns[name]])
        for name, values in training.columns.items()
    }
    labels = np.concatenate([training.labels, 1 - poison.labels])
    weights = np.concatenate([training.weights, np.zeros(n)])
    _, baselines = evaluated(test, TrainingEvents(labels, weights, joined))
    for baseline, expected in zip(baselines.baselines, found[1].baselines, strict=True):
        assert (baseline.name, baseline.sign) == (expected.name, expected.sign)
        assert area(baseline) == area(expected)
    weights[-n:] = -1e-6
    _, baselines = evaluated(test, TrainingEvents(labels, weights, joined))
    assert area(baselines.best) == area(found[1].best)


def test_gain_is_the_difference_on_the_same_events(found):
    evaluation, baselines = found
    gain = baselines.gain.auc
    network = evaluation.headline.auc.interval
    best = baselines.best.discrimination.auc.interval
    assert gain.value == pytest.approx(network.value - best.value, abs=1e-12)
    assert gain.low < gain.value < gain.high
    assert baselines.gain.p_value == pytest.approx(2 / 201)
    assert baselines.n_training == 4000


def test_no_gain_over_oneself(toys):
    test, training = toys
    # The network's own score as a column: every replica has the difference 0.
    test.columns["score"] = test.scores[:, 1]
    training.columns["score"] = training.scores[:, 1]
    _, baselines = evaluated(test, training.training(), names=["score"])
    gain = baselines.gain
    assert (gain.auc.value, gain.auc.low, gain.auc.high) == pytest.approx((0, 0, 0), abs=1e-12)
    assert gain.p_value == 1


def test_one_column_has_no_trees(toys):
    test, training = toys
    _, baselines = evaluated(test, training.training(), names=["down"])
    assert [b.name for b in baselines.baselines] == ["down"]


def test_of_several_classes_one_stands_against_the_rest():
    classes = ("b", "s", "t")
    test, training = Toy(1500, classes=classes), Toy(1500, seed=1, classes=classes)
    _, baselines = evaluated(test, training.training())
    (up,) = (b for b in baselines.baselines if b.name == "up")
    assert up.discrimination.background == ("b", "t")
    assert area(up) == pytest.approx(roc_auc_score(test.labels == 1, test.columns["up"]))


def test_same_seed_same_bytes(toys):
    test, training = toys
    texts = [
        json.dumps(plain(evaluated(test, training.training(), n_replicas=20, seed=seed)[1]))
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_rows_have_the_columns_of_the_others(found):
    evaluation, baselines = found
    rows = baseline_rows(baselines)
    assert {tuple(row) for row in rows} == {tuple(table_rows(evaluation)[0])}
    assert rows[0]["quantity"] == "auc_over_best_baseline"
    assert rows[0]["p_value"] == baselines.gain.p_value
    assert {row["p_value"] for row in rows[1:]} == {None}
    of_area = {row["discriminant"]: row["value"] for row in rows if row["quantity"] == "auc"}
    assert of_area == {b.label: area(b) for b in baselines.baselines}


def test_no_columns_are_refused(toys):
    with pytest.raises(ConfigError, match="no columns"):
        evaluated(toys[0], toys[1].training(), names=[])


@pytest.mark.parametrize("which", ["column", "training column"])
def test_a_value_that_is_no_number_is_named(which):
    test, training = Toy(50), Toy(50, seed=1)
    (test if which == "column" else training).columns["up"][3] = np.nan
    with pytest.raises(DataError, match=f"^{which} 'up' has 1 values that are NaN .* row 3"):
        evaluated(test, training.training())
