"""Judge predicted numbers, of all events and of those of each class."""

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.evaluation.export import plain
from detcnn.evaluation.regression import evaluate_regression
from detcnn.evaluation.task_rows import (
    regression_rows,
)
from detcnn.plotting.regression import PredictedNumbers, regression_sections
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.judgement import Judgement, named, together, unjudged
from detcnn.stages.judging.units import PURE


def judge(case: Case) -> Judgement:
    """Return what predicted numbers are worth, and those of each class if the study asks for it."""
    targets, classes = case.task["targets"], case.store.schema.classes
    n_events = len(case.table["weight"])
    # Images of one class do not tell it.
    label = case.table.get("label", np.zeros(n_events, dtype=np.int64))
    parts = []
    for name in targets:
        parts.append(_one_number(case, name, np.arange(n_events)))
        if not case.config.resolution.by_class:
            continue
        for number, of_class in enumerate(classes):
            try:
                judged = _one_number(case, name, np.flatnonzero(label == number))
            except DataError as error:
                # All events together could be judged: these are too few.
                judged = unjudged(name, str(error), title=f"Regression: {name}")
            parts.append(named(judged, of_class))
    return together(parts, title="regression")


def _one_number(case: Case, name: str, rows: NDArray[np.int64]) -> Judgement:
    """Judge the events `rows`, in the bins of all events."""
    units = case.units
    sigma = case.table.get(f"{case.prefix}sigma_{name}")
    binned = case.binned()
    binned["columns"] = {column: values[rows] for column, values in binned["columns"].items()}
    # Bins of what is predicted are those of its truth.
    binned["columns"].pop(name, None)
    truth_edges = binned["edges"].pop(name, None)
    binned["units"].pop(name, None)
    events = PredictedNumbers(
        units.told(name, case.column(name)[rows]),
        units.told(name, case.table[f"{case.prefix}prediction_{name}"][rows]),
        None if sigma is None else units.told(name, sigma[rows]),
    )
    evaluation = evaluate_regression(
        events.truth,
        events.prediction,
        name=name,
        unit=units.unit(name),
        sigma=events.sigma,
        weights=case.table["weight"][rows],
        truth_edges=truth_edges,
        fit=case.config.resolution.terms,
        **binned,
        bootstrap=case.bootstrap(rows),
    )
    headline = []
    for residuals in filter(None, (evaluation.absolute, evaluation.relative)):
        kind = "relative " if residuals.is_relative else ""
        unit = "" if residuals.unit == PURE else f" [{residuals.unit}]"
        headline += [
            (f"{name}: {kind}bias{unit}", residuals.mean.text()),
            (f"{name}: {kind}resolution{unit}", residuals.half_width.text()),
        ]
    if evaluation.pull is not None:
        headline.append((f"{name}: width of the pull", evaluation.pull.width.text()))
    fit = evaluation.resolution_fit
    if fit is not None:
        headline.extend(
            (f"{name}: {term} term of the resolution", coefficient.text())
            for term, coefficient in zip(fit.terms, fit.coefficients, strict=True)
        )
    return Judgement(
        title=name,
        numbers={name: plain(evaluation)},
        rows=regression_rows(evaluation),
        sections=regression_sections(evaluation, events),
        headline=tuple(headline),
    )
