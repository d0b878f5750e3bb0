import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from detcnn.config.preprocess import SplitConfig
from detcnn.config.train import StandardiseConfig, TrainConfig
from detcnn.errors import (
    CheckpointedError,
    ConfigError,
    DataError,
    DivergedError,
    OutputExistsError,
)
from detcnn.events.images import as_dense
from detcnn.plotting.style import write_figure
from detcnn.progress import SILENT
from detcnn.stages import predict, preprocess, train, training_plan
from detcnn.stages.training_plan import open_assignment, plan_training
from detcnn.storage.reader import open_store
from detcnn.training import checkpoint, device, splits
from detcnn.training.tasks import Classification


@pytest.fixture
def run(trained, load, tmp_path):
    def run(*overrides, output="model", **options):
        study = load(trained, *overrides)
        images = options.pop("images", trained.path / "images")
        return train.run(study.train, images=images, output=tmp_path / output, **options)

    return run


def digest(folder):
    return json.loads((folder / "manifest.json").read_bytes())["digest"]


# Stopping and going on


def test_killed_at_any_file_operation_it_goes_on_to_the_same_bytes(killed, folder, load):
    study = json.loads(folder.study.read_text())
    # A checkpoint after every step, so that kills hit all parts of an epoch.
    study["train"]["checkpoint_minutes"] = 1e-9
    folder.study.write_text(json.dumps(study))
    preprocess.run(load(folder).preprocess, base=folder.path, output=folder.path / "images")
    report = killed("train", folder.study, points=3, seed=20262)
    for end in report["killed"]:
        assert end["died"], end
        assert end["digest"] == report["digest"], end
        assert end["left"] == ["output", "result"], end


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (signal.SIGTERM, CheckpointedError, "SIGTERM: checkpoint in epoch 1, after step 3"),
        (signal.SIGUSR1, CheckpointedError, "SIGUSR1: checkpoint in epoch 1, after step 3"),
        (signal.SIGINT, KeyboardInterrupt, "interrupted: checkpoint in epoch 1, after step 3"),
    ],
)
def test_a_signal_saves_the_state_to_go_on_from(
    run, trained, Listener, tmp_path, number, error, words
):
    handler = signal.getsignal(number)
    # The first step tells how much was done before.
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), number))
    with pytest.raises(error, match=f"{words}: go on with --resume"):
        run(progress=stop)
    assert signal.getsignal(number) == handler
    assert not (tmp_path / "model").exists()
    with pytest.raises(OutputExistsError, match=r"unfinished training.*--resume.*--overwrite"):
        run()
    listener = Listener()
    result = run(resume=True, progress=listener)
    assert listener.said == ["going on in epoch 1, after step 3"]
    assert not result.was_complete
    assert result.artifact.manifest.digest == digest(trained.path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_second_interrupt_stops_at_once(run, Listener):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        run(progress=Listener(at=4, act=twice))
    assert "checkpoint" not in str(caught.value)


def test_overwriting_an_unfinished_training_starts_again(run, trained, Listener):
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CheckpointedError):
        run(progress=stop)
    listener = Listener()
    result = run(overwrite=True, progress=listener)
    assert listener.said == []
    assert result.artifact.manifest.digest == digest(trained.path / "model")


def test_resuming_a_finished_training_does_nothing(run, tmp_path):
    run()
    before = (tmp_path / "model" / "manifest.json").stat().st_mtime_ns
    result = run(resume=True)
    assert result.was_complete
    assert (tmp_path / "model" / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(OutputExistsError):
        run()


def test_another_configuration_does_not_go_on_from_an_old_checkpoint(run, Listener, tmp_path):
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CheckpointedError):
        run(progress=stop)
    (unfinished,) = tmp_path.iterdir()
    changed = "train.seed=2"
    expected = run(changed, output="fresh/model")
    listener = Listener()
    result = run(changed, resume=True, progress=listener)
    assert result.artifact.manifest.digest == expected.artifact.manifest.digest
    (said,) = listener.said
    assert str(unfinished) in said
    assert "another configuration" in said
    assert unfinished.exists()
    with pytest.raises(OutputExistsError, match="exists already"):
        run("train.seed=3", resume=True)


def test_another_machine_goes_on_in_the_precision_that_was_begun(run, Listener, monkeypatch):
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(device, "has_native_bf16", lambda _: True)
    with pytest.raises(CheckpointedError):
        run(progress=stop)
    unbroken = run(output="unbroken").artifact.manifest
    monkeypatch.setattr(device, "has_native_bf16", lambda _: False)
    listener = Listener()
    manifest = run(resume=True, progress=listener).artifact.manifest
    assert "in bf16, as it began" in listener.said[1]
    assert manifest.contents["precision"] == "bf16"
    assert manifest.digest == unbroken.digest


@pytest.fixture
def threads():
    """A setter of the number of threads, which is the old one again after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("keep", "expected"), [(False, 3), (True, 2)])
def test_another_run_goes_on_with_the_threads_that_were_begun_with(
    run, Listener, threads, monkeypatch, keep, expected
):
    monkeypatch.setattr(checkpoint, "available_cpus", lambda: 3)
    stop = Listener(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    threads(3)
    unbroken = run(output="unbroken").artifact.manifest
    with pytest.raises(CheckpointedError):
        run(progress=stop)
    threads(2)
    listener = Listener()
    manifest = run(resume=True, keep_threads=keep, progress=listener).artifact.manifest
    assert (unbroken.environment["threads"], manifest.environment["threads"]) == (3, expected)
    assert "with 3 threads" in listener.said[0]
    assert keep or manifest.digest == unbroken.digest
    # The next training of this process begins anew.
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("overrides", "is_native", "expected"),
    [
        ((), True, "bf16"),
        ((), False, "float32"),
        (("train.network={name: deoliveira2016_maxout, options: {}}",), True, "float32"),
        (("train.precision=float32",), True, "float32"),
        (("train.precision=bf16",), False, "bf16"),
    ],
)
def test_the_model_tells_its_precision(run, monkeypatch, overrides, is_native, expected):
    monkeypatch.setattr(device, "has_native_bf16", lambda _: is_native)
    contents = run("train.epochs=1", *overrides).artifact.manifest.contents
    assert contents["precision"] == expected


def test_an_update_trains_only_what_would_be_different(run, tmp_path):
    first = run(update=True)
    again = run("train.checkpoint_minutes=3", update=True)
    assert not first.was_complete
    assert again.was_complete
    assert again.artifact.manifest == first.artifact.manifest
    other = run("train.seed=2", update=True)
    assert not other.was_complete
    assert other.artifact.manifest.digest != first.artifact.manifest.digest
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_how_often_it_saves_does_not_change_the_digest(run, trained):
    result = run("train.checkpoint_minutes=1e-9")
    assert result.artifact.manifest.digest == digest(trained.path / "model")


def test_images_beyond_memory_are_read_from_disk_and_it_resumes(
    run, trained, Listener, monkeypatch
):
    monkeypatch.setattr(splits, "_SMALLEST_BLOCK_BYTES", 1)
    small, whole = "train.memory_gib=5e-6", Listener()
    expected = run(small, output="whole/model", progress=whole)
    (said,) = whole.said
    assert "do not fit into memory_gib and are read from disk" in said
    assert expected.artifact.manifest.digest != digest(trained.path / "model")
    stop = Listener(at=9, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CheckpointedError, match=r"checkpoint in epoch 2, after step 1"):
        run(small, progress=stop)
    result = run(small, resume=True)
    assert result.artifact.manifest.digest == expected.artifact.manifest.digest


# What is in a model


def test_a_model_carries_its_preprocessing(trained):
    store = open_store(trained.path / "images" / "images.zarr")
    tensors = load_file(trained.path / "model" / "best.safetensors")
    mean, std = store.statistics["mean"], store.statistics["std"]
    np.testing.assert_allclose(tensors["standardise.mean"][0], mean, rtol=1e-6, atol=1e-9)
    assert np.all(tensors["standardise.scale"][0] >= std.astype(np.float32))
    images = json.loads((trained.path / "model" / "model.json").read_bytes())["images"]
    assert images["preprocess"]["image"]["align"][0]["on"] == "pt_centroid"
    assert images["channels"][0]["name"] == "charged_pt"
    assert images["axes"][1]["unit"] == "rad"


def test_a_copied_model_gives_the_same_scores(trained, tmp_path):
    shutil.copytree(trained.path / "model", tmp_path / "elsewhere" / "copy")
    options = {"images": trained.path / "images", "split": "test"}
    predict.run(model=trained.path / "model", output=tmp_path / "1", **options)
    predict.run(model=tmp_path / "elsewhere" / "copy", output=tmp_path / "2", **options)
    first, second = (tmp_path / name / "scores.parquet" for name in "12")
    assert first.read_bytes() == second.read_bytes()


def test_the_history_is_drawn(run, monkeypatch):
    monkeypatch.setattr(train, "write_figure", write_figure)
    files = {file.path for file in run("train.epochs=1").artifact.manifest.payload}
    assert files == {
        "best.safetensors",
        "last.safetensors",
        "history.csv",
        "history.pdf",
        "history.png",
        "model.json",
    }


def test_the_best_epoch_is_that_of_the_history(trained):
    manifest = json.loads((trained.path / "model" / "manifest.json").read_bytes())
    lines = (trained.path / "model" / "history.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    best = min(rows, key=lambda row: float(row["validation_loss"]))
    assert manifest["contents"]["best_epoch"] == int(best["epoch"])
    assert manifest["contents"]["n_epochs"] == len(rows) == 2


def test_the_best_weights_are_those_at_the_end_of_the_best_epoch(run, tmp_path):
    restless = "train.optimiser={name: adam, learning_rate: 0.1}"
    contents = run(restless, "train.epochs=4").artifact.manifest.contents
    best = contents["best_epoch"]
    assert best < contents["n_epochs"] == 4
    run(restless, f"train.epochs={best}", output="short")
    kept = load_file(tmp_path / "model" / "best.safetensors")
    for name, values in load_file(tmp_path / "short" / "last.safetensors").items():
        np.testing.assert_array_equal(kept[name], values)


# From the study to plain values


def test_standardising_per_channel_takes_all_pixels_of_it_together(trained):
    store = open_store(trained.path / "images" / "images.zarr")
    values = as_dense(store.splits["train"].images()).values.astype(np.float64)
    layer = training_plan._standardise(
        StandardiseConfig(per="channel", floor=0.0, relative_floor=0.0), store
    )
    mean, std = values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))
    np.testing.assert_allclose(layer.mean.numpy().ravel(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.scale.numpy().ravel(), std, rtol=1e-5)


def test_without_standardising_the_network_sees_the_stored_values(trained):
    store = open_store(trained.path / "images" / "images.zarr")
    layer = training_plan._standardise(None, store)
    images = np.random.default_rng(0).random((3, 2, 9, 9), dtype=np.float32)
    import torch

    np.testing.assert_array_equal(layer(torch.from_numpy(images)), images)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimiser", {"name": "adam", "weight_decay": 0.25}),
        ("optimiser", {"name": "adamw", "learning_rate": 0.25}),
        ("optimiser", {"name": "sgd", "momentum": 0.25, "nesterov": True}),
        ("schedule", {"name": "constant"}),
        ("schedule", {"name": "cosine", "final": 0.25}),
        ("schedule", {"name": "step", "every": 7, "reduction": 0.25}),
        ("schedule", {"name": "plateau", "patience": 7, "reduction": 0.25}),
    ],
)
def test_every_option_of_the_study_arrives(key, value):
    build = getattr(training_plan, f"_{key}")
    name, options = value["name"], {k: v for k, v in value.items() if k != "name"}
    built = build(getattr(TrainConfig.model_validate({key: value}), key))
    assert type(built).__name__.lower() == name
    assert dataclasses.asdict(built).items() >= options.items()


def test_every_option_of_the_loop_arrives(trained, load):
    study = load(
        trained,
        "train.mixup={alpha: 0.25}",
        "train.ema={decay: 0.75}",
        "train.accumulate=3",
        "train.compile=true",
        "train.gradient_clip=0.5",
        "train.warmup_steps=7",
        "train.task.loss=quadratic",
        "train.task.label_smoothing=0.25",
    )
    assignment = open_assignment(study.train, images=trained.path / "images", base=trained.path)
    plan = plan_training(assignment, progress=SILENT)
    options = dataclasses.asdict(plan.options)
    expected = {
        "mixup_alpha": 0.25,
        "ema_decay": 0.75,
        "accumulate": 3,
        "compile": True,
        "gradient_clip": 0.5,
        "warmup_steps": 7,
    }
    assert options.items() >= expected.items()
    import torch

    logits, target = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    # Half the squares of 0.5 - 0.875 and 0.5 - 0.125.
    assert float(plan.task.training_loss(logits, target)) == pytest.approx(0.375**2)
    assert float(plan.task.loss(logits, target)) == pytest.approx(0.25)


def test_an_interrupted_training_with_everything_on_ends_with_the_same_bytes(
    run, Listener, tmp_path
):
    everything = (
        "train.mixup={alpha: 0.3}",
        "train.ema={decay: 0.9}",
        "train.accumulate=2",
        "train.task.label_smoothing=0.1",
        "train.augment=[{policy: elastic, max_pixels: 0.6}, {policy: colour}]",
        "train.schedule={name: cosine}",
        "train.warmup_steps=2",
        "train.max_events=170",
    )
    unbroken = run(*everything, output="unbroken/model").artifact.manifest
    assert unbroken.contents["n_training_events"] == 170
    # Six batches make three steps.
    stop = Listener(at=3, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CheckpointedError, match="in epoch 1, after step 2"):
        run(*everything, progress=stop)
    assert run(*everything, resume=True).artifact.manifest.digest == unbroken.digest


def test_the_kept_weights_are_the_average(run, tmp_path):
    average = run("train.epochs=1", "train.ema={decay: 0.5}").artifact.path
    plain = run("train.epochs=1", output="plain").artifact.path
    best, last = (load_file(average / f"{name}.safetensors") for name in ("best", "last"))
    for name, values in load_file(plain / "last.safetensors").items():
        np.testing.assert_array_equal(best[name], last[name])
        if name.startswith("standardise"):
            np.testing.assert_array_equal(best[name], values)
        else:
            assert not np.array_equal(best[name], values)


# Beginning with another network


def test_features_of_a_model_are_taken_and_those_frozen_stay(run, trained, Listener, tmp_path):
    listener = Listener()
    start = f"train.start={{model: {trained.path}/model, freeze: block1}}"
    result = run(start, "train.seed=7", "train.epochs=1", progress=listener)
    manifest = result.artifact.manifest
    before = load_file(trained.path / "model" / "best.safetensors")
    after = load_file(result.artifact.path / "last.safetensors")
    same = {name for name in before if np.array_equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith("network.trunk.block1.")}
    assert same == frozen | {"standardise.mean", "standardise.scale"}
    assert len(frozen) == 2
    assert "4 tensors taken over" in listener.said[0]
    assert "new are head.weight, head.bias; frozen are block1" in listener.said[0]
    assert manifest.contents["start"]["frozen"] == ["block1"]
    frozen_size = sum(before[name].size for name in frozen)
    assert manifest.contents["n_parameters"] - manifest.contents["n_trained"] == frozen_size
    (entry,) = [entry for entry in manifest.inputs if entry.role == "start"]
    assert entry.digest == digest(trained.path / "model")


def test_a_file_of_weights_gives_what_the_model_would(run, trained, tmp_path):
    weights = trained.path / "model" / "best.safetensors"
    one = run(f"train.start={{model: {trained.path}/model, standardise: images}}", output="1")
    other = run(f"train.start={{weights: {weights}}}", output="2")
    files = ("best.safetensors", "last.safetensors", "history.csv")
    for name in files:
        first, second = (result.artifact.path / name for result in (one, other))
        assert first.read_bytes() == second.read_bytes(), name
    assert one.artifact.manifest.digest != other.artifact.manifest.digest


def test_a_model_made_from_a_start_knows_it_by_content(run, trained, tmp_path):
    shutil.copytree(trained.path / "model", tmp_path / "copy")
    first = run(f"train.start={{model: {trained.path}/model}}", output="m", update=True)
    again = run(f"train.start={{model: {tmp_path}/copy}}", output="m", update=True)
    assert again.was_complete
    run("train.seed=9", output="other")
    changed = run(f"train.start={{model: {tmp_path}/other}}", output="m", update=True)
    assert not changed.was_complete
    assert changed.artifact.manifest.digest != first.artifact.manifest.digest


def test_the_path_of_a_start_begins_at_the_study(run, trained):
    with pytest.raises(DataError, match="no such artifact"):
        run("train.start={model: model}")
    assert run("train.start={model: model}", "train.epochs=1", base=trained.path).artifact


def test_weights_are_those_the_study_names(trained):
    store = open_store(trained.path / "images" / "images.zarr")
    split = store.splits["train"]
    expected = {
        "training": split.training_weight,
        "event": split.weight,
        "none": np.ones(split.n_events),
    }
    for name, weight in expected.items():
        found = training_plan._split(
            store, "train", TrainConfig(weights=name), Classification(2)
        ).weight
        np.testing.assert_array_equal(found, weight)


# What cannot be


@pytest.mark.parametrize(
    ("override", "error", "words"),
    [
        ("train.network.name=plain_cn", ConfigError, "plain_cnn"),
        ("train.network.name=unet", ConfigError, "each pixel"),
        ("train.network.options.blocks=[{filters: 4, kernel: 12}]", ConfigError, "9x9"),
        ("train.monitor=accurracy", ConfigError, "accuracy"),
        ("train.optimiser={name: sgd, learning_rate: 1e30}", DivergedError, "learning rate"),
        ("train.max_events=1", ConfigError, "each of the 2 classes"),
        ("train.augment=[{policy: elastic, max_pixels: 5}]", ConfigError, "less than 0.66"),
        ("train.start={weights: none.pt}", DataError, "none.pt"),
    ],
)
def test_an_impossible_training_leaves_nothing_behind(run, tmp_path, override, error, words):
    with pytest.raises(error, match=words) as caught:
        run(override)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_images_must_be_there_and_be_images(run, trained, tmp_path):
    with pytest.raises(DataError, match="detcnn preprocess"):
        run(images=tmp_path / "none")
    with pytest.raises(DataError, match="holds model, expected images"):
        run(images=trained.path / "model")


def test_an_empty_validation_split_is_an_error(folder, load, run, tmp_path):
    study = load(folder)
    split = SplitConfig(train=0.8, validation=0.0, test=0.2)
    images = folder.path / "images"
    config = study.preprocess.model_copy(update={"split": split})
    preprocess.run(config, base=folder.path, output=images)
    with pytest.raises(DataError, match="validation"):
        run(images=images)
    assert not (tmp_path / "model").exists()
