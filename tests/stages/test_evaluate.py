import csv
import json
import re
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from detcnn.artifacts.opening import open_artifact
from detcnn.config.evaluate import BinsConfig, EvaluateConfig, OcclusionConfig
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.images import as_dense
from detcnn.stages import evaluate, predict
from detcnn.stages.judging import learned as stage
from detcnn.stages.judging.bins import bin_edges
from detcnn.stages.judging.units import ToldUnits
from detcnn.storage import reader
from detcnn.storage.reader import open_store

CONFIG = EvaluateConfig(
    replicas=20,
    working_points=(0.5,),
    signal="quark",
    occlusion=OcclusionConfig(events=10, patch=3),
)


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """The folder of metrics and scores, and what was returned."""
    path = tmp_path_factory.mktemp("evaluated")
    return path, run(trained, path, CONFIG, description="Toys & <more>.")


def run(trained, path, config=CONFIG, **options):
    return evaluate.run(
        config,
        model=trained.path / "model",
        images=trained.path / "images",
        scores=path / "scores",
        output=path / "metrics",
        title="toy",
        **options,
    )


def test_the_auc_is_that_of_scikit_learn(made):
    path, result = made
    table = pq.read_table(path / "scores" / "scores.parquet").to_pydict()
    expected = roc_auc_score(table["label"], table["score_1"], sample_weight=table["weight"])
    metrics = json.loads((path / "metrics" / "metrics.json").read_bytes())
    assert metrics["headline"]["auc"]["interval"]["value"] == pytest.approx(expected)
    assert result.evaluation.headline.auc.interval.value == pytest.approx(expected)
    assert result.artifact.manifest.contents["auc"]["value"] == pytest.approx(expected)


def test_the_other_class_as_signal_has_the_same_auc(trained, made):
    _, result = made
    artifact = predict.run(
        model=trained.path / "model",
        images=trained.path / "images",
        split="test",
        output=made[0] / "scores",
        occlusion=CONFIG.occlusion,
        update=True,
    ).artifact
    other = evaluate._evaluate(
        CONFIG.model_copy(update={"signal": "gluon"}), artifact, ToldUnits({}, {})
    ).headline
    assert other.signal == ("gluon",)
    value = result.evaluation.headline.auc.interval.value
    assert other.auc.interval.value == pytest.approx(value)


def test_the_report_needs_nothing_else(made):
    path, result = made
    page = result.report.read_text(encoding="utf-8")
    assert result.report == path / "metrics" / "report.html"
    assert "Toys &amp; &lt;more&gt;." in page
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert "<script" not in page
    for title in ("Result", "What the network learned", "Images", "Training", "Provenance"):
        assert f"{title}</h2>" in page
    for digest in [entry.digest for entry in result.artifact.manifest.inputs]:
        assert digest in page


def test_figures_and_tables_are_there(made):
    path, _ = made
    figures = {file.name for file in (path / "metrics" / "figures").iterdir()}
    names = {name.rsplit(".", 1)[0] for name in figures}
    assert figures == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    assert names >= {"rejection", "scores", "confusion", "efficiency-pt", "class-means", "history"}
    assert names >= {"class-difference", "correlation", "occlusion"}
    assert names >= {"score-against-jet_mass", "score-against-jet_multiplicity"}
    assert "sculpting-jet_mass" in names
    with (path / "metrics" / "metrics.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) > 3


def test_the_mass_is_held_against_the_score(made):
    path, _ = made
    table = pq.read_table(path / "scores" / "scores.parquet").to_pydict()
    metrics = json.loads((path / "metrics" / "metrics.json").read_bytes())
    (cut,) = metrics["learned"]["sculpting"]["cuts"]
    passes = np.array(table["score_1"]) >= metrics["headline"]["working_points"][0]["threshold"]
    assert cut["n_events"] == np.count_nonzero(passes & (np.array(table["label"]) == 0))
    with (path / "metrics" / "metrics.csv").open(newline="") as stream:
        rows = {row["quantity"]: row for row in csv.DictReader(stream)}
    value = cut["from_failing"]["interval"]["value"]
    assert float(rows["sculpting_from_failing"]["value"]) == pytest.approx(value)
    columns = [profile["column"] for profile in metrics["learned"]["profiles"]]
    assert columns == ["jet_mass", "jet_multiplicity"]


def test_pixels_are_held_against_the_score_of_their_image(trained, made, monkeypatch):
    path, result = made
    monkeypatch.setattr(reader, "_IMAGES_AT_ONCE", 7)
    drawn = []
    monkeypatch.setattr(stage, "learned_section", lambda _, maps, **__: drawn.append(maps))
    stage.describe_learned(
        CONFIG,
        result.evaluation,
        scores=open_artifact(path / "scores"),
        images=open_artifact(trained.path / "images"),
    )
    (maps,) = drawn
    table = pq.read_table(path / "scores" / "scores.parquet").to_pydict()
    store = open_store(trained.path / "images" / "images.zarr")
    pixel = as_dense(store.splits["test"].images()).values[:, 1, 4, 4].astype(np.float64)
    moments = np.cov(pixel, table["score_1"], aweights=table["weight"], ddof=0)
    expected = moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1])
    assert maps.correlation.coefficient[1, 4, 4] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(maps.signal_mean, store.statistics["class_mean"][1])
    np.testing.assert_allclose(maps.background_mean, store.statistics["class_mean"][0])
    assert maps.occlusion.n_images.tolist() == [5, 5]


def test_maps_that_are_not_wanted_are_not_there(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "write_figure", lambda *_, **__: None)
    reports = []
    monkeypatch.setattr(evaluate, "write_report", lambda report, _: reports.append(report))
    run(trained, tmp_path, CONFIG.model_copy(update={"occlusion": None}))
    (section,) = [s for s in reports[0].sections if s.title == "What the network learned"]
    assert "No occlusion maps were asked for." in section.lead
    assert "occlusion" not in [picture.name for picture in section.pictures]
    assert not (tmp_path / "scores" / "occlusion.parquet").exists()


def test_the_same_model_and_images_give_the_same_digest(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "write_figure", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "write_report", lambda *_: None)
    first, second = (run(trained, tmp_path / name).artifact.manifest for name in "12")
    assert first.digest == second.digest
    assert first.environment["scores"] != second.environment["scores"]


def test_an_update_draws_only_what_would_be_different(trained, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evaluate, "write_figure", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "write_report", lambda *_: drawn.append(1))
    first = run(trained, tmp_path, update=True)
    again = run(trained, tmp_path, update=True)
    assert again.artifact.manifest == first.artifact.manifest
    assert again.evaluation.headline.auc == first.evaluation.headline.auc
    assert len(drawn) == 1
    run(trained, tmp_path, CONFIG.model_copy(update={"level": 0.95}), update=True)
    assert len(drawn) == 2


def test_an_existing_output_is_refused_before_scores_are_made(trained, tmp_path):
    (tmp_path / "metrics").mkdir()
    with pytest.raises(OutputExistsError):
        run(trained, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics"]


def test_evaluating_scores_that_are_there_does_without_torch(trained, made):
    program = f"""
import sys
from pathlib import Path
from detcnn.config.evaluate import EvaluateConfig, OcclusionConfig
from detcnn.stages import evaluate
evaluate.write_figure = evaluate.write_report = lambda *_, **__: None
trained, made = Path({str(trained.path)!r}), Path({str(made[0])!r})
evaluate.run(
    EvaluateConfig(replicas=20, occlusion=OcclusionConfig(events=10, patch=3)), title="toy",
    model=trained / "model", images=trained / "images",
    scores=made / "scores", output=made / "again",
)
print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"signal": "top"}, ConfigError, "top"),
        ({"efficiency_bins": (BinsConfig(column="mass"),)}, ConfigError, "'mass'.*pt"),
        (
            {"efficiency_bins": (BinsConfig(column="pt", low=1e9),)},
            ConfigError,
            r"pt from 1e\+09 to \d+\.\d+, expected low < high",
        ),
    ],
)
def test_an_impossible_evaluation_leaves_nothing_behind(trained, made, change, error, words):
    path, _ = made
    before = sorted(path.iterdir())
    with pytest.raises(error, match=words) as caught:
        run(trained, path, CONFIG.model_copy(update=change), overwrite=True)
    assert "\n" not in str(caught.value)
    assert sorted(path.iterdir()) == before


def test_a_damaged_table_of_scores_is_made_again(trained, made, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "write_figure", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "write_report", lambda *_: None)
    artifact = predict.run(
        model=trained.path / "model",
        images=trained.path / "images",
        split="test",
        output=tmp_path / "scores",
        occlusion=CONFIG.occlusion,
    ).artifact
    whole = (artifact.path / "scores.parquet").read_bytes()
    (artifact.path / "scores.parquet").write_bytes(b"PAR1 no more")
    run(trained, tmp_path)
    assert (artifact.path / "scores.parquet").read_bytes() == whole


@pytest.mark.parametrize("column", ["row", "n_constituents", "source"])
def test_bins_hold_the_largest_value(trained, made, column):
    # Whole numbers, and a column that is the same for all events.
    artifact = predict.run(
        model=trained.path / "model",
        images=trained.path / "images",
        split="test",
        output=made[0] / "scores",
        occlusion=CONFIG.occlusion,
        update=True,
    ).artifact
    config = CONFIG.model_copy(update={"efficiency_bins": (BinsConfig(column=column, bins=3),)})
    (curve, *_) = evaluate._evaluate(config, artifact, ToldUnits({}, {})).efficiencies
    assert curve.signal.edges[-1] > curve.signal.edges[0]


def test_efficiencies_are_told_in_the_unit_asked_for(trained, made):
    artifact = open_artifact(made[0] / "scores")
    bins = (BinsConfig(column="row", bins=3),)
    config = CONFIG.model_copy(update={"efficiency_bins": bins})
    in_cm, in_mm = (
        evaluate._evaluate(config, artifact, ToldUnits({"row": "cm"}, wanted)).efficiencies[0]
        for wanted in ({}, {"row": "mm"})
    )
    for of_cm, of_mm in ((in_cm.signal, in_mm.signal), (in_cm.background, in_mm.background)):
        assert (of_cm.unit, of_mm.unit) == ("cm", "mm")
        np.testing.assert_allclose(of_mm.edges, 10 * of_cm.edges)
        np.testing.assert_array_equal(of_mm.n_events, of_cm.n_events)


def test_bins_of_a_column_with_nan():
    with pytest.raises(DataError, match="column 'mass' has 1 values that are NaN"):
        bin_edges(BinsConfig(column="mass", low=0, high=1), np.array([1.0, np.nan]))
