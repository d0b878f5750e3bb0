"""From the scores of two splits to selections of each class: tuned on one, judged on the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError
from detcnn.evaluation.class_selection import Cut, Selections, evaluate_selections
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.inputs import ScoredEvents, scored_events
from detcnn.events.identity import physical_events
from detcnn.stages.predict import TABLE
from detcnn.storage.tables import read_parquet


def find_selections(
    config: EvaluateConfig, *, scores: Artifact, tuning: Artifact | None
) -> Selections | None:
    """Return selections of each class, and the cuts beside them.

    Parameters
    ----------
    config : EvaluateConfig
        What to compare with.
    scores : Artifact
        Of the events that are judged.
    tuning : Artifact or None
        Of those that give the thresholds.

    Returns
    -------
    Selections or None
        None if none are asked for.

    Raises
    ------
    ConfigError
        If a class or column of a cut is not there.
    DataError
        If a table is damaged, a split lacks a class, or a column holds NaN or infinite values.
    """
    if config.selections is None or tuning is None:
        return None
    contents = scores.manifest.contents
    classes: list[str] = contents["classes"]
    wanted: dict[str, None] = {}
    for cut in config.selections.cuts:
        if cut.select not in classes:
            raise ConfigError(
                f"evaluate.selections.cuts: no class {cut.select!r}; "
                f"there are: {', '.join(classes)}"
            )
        for name in cut.keep:
            if name not in contents["columns"]:
                raise ConfigError(
                    f"evaluate.selections.cuts: no column {name!r} in the scores; "
                    f"there are: {', '.join(contents['columns'])}"
                )
            wanted[name] = None
    table, known = (read_parquet(artifact.path / TABLE) for artifact in (scores, tuning))
    return evaluate_selections(
        _events(table, classes),
        _events(known, classes),
        cuts=[Cut(cut.select, cut.keep) for cut in config.selections.cuts],
        columns={name: table[f"column_{name}"] for name in wanted},
        tuning_columns={name: known[f"column_{name}"] for name in wanted},
        bootstrap=Bootstrap(
            level=config.level,
            n_replicas=config.replicas,
            seed=config.seed,
            unit=physical_events(table["column_event_id"], table["column_source"]),
        ),
    )


def _events(table: Mapping[str, NDArray[Any]], classes: list[str]) -> ScoredEvents:
    return scored_events(
        np.column_stack([table[f"score_{i}"] for i in range(len(classes))]),
        table["label"],
        classes=classes,
        weights=table["weight"],
    )
