"""What a set of scores is worth: curves, areas, working points, replicas, figures."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics, utils

from benchmarks.timing import Contender, Table, compare
from detcnn.evaluation.classification import ClassificationEvaluation, evaluate_classification
from detcnn.evaluation.replicas import curve_replicas
from detcnn.evaluation.roc import auc, bootstrap_auc, roc_curve
from detcnn.plotting.classification import classification_sections
from detcnn.plotting.style import write_figure

_TARGET = 0.5
_N_REPLICAS = 1000


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores as float32, as a network gives them, of two classes, and event weights."""

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    column: NDArray[np.float64]

    @property
    def signal(self) -> NDArray[np.bool_]:
        """Which events are signal."""
        return self.labels == 1


def make(n_events: int, *, seed: int = 1) -> Scores:
    """Return scores of an area of 0.86, with positive weights, for which scikit-learn is made."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n_events)
    logit = 1.5 * rng.normal(1.5 * labels - 0.75)
    signal = (1 / (1 + np.exp(-logit))).astype(np.float32)
    return Scores(
        scores=np.stack([1 - signal, signal], axis=1),
        labels=labels,
        weights=rng.uniform(0.5, 1.5, n_events),
        column=rng.uniform(500, 550, n_events),
    )


def run(*, quick: bool) -> list[Table]:
    return [_whole(quick), _curve(quick), *_bootstrap(quick)]


def _evaluate(events: Scores) -> ClassificationEvaluation:
    return evaluate_classification(
        events.scores,
        events.labels,
        classes=["background", "signal"],
        signal=["signal"],
        weights=events.weights,
        columns={"pt": events.column},
        edges={"pt": np.linspace(500, 550, 9).tolist()},
        n_replicas=_N_REPLICAS,
    )


def _draw(evaluation: ClassificationEvaluation) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for section in classification_sections(evaluation):
            for picture in section.pictures:
                write_figure(picture.figure, Path(folder), picture.name)


def _whole(quick: bool) -> Table:
    n = 10_000 if quick else 10_000_000
    events = make(n)
    evaluated = _evaluate(events)
    score = events.scores[:, 1].copy()

    def everything() -> None:
        _draw(_evaluate(events))

    return compare(
        f"{n:,} weighted scores to a report",
        "events",
        [
            Contender("detcnn, all of it", everything, n),
            Contender("detcnn, numbers", lambda: _evaluate(events), n),
            Contender("detcnn, figures", lambda: _draw(evaluated), n),
            *_scikit_learn(events, score),
            *_limits(events, score),
        ],
        rounds=1 if quick else 3,
        notes=(
            f"All of it includes {_N_REPLICAS:,} replicas, and six figures as PNG and PDF.",
            "The figures take as long for any number of events.",
        ),
    )


def _scikit_learn(events: Scores, score: NDArray[np.float32]) -> list[Contender]:
    n = len(score)
    arguments = {"sample_weight": events.weights}
    return [
        Contender(
            "scikit-learn roc_curve",
            lambda: metrics.roc_curve(events.labels, score, **arguments),
            n,
        ),
        Contender(
            "scikit-learn roc_auc_score",
            lambda: metrics.roc_auc_score(events.labels, score, **arguments),
            n,
        ),
    ]


def _limits(events: Scores, score: NDArray[np.float32]) -> list[Contender]:
    arrays = (events.scores, events.labels, events.weights, events.column)

    def read() -> None:
        for array in arrays:
            array.sum()

    return [
        Contender("numpy sort of the scores alone", lambda: np.sort(score), len(score), True),
        Contender("reading all arrays once", read, len(score), True),
    ]


def _curve(quick: bool) -> Table:
    n = 10_000 if quick else 10_000_000
    events = make(n)
    score = events.scores[:, 1].copy()
    signal = events.signal
    return compare(
        f"Exact curve of {n:,} weighted scores",
        "events",
        [
            Contender(
                "detcnn curve and area",
                lambda: auc(roc_curve(score, signal, weights=events.weights)),
                n,
            ),
            *_scikit_learn(events, score),
            *_limits(events, score),
        ],
        rounds=1 if quick else 3,
    )


def _bootstrap(quick: bool) -> list[Table]:
    n = 10_000 if quick else 1_000_000
    n_replicas = 100 if quick else _N_REPLICAS
    events = make(n)
    signal, weights = events.signal, events.weights
    score = events.scores[:, 1].astype(np.float64)
    other = score + 0.1 * np.random.default_rng(2).normal(size=n)
    curves = [roc_curve(value, signal, weights=weights) for value in (score, other)]
    event_id = np.arange(n)

    def paired(n_curves: int) -> Callable[[], object]:
        return lambda: curve_replicas(
            curves[:n_curves],
            [score, other][:n_curves],
            signal,
            weights=weights,
            event_id=event_id,
            efficiencies=np.array([_TARGET]),
            n_replicas=n_replicas,
        )

    resampled = _resampled(events, score)
    rounds = 1 if quick else 3
    return [
        compare(
            f"Replicas of the area, {n:,} weighted events",
            "replicas",
            [
                Contender(
                    "detcnn, Poisson numbers of bins",
                    lambda: bootstrap_auc(
                        curves[0], score, signal, weights=weights, n_replicas=n_replicas
                    ),
                    n_replicas,
                ),
                Contender("detcnn, Poisson number an event", paired(1), n_replicas),
                Contender("resample + roc_auc_score", resampled["area"], 2),
            ],
            rounds=rounds,
            notes=["The work before the first replica counts. Bins: 2,000."],
        ),
        compare(
            f"Replicas of area and rejection at {_TARGET:.0%} signal, {n:,} weighted events",
            "replicas",
            [
                Contender("detcnn, two paired curves", paired(2), n_replicas),
                Contender("detcnn, one curve", paired(1), n_replicas),
                Contender("resample + roc_curve (one curve)", resampled["curve"], 2),
                Contender("resample + quantile (one curve, no area)", resampled["quantile"], 10),
            ],
            rounds=rounds,
            notes=(
                "One Poisson number for each event and replica, the same in both curves.",
                "The loops make 2 and 10 replicas; quantile is of the signal, unweighted.",
            ),
        ),
    ]


def _resampled(events: Scores, score: NDArray[np.float64]) -> dict[str, Callable[[], object]]:
    """Return what is usually done, for two or ten replicas."""
    labels, weights = events.labels, events.weights

    def area() -> None:
        for seed in range(2):
            y, s, w = utils.resample(labels, score, weights, random_state=seed)
            metrics.roc_auc_score(y, s, sample_weight=w)

    def curve() -> None:
        for seed in range(2):
            y, s, w = utils.resample(labels, score, weights, random_state=seed)
            passing, reached, _ = metrics.roc_curve(y, s, sample_weight=w)
            metrics.auc(passing, reached)
            1 / np.interp(_TARGET, reached, passing)

    def quantile() -> None:
        rng = np.random.default_rng(0)
        s, b = score[labels == 1], score[labels == 0]
        for _ in range(10):
            threshold = np.quantile(s[rng.integers(0, len(s), len(s))], 1 - _TARGET)
            1 / np.mean(b[rng.integers(0, len(b), len(b))] >= threshold)

    return {"area": area, "curve": curve, "quantile": quantile}
