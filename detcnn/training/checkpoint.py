"""The whole state of a training on disk, to go on from as if it had never stopped.

A checkpoint is a folder of two files: ``tensors.safetensors`` and ``state.json``. It is written
under another name, flushed to disk and renamed, so it is there entirely or not at all; only then is
the one before it removed. Checkpoints are numbered, and the highest number counts.
"""

import json
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor

from detcnn.errors import DataError, StorageError
from detcnn.processors import available_cpus
from detcnn.progress import SILENT, Progress
from detcnn.training.history import EpochRecord
from detcnn.training.loop import TrainingState

FORMAT = 3
# 1  tensors.safetensors: model/NAME, best/NAME, optimiser/WEIGHT/MOMENT. state.json: format,
#    identity, n_threads, step, loss_sum, seconds, history.
# 2  state.json: precision.
# 3  tensors.safetensors: average/NAME, if weights are averaged. optimiser/: trained weights alone.
#    state.json: step counts steps, each of which may take several batches.

_TENSORS = "tensors.safetensors"
_STATE = "state.json"
_REMEDY = "remove it to start afresh"


def write_checkpoint(folder: Path, state: TrainingState, *, identity: str) -> Path:
    """Write a checkpoint, and then remove those before it.

    Parameters
    ----------
    folder : Path
        Where checkpoints are kept; made if need be. It must have one writer at a time.
    state : TrainingState
        As it is whenever the loop yields.
    identity : str
        Digest of all that determines the result: configuration and data.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    StorageError
        If it cannot be written; the one before it is then untouched.
    """
    names = [name for name, weight in state.model.named_parameters() if weight.requires_grad]
    moments = state.optimiser.state_dict()["state"]
    tensors = {
        **{f"model/{name}": tensor for name, tensor in state.model.state_dict().items()},
        **{
            f"average/{name}": tensor
            for name, tensor in (state.average.state_dict() if state.average else {}).items()
        },
        **{f"best/{name}": tensor for name, tensor in state.best_weights.items()},
        **{
            f"optimiser/{names[index]}/{moment}": tensor
            for index, entry in moments.items()
            for moment, tensor in entry.items()
            if tensor is not None
        },
    }
    scalars = {
        "format": FORMAT,
        "identity": identity,
        "n_threads": torch.get_num_threads(),
        "precision": state.precision,
        "step": state.step,
        "loss_sum": state.loss_sum,
        "seconds": state.seconds,
        "history": [asdict(record) for record in state.history],
    }
    older = _checkpoints(folder)
    number = int(older[-1].name) + 1 if older else 1
    target = folder / f"{number:06d}"
    part = folder / f"{number:06d}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        _write(part / _TENSORS, save(contiguous))
        _write(part / _STATE, json.dumps(scalars, indent=1).encode())
        _flush(part)
        part.rename(target)
        _flush(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StorageError(
            f"{target}: the checkpoint cannot be written: {error.strerror}: make room there or "
            "choose another output"
        ) from error
    for path in older:
        shutil.rmtree(path, ignore_errors=True)
    return target


def restore_checkpoint(
    folder: Path,
    state: TrainingState,
    *,
    identity: str,
    keep_threads: bool = False,
    progress: Progress = SILENT,
) -> bool:
    """Take up the newest checkpoint, and go on with its number of threads.

    Another number would round sums differently.

    Parameters
    ----------
    folder : Path
        Where checkpoints are kept.
    state : TrainingState
        From `detcnn.training.loop.start_training`, for the same model and options; updated in
        place, on its own device. Its precision becomes that of the checkpoint.
    identity : str
        As given to `write_checkpoint`.
    keep_threads : bool
        Leave the number of threads of this process as it is.
    progress : Progress
        Is told if the number of threads was, or stays, another.

    Returns
    -------
    bool
        Whether there was one. If not, `state` is as it was.

    Raises
    ------
    DataError
        If the checkpoint is unreadable, of another format or identity, or of another model; the
        message names what differs.
    """
    checkpoints = _checkpoints(folder)
    if not checkpoints:
        return False
    path = checkpoints[-1]
    scalars, tensors = _read(path)
    if scalars["identity"] != identity:
        raise DataError(
            f"{path}: is of a training with another configuration or other images: {_REMEDY}"
        )
    model = _group(tensors, "model")
    expected = state.model.state_dict()
    _require_equal_shapes(path, model, expected)
    best = _group(tensors, "best")
    if best:
        _require_equal_shapes(path, best, expected)
    average = _group(tensors, "average")
    _require_equal_shapes(path, average, expected if state.average else {})
    moments = _group(tensors, "optimiser")
    weights = {n: w for n, w in state.model.named_parameters() if w.requires_grad}
    for name in moments:
        if name.rpartition("/")[0] not in weights:
            raise DataError(f"{path}: unexpected tensor 'optimiser/{name}': {_REMEDY}")

    state.model.load_state_dict(model)
    if state.average:
        state.average.load_state_dict(average)
    state.best_weights = {name: tensor.to(state.device) for name, tensor in best.items()}
    state.optimiser.load_state_dict(
        {
            "state": {
                index: {
                    moment: _laid_out_like(weight, tensor)
                    for moment, tensor in _group(moments, name).items()
                }
                for index, (name, weight) in enumerate(weights.items())
            },
            "param_groups": state.optimiser.state_dict()["param_groups"],
        }
    )
    state.precision = scalars["precision"]
    state.step, state.loss_sum = scalars["step"], scalars["loss_sum"]
    state.seconds = scalars["seconds"]
    state.history[:] = [EpochRecord(**record) for record in scalars["history"]]
    _take_threads(path, scalars["n_threads"], keep=keep_threads, progress=progress)
    return True


def _take_threads(path: Path, n_threads: int, *, keep: bool, progress: Progress) -> None:
    present = torch.get_num_threads()
    if n_threads == present:
        return
    # More threads than processors would wait for each other at every layer.
    if keep or n_threads > available_cpus():
        progress.warn(
            f"{path}: was made with {_threads(n_threads)}, this run has {present}: the result will "
            f"be as good, but not equal to the bit; set OMP_NUM_THREADS={n_threads} if it must be"
        )
        return
    torch.set_num_threads(n_threads)
    progress.info(
        f"with {_threads(n_threads)}, as it began, though this run would have begun with {present}"
    )


def _threads(n: int) -> str:
    return f"{n} thread" if n == 1 else f"{n} threads"


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        scalars = json.loads((path / _STATE).read_bytes())
        tensors = load((path / _TENSORS).read_bytes())
        version = scalars["format"]
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise DataError(f"{path}: not a readable checkpoint: {_REMEDY}") from error
    if version != FORMAT:
        raise DataError(f"{path}: is of format {version}, expected {FORMAT}: {_REMEDY}")
    return scalars, tensors


def _require_equal_shapes(
    path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise DataError(f"{path}: the model's tensor {name!r} is missing: {_REMEDY}")
        if name not in expected:
            raise DataError(f"{path}: the model has no tensor {name!r}: {_REMEDY}")
        if found[name].shape != expected[name].shape:
            raise DataError(
                f"{path}: tensor {name!r} has the shape {tuple(found[name].shape)}, the model's "
                f"{tuple(expected[name].shape)}: {_REMEDY}"
            )


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}


def _laid_out_like(weight: Tensor, moment: Tensor) -> Tensor:
    # Another order in memory would be the same numbers, but summed and rounded in another way.
    return torch.empty_like(weight).copy_(moment) if moment.shape == weight.shape else moment


def _checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if re.fullmatch(r"\d+", path.name)),
        key=lambda path: int(path.name),
    )


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
