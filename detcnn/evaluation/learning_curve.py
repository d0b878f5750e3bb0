"""How results change with a number in their label, such as that of the events trained on."""

import re
from dataclasses import dataclass

from detcnn.errors import ConfigError
from detcnn.evaluation.comparison import Comparison
from detcnn.evaluation.intervals import Interval

_LABEL = re.compile(r"(?P<name>.+)@(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One entry of a comparison.

    Parameters
    ----------
    number : float
        That of its label.
    auc : Interval
        Area under the ROC curve, of several trainings the mean.
    trainings : tuple of float
        The area of each.
    """

    number: float
    auc: Interval
    trainings: tuple[float, ...]


def learning_curves(comparison: Comparison) -> dict[str, tuple[CurvePoint, ...]]:
    """Return the entries of a comparison as curves.

    Parameters
    ----------
    comparison : Comparison
        Its labels are NAME@NUMBER, as in ``fine-tuned@300``; ensembles are left out.

    Returns
    -------
    dict
        Name to points, by rising number; names in the order of the labels.

    Raises
    ------
    ConfigError
        If a label is another one.
    """
    curves: dict[str, list[CurvePoint]] = {}
    for entry in comparison.entries:
        if entry.is_ensemble:
            continue
        found = _LABEL.fullmatch(entry.label)
        if found is None:
            raise ConfigError(
                f"label {entry.label!r}: expected NAME@NUMBER, as in fine-tuned@300, to draw "
                "results along a number"
            )
        point = CurvePoint(float(found["number"]), entry.auc, entry.auc_trainings)
        curves.setdefault(found["name"], []).append(point)
    return {
        name: tuple(sorted(points, key=lambda point: point.number))
        for name, points in curves.items()
    }
