import dataclasses
import errno
import json
import os
import random
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from detcnn.errors import DataError, StorageError
from detcnn.progress import SilentProgress
from detcnn.training import checkpoint
from detcnn.training.checkpoint import restore_checkpoint, write_checkpoint
from detcnn.training.loop import FitOptions, fit
from detcnn.training.optimisers import SGD, AdaDelta, Adam, AdamW, Plateau
from detcnn.training.tasks import Classification

OPTIONS = FitOptions(
    epochs=5,
    optimiser=Adam(learning_rate=0.03),
    schedule=Plateau(patience=1, reduction=0.5),
    warmup_steps=7,
    patience=3,
    gradient_clip=1.0,
)
TASK = Classification(2)


def content_of(state):
    """Return everything that must not depend on interruptions, down to the bits."""
    moments = state.optimiser.state_dict()["state"]
    return {
        "model": {k: v.numpy().tobytes() for k, v in state.model.state_dict().items()},
        "average": {
            k: v.numpy().tobytes()
            for k, v in (state.average or torch.nn.Module()).state_dict().items()
        },
        "best": {k: v.numpy().tobytes() for k, v in state.best_weights.items()},
        "moments": {(i, k): v.numpy().tobytes() for i, e in moments.items() for k, v in e.items()},
        "history": [record.row() for record in state.history],
        "epoch": (state.epoch, state.step, state.loss_sum),
    }


def advance(state, train, validation, options, n_records=None):
    """Work until so many records have come; return whether there was an end before."""
    records = fit(state, TASK, train=train, validation=validation, options=options)
    for _ in range(10**6 if n_records is None else n_records):
        if next(records, None) is None:
            return True
    return False


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        FitOptions(epochs=2, optimiser=AdamW(), precision="bf16"),
        FitOptions(epochs=2, optimiser=SGD(momentum=0.0), monitor="auc"),
        FitOptions(epochs=2, optimiser=SGD(momentum=0.9, nesterov=True)),
        FitOptions(epochs=2, optimiser=AdaDelta()),
        FitOptions(epochs=3, accumulate=2, ema_decay=0.9, mixup_alpha=0.3, warmup_steps=2),
    ],
    ids=["adam-plateau", "adamw-bf16", "sgd", "nesterov", "adadelta", "average-accumulate-mixup"],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    new_state, train, validation, tmp_path, options
):
    unbroken = new_state(options)
    advance(unbroken, train, validation, options)
    rng = random.Random(options.epochs)
    n_parts, is_over = 0, False
    while not is_over:
        n_parts += 1
        state = new_state(options)
        torch.manual_seed(rng.randrange(10**6))
        restore_checkpoint(tmp_path, state, identity="a")
        # Five steps, three validated batches and the epoch make nine records.
        is_over = advance(state, train, validation, options, rng.randint(1, 8))
        write_checkpoint(tmp_path, state, identity="a")
    assert n_parts > 3
    assert content_of(state) == content_of(unbroken)


@pytest.mark.parametrize("n_records", range(10))
def test_a_checkpoint_holds_the_whole_state(new_state, train, validation, tmp_path, n_records):
    state, restored = new_state(OPTIONS), new_state(OPTIONS)
    advance(state, train, validation, OPTIONS, n_records)
    write_checkpoint(tmp_path, state, identity="a")
    assert restore_checkpoint(tmp_path, restored, identity="a")
    assert content_of(restored) == content_of(state)
    assert restored.history == state.history
    assert restored.seconds == state.seconds


def test_moments_come_back_in_the_layout_of_their_weights(new_state, train, validation, tmp_path):
    state, restored = new_state(OPTIONS), new_state(OPTIONS)
    advance(state, train, validation, OPTIONS, 2)
    write_checkpoint(tmp_path, state, identity="a")
    restore_checkpoint(tmp_path, restored, identity="a")
    for weight, moments in restored.optimiser.state.items():
        assert moments["exp_avg"].stride() == weight.stride()


def test_a_training_keeps_the_precision_it_began_with(new_state, train, validation, tmp_path):
    begun = dataclasses.replace(OPTIONS, precision="bf16")
    unbroken, state, restored = new_state(begun), new_state(begun), new_state(OPTIONS)
    advance(unbroken, train, validation, begun)
    advance(state, train, validation, begun, 3)
    write_checkpoint(tmp_path, state, identity="a")
    restore_checkpoint(tmp_path, restored, identity="a")
    assert restored.precision == "bf16"
    advance(restored, train, validation, OPTIONS)
    assert content_of(restored) == content_of(unbroken)


def test_without_a_checkpoint_the_state_stays(new_state, tmp_path):
    state = new_state(OPTIONS)
    before = content_of(state)
    assert not restore_checkpoint(tmp_path / "none", state, identity="a")
    assert content_of(state) == before


def test_only_the_newest_is_kept(new_state, tmp_path):
    state = new_state(OPTIONS)
    (tmp_path / "notes.txt").touch()
    for step in range(12):
        state.step = step
        path = write_checkpoint(tmp_path, state, identity="a")
    assert {p.name for p in tmp_path.iterdir()} == {"notes.txt", path.name}
    restore_checkpoint(tmp_path, state, identity="a")
    assert state.step == 11


class Killed(BaseException):
    pass


def test_a_kill_at_any_point_leaves_the_old_or_the_new_checkpoint(new_state, tmp_path, monkeypatch):
    old, new = new_state(OPTIONS), new_state(OPTIONS)
    old.step, new.step = 1, 2
    for tensor in new.model.state_dict().values():
        tensor += 1
    seen, n_calls = set(), 1
    while True:
        folder = tmp_path / str(n_calls)
        write_checkpoint(folder, old, identity="a")
        with monkeypatch.context() as patch:
            countdown = iter(range(n_calls - 1, -1, -1))

            def dying(function, countdown=countdown):
                def call(*args, **kwargs):
                    if next(countdown, 1) == 0:
                        raise Killed
                    return function(*args, **kwargs)

                return call

            patch.setattr(os, "fsync", dying(os.fsync))
            patch.setattr(os, "open", dying(os.open))
            patch.setattr(os, "unlink", dying(os.unlink))
            patch.setattr(os, "rmdir", dying(os.rmdir))
            patch.setattr(os, "mkdir", dying(os.mkdir))
            patch.setattr(Path, "open", dying(Path.open))
            patch.setattr(Path, "rename", dying(Path.rename))
            try:
                write_checkpoint(folder, new, identity="a")
                break
            except Killed:
                pass
        found = new_state(OPTIONS)
        assert restore_checkpoint(folder, found, identity="a")
        seen.add(found.step)
        assert content_of(found) == content_of(old if found.step == 1 else new)
        write_checkpoint(folder, new, identity="a")
        assert len([p for p in folder.iterdir() if not p.name.endswith(".part")]) == 1
        n_calls += 1
    assert seen == {1, 2}
    assert n_calls > 10


def test_a_full_disk_leaves_the_old_checkpoint(new_state, tmp_path, monkeypatch):
    state = new_state(OPTIONS)
    write_checkpoint(tmp_path, state, identity="a")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="cannot be written: No space left"):
            write_checkpoint(tmp_path, state, identity="a")
    assert [p.name for p in tmp_path.iterdir()] == ["000001"]
    assert restore_checkpoint(tmp_path, state, identity="a")


class Listener(SilentProgress):
    def __init__(self):
        self.warnings, self.said = [], []

    def warn(self, message):
        self.warnings.append(message)

    def info(self, message):
        self.said.append(message)


@pytest.fixture
def begun_with_three_threads(new_state, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "available_cpus", lambda: 3)
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        state = new_state(OPTIONS)
        write_checkpoint(tmp_path, state, identity="a")
        torch.set_num_threads(2)
        yield state
    finally:
        torch.set_num_threads(n_threads)


def test_it_goes_on_with_as_many_threads_as_it_began_with(begun_with_three_threads, tmp_path):
    listener = Listener()
    restore = partial(restore_checkpoint, tmp_path, begun_with_three_threads, identity="a")
    for _ in range(2):
        restore(progress=listener)
        assert torch.get_num_threads() == 3
    assert listener.warnings == []
    (said,) = listener.said
    assert said.startswith("with 3 threads, as it began")


def test_another_number_of_threads_that_is_to_be_kept_is_worth_a_warning(
    begun_with_three_threads, tmp_path
):
    listener = Listener()
    restore_checkpoint(
        tmp_path, begun_with_three_threads, identity="a", keep_threads=True, progress=listener
    )
    assert torch.get_num_threads() == 2
    assert "was made with 3 threads, this run has 2" in listener.warnings[0]
    assert "set OMP_NUM_THREADS=3 if" in listener.warnings[0]


def test_more_threads_than_processors_are_worth_a_warning_and_no_wait(
    begun_with_three_threads, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint, "available_cpus", lambda: 2)
    listener = Listener()
    restore_checkpoint(tmp_path, begun_with_three_threads, identity="a", progress=listener)
    assert torch.get_num_threads() == 2
    assert "was made with 3 threads, this run has 2" in listener.warnings[0]


def edit_state(path, **changes):
    file = path / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_tensors(path, change):
    file = path / "tensors.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def truncate(path):
    file = path / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


HEAD = "model/network.head.bias"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: edit_state(p, identity="b"), "another configuration or other images"),
        (lambda p: edit_state(p, format=99), "is of format 99, expected 3"),
        (truncate, "not a readable checkpoint"),
        (lambda p: (p / "state.json").write_text("{"), "not a readable checkpoint"),
        (lambda p: shutil.rmtree(p) or p.mkdir(), "not a readable checkpoint"),
        (
            lambda p: edit_tensors(p, lambda t: t.pop(HEAD)),
            "the model's tensor 'network.head.bias' is missing",
        ),
        (
            lambda p: edit_tensors(p, lambda t: t.update({"model/extra": torch.zeros(1)})),
            "the model has no tensor 'extra'",
        ),
        (
            lambda p: edit_tensors(p, lambda t: t.update({HEAD: torch.zeros(3)})),
            r"'network.head.bias' has the shape \(3,\), the model's \(2,\)",
        ),
        (
            lambda p: edit_tensors(p, lambda t: t.update({"average/x": torch.zeros(1)})),
            "the model has no tensor 'x'",
        ),
        (
            lambda p: edit_tensors(p, lambda t: t.update({"optimiser/x/step": torch.zeros(1)})),
            "unexpected tensor 'optimiser/x/step'",
        ),
    ],
)
def test_a_foreign_or_damaged_checkpoint_is_refused(new_state, tmp_path, damage, message):
    state = new_state(OPTIONS)
    damage(write_checkpoint(tmp_path, state, identity="a"))
    before = content_of(state)
    with pytest.raises(DataError, match=message) as caught:
        restore_checkpoint(tmp_path, state, identity="a")
    assert "remove it to start afresh" in str(caught.value)
    assert content_of(state) == before
