"""The reproductions run from their Makefiles, on the sample data and for one epoch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detcnn.config.loading import load_study

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "pipelines").glob("*/*.yaml"))


def make(folder, *arguments):
    """Run make with the detcnn of these tests and return what it says."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["make", "-C", folder, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    for name in ("pipelines", "sample_data"):
        made = shutil.ignore_patterns("work", "*.part-*")
        shutil.copytree(ROOT / name, folder / name, ignore=made)
    return folder


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_study_file_is_valid(study):
    assert load_study(study, []).name


def test_the_studies_of_a_pipeline_differ_in_image_and_network_alone():
    for folder in {path.parent for path in STUDIES}:
        studies = [load_study(path, []) for path in STUDIES if path.parent == folder]
        for study in studies:
            assert study.preprocess.classes == studies[0].preprocess.classes
            assert study.preprocess.split == studies[0].preprocess.split
            assert study.preprocess.select == studies[0].preprocess.select
            assert study.evaluate == studies[0].evaluate


def test_w_tagging_compares_its_networks(clone):
    folder = clone / "pipelines" / "w_tagging"
    said = make(folder, "compare", "SET=--set train.epochs=1")
    assert "AUC" in said
    comparison = json.loads((folder / "work/small/comparison/comparison.json").read_text())
    assert comparison
    assert (folder / "work/small/metrics/report.html").exists()
    assert "detcnn train" not in make(folder, "compare", "SET=--set train.epochs=1")


def test_top_tagging_reports(clone):
    folder = clone / "pipelines" / "top_tagging"
    assert "best baseline" in make(folder, "report", "SET=--set train.epochs=1")
    said = make(folder, "seeds", "SEEDS=2", "SET=--set train.epochs=1")
    assert "(2 trainings)" in said
    comparison = json.loads((folder / "work/small/seeds/comparison.json").read_text())
    (entry,) = comparison["entries"]
    assert len(set(entry["auc_trainings"])) == 2
    assert entry["auc_spread"] > 0


@pytest.mark.parametrize("name", ["quark_gluon", "top_tagging", "w_tagging"])
def test_seeds_are_trainings_of_one_study_on_the_same_images(clone, name):
    said = make(clone / "pipelines" / name, "seeds", "SCALE=full", "SEEDS=7 11", "--dry-run")
    plan = [line.split() for line in said.replace("\\\n", " ").splitlines()]
    plan = [words[1:] for words in plan if words[:1] == ["detcnn"]]
    assert [words[0] for words in plan[:4]] == ["simulate", "preprocess", "train", "evaluate"]
    assert sorted(words[0] for words in plan[4:-1]) == ["predict", "predict", "train", "train"]
    for words in plan[1:-1]:
        assert words[1] == "study.yaml"
    for seed in ("7", "11"):
        work = f"work/full/seed-{seed}"
        train, predict = (words for words in plan if words[2:4] == ["--work", work])
        assert [train[0], train[-2:]] == ["train", ["--set", f"train.seed={seed}"]]
        assert predict[0] == "predict"
        for words in (train, predict):
            assert words[words.index("--images") + 1] == "work/full/images"
    compare = plan[-1]
    assert compare[:4] == ["compare", "work/full", "work/full/seed-7", "work/full/seed-11"]
    assert compare.count("study") == compare.count("--label") == 3


def test_a_sample_is_validated(clone):
    folder = clone / "pipelines" / "top_tagging"
    assert "peak of mass" in make(folder, "validate")


@pytest.mark.parametrize("name", ["quark_gluon", "top_tagging", "w_tagging"])
def test_larger_scales_simulate_first(clone, name):
    folder = clone / "pipelines" / name
    plan = make(folder, "compare", "SCALE=full", "--dry-run").splitlines()
    commands = [line.split()[1] for line in plan if line.startswith("detcnn ")]
    assert commands[:4] == ["simulate", "preprocess", "train", "evaluate"]
    assert commands[-1] == "compare"
    assert "--jets-per-class 1000000" in "\n".join(plan)
    refused = subprocess.run(
        ["make", "-C", folder, "SCALE=huge"], capture_output=True, text=True, check=False
    )
    assert "expected small, medium or full" in refused.stderr


def test_the_letters_by_hand_are_as_their_readme_says(clone):
    folder = clone / "pipelines" / "o_and_x"
    said = make(folder, "by-hand")
    text = "\n".join(line for line in said.splitlines() if not line.startswith("make"))
    shown = (folder / "README.md").read_text().split("```text\n")[1].split("\n```")[0]
    assert shown == text.strip()
    # The numbers of the lecture.
    for matrix in ("1  0\n0  1\n", "0  1\n1  0\n", " 1  −1  −2  −1\n−1  −2  −1  −2\n"):
        assert matrix in text


def test_the_letters_are_learned_and_moved(clone):
    folder = clone / "pipelines" / "o_and_x"
    options = ("N=100", "SET=--set train.epochs=1")
    said = make(folder, "symmetry", *options)
    assert "detcnn train" in said
    assert "symmetry-shift/report.html" in said
    assert "detcnn train" not in make(folder, "model", *options)
    assert "detcnn evaluate" in make(folder, "report", "--dry-run")
    assert "detcnn explain work/model" in make(folder, "explain", "--dry-run")
