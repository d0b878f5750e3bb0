"""Selections of an evaluation: from the scores of which split, and judged by which."""

import csv
import json

import numpy as np
import pytest

from detcnn.config.evaluate import CutConfig, EvaluateConfig, SelectionsConfig
from detcnn.errors import ConfigError
from detcnn.stages import evaluate, predict, train
from detcnn.storage.tables import read_parquet

CUT = CutConfig(select="quark", keep={"n_constituents": "below", "pt": "above"})


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    monkeypatch.setattr(evaluate, "write_figure", lambda *_, **__: None)


def run(folder, path, *cuts, model=None, **options):
    config = EvaluateConfig(
        replicas=20,
        occlusion=None,
        selections=SelectionsConfig(cuts=cuts),
        **{"signal": "quark", "baselines": "none", **options},
    )
    return evaluate.run(
        config,
        model=model or folder.path / "model",
        images=folder.path / "images",
        scores=path / "scores",
        output=path / "metrics",
        title="toy",
        update=True,
    )


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("selected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "write_figure", lambda *_, **__: None)
        return path, run(trained, path, CUT)


def slow_threshold(table, index):
    """The threshold of the largest product of efficiency and purity, one after the other."""
    score, weight = table[f"score_{index}"].astype(np.float64), table["weight"]
    is_of_class = table["label"] == index
    best = {}
    for threshold in score:
        kept = weight[is_of_class & (score >= threshold)].sum()
        purity = kept / weight[score >= threshold].sum()
        best[threshold] = kept / weight[is_of_class].sum() * purity
    return max(best, key=best.get)


def test_thresholds_are_of_the_validation_split_and_numbers_of_the_test_split(made):
    path, result = made
    known = read_parquet(path / "scores-validation" / predict.TABLE)
    table = read_parquet(path / "scores" / predict.TABLE)
    assert result.selections.n_tuning == len(known["label"]) != len(table["label"])
    for index, one in enumerate(result.selections.classes):
        assert one.threshold == pytest.approx(slow_threshold(known, index))
        passes = table[f"score_{index}"] >= one.threshold
        kept = table["weight"][passes & (table["label"] == index)].sum()
        assert one.selected.purity.value == pytest.approx(kept / table["weight"][passes].sum())


def test_they_are_in_the_tables_and_in_the_report(made):
    path, result = made
    with (path / "metrics" / "metrics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["quantity"] == "selected_efficiency"]
    (cut,) = result.selections.cuts
    assert [row["discriminant"] for row in rows] == [
        "network",
        "network",
        cut.title,
        "network at its purity",
    ]
    assert float(rows[2]["value"]) == cut.selected.efficiency.value
    metrics = json.loads((path / "metrics" / "metrics.json").read_bytes())
    assert [one["name"] for one in metrics["selections"]["classes"]] == ["gluon", "quark"]
    assert "Selections</h2>" in result.report.read_text(encoding="utf-8")
    roles = {entry.role for entry in result.artifact.manifest.inputs}
    assert "scores for tuning" in roles


def test_what_is_there_is_left(made, trained):
    path, result = made
    before = (path / "scores-validation" / "manifest.json").stat().st_mtime_ns
    again = run(trained, path, CUT)
    assert (path / "scores-validation" / "manifest.json").stat().st_mtime_ns == before
    assert again.artifact.manifest.digest == result.artifact.manifest.digest


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (CutConfig(select="tau", keep={"pt": "above"}), "no class 'tau'; there are: gluon, quark"),
        (CutConfig(select="quark", keep={"girth": "above"}), "no column 'girth' in the scores"),
    ],
)
def test_what_is_not_there_is_named(made, trained, cut, said):
    before = made[1].artifact.manifest.digest
    with pytest.raises(ConfigError, match=f"evaluate.selections.cuts: {said}"):
        run(trained, made[0], cut)
    assert json.loads((made[0] / "metrics/manifest.json").read_text())["digest"] == before


def test_other_tasks_have_no_classes_to_select(trained, load, tmp_path):
    study = load(
        trained,
        "train.task={name: regression, targets: [pt]}",
        "train.epochs=1",
    )
    train.run(study.train, images=trained.path / "images", output=tmp_path / "model")
    with pytest.raises(ConfigError, match="the model has learned regression, and only"):
        run(trained, tmp_path, model=tmp_path / "model")
    assert not (tmp_path / "metrics").exists()
