"""Baselines of an evaluation: which columns, and from which events."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detcnn.artifacts.kinds import IMAGES, SCORES
from detcnn.artifacts.opening import open_artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError
from detcnn.evaluation.classification import evaluate_classification
from detcnn.events.observables import OBSERVABLES
from detcnn.stages import predict, preprocess
from detcnn.stages.judging.baselines import find_baselines
from detcnn.storage.tables import read_parquet

SETTINGS = {"replicas": 20, "working_points": (0.5,), "signal": "quark"}


class Scored:
    """Scores of some images, and what the network's evaluation is."""

    def __init__(self, folder, images, path):
        predict.run(model=folder.path / "model", images=images, split="test", output=path)
        self.images = open_artifact(images, expected=IMAGES)
        self.scores = open_artifact(path, expected=SCORES)
        self.table = read_parquet(path / predict.TABLE)
        self.evaluation = evaluate_classification(
            np.column_stack([self.table["score_0"], self.table["score_1"]]),
            self.table["label"],
            classes=["gluon", "quark"],
            signal=["quark"],
            weights=self.table["weight"],
            targets=[0.5],
            n_replicas=20,
        )

    def baselines(self, **options):
        config = EvaluateConfig(**SETTINGS, **options)
        return find_baselines(config, self.evaluation, scores=self.scores, images=self.images)


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("scored") / "scores"
    return Scored(trained, trained.path / "images", path)


def test_observables_are_baselines_by_themselves(scored):
    found = scored.baselines()
    names = {b.name for b in found.baselines}
    assert names == {*OBSERVABLES, "BDT of 6 observables"}
    # Toy gluon jets have more constituents.
    (multiplicity,) = (b for b in found.baselines if b.name == "jet_multiplicity")
    table = scored.table
    expected = roc_auc_score(
        table["label"], -table["column_jet_multiplicity"], sample_weight=table["weight"]
    )
    assert multiplicity.sign == -1
    assert multiplicity.discrimination.auc.interval.value == pytest.approx(expected, abs=1e-6)
    assert found.n_training == sum(scored.images.manifest.contents["n_events"]["train"].values())


def test_any_column_can_be_asked_for(scored):
    found = scored.baselines(baselines=("pt", "n_constituents"))
    assert {b.name for b in found.baselines} == {"pt", "n_constituents", "BDT of 2 observables"}


@pytest.mark.parametrize("nothing", ["none", ()])
def test_none_on_request(scored, nothing):
    assert scored.baselines(baselines=nothing) is None


def test_an_unknown_column_is_named(scored):
    with pytest.raises(ConfigError, match="no column 'girth' in the scores; there are: event_id"):
        scored.baselines(baselines=("girth",))


def test_where_there_are_no_observables_there_are_no_baselines(trained, load, tmp_path):
    config = load(trained, "preprocess.observables=[]").preprocess
    preprocess.run(config, base=trained.path, output=tmp_path / "images")
    assert Scored(trained, tmp_path / "images", tmp_path / "scores").baselines() is None
