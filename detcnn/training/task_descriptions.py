"""Making a task again from what a model says of it."""

from collections.abc import Callable, Mapping
from typing import Any

from detcnn.errors import DataError
from detcnn.training.localisation import Localisation
from detcnn.training.multi_task import Head, MultiTask
from detcnn.training.pixel_tasks import PixelRegression, Segmentation
from detcnn.training.tasks import Classification, Task
from detcnn.training.value_tasks import MultiLabel, Regression, Scale


def _regression(targets: Mapping[str, Mapping[str, Any]], **options: Any) -> Task:
    return Regression({name: Scale(**scale) for name, scale in targets.items()}, **options)


def _multi_task(heads: Mapping[str, Mapping[str, Any]]) -> Task:
    return MultiTask({n: Head(read_task(h["task"]), h["weight"]) for n, h in heads.items()})


_MAKERS: Mapping[str, Callable[..., Task]] = {
    "classification": Classification,
    "localisation": Localisation,
    "multi-label": MultiLabel,
    "multi-task": _multi_task,
    "pixel-regression": PixelRegression,
    "regression": _regression,
    "segmentation": Segmentation,
}


def read_task(description: Mapping[str, Any]) -> Task:
    """Return the task whose `description` this is.

    Raises
    ------
    DataError
        If it is none.
    """
    options = dict(description)
    try:
        return _MAKERS[options.pop("name")](**options)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"no description of a task ({error}): train the model again") from None
