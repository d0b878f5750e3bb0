"""Judge points found in images."""

import numpy as np

from detcnn.evaluation.export import plain
from detcnn.evaluation.localisation import evaluate_localisation
from detcnn.evaluation.task_rows import (
    localisation_rows,
)
from detcnn.plotting.displays import (
    LocatedEvent,
    localisation_display,
)
from detcnn.plotting.localisation import localisation_sections
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.displays import display_section
from detcnn.stages.judging.judgement import Judgement
from detcnn.stages.scores import POINTS
from detcnn.storage.tables import read_parquet


def judge(case: Case) -> Judgement:
    """Return what points are worth."""
    table = read_parquet(case.scores.path / POINTS)
    true = case.frames.points(case.task["points"])
    event = table["event"]
    counts = np.bincount(event, minlength=len(true))
    number = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((len(true), max(1, int(counts.max(initial=0))), 3), np.nan)
    for i, name in enumerate(("row", "column", "confidence")):
        found[event, number, i] = table[name]
    events = case.first_rows()
    event_id = case.column("event_id")[events]
    evaluation = evaluate_localisation(
        true,
        found[..., :2],
        tolerance=case.task["tolerance"],
        confidences=found[..., 2],
        least_confidence=case.config.confidence,
        weights=case.table["weight"][events],
        **case.binned(events),
        bootstrap=case.bootstrap(events),
    )
    shown = range(min(case.config.displays, len(true)))
    displays = [
        LocatedEvent(
            f"event {event_id[row]}",
            case.frames.images(row, row + 1)[0],
            true[row],
            found[row, found[row, :, 2] >= case.config.confidence, :2],
        )
        for row in shown
    ]
    picture = display_section(
        case, lambda **of: localisation_display(displays, **of), len(displays)
    )
    return Judgement(
        title="points",
        numbers=plain(evaluation),
        rows=localisation_rows(evaluation),
        sections=(*localisation_sections(evaluation), *picture),
        headline=(
            ("precision", evaluation.precision.text()),
            ("recall", evaluation.recall.text()),
            ("Jaccard index", evaluation.jaccard.text()),
            *(
                ("average precision", curve.average_precision.text())
                for curve in (evaluation.confidence_curve,)
                if curve is not None
            ),
            ("RMSE [pixels]", evaluation.rmse.text()),
        ),
    )
