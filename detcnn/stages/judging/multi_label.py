"""Judge labels of which an image can have several."""

import numpy as np

from detcnn.evaluation.export import plain
from detcnn.evaluation.multi_label import evaluate_multi_label
from detcnn.evaluation.task_rows import (
    multi_label_rows,
)
from detcnn.plotting.multi_label import multi_label_sections
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.judgement import Judgement


def judge(case: Case) -> Judgement:
    """Return what scores of labels are worth."""
    names = case.task["labels"]
    scores = [case.table[f"{case.prefix}probability_{name}"] for name in names]
    evaluation = evaluate_multi_label(
        np.column_stack(scores).astype(np.float64),
        np.column_stack([case.column(name) for name in names]),
        names=names,
        weights=case.table["weight"],
        targets=case.config.working_points,
        bootstrap=case.bootstrap(),
    )
    return Judgement(
        title="labels",
        numbers=plain(evaluation),
        rows=multi_label_rows(evaluation),
        sections=multi_label_sections(evaluation),
        headline=tuple(
            (f"AUC of {label.name}", label.discrimination.auc.interval.text())
            for label in evaluation.labels
        ),
    )
