"""How the scores of a network change with its images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.intervals import Interval, weighted_fraction
from detcnn.evaluation.roc import bootstrap_auc, roc_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a change of all images by one amount does.

    Parameters
    ----------
    amount : float
        How much.
    performance : Interval
        Area under the ROC curve of class 1 against class 0 for two classes, accuracy for more.
    mean_change, mean_change_error : float
        Mean over the events of score(changed) − score(as it is), of the event's own class, and its
        standard error.
    mean_size : float
        Mean of the absolute value of the same.
    """

    amount: float
    performance: Interval
    mean_change: float
    mean_change_error: float
    mean_size: float


def performance_name(n_classes: int) -> str:
    """Return what `Response.performance` is."""
    return "AUC" if n_classes == 2 else "accuracy"


def response(
    amount: float,
    scores: NDArray[np.floating],
    unchanged: NDArray[np.floating],
    labels: NDArray[np.int64],
    *,
    weights: NDArray[np.floating],
    n_replicas: int = 200,
    seed: int = 0,
) -> Response:
    """Return what a change of the images did to the scores.

    Parameters
    ----------
    amount : float
        Of the change.
    scores, unchanged : numpy.ndarray
        Shape (n_events, n_classes): of the changed images, and of the images as they are.
    labels : numpy.ndarray
        Shape (n_events,): class index.
    weights : numpy.ndarray
        Shape (n_events,): event weights, for the performance alone.
    n_replicas, seed : int
        Of the bootstrap of the area.
    """
    n_classes = scores.shape[1]
    rows = np.arange(len(labels))
    change = scores[rows, labels].astype(np.float64) - unchanged[rows, labels]
    if n_classes == 2:
        value, is_signal = scores[:, 1].astype(np.float64), labels == 1
        curve = roc_curve(value, is_signal, weights=weights)
        performance = bootstrap_auc(
            curve, value, is_signal, weights=weights, n_replicas=n_replicas, seed=seed
        ).interval
    else:
        w = weights.astype(np.float64)
        is_right = scores.argmax(axis=1) == labels
        performance = weighted_fraction(w[is_right].sum(), w.sum(), (w**2).sum()).item()
    spread = float(change.std(ddof=1)) if len(change) > 1 else 0.0
    return Response(
        amount=amount,
        performance=performance,
        mean_change=float(change.mean()),
        mean_change_error=spread / float(np.sqrt(len(change))),
        mean_size=float(np.abs(change).mean()),
    )


def response_rows(
    responses: Sequence[Response], *, names: Sequence[str] = ()
) -> list[dict[str, object]]:
    """Return responses as rows of a table, with the name of each amount if amounts have names."""
    return [
        {
            "amount": r.amount,
            **({"name": names[int(r.amount)]} if names else {}),
            "performance": r.performance.value,
            "low": r.performance.low,
            "high": r.performance.high,
            "mean_change": r.mean_change,
            "mean_change_error": r.mean_change_error,
            "mean_size": r.mean_size,
        }
        for r in responses
    ]
