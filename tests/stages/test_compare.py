import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from detcnn.artifacts.kinds import METRICS, SCORES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.stages import compare, predict
from detcnn.storage.tables import read_parquet, write_parquet

N = 60


def write_scores(folder: Path, shift: float, *, rows=range(N), split="test", order=1) -> Path:
    """Scores of events of which the odd ones are quarks, in `folder`/scores."""
    rows = list(rows)[::order]
    score = [0.1 + 0.4 * (row % 2) + shift * (row * 7 % 11) / 11 for row in rows]
    return write_table(
        folder / "scores",
        {
            "label": [row % 2 for row in rows],
            "weight": [1.0] * len(rows),
            "score_0": [1 - value for value in score],
            "score_1": score,
            "column_event_id": [row // 2 for row in rows],
            "column_row": rows,
            "column_source": [0] * len(rows),
        },
        split=split,
    )


def write_table(output, columns, *, split="test", task="classification"):
    with build_artifact(output, kind=SCORES, identity="0" * 64, overwrite=True) as builder:
        write_parquet(
            builder.folder / "scores.parquet",
            {name: np.array(values) for name, values in columns.items()},
        )
        builder.publish(
            stage="predict",
            config={"split": split},
            inputs=(),
            contents={"split": split, "classes": ["gluon", "quark"], "task": {"name": task}},
            circumstances={},
        )
    return output


def write_metrics(folder: Path, *, of: str) -> Path:
    with build_artifact(
        folder / "metrics", kind=METRICS, identity="0" * 64, overwrite=True
    ) as builder:
        builder.publish(
            stage="evaluate",
            config={},
            inputs=[Input("scores", "scores", of)],
            contents={},
            circumstances={},
        )
    return folder / "metrics"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    path = tmp_path_factory.mktemp("studies")
    for name, shift in (("a", 0.5), ("b", 0.4), ("c", 0.45)):
        write_scores(path / name, shift, order=-1 if name == "b" else 1)
    return path


def run(studies, *names, output="out", **options):
    return compare.run(
        [studies / name for name in names],
        output=output if isinstance(output, Path) else studies / output,
        **{"replicas": 50, **options},
    )


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    monkeypatch.setattr(compare, "write_figure", lambda *_: None)
    monkeypatch.setattr(compare, "write_report", lambda *_: None)


@pytest.fixture(scope="module")
def made(studies):
    (studies / "published.csv").write_text(
        "name,auc,rejection,at_efficiency,source\nNet,0.9,30,0.5,arXiv:1\n"
    )
    return run(
        studies,
        "a", "b", "c",
        labels=["ref", "new", "new"],
        ensemble=True,
        published=studies / "published.csv",
        output="made",
    )  # fmt: skip


def test_all_is_there(made):
    path = made.artifact.path
    assert {file.name for file in path.iterdir()} == {
        "comparison.csv", "comparison.json", "figures", "manifest.json", "report.html",
    }  # fmt: skip
    assert {file.name for file in (path / "figures").iterdir()} == {
        "comparison.png", "comparison.pdf",
    }  # fmt: skip
    contents = json.loads((path / "comparison.json").read_bytes())
    assert [entry["label"] for entry in contents["entries"]] == ["ref", "new", "new, ensemble"]
    assert contents["published"][0]["source"] == "arXiv:1"
    with (path / "comparison.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["entry"] == "ref"
    assert float(rows[0]["value"]) == contents["entries"][0]["auc"]["value"]


def test_the_report_needs_nothing_else_and_names_its_inputs(made):
    page = made.report.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    for entry in made.artifact.manifest.inputs:
        assert entry.digest in page
    assert [entry.role for entry in made.artifact.manifest.inputs] == [
        "ref", "new 1", "new 2", "published",
    ]  # fmt: skip


def test_events_are_matched_and_all_used(made):
    assert [(r.n_used, r.matched_set) for r in made.comparison.results] == 3 * [(N, 0)]
    assert made.artifact.manifest.contents["n_events"] == [N, N, N]


def test_the_place_of_the_results_is_no_part_of_the_digest(studies, tmp_path):
    for name in "ab":
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / name).symlink_to(studies / name)
    here = run(studies, "a", "b", output=tmp_path / "1")
    there = run(tmp_path / "elsewhere", "a", "b", output=tmp_path / "2")
    assert here.artifact.manifest.digest == there.artifact.manifest.digest


def test_an_update_draws_only_what_would_be_different(studies, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(compare, "write_figure", lambda *_: drawn.append(1))
    first = run(studies, "a", "b", output=tmp_path / "x", update=True)
    again = run(studies, "a", "b", output=tmp_path / "x", update=True)
    assert again.artifact.manifest == first.artifact.manifest
    assert again.comparison.differences[0].auc == first.comparison.differences[0].auc
    assert len(drawn) == 1
    run(studies, "b", "a", output=tmp_path / "x", update=True)
    assert len(drawn) == 2


@pytest.mark.parametrize("signal", ["quark", "gluon"])
def test_either_class_is_the_signal(studies, tmp_path, signal):
    found = run(studies, "a", output=tmp_path / "x", signal=signal).comparison
    assert found.signal == (signal,)
    table = read_parquet(studies / "a" / "scores" / "scores.parquet")
    is_quark = table["label"] == 1
    won = table["score_1"][is_quark][:, None] - table["score_1"][~is_quark]
    expected = ((won > 0) + 0.5 * (won == 0)).mean()
    assert found.entries[0].auc.value == pytest.approx(expected)


# Where scores are


def test_scores_as_predicted_are_read(trained, tmp_path):
    predict.run(
        model=trained.path / "model",
        images=trained.path / "images",
        split="test",
        output=tmp_path / "scores",
    )
    found = compare.run([tmp_path], output=tmp_path / "x", replicas=20)
    table = read_parquet(tmp_path / "scores" / "scores.parquet")
    assert found.comparison.results[0].n_used == len(table["label"])
    assert found.comparison.signal == ("quark",)


def test_scores_are_found_from_where_they_are_made(studies, tmp_path):
    digest = open_artifact(studies / "a" / "scores").manifest.digest
    write_metrics(studies / "a", of=digest)
    for place in ("a", "a/scores", "a/metrics"):
        found = run(studies, place, output=tmp_path / place.replace("/", "-"))
        assert found.artifact.manifest.inputs[0].digest == digest


def test_metrics_of_other_scores_are_refused(studies, tmp_path):
    metrics = write_metrics(studies / "b", of="f" * 64)
    with pytest.raises(DataError, match="not the scores that .*metrics was made from"):
        run(studies, metrics, output=tmp_path / "x")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["run/1/scores", "run/2/scores"], ["1", "2"]),
        (["x/old/work", "y/new/work"], ["x/old", "y/new"]),
        (["a/work"], ["work"]),
        (["work", "work/second"], ["work", "second"]),
    ],
)
def test_names_are_what_differs(paths, names):
    assert compare._labels([Path(path) for path in paths], []) == names


def test_labels_stand_in_order():
    paths = [Path(name) for name in ("x/a", "x/b", "x/c")]
    assert compare._labels(paths, ["first"]) == ["first", "b", "c"]
    assert compare._labels(paths, [None, "second", "second"]) == ["a", "second", "second"]


@pytest.mark.parametrize(
    ("paths", "labels", "words"),
    [
        (["a", "b"], ["1", "2", "3"], "3 labels for 2 results"),
        (["a", "b"], ["b"], "label 'b' is also the folder"),
    ],
)
def test_labels_that_mislead_are_refused(paths, labels, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        compare._labels([Path(path) for path in paths], labels)


# What a user should know


def test_events_left_out_are_told(studies, tmp_path, Listener):
    write_scores(tmp_path / "part", 0.4, rows=range(20, 80))
    write_scores(tmp_path / "other", 0.4, rows=range(100, 160), split="train")
    listener = Listener()
    results = [studies / "a", tmp_path / "part", tmp_path / "other"]
    compare.run(
        results,
        labels=["a", "part", "other"],
        output=tmp_path / "x",
        replicas=20,
        progress=listener,
    )
    assert listener.said == [
        "no event in common with a: other: compared unpaired, with larger errors",
        "a: 40 of its 60 events are common to all that it is compared with, and used",
        "part: 40 of its 60 events are common to all that it is compared with, and used",
        "other: scores of the training split, which may flatter it",
    ]


def test_what_cannot_be_leaves_nothing_behind(studies, tmp_path):
    columns = read_parquet(studies / "a" / "scores" / "scores.parquet")
    columns["label"] = 1 - columns["label"]
    write_table(tmp_path / "wrong", columns)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="wrong: event 0 is quark, but gluon in .*/a"):
        compare.run([studies / "a", tmp_path / "wrong"], output=tmp_path / "x")
    with pytest.raises(ConfigError, match="nothing to compare"):
        compare.run([], output=tmp_path / "x")
    with pytest.raises(ConfigError, match="a/scores: named twice"):
        run(studies, "a", "b", "a/scores", output=tmp_path / "x")
    with pytest.raises(DataError, match="no such artifact: make it with 'detcnn predict'"):
        compare.run([tmp_path / "none"], output=tmp_path / "x")
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputExistsError):
        run(studies, "a", output=tmp_path / "x")


def test_areas_are_drawn_along_a_number(studies, monkeypatch):
    drawn = []
    monkeypatch.setattr(compare, "write_figure", lambda _, __, name: drawn.append(name))
    result = run(
        studies,
        "a", "b", "c",
        labels=["new@30", "new@300", "old@30"],
        along="jets trained on",
        output="along",
    )  # fmt: skip
    assert "learning-curve" in drawn
    assert result.artifact.manifest.config["along"] == "jets trained on"
    with pytest.raises(ConfigError, match="label 'old': expected NAME@NUMBER"):
        run(studies, "a", "c", labels=["new@30", "old"], along="jets", output="none")
    assert not (studies / "none").exists()


def test_other_tasks_are_refused_by_their_name(studies, tmp_path):
    columns = {"label": [0, 1], "weight": [1.0, 1.0], "column_event_id": [0, 1]}
    other = write_table(tmp_path / "other", columns, task="segmentation")
    with pytest.raises(ConfigError, match="other: the scores are of the task segmentation, and"):
        run(studies, "a", other)
    assert not (studies / "out").exists()
