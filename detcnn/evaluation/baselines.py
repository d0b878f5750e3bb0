"""What plain observables, and a boosted tree of them, tell apart: what a network has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.classification import ClassificationEvaluation, Discrimination, discriminate
from detcnn.evaluation.discriminant import discriminant
from detcnn.evaluation.inputs import ScoredEvents, event_column
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.p_values import p_value_text
from detcnn.evaluation.replicas import curve_replicas, percentiles, two_sided_p_value
from detcnn.evaluation.roc import auc, roc_curve
from detcnn.seeding import derived_seed

_TITLES = {
    "jet_multiplicity": "multiplicity",
    "jet_mass": "mass",
    "jet_width": "width",
    "jet_ptd": "pT^D",
    "jet_tau21": "τ21",
    "jet_tau32": "τ32",
    "pixel_sum": "sum of pixels",
}


@dataclass(frozen=True, slots=True, eq=False)
class TrainingEvents:
    """What baselines are made from.

    Parameters
    ----------
    labels : numpy.ndarray
        int64, shape (n_events,): indices of the same classes as in the events that are evaluated.
    weights : numpy.ndarray
        float64, shape (n_events,): training weights.
    columns : mapping
        Name to array of shape (n_events,).
    """

    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """One discriminant besides the network.

    Parameters
    ----------
    name : str
        The column, or ``"BDT of n observables"``.
    columns : tuple of str
        What it is made of.
    sign : int
        1 if larger values count as signal, −1 if smaller ones do: what the training events say.
    discrimination : Discrimination
        How well it tells the headline's signal from its background, in the evaluated events.
    """

    name: str
    columns: tuple[str, ...]
    sign: int
    discrimination: Discrimination

    @property
    def label(self) -> str:
        """The name, and that small values count as signal if they do; for tables of numbers."""
        return f"small {self.name}" if self.sign < 0 else self.name

    @property
    def title(self) -> str:
        """The same in words, for figures and pages."""
        words = _TITLES.get(self.name, self.name)
        return f"{words} (small)" if self.sign < 0 else words


@dataclass(frozen=True, slots=True)
class Gain:
    """What the network has over the best baseline, on the same events.

    Parameters
    ----------
    auc : Interval
        Difference of the areas.
    p_value : float
        Two-sided, for the difference 0; never below ``2 / (n_replicas + 1)``.
    n_replicas : int
        Replicas of the paired bootstrap.
    """

    auc: Interval
    p_value: float
    n_replicas: int

    def text(self) -> str:
        """Return ``value [low, high], p = …``, or ``p ≤ …`` where no replica could give less."""
        p_value = p_value_text(self.p_value, least=2 / (self.n_replicas + 1))
        return f"{self.auc.text()}, p {p_value if '≤' in p_value else f'= {p_value}'}"


@dataclass(frozen=True, slots=True, eq=False)
class Baselines:
    """Baselines beside the network.

    Parameters
    ----------
    baselines : tuple of Baseline
        By falling area under the curve in the evaluated events.
    gain : Gain
        The network's area minus that of the first of them. Being the best of several by luck counts
        for the baseline.
    n_training : int
        Training events that gave the signs and the trees.
    """

    baselines: tuple[Baseline, ...]
    gain: Gain
    n_training: int

    @property
    def best(self) -> Baseline:
        """The one of largest area."""
        return self.baselines[0]


def evaluate_baselines(
    evaluation: ClassificationEvaluation,
    events: ScoredEvents,
    columns: Mapping[str, ArrayLike],
    *,
    training: TrainingEvents,
    event_id: NDArray[np.int64],
    n_replicas: int = 1000,
    seed: int = 0,
) -> Baselines:
    """Return what single columns, and boosted trees of all of them, are worth beside the network.

    A column is a discriminant as it is, with the sign that gives it an area of at least one half in
    the training events. With two columns or more there is also a gradient-boosted ensemble of trees
    (scikit-learn's histogram kind with its default options; of more than 10,000 training events it
    keeps a tenth to know when to stop), trained with the training weights to tell the headline's
    signal from its background. Training events of negative weight, which trees cannot learn from,
    are left out there.

    Parameters
    ----------
    evaluation : ClassificationEvaluation
        That of the network, made from `events`; its headline, targets and level hold here, too.
    events : ScoredEvents
        Those evaluated.
    columns : mapping
        One or more: name to array of shape (n_events,), in the order of `events`.
    training : TrainingEvents
        With the same columns.
    event_id : numpy.ndarray
        Shape (n_events,): rows of one id enter a replica of the paired bootstrap together.
    n_replicas : int
        Bootstrap replicas.
    seed : int
        Seed of the study.

    Returns
    -------
    Baselines

    Raises
    ------
    ConfigError
        If there is no column.
    DataError
        If a column has another length, or holds NaN or infinite values; or signal or background
        has no training events, or no positive sum of training weights.

    Notes
    -----
    J. H. Friedman, Ann. Stat. 29 (2001) 1189.
    """
    if not columns:
        raise ConfigError("no columns to make baselines from: name one or more")
    headline = evaluation.headline
    signal, background = (
        [events.classes.index(name) for name in side]
        for side in (headline.signal, headline.background)
    )
    is_signal, truth = np.isin(events.labels, signal), np.isin(training.labels, signal)
    values = {
        name: event_column(f"column {name!r}", column, len(is_signal))
        for name, column in columns.items()
    }
    known = {
        name: event_column(f"training column {name!r}", training.columns[name], len(truth))
        for name in columns
    }
    found: dict[str, tuple[tuple[str, ...], int, NDArray[np.float64]]] = {}
    for name, value in values.items():
        area = auc(roc_curve(known[name], truth, weights=training.weights))
        sign = -1 if area < 0.5 else 1
        found[name] = (name,), sign, sign * value
    if len(columns) > 1:
        trees = _boosted_trees(known, truth, training.weights, values, seed=seed)
        found[f"BDT of {len(columns)} observables"] = tuple(columns), 1, trees

    baselines = {
        name: Baseline(
            name=name,
            columns=made_of,
            sign=sign,
            discrimination=discriminate(
                value,
                is_signal,
                events.weights,
                signal=headline.signal,
                background=headline.background,
                targets=[point.target for point in headline.working_points],
                level=evaluation.level,
                n_replicas=n_replicas,
                seed=seed,
            ),
        )
        for name, (made_of, sign, value) in found.items()
    }
    ranked = sorted(baselines.values(), key=lambda b: -b.discrimination.auc.interval.value)
    return Baselines(
        baselines=tuple(ranked),
        gain=_gain(
            discriminant(events.scores, signal=signal, background=background),
            found[ranked[0].name][2],
            is_signal,
            events.weights,
            event_id=event_id,
            level=evaluation.level,
            n_replicas=n_replicas,
            seed=seed,
        ),
        n_training=len(truth),
    )


def _boosted_trees(
    known: Mapping[str, NDArray[np.float64]],
    truth: NDArray[np.bool_],
    weights: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """Train on known events, and return the log-odds of signal for the values."""
    # It takes a second to import, and nothing else needs it.
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        random_state=derived_seed(seed, "baselines/trees", below=2**32)
    )
    usable = weights > 0
    trees.fit(
        np.column_stack(list(known.values()))[usable], truth[usable], sample_weight=weights[usable]
    )
    return np.asarray(trees.decision_function(np.column_stack(list(values.values()))), np.float64)


def _gain(
    network: NDArray[np.float64],
    baseline: NDArray[np.float64],
    is_signal: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    event_id: NDArray[np.int64],
    level: float,
    n_replicas: int,
    seed: int,
) -> Gain:
    order = np.argsort(event_id, kind="stable")
    discriminants = [network[order], baseline[order]]
    is_signal, weights = is_signal[order], weights[order]
    replicas = curve_replicas(
        [roc_curve(value, is_signal, weights=weights) for value in discriminants],
        discriminants,
        is_signal,
        weights=weights,
        event_id=event_id[order],
        efficiencies=np.empty(0),
        n_replicas=n_replicas,
        seed=seed,
    )
    value = float(replicas.auc[0] - replicas.auc[1])
    change = replicas.auc_replicas[0] - replicas.auc_replicas[1]
    low, high = percentiles(change, level, bounds=(-1, 1))
    return Gain(
        auc=Interval(
            value, min(value, float(low)), max(value, float(high)), level, "paired bootstrap"
        ),
        p_value=two_sided_p_value(change, null=0),
        n_replicas=n_replicas,
    )
