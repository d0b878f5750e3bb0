"""Trainings, means of several of them, and ensembles, each with its bootstrap replicas."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.common_events import MatchedResults
from detcnn.evaluation.discriminant import discriminant
from detcnn.evaluation.inputs import ScoredEvents
from detcnn.evaluation.replicas import curve_replicas
from detcnn.evaluation.roc import Roc, roc_curve
from detcnn.seeding import generator

# Sums of weights of either sign that cancel leave rounding errors, not background.
_NOTHING = 1e-9

_FARTHEST = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """One set of scores, with its exact curve and its replicas.

    Parameters
    ----------
    roc : Roc
        The exact curve.
    matched_set : int
        Number of its set of results with common events.
    auc : float
        Area under the curve.
    passing : numpy.ndarray
        Background efficiencies at the chosen signal efficiencies, shape (n_efficiencies,).
    auc_replicas, passing_replicas : numpy.ndarray
        Shapes (n_replicas,) and (n_efficiencies, n_replicas). Replicas of one number hold the same
        events in all trainings of a set.
    """

    roc: Roc
    matched_set: int
    auc: float
    passing: NDArray[np.float64]
    auc_replicas: NDArray[np.float64]
    passing_replicas: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One training, the mean of several of one model, or their ensemble.

    Parameters
    ----------
    label : str
        Its name.
    n_trainings : int
        Number of trainings; of an ensemble, those it is made of.
    is_ensemble : bool
        Whether scores were averaged, so that `trainings` holds one made of many.
    trainings : tuple of Training
        What the mean is taken over.
    auc, passing
        As in `Training`; means.
    auc_replicas, passing_replicas
        As in `Training`; of the mean, with the uncertainty that comes from few trainings.
    """

    label: str
    n_trainings: int
    is_ensemble: bool
    trainings: tuple[Training, ...]
    auc: float
    passing: NDArray[np.float64]
    auc_replicas: NDArray[np.float64]
    passing_replicas: NDArray[np.float64]

    @property
    def matched_sets(self) -> set[int]:
        """Numbers of the sets that its trainings belong to."""
        return {training.matched_set for training in self.trainings}

    @property
    def n_background(self) -> float:
        """The least effective number of background events that one of the trainings has."""
        return min(training.roc.n_effective_background for training in self.trainings)


def resampled_lines(
    sets: Sequence[MatchedResults],
    members: Mapping[str, Sequence[int]],
    *,
    signal: Sequence[int],
    background: Sequence[int],
    efficiencies: NDArray[np.float64],
    n_replicas: int,
    seed: int,
    ensemble: bool,
) -> tuple[Line, ...]:
    """Return a line for each label, and after it its ensemble if one is asked for.

    Parameters
    ----------
    sets : sequence of MatchedResults
        All results.
    members : mapping
        Label to the results that carry it.
    signal, background : sequence of int
        Classes on either side.
    efficiencies : numpy.ndarray
        Signal efficiencies at which to take background efficiencies.
    n_replicas, seed : int
        Bootstrap replicas, and the seed of the study.
    ensemble : bool
        Add an ensemble of each label with several trainings.

    Raises
    ------
    ConfigError
        If ensembles are asked for and no label has several trainings, or those of one have no
        events in common.
    """
    averaged = [label for label in members if ensemble and len(members[label]) > 1]
    if ensemble and not averaged:
        raise ConfigError("ensemble: no label has several trainings: give the same label to them")
    trainings: dict[int | str, Training] = {}
    for number, matched in enumerate(sets):
        events: dict[int | str, ScoredEvents] = {
            i: result.events for i, result in zip(matched.members, matched.results, strict=True)
        }
        for label in averaged:
            if events.keys() >= set(members[label]):
                events[label] = _ensemble([events[i] for i in members[label]])
        first = matched.results[0].events
        is_signal = np.isin(first.labels, signal)
        values = [
            discriminant(entry.scores, signal=signal, background=background)
            for entry in events.values()
        ]
        curves = [roc_curve(value, is_signal, weights=first.weights) for value in values]
        found = curve_replicas(
            curves,
            values,
            is_signal,
            weights=first.weights,
            event_id=matched.event_id,
            efficiencies=efficiencies,
            n_replicas=n_replicas,
            seed=seed,
            stream=number,
        )
        for i, (key, curve) in enumerate(zip(events, curves, strict=True)):
            trainings[key] = Training(
                roc=curve,
                matched_set=number,
                auc=float(found.auc[i]),
                passing=np.where(found.passing[i] > _NOTHING, found.passing[i], 0.0),
                auc_replicas=found.auc_replicas[i],
                passing_replicas=np.maximum(found.passing_replicas[i], 0.0),
            )
    apart = [label for label in averaged if label not in trainings]
    if apart:
        raise ConfigError(
            f"ensemble: the trainings of {apart[0]!r} have no events in common: "
            "evaluate them on the same events"
        )
    lines: list[Line] = []
    for label, results in members.items():
        lines.append(_mean(label, [trainings[i] for i in results], seed, len(lines)))
        if label in averaged:
            one = _mean(f"{label}, ensemble", [trainings[label]], seed, len(lines))
            lines.append(replace(one, n_trainings=len(results), is_ensemble=True))
    return tuple(lines)


def _ensemble(trainings: Sequence[ScoredEvents]) -> ScoredEvents:
    return replace(trainings[0], scores=np.mean([entry.scores for entry in trainings], axis=0))


def _mean(label: str, trainings: Sequence[Training], seed: int, index: int) -> Line:
    n = len(trainings)
    areas = np.array([training.auc for training in trainings])
    passing = np.array([training.passing for training in trainings])
    line = Line(
        label=label,
        n_trainings=n,
        is_ensemble=False,
        trainings=tuple(trainings),
        auc=float(areas.mean()),
        passing=passing.mean(axis=0),
        auc_replicas=np.mean([training.auc_replicas for training in trainings], axis=0),
        passing_replicas=np.mean([training.passing_replicas for training in trainings], axis=0),
    )
    if n == 1:
        return line
    # Error of the mean of n trainings, in units of their standard deviation.
    rng = generator(seed, "bootstrap/trainings", index)
    error = rng.standard_t(n - 1, len(line.auc_replicas)) / math.sqrt(n)
    relative = np.zeros(passing.shape[1])
    np.divide(passing.std(axis=0, ddof=1), line.passing, out=relative, where=line.passing > 0)
    # Two trainings give errors of any size; beyond e⁺⁻⁵⁰ there is nothing left to tell apart.
    factor = np.exp(np.clip(relative[:, np.newaxis] * error, -_FARTHEST, _FARTHEST))
    return replace(
        line,
        auc_replicas=line.auc_replicas + areas.std(ddof=1) * error,
        passing_replicas=line.passing_replicas * factor,
    )
