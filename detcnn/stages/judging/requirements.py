"""What judging takes, checked before the scores are made, which may take long."""

from collections.abc import Iterator, Mapping
from typing import Any

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError, DataError
from detcnn.storage.reader import ImageStore, open_store
from detcnn.storage.schema import STORE


def require_judgeable(config: EvaluateConfig, *, task: Mapping[str, Any], images: Artifact) -> None:
    """Refuse what could not be judged once it is scored.

    Parameters
    ----------
    config : EvaluateConfig
        What to quote.
    task : mapping
        The description of what the model has learned.
    images : Artifact
        Of which the truth has to be known.

    Raises
    ------
    ConfigError
        If the study asks for what the task does not have.
    DataError
        If the images do not tell the truth of the task.
    """
    _require_options_of(config, task)
    store = open_store(images.path / STORE)
    for one in _heads(task):
        if one["name"] == "classification":
            _require_classes(images)
        else:
            _require_truth(one, store, config.split, images)


def _heads(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "heads" not in task:
        yield task
    for head in task.get("heads", {}).values():
        yield from _heads(head["task"])


def _require_options_of(config: EvaluateConfig, task: Mapping[str, Any]) -> None:
    name = task["name"]
    if config.selections is not None and name != "classification":
        raise ConfigError(
            f"evaluate.selections: the model has learned {name}, and only the classes of a "
            "classification are selected: leave it out"
        )
    if config.objects and name != "segmentation":
        raise ConfigError(
            f"evaluate.objects: the model has learned {name}, and objects are made of the pixels "
            "of a segmentation: leave it out"
        )
    for entry in config.objects:
        if entry.of not in task["classes"][1:]:
            raise ConfigError(
                f"evaluate.objects: no class {entry.of!r} of pixels beside the background; there "
                f"are: {', '.join(task['classes'][1:])}"
            )


def _require_classes(images: Artifact) -> None:
    n_without = images.manifest.contents.get("n_without_class", 0)
    if n_without:
        raise DataError(
            f"{images.path}: {n_without:,} events have no class to judge by: name their labels in "
            "the study as columns.label, and make the images again"
        )


def _require_truth(
    task: Mapping[str, Any], store: ImageStore, split: str, images: Artifact
) -> None:
    schema = store.schema
    there = [
        ("pixel truth", task.get("truth"), [info.name for info in schema.truth]),
        ("points", task.get("points"), [info.name for info in schema.points]),
        *(
            ("column", name, store.splits[split].column_names)
            for name in (*task.get("targets", ()), *task.get("labels", ()))
        ),
    ]
    for kind, name, names in there:
        if name is not None and name not in names:
            raise DataError(
                f"{images.path}: has no {kind} {name!r} to judge {task['name']} by; there are: "
                f"{', '.join(names) or 'none'}: name it in the study under preprocess.sources[], "
                "and make the images again"
            )
