"""A trained model as files that need nothing but detcnn, or safetensors and a little care, to read.

``model.json`` says what the network is and what it takes, ``best.safetensors`` and
``last.safetensors`` hold its tensors with the standardisation among them, ``history.csv`` tells how
it was trained.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
from safetensors.torch import load_file, save
from torch import Tensor

from detcnn.errors import DataError
from detcnn.models.catalogue import Architecture, build_network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.storage.csv_tables import write_csv
from detcnn.training.history import EpochRecord

DESCRIPTION = "model.json"
HISTORY = "history.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What a model is, without its weights.

    Parameters
    ----------
    task : mapping
        What it has learned, see `Task.description`.
    architecture : Architecture
        The network.
    classes : tuple of str
        Name of each class, in the order of the outputs.
    images : mapping
        How the images were made that it takes (grid, channels, steps), as JSON-able values.
    inputs : tuple of str
        Event columns that it takes beside the image.
    """

    task: Mapping[str, Any]
    architecture: Architecture
    classes: tuple[str, ...]
    images: Mapping[str, Any]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model in evaluation mode, on the CPU, and what it is."""

    model: DetectorModel
    description: ModelDescription


def write_model(
    folder: Path,
    description: ModelDescription,
    *,
    best: Mapping[str, Tensor],
    last: Mapping[str, Tensor],
    history: Sequence[EpochRecord],
) -> None:
    """Write the files of a model into a folder that is there.

    Parameters
    ----------
    folder : Path
        Existing files of these names are replaced; whole or not is the publisher's care.
    description : ModelDescription
        Written to ``model.json``.
    best, last : mapping
        Tensors of a `DetectorModel` after the best and after the last epoch.
    history : sequence of EpochRecord
        Written to ``history.csv``, one row an epoch, without times: equal trainings give equal
        files.
    """
    text = json.dumps(asdict(description), indent=2, allow_nan=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    for which, tensors in (("best", best), ("last", last)):
        plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        # safetensors would write the file for its owner's eyes only.
        (folder / f"{which}.safetensors").write_bytes(save(plain))
    write_csv(folder / HISTORY, [record.row() for record in history])


def read_model(folder: Path, *, which: Literal["best", "last"] = "best") -> TrainedModel:
    """Read a model.

    Parameters
    ----------
    folder : Path
        Where `write_model` wrote it.
    which : {"best", "last"}
        The weights after the best or after the last epoch.

    Returns
    -------
    TrainedModel

    Raises
    ------
    DataError
        If a file is missing or unreadable, or the weights are not those of the network that is
        described.
    """
    description = read_description(folder)
    path = folder / f"{which}.safetensors"
    try:
        tensors = load_file(path)
        model = DetectorModel(
            _layer(tensors, "standardise"),
            build_network(description.architecture, seed=0),
            _layer(tensors, "extra_standardise") if description.inputs else None,
        )
        model.load_state_dict(tensors)
    except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise DataError(
            f"{path}: does not hold the weights of the network in {DESCRIPTION}: copy the model "
            "again, or train it again"
        ) from error
    return TrainedModel(model=model.eval(), description=description)


def _layer(tensors: Mapping[str, Tensor], name: str) -> Standardise:
    limit = tensors.get(f"{name}.limit")
    return Standardise(
        tensors[f"{name}.mean"][0],
        tensors[f"{name}.scale"][0],
        None if limit is None else limit.flatten(),
    )


def read_description(folder: Path) -> ModelDescription:
    """Read what a model is, without its weights.

    Raises
    ------
    DataError
        If the description is missing or unreadable.
    """
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_bytes())
        architecture = content.pop("architecture")
        return ModelDescription(
            architecture=Architecture(shape=tuple(architecture.pop("shape")), **architecture),
            classes=tuple(content.pop("classes")),
            inputs=tuple(content.pop("inputs", ())),
            **content,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a readable model description: train it again") from error
