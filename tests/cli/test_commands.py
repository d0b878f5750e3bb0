"""Every command, on a small study from the file of jets to the report."""

import errno
import json
import os
import resource
import shutil
import signal

import pytest

from detcnn import processors
from detcnn.config.loading import load_study
from detcnn.simulation.pythia import Tally
from detcnn.stages import draw, evaluate, preprocess, simulate, train

STAGES = {"preprocess": "images", "train": "model", "predict": "scores", "evaluate": "metrics"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    processors.prepare_threads()
    monkeypatch.setattr(processors, "available_cpus", lambda: 1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for module in (train, evaluate):
        monkeypatch.setattr(module, "write_figure", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "write_report", lambda *_: None)


@pytest.fixture(scope="module")
def finished(make_folder, detcnn):
    """A study of which every artifact is there, and what its commands said."""
    folder = make_folder()
    with pytest.MonkeyPatch.context() as patch:
        quick.__wrapped__(patch)
        said = {stage: detcnn(stage, folder.study, "-v") for stage in STAGES}
    return folder, said


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished study."""
    return shutil.copytree(finished[0].path, tmp_path / "study")


def one_line(result):
    """The error of a result, which must be one line."""
    assert result.stdout == ""
    assert result.stderr.startswith("detcnn: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# What a command says


def test_each_stage_tells_its_result_and_where_it_is(finished):
    folder, said = finished
    for stage, result in said.items():
        assert result.exit_code == 0, result.stderr
        artifact = folder.path / "work" / STAGES[stage]
        assert (artifact / "manifest.json").exists()
        assert "\x1b" not in result.stdout + result.stderr
    assert "train: gluon 91, quark 101\n" in said["preprocess"].stdout
    assert "partitions" in said["preprocess"].stdout
    assert "plain_cnn" in said["train"].stdout
    assert "threads" in said["train"].stdout
    assert "AUC" in said["evaluate"].stdout
    assert "background rejection at 50 % signal efficiency" in said["evaluate"].stdout
    assert said["evaluate"].stdout.endswith(f"{folder.path}/work/metrics/report.html\n")


def test_progress_is_plain_lines_where_there_is_no_terminal(finished):
    _, said = finished
    progress = said["preprocess"].stderr.splitlines()
    assert progress[0].startswith("events to images: 300 of 300 events in ")
    assert progress[1].startswith("writing the store: 9 of 9 pieces in ")
    training = said["train"].stderr.splitlines()
    assert len(training) == 2
    assert training[0].startswith("training: 192 of 384 images in ")
    assert "epoch 1/2: train loss " in training[0]


@pytest.mark.parametrize("stage", STAGES)
def test_json_is_all_there_is_on_stdout(copy, detcnn, stage):
    result = detcnn(stage, copy / "study.yaml", "--overwrite", "--json", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    summary = json.loads(result.stdout)
    manifest = json.loads((copy / "work" / STAGES[stage] / "manifest.json").read_bytes())
    assert summary["digest"] == manifest["digest"]
    assert summary[STAGES[stage]] == str(copy / "work" / STAGES[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_quiet_says_nothing(copy, detcnn, stage):
    result = detcnn(stage, copy / "study.yaml", "--overwrite", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_numbers_in_json_are_numbers(copy, detcnn):
    study = copy / "study.yaml"
    images = json.loads(detcnn("preprocess", study, "--overwrite", "-v", "--json").stdout)
    assert images["events"]["train"] == {"gluon": 91, "quark": 101}
    assert images["image_shape"] == [2, 9, 9]
    assert images["partitions"] == {"all": 3, "from_earlier_run": 0}
    metrics = json.loads(detcnn("evaluate", study, "--overwrite", "--json").stdout)
    assert 0 < metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"] < 1
    (point,) = metrics["working_points"]
    assert point["target"] == 0.5


def test_inspect_describes_files_and_artifacts(finished, detcnn):
    folder, _ = finished
    text = detcnn("inspect", folder.path / "jets.h5").stdout
    assert "HDF5, constituents with offsets" in text
    assert "constituents/pt" in text
    images = folder.path / "work" / "images"
    found = json.loads(detcnn("inspect", images, "--verify", "--json").stdout)
    assert found["kind"] == "detcnn images"
    assert found["verified"] is True
    assert "config" not in found
    found = json.loads(detcnn("inspect", images, "--json", "-v").stdout)
    assert found["config"]["split"]["train"] == 0.6
    assert found["environment"]["versions"]["detcnn"]
    assert '"split"' in detcnn("inspect", images, "-v").stdout
    assert detcnn("inspect", images, "-q").stdout == ""


def test_inspect_draws(finished, detcnn, monkeypatch):
    def run(path, *, folder, preset):
        return (folder / f"{path.stem}-{preset}.png",)

    monkeypatch.setattr(draw, "run", run)
    jets = finished[0].path / "jets.h5"
    result = detcnn("inspect", jets, "--draw", "figures", "--preset", "komiske2017", "--json")
    assert json.loads(result.stdout)["drawn"] == ["figures/jets-komiske2017.png"]


def test_config_prints_a_study_that_means_the_same(finished, detcnn, tmp_path):
    folder, _ = finished
    printed = detcnn("config", folder.study, "--set", "train.epochs=7")
    (tmp_path / "printed.yaml").write_text(printed.stdout)
    assert load_study(tmp_path / "printed.yaml") == load_study(folder.study, ["train.epochs=7"])
    as_json = json.loads(detcnn("config", folder.study, "--json").stdout)
    assert as_json["train"]["epochs"] == 2
    assert detcnn("config", folder.study, "-q").stdout == ""
    assert "properties" in json.loads(detcnn("config", "--schema").stdout)


def test_simulate_counts_what_it_made(detcnn, tmp_path, monkeypatch):
    def run(config, *, output, workers, overwrite, progress):
        assert (config.jets_per_class, config.seed, workers, overwrite) == (20, 7, 2, True)
        progress.info("simulating")
        return simulate.SimulateResult(output, ("gluon", "quark"), (Tally(jets=20), Tally(jets=20)))

    monkeypatch.setattr(simulate, "run", run)
    command = [
        "simulate",
        "quark-gluon",
        "-o",
        tmp_path / "j.h5",
        "--jets-per-class",
        20,
        "--seed",
        7,
        "-j",
        2,
    ]
    result = detcnn(*command, "--overwrite", "--json")
    assert result.stderr == "simulating\n"
    assert json.loads(result.stdout) == {
        "file": str(tmp_path / "j.h5"),
        "jets": {"gluon": 20, "quark": 20},
    }
    verbose = json.loads(detcnn(*command, "--overwrite", "--json", "-v").stdout)
    assert verbose["jets"]["quark"]["vetoed"] == 0


def test_simulate_counts_the_images_of_each_class(detcnn, tmp_path):
    command = ["simulate", "neutrino", "-o", tmp_path / "n.h5", "-n", 3, "-j", 1, "--json"]
    summary = json.loads(detcnn(*command).stdout)
    assert summary == {
        "file": str(tmp_path / "n.h5"),
        "events": {"nue_cc": 1, "numu_cc": 1, "nc": 1},
    }


# Where things are


def test_paths_of_the_study_are_relative_to_it_and_those_given_to_here(
    folder, detcnn, tmp_path, monkeypatch, toy_jets
):
    folder.write(toy_jets(200), "fewer.h5")
    shutil.move(folder.path / "fewer.h5", tmp_path / "fewer.h5")
    monkeypatch.chdir(tmp_path)
    result = detcnn("preprocess", "study/study.yaml", "--json")
    summary = json.loads(result.stdout)
    assert summary["images"] == "study/work/images"
    result = detcnn("preprocess", "study/study.yaml", "-i", "fewer.h5", "-o", "here", "--json")
    assert json.loads(result.stdout)["images"] == "here"
    counts = json.loads(result.stdout)["events"].values()
    assert sum(n for split in counts for n in split.values()) == 200


def test_work_is_another_folder_for_all_artifacts(folder, detcnn, tmp_path):
    for stage, kind in STAGES.items():
        result = detcnn(stage, folder.study, "--work", tmp_path / "runs", "--json")
        assert json.loads(result.stdout)[kind] == str(tmp_path / "runs" / kind)
    assert not (folder.path / "work").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_an_update_leaves_what_would_be_the_same(copy, detcnn, stage):
    manifest = copy / "work" / STAGES[stage] / "manifest.json"
    before = manifest.stat().st_mtime_ns
    result = detcnn(stage, copy / "study.yaml", "--update", "--json")
    assert json.loads(result.stdout)["digest"] == json.loads(manifest.read_bytes())["digest"]
    assert manifest.stat().st_mtime_ns == before


def test_evaluate_makes_scores_again_only_if_need_be(copy, detcnn):
    study, scores = copy / "study.yaml", copy / "work" / "scores" / "manifest.json"
    before = scores.stat().st_mtime_ns
    result = detcnn("evaluate", study, "--overwrite", "-s", "evaluate.working_points=[0.2]")
    assert "at 20 % signal efficiency" in result.stdout
    assert scores.stat().st_mtime_ns == before
    assert detcnn("train", study, "--overwrite", "-s", "train.seed=9").exit_code == 0
    assert detcnn("evaluate", study, "--overwrite").exit_code == 0
    assert scores.stat().st_mtime_ns != before


# What goes wrong


@pytest.mark.parametrize("stage", STAGES)
def test_an_existing_output_is_refused(finished, detcnn, stage):
    result = detcnn(stage, finished[0].study)
    assert result.exit_code == 73
    assert "--overwrite" in one_line(result)


def test_train_says_when_there_is_nothing_to_resume(finished, detcnn):
    result = detcnn("train", finished[0].study, "--resume")
    assert result.exit_code == 0
    assert "finished before  yes" in " ".join(result.stdout.split("\n")).replace("   ", "  ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["config"], 2, "name a study file"),
        (["config", "none.yaml"], 2, "none.yaml: cannot be read"),
        (["preprocess", "STUDY", "-s", "preprocess.imag.grid=1"], 2, "'image'"),
        (["preprocess", "STUDY", "-s", "epochs"], 2, "section.key=value"),
        (["preprocess", "STUDY", "-i", "none.h5"], 65, "none.h5: no such file"),
        (["train", "STUDY"], 65, "detcnn preprocess"),
        (["predict", "STUDY", "--split", "tests"], 2, "train, validation, test"),
        (["predict", "STUDY"], 65, "detcnn train"),
        (["evaluate", "STUDY"], 65, "detcnn train"),
        (["inspect", "none.h5"], 65, "none.h5: no such file"),
        (["inspect", "JETS", "--draw", "STUDY"], 74, "study.yaml"),
        (["preprocess", "STUDY", "-o", "JETS/images"], 74, "jets.h5/images"),
        (["simulate", "top", "-o", "top.h5"], 2, "quark-gluon"),
        (
            ["simulate", "top-qcd", "-o", "top.h5", "-n", "5"],
            2,
            "--jets-per-class, not in --events",
        ),
        (["simulate", "ccd", "-o", "x.h5", "--jets-per-class", "5"], 2, "in --events, not in"),
        (["simulate", "ccd", "-o", "x.h5", "--calorimeter", "0.1"], 2, "has no --calorimeter"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    folder, detcnn, tmp_path, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(tmp_path)
    places = {"STUDY": str(folder.study), "JETS": str(folder.path / "jets.h5")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    result = detcnn(*arguments, "-q") if arguments[0] != "preprocess" else detcnn(*arguments)
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    one_line(result)


def test_a_full_disk_is_one_line_and_goes_on_later(folder, detcnn, monkeypatch):
    expected = detcnn("preprocess", folder.study, "-o", folder.path / "a", "--json")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(p.stat().st_size for p in (folder.path / "a").rglob("*"))
    # Nothing larger may be written, as if the disk were full there: once the store, then a piece.
    for limit in (largest - 1, 9000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            result = detcnn("preprocess", folder.study, "-q")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert result.exit_code == 74, result.stderr
        assert os.strerror(errno.EFBIG) in one_line(result)
        assert not (folder.path / "work" / "images").exists()
    again = detcnn("preprocess", folder.study, "--json")
    assert json.loads(again.stdout)["digest"] == json.loads(expected.stdout)["digest"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_stopped_training_says_how_to_go_on(copy, detcnn, monkeypatch, number, code):
    fit = train.fit

    def stopped(*args, **kwargs):
        records = fit(*args, **kwargs)
        yield next(records)
        os.kill(os.getpid(), number)
        yield from records

    study = copy / "study.yaml"
    expected = json.loads((copy / "work" / "model" / "manifest.json").read_bytes())["digest"]
    shutil.rmtree(copy / "work" / "model")
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", stopped)
        result = detcnn("train", study, "-q")
    assert result.exit_code == code
    assert "go on with --resume" in one_line(result)
    assert detcnn("train", study, "-q").exit_code == 73
    result = detcnn("train", study, "--resume", "--json")
    assert json.loads(result.stdout)["digest"] == expected


def test_an_interrupted_preprocessing_exits_with_130(folder, detcnn, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(preprocess, "write_images", interrupted)
    result = detcnn("preprocess", folder.study, "-q")
    assert result.exit_code == 130
    assert one_line(result) == "detcnn: interrupted\n"
