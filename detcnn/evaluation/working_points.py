"""Background rejection at chosen signal efficiencies, with the errors of a finite sample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.evaluation.intervals import LEVEL, LIMIT_LEVEL, Interval, tail, wilson
from detcnn.evaluation.roc import Roc
from detcnn.seeding import generator

METHOD = "order statistic and Clopper-Pearson"

# Sums of weights of either sign that cancel leave rounding errors, not background.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class WorkingPoint:
    """One cut: what it keeps of the signal and what it lets through of the background.

    Parameters
    ----------
    target : float
        Signal efficiency asked for.
    threshold : float
        An event passes if its discriminant is at least this.
    signal_efficiency : Interval
        Efficiency reached, at least `target` (more where events tie), with the interval for its
        true value.
    background_efficiency : Interval
        ε_B, with the interval for its true value at the signal efficiency reached.
    background_rejection : Interval
        1 / ε_B; a lower limit where no background passes.
    significance_improvement : Interval
        ε_S / √ε_B; a lower limit where no background passes.
    """

    target: float
    threshold: float
    signal_efficiency: Interval
    background_efficiency: Interval
    background_rejection: Interval
    significance_improvement: Interval


def working_points(
    roc: Roc,
    *,
    targets: Sequence[float],
    level: float = LEVEL,
    limit_level: float = LIMIT_LEVEL,
    n_draws: int = 10_000,
    seed: int = 0,
) -> tuple[WorkingPoint, ...]:
    """Return the working points of a ROC curve at the signal efficiencies `targets`.

    A threshold set on n signal events of which k pass is an order statistic: its true signal
    efficiency follows the distribution Beta(k, n − k + 1). Thresholds are drawn from it; each lets
    some number of background events through, from which the ends of the interval of Clopper and
    Pearson for ε_B are drawn as beta variates. Percentiles of the draws thus carry the finite
    signal and the finite background. Weighted events count as effective counts.

    Parameters
    ----------
    roc : Roc
        An exact curve, not thinned.
    targets : sequence of float
        Signal efficiencies, in (0, 1].
    level : float
        Level of the central intervals.
    limit_level : float
        Level of the one-sided limits where no background passes.
    n_draws : int
        Number of draws for each target.
    seed : int
        Seed of the study.

    Returns
    -------
    tuple of WorkingPoint
        In the order of `targets`.

    Raises
    ------
    ConfigError
        If a target or a level is out of range.

    Notes
    -----
    H. A. David and H. N. Nagaraja, Order Statistics (Wiley, 2003), section 2.1.
    """
    for target in targets:
        if not 0 < target <= 1:
            raise ConfigError(f"target signal efficiency {target}: expected 0 < target <= 1")
    tail(limit_level)
    # Negative weights can make the efficiency fall again; a target is met where first reached.
    reached = np.maximum.accumulate(roc.signal_efficiency)
    return tuple(
        _working_point(
            roc,
            reached,
            target=target,
            level=level,
            limit_level=limit_level,
            n_draws=n_draws,
            rng=generator(seed, "working-point", i),
        )
        for i, target in enumerate(targets)
    )


def _working_point(
    roc: Roc,
    reached: NDArray[np.float64],
    *,
    target: float,
    level: float,
    limit_level: float,
    n_draws: int,
    rng: np.random.Generator,
) -> WorkingPoint:
    at = int(np.searchsorted(reached, target * (1 - 1e-12)))
    signal = wilson(
        roc.signal_efficiency[at] * roc.n_effective_signal, roc.n_effective_signal, level=level
    ).item()

    k = min(signal.value, 1.0) * roc.n_effective_signal
    drawn_efficiency = rng.beta(k, roc.n_effective_signal - k + 1, n_draws)
    drawn = np.searchsorted(reached, drawn_efficiency)
    n = roc.n_effective_background
    passed = np.clip(roc.background_efficiency[drawn], 0, 1) * n
    some, all_ = passed > _NOTHING, passed >= n
    lower = np.where(some, rng.beta(np.where(some, passed, 1), n - passed + 1), 0.0)
    upper = np.where(all_, 1.0, rng.beta(passed + 1, np.where(all_, 1, n - passed)))

    alpha = tail(level)
    efficiency = float(roc.background_efficiency[at])
    background = Interval(
        value=efficiency,
        low=min(efficiency, float(np.quantile(lower, alpha))),
        high=max(efficiency, float(np.quantile(upper, 1 - alpha))),
        level=level,
        method=METHOD,
    )
    if efficiency * n > _NOTHING:
        rejection = _falling(background, scale=1.0, power=1.0)
        improvement = _falling(background, scale=signal.value, power=0.5)
    else:
        ceiling = float(np.quantile(upper, limit_level))
        rejection = _lower_limit(1 / ceiling, limit_level)
        improvement = _lower_limit(signal.value / math.sqrt(ceiling), limit_level)
    return WorkingPoint(
        target=float(target),
        threshold=float(roc.threshold[at]),
        signal_efficiency=signal,
        background_efficiency=background,
        background_rejection=rejection,
        significance_improvement=improvement,
    )


def _falling(efficiency: Interval, *, scale: float, power: float) -> Interval:
    """Return ``scale / efficiency**power``; unbounded above where the interval touches zero."""
    return Interval(
        value=scale / efficiency.value**power,
        low=scale / efficiency.high**power,
        high=scale / efficiency.low**power if efficiency.low > 0 else math.inf,
        level=efficiency.level,
        method=efficiency.method,
    )


def _lower_limit(value: float, level: float) -> Interval:
    return Interval(value, value, math.inf, level, METHOD, is_lower_limit=True)
