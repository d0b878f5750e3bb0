"""Judge a class for each image, as one of several tasks."""

import numpy as np

from detcnn.evaluation.classification import evaluate_classification
from detcnn.evaluation.export import plain, table_rows
from detcnn.plotting.classification import classification_sections
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.judgement import Judgement


def judge(case: Case) -> Judgement:
    """Return what scores of classes are worth."""
    classes = case.store.schema.classes
    signal = case.config.signal or classes[-1]
    scores = [case.table[f"{case.prefix}score_{i}"] for i in range(len(classes))]
    evaluation = evaluate_classification(
        np.column_stack(scores).astype(np.float64),
        case.table["label"],
        classes=classes,
        signal=(signal,),
        weights=case.table["weight"],
        targets=case.config.working_points,
        **case.binned(),
        unit=case.bootstrap().unit,
        level=case.config.level,
        n_replicas=case.config.replicas,
        seed=case.config.seed,
    )
    return Judgement(
        title="class",
        numbers=plain(evaluation),
        rows=table_rows(evaluation),
        sections=classification_sections(evaluation),
        headline=(
            (f"AUC, {evaluation.headline.title}", evaluation.headline.auc.interval.text()),
            ("accuracy", evaluation.confusion.accuracy.text()),
        ),
    )
