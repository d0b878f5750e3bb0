import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from detcnn.artifacts.kinds import IMAGES, SCORES
from detcnn.artifacts.publishing import build_artifact
from detcnn.cli.compare import _arrange
from detcnn.errors import ConfigError
from detcnn.stages import compare
from detcnn.storage.tables import write_parquet


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A folder with scores of two trainings, a/scores and b/scores."""
    path = tmp_path_factory.mktemp("studies")
    label = np.arange(200) % 2
    for seed, name in enumerate("ab"):
        rng = np.random.default_rng(seed)
        score = 1 / (1 + np.exp(-rng.normal(1.5 * label, 1)))
        columns = {
            "label": label,
            "weight": np.ones(200),
            "score_0": 1 - score,
            "score_1": score,
            "column_event_id": np.arange(200),
        }
        with build_artifact(
            path / name / "scores", kind=SCORES, identity=f"{seed:064}", overwrite=False
        ) as builder:
            write_parquet(builder.folder / "scores.parquet", columns)
            builder.publish(
                stage="predict",
                config={"split": "test"},
                inputs=(),
                contents={
                    "split": "test",
                    "classes": ["gluon", "quark"],
                    "task": {"name": "classification"},
                },
                circumstances={},
            )
    with build_artifact(
        path / "images", kind=IMAGES, identity="0" * 64, overwrite=False
    ) as builder:
        builder.publish(stage="preprocess", config={}, inputs=(), contents={}, circumstances={})
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(compare, "write_figure", lambda *_: None)
    monkeypatch.setattr(compare, "write_report", lambda *_: None)


@pytest.fixture
def run(studies, detcnn, tmp_path, monkeypatch):
    monkeypatch.chdir(studies)

    def run(*arguments):
        result = detcnn("compare", *arguments, "-o", tmp_path / "out", "--replicas", 20)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return result

    return run


def test_a_table_says_how_results_compare(run):
    result = run("a", "b")
    assert result.exit_code == 0, result.stderr
    title, header, *lines = result.stdout.splitlines()
    assert title == "quark against gluon, 68.3 % intervals"
    assert header.split() == ["value", "against", "a", "p"]
    assert lines[0].startswith("a  AUC")
    assert lines[0].endswith("reference")
    assert "Δ " in lines[4]
    assert "rejection at 70 %" in lines[7]
    assert "× " in lines[7] or "no background" in lines[7]
    assert lines[-2].startswith("events: all ")
    assert lines[-2].endswith(" of every result")
    assert lines[-1].endswith("out/report.html")


def test_a_group_is_a_mean_with_its_spread(run):
    grouped, labelled = (
        run(*arguments, "--at", 0.5)
        for arguments in (
            ["--group", "both=a,b"],
            ["a", "b", "--label", "both", "--label", "both"],
        )
    )
    assert grouped.stdout == labelled.stdout
    assert "(2 trainings)" in grouped.stdout
    assert "rejection at 50 %" in grouped.stdout
    assert "both, ensemble" in run("--group", "both=a,b", "--ensemble").stdout


def test_published_figures_are_marked(run, tmp_path):
    table = tmp_path / "published.csv"
    table.write_text(
        "name,auc,rejection,at_efficiency,source\n"
        "Net,0.9,30,0.5,arXiv:1\nNet,0.9,90,0.3,arXiv:1\nOther,0.91,,,arXiv:2\n"
    )
    lines = run("a", "--published", table).stdout.splitlines()
    marked = [line.split("  ") for line in lines if line.endswith("published, not the same jets")]
    assert [[cell.strip() for cell in line if cell][:-1] for line in marked] == [
        ["Net", "AUC", "0.9"],
        ["rejection at 50 %", "30"],
        ["rejection at 30 %", "90"],
        ["Other", "AUC", "0.91"],
    ]


def test_json_is_numbers(run):
    result = run("a", "b", "--json", "--quiet", "--level", 0.9)
    assert result.stderr == ""
    summary = json.loads(result.stdout)
    assert [entry["label"] for entry in summary["entries"]] == ["a", "b"]
    (difference,) = summary["differences"]
    assert 0 < difference["auc_p_value"] <= 1
    assert difference["auc"]["level"] == 0.9
    assert len(difference["ratios"]) == 3
    assert summary["comparison"].endswith("out")
    assert len(summary["digest"]) == 64


def test_verbose_counts_the_events_of_each_result(run):
    assert " in common, of " in run("a", "b", "-v").stdout


def test_quiet_says_nothing(run):
    result = run("a", "b", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to compare"),
        (["a", "a"], 2, "named twice"),
        (["a", "b", "-l", "x"], 2, "--label is given 1 times for 2 results"),
        (["a", "--group", "b"], 2, "--group b: expected NAME=A,B,C"),
        (["a", "--signal", "top"], 2, "signal top"),
        (["a", "--at", "50"], 2, "target signal efficiency 50"),
        (["none"], 65, "detcnn predict"),
        (["a", "--published", "none.csv"], 65, "none.csv"),
        (["images"], 65, "holds images, expected scores"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(run, arguments, code, words):
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_groups_take_results_that_are_named_and_add_others():
    paths, names = _arrange([Path("a"), Path("b")], [], ["new=b,c", "old=d"])
    assert [str(path) for path in paths] == ["a", "b", "c", "d"]
    assert names == [None, "new", "new", "old"]
    with pytest.raises(ConfigError, match="b has a label or a group already"):
        _arrange([Path("a"), Path("b")], [], ["new=b", "old=b"])
