"""What ``detcnn train`` does beside training: flags, rehearsals, searches, several seeds."""

import json
import os

import pytest

from detcnn import processors
from detcnn.errors import ConfigError
from detcnn.stages import evaluate, learning_rate, preprocess, rehearse, train


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    processors.prepare_threads()
    monkeypatch.setattr(processors, "available_cpus", lambda: 1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for module in (train, evaluate, learning_rate):
        monkeypatch.setattr(module, "write_figure", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "write_report", lambda *_: None)


@pytest.fixture(scope="module")
def folder(make_folder):
    """A study with images."""
    from detcnn.config.loading import load_study

    folder = make_folder(120)
    images = folder.path / "work" / "images"
    preprocess.run(load_study(folder.study).preprocess, base=folder.path, output=images)
    return folder


def manifest(path):
    return json.loads((path / "manifest.json").read_text())


def test_flags_are_overrides(detcnn, folder, tmp_path):
    flags = ("--epochs", 1, "--learning-rate", "2e-3", "--batch-size", 16, "--seed", 3)
    flags = (*flags, "--network", "deoliveira2016_maxout", "--precision", "float32")
    done = detcnn("train", folder.study, *flags, "-o", tmp_path / "flags", "--json")
    assert done.exit_code == 0, done.stderr
    settings = (
        "epochs=1",
        "optimiser={name: adam, learning_rate: 2e-3}",
        "batch_size=16",
        "seed=3",
        "network={name: deoliveira2016_maxout}",
        "precision=float32",
    )
    overrides = [part for setting in settings for part in ("-s", f"train.{setting}")]
    again = detcnn("train", folder.study, *overrides, "-o", tmp_path / "set", "--json")
    assert json.loads(done.stdout)["digest"] == json.loads(again.stdout)["digest"]
    wrong = detcnn("train", folder.study, "--epochs", 0)
    assert wrong.exit_code == 2
    assert "train.epochs" in wrong.stderr


def test_a_rehearsal_writes_nothing(detcnn, folder, monkeypatch):
    monkeypatch.setattr(rehearse, "_TIMED_STEPS", 1)
    before = sorted(folder.path.rglob("*"))
    done = detcnn("train", folder.study, "--dry-run", "--json", "--network", "komiske2017")
    assert done.exit_code == 2
    assert "33x33" in done.stderr
    done = detcnn("train", folder.study, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["image_shape"] == [2, 9, 9]
    assert summary["parameters"] == summary["parameters_trained"] > 100
    assert sorted(folder.path.rglob("*")) == before


def test_a_learning_rate_is_searched_for(detcnn, folder, tmp_path):
    done = detcnn("train", folder.study, "--find-learning-rate", "-o", tmp_path / "rates", "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["suggested"] == pytest.approx(summary["lowest_at"] / 10)
    assert [path.name for path in tmp_path.iterdir()] == ["rates"]


def test_models_of_several_seeds_are_scored_together(detcnn, folder, tmp_path):
    target = tmp_path / "model"
    done = detcnn("train", folder.study, "--epochs", 1, "--seeds", "1,4", "-o", target, "--json")
    assert done.exit_code == 0, done.stderr
    models = json.loads(done.stdout)["models"]
    assert list(models) == [f"{target}-1", f"{target}-4"]
    assert [manifest(tmp_path / f"model-{seed}")["config"]["seed"] for seed in (1, 4)] == [1, 4]
    resumed = detcnn(
        "train", folder.study, "--epochs", 1, "--seeds", "4,", "-o", target, "--resume", "--json"
    )
    assert json.loads(resumed.stdout)["models"].keys() == {f"{target}-4"}
    both = [part for path in models for part in ("--model", path)]
    places = ("--scores", tmp_path / "scores", "-o", tmp_path / "metrics")
    assert detcnn("evaluate", folder.study, *both, *places).exit_code == 0
    roles = [entry["role"] for entry in manifest(tmp_path / "scores")["inputs"]]
    assert roles == ["model", "model", "images"]
    roles = [entry["role"] for entry in manifest(tmp_path / "metrics")["inputs"]]
    assert roles == ["scores", "model", "images", "model 2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seeds", "0"), "expected how many"),
        (("--seeds", "x"), "expected how many"),
        (("--seeds", "2,2"), "a seed stands twice"),
        (("--seeds", "2", "--seed", "1"), "exclude each other"),
        (("--dry-run", "--find-learning-rate"), "exclude each other"),
    ],
)
def test_what_does_not_go_together_is_refused(detcnn, folder, arguments, words):
    done = detcnn("train", folder.study, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "n_busy", "said", "threads"),
    [
        (None, 0, None, "4"),
        (None, 1, "1 of 4 processors are busy with other programs: training with 3 threads", "3"),
        (None, 4, "4 of 4 processors are busy with other programs: training with 1 thread;", "1"),
        ("2", 4, None, "2"),
    ],
)
def test_as_many_threads_as_others_leave_processors(
    detcnn, folder, monkeypatch, given, n_busy, said, threads
):
    monkeypatch.setattr(processors, "available_cpus", lambda: 4)
    monkeypatch.setattr(processors, "busy_cpus", lambda: n_busy)
    monkeypatch.setenv("OMP_NUM_THREADS", given or "")
    if given is None:
        del os.environ["OMP_NUM_THREADS"]
    kept = []

    def run(*_, keep_threads, progress, **__):
        kept.append(keep_threads)
        raise ConfigError("enough")

    monkeypatch.setattr(train, "run", run)
    stderr = detcnn("train", folder.study).stderr
    assert os.environ["OMP_NUM_THREADS"] == threads
    assert kept == [given is not None]
    if said is None:
        assert stderr == "detcnn: enough\n"
    else:
        assert said in stderr
        assert "OMP_NUM_THREADS chooses" in stderr


def test_a_number_of_seeds_begins_at_one():
    from detcnn.cli.train import _parse_seeds

    assert _parse_seeds("3") == [1, 2, 3]
    assert _parse_seeds("7,") == [7]
    assert _parse_seeds("5, 2") == [5, 2]
